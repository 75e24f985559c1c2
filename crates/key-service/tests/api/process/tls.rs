//! `latchkey serve` with TLS, and the commands that ask it.

mod asking;
mod guide;
mod serving;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{latchkey, run};
use crate::tls::issuing::{Authority, Issued};

/// Longest wait for a line of the log before the test fails instead of hanging.
const LINE_WAIT_MAX: Duration = Duration::from_secs(60);

const PASSWORD: &str = "correct horse";

/// The directory of a service: its configuration, users and files of TLS.
struct Home(TempDir);

/// A running `latchkey serve`, killed when this goes.
struct TlsService {
    child: Child,
    log: Receiver<String>,
    url: String,
    /// What it logged before it was ready.
    before: Vec<String>,
}

impl Home {
    /// With a certificate of this authority, one user, and these further settings of TLS.
    fn new(authority: &Authority, settings: &str) -> Self {
        Self::showing(&authority.service(), authority, settings)
    }

    fn showing(issued: &Issued, authority: &Authority, settings: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n[xpack.security.http.ssl]\n\
             enabled = true\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n{settings}\n"
        );
        home.write("latchkey.toml", &config);
        home.write("ca.crt", &authority.certificate);
        home.show(issued);
        let create = ["user", "create", "alice", "--role=superuser", "--file"];
        assert!(run(latchkey().args(create).arg(home.path("users.toml")), PASSWORD).status.success());
        home
    }

    fn show(&self, issued: &Issued) {
        self.write("tls.crt", &issued.certificate);
        self.write("tls.key", &issued.key);
    }

    /// A certificate for commands, in files of its own.
    fn keep(&self, issued: &Issued) {
        self.write("client.crt", &issued.certificate);
        self.write("client.key", &issued.key);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self) -> Command {
        let mut command = latchkey();
        command.args(["serve", "--config"]).arg(self.path("latchkey.toml"));
        command
    }

    fn start(&self) -> TlsService {
        let mut child = self.command().stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        // Somebody must read to the end, or the service would wait for that.
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let mut service = TlsService { child, log, url: String::new(), before: Vec::new() };
        let ready = service.wait_for("url=");
        service.url = ready.split("url=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        service
    }
}

impl TlsService {
    /// The next line with this in it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(LINE_WAIT_MAX).unwrap();
            if line.contains(text) {
                return line;
            }
            self.before.push(line);
        }
    }

    fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// A command that asks it, as the user of its users file, and trusts this file of authorities.
    fn asked_by(&self, ca_file: &Path) -> Command {
        let mut command = latchkey();
        command
            .env("LATCHKEY_URL", &self.url)
            .env("LATCHKEY_USER", "alice")
            .env("LATCHKEY_PASSWORD", PASSWORD);
        command.env("LATCHKEY_CA_FILE", ca_file);
        command
    }
}

impl Drop for TlsService {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
