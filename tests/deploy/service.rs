//! The key service, with the settings that are handed out.

use std::fs;
use std::process::Command;

use latchkey_local_stack::child_process::ChildProcess;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::scratch_directory::ScratchDirectory;
use latchkey_local_stack::{places, secrecy, users_file, wait};

/// Where a probe asks whether the process answers.
pub(crate) const LIVENESS: &str = "/livez";

/// Where a probe asks whether the store takes changes.
pub(crate) const READINESS: &str = "/readyz";

/// What the service says of settings with mistakes.
const MISTAKES: &str = "the settings have mistakes";

/// What it says when it has read them and a users file is missing.
const NO_USERS: &str = "there is no users file";

fn serve() -> Command {
    let mut command = Command::new(places::latchkey().unwrap());
    command.arg("serve");
    command
}

/// Holds settings to what the service takes. It goes as far as looking for the users file, which is not there.
#[track_caller]
pub(crate) fn assert_understood(settings: &str) {
    let scratch = ScratchDirectory::new("latchkey-settings").unwrap();
    let file = scratch.path().join("latchkey.toml");
    fs::write(&file, settings).unwrap();
    let output = secrecy::searched_output("a service", serve().arg("--config").arg(&file)).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(NO_USERS) && !said.contains(MISTAKES), "{said}\n{settings}");
}

/// Starts the service with these settings, but for where it listens and keeps its data, and asks it as probes do.
#[track_caller]
pub(crate) fn assert_serves(settings: &str) {
    let scratch = ScratchDirectory::new("latchkey-serve").unwrap();
    let [config, users, data] = ["latchkey.toml", "users.toml", "data"].map(|name| scratch.path().join(name));
    fs::write(&config, settings).unwrap();
    users_file::write(&users).unwrap();
    let mut command = serve();
    command.arg("--config").arg(&config).arg("--users").arg(&users).arg("--data").arg(&data);
    command.args(["--listen", "127.0.0.1:0"]);
    let process = ChildProcess::start("latchkey", command, scratch.path()).unwrap();
    let address = wait::until("the service is ready", || {
        let log = process.log().stderr();
        let address =
            log.lines().find(|line| line.contains("ready")).and_then(|line| line.split("http://").nth(1));
        Ok(address.and_then(|it| {
            it.split(|letter: char| letter != '.' && letter != ':' && !letter.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        }))
    })
    .unwrap();
    for (path, status) in [(LIVENESS, "alive"), (READINESS, "ready")] {
        let answer = http1::exchange(address, &Request::get(path)).unwrap();
        assert_eq!((answer.status, answer.text()), (200, format!(r#"{{"status":"{status}"}}"#)), "{path}");
    }
}
