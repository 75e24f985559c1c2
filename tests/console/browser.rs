//! Playing a scenario.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use latchkey_local_stack::key_service::KeyServiceProcess;
use latchkey_local_stack::scratch_directory::ScratchDirectory;
use latchkey_local_stack::{places, secrecy};

/// Names a directory into which scenarios put pictures of the pages; of those where something failed too.
pub(crate) const SCREENSHOTS_VARIABLE: &str = "LATCHKEY_TEST_SCREENSHOTS";

/// A key service that nobody follows, with its data.
pub(crate) struct Service {
    pub(crate) process: KeyServiceProcess,
    _directory: ScratchDirectory,
}

impl Service {
    pub(crate) fn start() -> Self {
        let directory = ScratchDirectory::new("latchkey-console-").unwrap();
        let (data, loopback) = (directory.path().join("data"), ([127, 0, 0, 1], 0).into());
        let process = KeyServiceProcess::start(loopback, &data, directory.path()).unwrap();
        Self { process, _directory: directory }
    }
}

/// A scenario with all that it is told.
pub(crate) struct Scenario {
    name: &'static str,
    command: Command,
    screenshots: Option<PathBuf>,
}

impl Scenario {
    /// A scenario at the console of this service.
    pub(crate) fn new(name: &'static str, service: &KeyServiceProcess) -> Self {
        let mut command = Command::new("node");
        command
            .arg(places::repository().join("tests/console").join(name).with_extension("mjs"))
            .env("LATCHKEY_BROWSER", brought())
            .env("LATCHKEY_URL", format!("http://{}", service.address()))
            .env("LATCHKEY_PASSWORD", service.client().password());
        let screenshots = std::env::var_os(SCREENSHOTS_VARIABLE).map(PathBuf::from);
        Self { name, command, screenshots }
    }

    /// Tells it one thing more.
    pub(crate) fn told(mut self, variable: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(variable, value);
        self
    }

    /// Has it put its pictures here, whether anybody asked for some or not.
    pub(crate) fn with_pictures_in(mut self, directory: PathBuf) -> Self {
        self.screenshots = Some(directory);
        self
    }

    /// Plays it. Every step must hold, and there must be some.
    #[track_caller]
    pub(crate) fn play(mut self) {
        let directory = ScratchDirectory::new("latchkey-scenario-").unwrap();
        let answers = directory.path().join("answers");
        fs::write(&answers, "").unwrap();
        self.command.env("LATCHKEY_ANSWERS", &answers);
        if let Some(screenshots) = &self.screenshots {
            self.command.env("LATCHKEY_SCREENSHOTS", places::repository().join(screenshots));
        }
        let output =
            self.command.output().unwrap_or_else(|error| panic!("node, which runs scenarios: {error}"));
        let secrets = fs::read_to_string(&answers).unwrap();
        secrets.lines().for_each(|line| secrecy::watch_answer(&serde_json::from_str(line).unwrap()));
        let told = String::from_utf8_lossy(&output.stdout);
        let trouble = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}, after these steps:\n{told}\n{trouble}", self.name);
        secrecy::search_output(self.name, &self.command, &output).unwrap();
        assert!(!told.is_empty(), "{} tells no step", self.name);
    }
}

/// Where the browser is, and what drives it.
fn brought() -> PathBuf {
    let directory = places::repository().join(".tools/browser");
    let is_whole = ["chromium", "node/pins"].iter().all(|part| directory.join(part).exists());
    assert!(is_whole, "no browser is in {}: `make browser` brings it", directory.display());
    directory.canonicalize().unwrap()
}
