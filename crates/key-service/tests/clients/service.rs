//! A service to ask: a real process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

/// A user of the users file.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) role: &'static str,
    pub(crate) password: &'static str,
}

/// A running `latchkey` with a store of its own, killed when this goes.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    pub(crate) username: &'static str,
    pub(crate) password: String,
    _directory: TempDir,
}

impl Service {
    /// `latchkey dev`.
    pub(crate) fn dev() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = latchkey()
            .args(["dev", "--json", "--listen=127.0.0.1:0", "--data"])
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let line = line_with(child.stdout.take().unwrap(), "url");
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |field: &str| ready[field].as_str().unwrap().to_owned();
        Self {
            child,
            url: text("url"),
            username: "elastic",
            password: text("password"),
            _directory: directory,
        }
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
        let mut child =
            latchkey().args(["serve", "--config"]).arg(&config).stderr(Stdio::piped()).spawn().unwrap();
        let line = line_with(child.stderr.take().unwrap(), "url=");
        let url = line.split("url=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { child, url, username, password, _directory: directory }
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
        let mut adding = latchkey()
            .args(["user", "create", self.name, "--role", self.role, "--file"])
            .arg(file)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        adding.stdin.take().unwrap().write_all(self.password.as_bytes()).unwrap();
        assert!(adding.wait().unwrap().success(), "{} was not added", self.name);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// The first line with this word. What follows is read too, so that the writer never waits.
fn line_with(output: impl Read + Send + 'static, word: &str) -> String {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(word)).expect("the service ended before it was ready");
    thread::spawn(move || lines.for_each(drop));
    line
}
