//! The binary, as an operator runs it.

mod audit;
mod completions;
mod crash;
mod damage;
mod database_faults;
mod dev;
mod edges_command;
mod failing_disk;
mod faults;
mod gone_clients;
mod guide;
mod health;
mod init;
mod key;
mod key_apply;
mod key_import;
mod key_update;
mod moving;
mod native_user;
mod operations;
mod owner;
mod role;
mod serve;
mod tls;
mod token;
mod traces;
mod user;
mod version;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use latchkey_local_stack::child_process::ChildProcess;
use latchkey_local_stack::{secrecy, wait};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

/// A running `latchkey dev`, killed when this goes.
pub(crate) struct DevProcess {
    child: Child,
    log: NamedTempFile,
    pub(crate) line: String,
    pub(crate) url: String,
    pub(crate) password: Option<String>,
}

/// A process whose log is read while it runs, such as `latchkey serve`. It is killed when this goes, and what it wrote is
/// searched for secrets then.
struct LoggedProcess {
    process: ChildProcess,
    /// Where its output is kept.
    _logs: TempDir,
}

/// An HTTP client, for a service that speaks no TLS.
pub(crate) fn http_client() -> Client {
    Client::new()
}

impl DevProcess {
    /// Starts on a free port and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        let mut command = latchkey();
        command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::start_by(command)
    }

    /// The same by a command that comes to run `latchkey dev --json`.
    pub(crate) fn start_by(mut command: Command) -> Self {
        secrecy::search_arguments("the arguments of a service", &command).unwrap();
        let log = NamedTempFile::new().unwrap();
        let stderr = log.reopen().unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line:?}"));
        let url = ready["url"].as_str().unwrap().to_owned();
        let password = ready["password"].as_str().map(str::to_owned);
        password.iter().for_each(secrecy::watch);
        Self { child, log, line, url, password }
    }

    pub(crate) fn request(
        &self,
        client: &Client,
        method: Method,
        path: &str,
        password: &str,
    ) -> RequestBuilder {
        client.request(method, format!("{}{path}", self.url)).basic_auth("elastic", Some(password))
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has. Returns what else it wrote to stdout.
    pub(crate) fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.child.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

impl Drop for DevProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = fs::read(self.log.path()).unwrap_or_default();
            secrecy::insist(secrecy::search("the log of a service", &log));
        }
    }
}

impl LoggedProcess {
    fn start(command: Command) -> Self {
        let logs = tempfile::tempdir().unwrap();
        Self { process: ChildProcess::start("latchkey", command, logs.path()).unwrap(), _logs: logs }
    }

    /// The same for one that tells a password on its standard output.
    fn start_confidential(command: Command) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let process = ChildProcess::start_confidential("latchkey", command, logs.path()).unwrap();
        Self { process, _logs: logs }
    }

    /// What it has logged so far.
    fn log(&self) -> String {
        self.process.log().stderr()
    }

    /// The first line of its log with this in it, after so many bytes.
    #[track_caller]
    fn line_after(&self, read: usize, text: &str) -> String {
        wait::until(&format!("a line with {text:?}"), || {
            let log = self.log();
            let mut whole = log.get(read..).unwrap_or_default().split_inclusive('\n');
            Ok(whole
                .find(|line| line.ends_with('\n') && line.contains(text))
                .map(|line| line.trim_end().to_owned()))
        })
        .unwrap()
    }

    /// Where it listens, as its log says once it is ready.
    #[track_caller]
    fn url(&self) -> String {
        let line = self.line_after(0, "url=");
        line.split("url=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }
}

fn latchkey() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    for name in std::env::vars_os().map(|(name, _)| name) {
        if name.to_string_lossy().starts_with("LATCHKEY_") {
            command.env_remove(name);
        }
    }
    command
}

/// A command that asks this service, as `elastic`.
fn asking(service: &DevProcess) -> Command {
    let mut command = latchkey();
    command.env("LATCHKEY_URL", &service.url).env("LATCHKEY_USER", "elastic");
    command.env("LATCHKEY_PASSWORD", service.password.as_ref().unwrap());
    command
}

/// What a command prints, which must succeed.
#[track_caller]
fn told(command: &mut Command, arguments: &[&str], stdin: &str) -> String {
    let output = run(command.args(arguments), stdin);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON that a command prints, which must succeed.
#[track_caller]
fn answered(command: &mut Command, arguments: &[&str], stdin: &str) -> Value {
    let answer = serde_json::from_str(&told(command, &[arguments, &["--json"]].concat(), stdin)).unwrap();
    secrecy::watch_answer(&answer);
    answer
}

/// The one line by which a command complains, which must fail and print nothing else.
#[track_caller]
fn complaint(command: &mut Command, arguments: &[&str], stdin: &str) -> String {
    let output = run(command.args(arguments), stdin);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
    let complaint = text(&output.stderr);
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    complaint.trim_end().to_owned()
}

/// Runs a command to its end, with this on stdin.
fn run(command: &mut Command, stdin: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    secrecy::search_arguments("the arguments of a command", command).unwrap();
    secrecy::search("what a command complains of", &output.stderr).unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
