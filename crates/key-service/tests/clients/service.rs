//! A service to ask: a real process.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use latchkey_local_stack::child_process::ChildProcess;
use latchkey_local_stack::{secrecy, wait};
use serde_json::Value;
use tempfile::TempDir;

/// A user of the users file.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) role: &'static str,
    pub(crate) password: &'static str,
}

/// A running `latchkey` with a store of its own, killed when this goes. What it logged is searched for secrets then.
pub(crate) struct Service {
    _process: ChildProcess,
    pub(crate) url: String,
    pub(crate) username: &'static str,
    pub(crate) password: String,
    _directory: TempDir,
}

impl Service {
    /// `latchkey dev`.
    pub(crate) fn dev() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = latchkey();
        command.args(["dev", "--json", "--listen=127.0.0.1:0", "--data"]).arg(directory.path().join("data"));
        let process = ChildProcess::start_confidential("latchkey", command, directory.path()).unwrap();
        let ready: Value = wait::until("the service is ready", || {
            Ok(serde_json::from_str(process.log().stdout().lines().next().unwrap_or_default()).ok())
        })
        .unwrap();
        let text = |field: &str| ready[field].as_str().unwrap().to_owned();
        let password = text("password");
        secrecy::watch(&password);
        Self { _process: process, url: text("url"), username: "elastic", password, _directory: directory }
    }

    /// `latchkey serve` with these sections in its configuration, and one super-user.
    pub(crate) fn serve(sections: &str) -> Self {
        Self::serve_for(sections, "", &[User { name: "alice", role: "superuser", password: "correct horse" }])
    }

    /// The same for these users, of whom the first is a super-user, with these roles in the users file.
    pub(crate) fn serve_for(sections: &str, roles: &str, users: &[User]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("users.toml");
        private(&file, roles);
        users.iter().for_each(|user| user.add_to(&file));
        let (username, password) = (users[0].name, users[0].password.to_owned());
        let config = directory.path().join("latchkey.toml");
        let files = "listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n";
        fs::write(&config, format!("{files}{sections}")).unwrap();
        let mut command = latchkey();
        command.args(["serve", "--config"]).arg(&config);
        let process = ChildProcess::start("latchkey", command, directory.path()).unwrap();
        let url = wait::until("the service is ready", || {
            let log = process.log().stderr();
            let url = log
                .split("url=")
                .nth(1)
                .and_then(|rest| Some(rest.split_once(char::is_whitespace)?.0.to_owned()));
            Ok(url)
        })
        .unwrap();
        Self { _process: process, url, username, password, _directory: directory }
    }
}

impl Service {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().unwrap()
    }
}

impl User {
    fn add_to(&self, file: &Path) {
        secrecy::watch(self.password);
        let mut adding = latchkey();
        adding.args(["user", "create", self.name, "--role", self.role, "--file"]).arg(file);
        let pipes = adding.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.password.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{} was not added", self.name);
        secrecy::search_output("a command", &adding, &output).unwrap();
    }
}

fn latchkey() -> Command {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
}

/// A file that only its owner reads.
fn private(path: &Path, text: &str) {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}
