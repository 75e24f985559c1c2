//! A service to ask: a real process.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

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
        let directory = tempfile::tempdir().unwrap();
        let (username, password) = ("alice", "correct horse".to_owned());
        add_super_user(&directory.path().join("users.toml"), username, &password);
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

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn latchkey() -> Command {
    Command::new(env!("CARGO_BIN_EXE_latchkey"))
}

fn add_super_user(users: &Path, username: &str, password: &str) {
    let mut adding = latchkey()
        .args(["user", "create", username, "--role=superuser", "--file"])
        .arg(users)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
    assert!(adding.wait().unwrap().success(), "the user was not added");
}

/// The first line with this word. What follows is read too, so that the writer never waits.
fn line_with(output: impl Read + Send + 'static, word: &str) -> String {
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(word)).expect("the service ended before it was ready");
    thread::spawn(move || lines.for_each(drop));
    line
}
