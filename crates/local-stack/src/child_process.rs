//! A process that ends when its owner does.
//!
//! Dropping the owner kills it. A guardian covers what dropping cannot: when this program itself is killed,
//! the guardian's standard input closes and it kills the process. Without it, an interrupted test would leave
//! an Envoy behind.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::{secrecy, wait};

/// Most bytes of one stream that a failure prints: enough for the story, little enough to read.
const LOG_TAIL_LEN_MAX: usize = 64 * 1024;

/// A running process with its output in two files.
///
/// When it is dropped, its arguments and its output are searched for secrets.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    guardian: Child,
    log: ProcessLog,
    /// The secret among its arguments, if there is one.
    shown: Option<String>,
}

/// What a process has written so far. Outlives the process.
#[derive(Clone, Debug)]
pub struct ProcessLog {
    name: String,
    stdout: PathBuf,
    stderr: PathBuf,
    /// Whether what it writes to its standard output is for this program alone.
    is_confidential: bool,
}

/// A place in a log, to read from later.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogMark {
    stdout: usize,
    stderr: usize,
}

impl ChildProcess {
    /// Starts `command`; its output goes to `<name>.stdout` and `<name>.stderr` in `directory`, after what is
    /// there.
    ///
    /// # Errors
    ///
    /// When the program cannot be run or a file cannot be written.
    pub fn start(name: &str, command: Command, directory: &Path) -> Result<Self> {
        Self::start_with(name, command, directory, false)
    }

    /// The same for one that tells this program a secret on its standard output: no failure ever prints that.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_confidential(name: &str, command: Command, directory: &Path) -> Result<Self> {
        Self::start_with(name, command, directory, true)
    }

    fn start_with(name: &str, mut command: Command, directory: &Path, is_confidential: bool) -> Result<Self> {
        let log = ProcessLog {
            name: name.to_owned(),
            stdout: directory.join(format!("{name}.stdout")),
            stderr: directory.join(format!("{name}.stderr")),
            is_confidential,
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(appended(&log.stdout)?)
            .stderr(appended(&log.stderr)?)
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().to_string_lossy()))?;
        let guardian = match guardian_of(child.id()) {
            Ok(guardian) => guardian,
            Err(error) => {
                child.kill()?;
                return Err(error);
            }
        };
        let shown = secrecy::search_arguments(&format!("the arguments of {name}"), &command).err();
        let shown = shown.map(|error| error.to_string());
        Ok(Self { name: name.to_owned(), child, guardian, log, shown })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("looking after {}", self.name))
    }

    /// Its number, by which the system accounts for it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written.
    #[must_use]
    pub fn log(&self) -> &ProcessLog {
        &self.log
    }

    /// Makes it hang (SIGSTOP): it does nothing any more and its connections stay open, until
    /// [`Self::resume`].
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// Lets it go on where it was paused (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    ///
    /// When it has ended already, or does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let name = self.name.clone();
        wait::until(&format!("{name} has ended"), || self.ended())
    }

    /// Makes it hang with the processes that it has started. It first, so that it starts no others.
    pub(crate) fn pause_with_children(&self) -> Result<()> {
        self.pause()?;
        self.signal_children("STOP")
    }

    /// Lets them go on.
    pub(crate) fn resume_with_children(&self) -> Result<()> {
        self.signal_children("CONT")?;
        self.resume()
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let (name, process) = (&self.name, self.child.id().to_string());
        let sent = Command::new("sh").args(["-c", "kill -$0 $1", signal, &process]).status()?;
        ensure!(sent.success(), "{name} takes no SIG{signal}");
        Ok(())
    }

    fn signal_children(&self, signal: &str) -> Result<()> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let script = "signal=$0; for child in $1; do kill -$signal $child || true; done";
        // One that has ended meanwhile takes no signal, and needs none.
        let sent =
            Command::new("sh").args(["-c", script, signal, &children]).stderr(Stdio::null()).status()?;
        ensure!(sent.success(), "the processes of {} take no SIG{signal}", self.name);
        Ok(())
    }

    /// Kills it at once (SIGKILL), as a crash of the machine would, and waits until it is gone.
    pub fn kill(&mut self) {
        // The guardian first: once the process is reaped, its number may belong to another.
        for process in [&mut self.guardian, &mut self.child] {
            // Either fails only for a process that has ended already, which is what is wanted.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.log.tail_since(LogMark::default()));
        } else {
            secrecy::insist(self.shown.take().map_or_else(|| self.log.search(), |shown| Err(anyhow!(shown))));
        }
    }
}

impl ProcessLog {
    /// All that the process wrote to its standard output.
    #[must_use]
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// All that the process wrote to its standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// The file with what the process writes to its standard output.
    #[must_use]
    pub fn stdout_file(&self) -> &Path {
        &self.stdout
    }

    /// The file with what the process writes to its standard error.
    #[must_use]
    pub fn stderr_file(&self) -> &Path {
        &self.stderr
    }

    /// The end of the log as of now.
    #[must_use]
    pub fn mark(&self) -> LogMark {
        LogMark { stdout: self.stdout().len(), stderr: self.stderr().len() }
    }

    /// Looks for secrets in all that the process wrote, but for what it tells this program alone.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn search(&self) -> Result<()> {
        let name = &self.name;
        if !self.is_confidential {
            secrecy::search(&format!("the standard output of {name}"), self.stdout().as_bytes())?;
        }
        secrecy::search(&format!("the standard error of {name}"), self.stderr().as_bytes())
    }

    /// What was written after `mark`, for a person to read; the last of it when it is much.
    #[must_use]
    pub fn tail_since(&self, mark: LogMark) -> String {
        let name = &self.name;
        let stdout = match self.is_confidential {
            true => "(not shown: it holds a secret)".to_owned(),
            false => tail(&self.stdout(), mark.stdout),
        };
        format!(
            "---- {name}: standard error ----\n{}\n---- {name}: standard output ----\n{stdout}\n---- end of {name} ----",
            tail(&self.stderr(), mark.stderr)
        )
    }
}

fn appended(path: &Path) -> Result<File> {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("writing {}", path.display()))
}

fn guardian_of(process: u32) -> Result<Child> {
    let process = process.to_string();
    attendant("kill -KILL \"$0\" 2>/dev/null", OsStr::new(&process))
        .context("starting the guardian of a process")
}

/// A process that does something about `what` (`$0`) once this program has gone. Ctrl-C at a terminal does
/// not reach it.
fn attendant(does: &str, what: &OsStr) -> Result<Child> {
    attendant_by(&format!("read -r _; {does}"), what, Stdio::null())
}

/// The same for one that first does something else and tells of it.
pub(crate) fn attendant_that_tells(first: &str, does: &str, what: &OsStr) -> Result<Child> {
    attendant_by(&format!("{first}; read -r _; {does}"), what, Stdio::piped())
}

fn attendant_by(script: &str, what: &OsStr, output: Stdio) -> Result<Child> {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(what).process_group(0);
    Ok(command.stdin(Stdio::piped()).stdout(output).stderr(Stdio::null()).spawn()?)
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

fn tail(text: &str, from: usize) -> String {
    let from = from.max(text.len().saturating_sub(LOG_TAIL_LEN_MAX));
    String::from_utf8_lossy(text.as_bytes().get(from..).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(confidential: bool) -> (ChildProcess, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo a password; echo a complaint >&2"]);
        let mut process = if confidential {
            ChildProcess::start_confidential("teller", command, directory.path()).unwrap()
        } else {
            ChildProcess::start("teller", command, directory.path()).unwrap()
        };
        wait::until("it has ended", || process.ended()).unwrap();
        (process, directory)
    }

    #[test]
    fn what_a_process_told_in_confidence_is_in_no_failure() {
        let (process, _directory) = ended(true);
        let shown = process.log().tail_since(LogMark::default());
        assert!(!shown.contains("a password") && shown.contains("a complaint"), "{shown}");
        assert_eq!(process.log().stdout(), "a password\n", "for the program itself it is there");
        let (process, _directory) = ended(false);
        assert!(process.log().tail_since(LogMark::default()).contains("a password"));
    }

    /// The end of a process that says this, in the words of whoever waits for it.
    fn end_of(script: &str) -> Result<(), String> {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut process = ChildProcess::start("teller", command, directory.path()).unwrap();
        wait::until("it has ended", || process.ended()).unwrap();
        let dropped = std::thread::spawn(move || drop(process)).join();
        dropped.map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    fn a_process_that_shows_a_secret_fails_its_test() {
        secrecy::watch("planted-in-a-log");
        assert_eq!(end_of("echo nothing"), Ok(()));
        let encoded = "cGxhbnRlZC1pbi1hLWxvZw==";
        for (script, place) in [
            ("printf planted-in; echo -a-log", "the standard output of teller"),
            ("printf 'planted%s' -in-a-log >&2", "the standard error of teller"),
            (
                &format!("printf %s {}; echo {}", &encoded[..9], &encoded[9..]),
                "the standard output of teller",
            ),
            ("true planted-in-a-log", "the arguments of teller"),
        ] {
            let fault = end_of(script).unwrap_err();
            assert!(fault.contains(place), "{script}: {fault}");
        }
    }
}
