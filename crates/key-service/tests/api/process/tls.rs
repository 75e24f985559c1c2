//! `latchkey serve` with TLS, and the commands that ask it.

mod asking;
mod guide;
mod serving;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_local_stack::secrecy;
use tempfile::TempDir;

use super::{LoggedProcess, latchkey, run};
use crate::tls::issuing::{Authority, Issued};

const PASSWORD: &str = "correct horse";

/// The directory of a service: its configuration, users and files of TLS.
struct Home(TempDir);

/// A running `latchkey serve`, killed when this goes.
struct TlsService {
    process: LoggedProcess,
    url: String,
    /// How much of its log was read.
    read: usize,
    /// What it logged before it was ready.
    before: String,
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
        secrecy::watch(PASSWORD);
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
        // Each line of the file with the key, since a log may show one alone.
        let key = fs::read_to_string(self.path("tls.key")).unwrap();
        key.lines().filter(|line| !line.starts_with("-----")).for_each(secrecy::watch);
        let process = LoggedProcess::start(self.command());
        let url = process.url();
        let mut service = TlsService { process, url, read: 0, before: String::new() };
        service.wait_for("url=");
        service.before = service.process.log()[..service.read].to_owned();
        service
    }
}

impl TlsService {
    /// The next line with this in it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let line = self.process.line_after(self.read, text);
        self.read += self.process.log()[self.read..].find(&line).unwrap() + line.len();
        line
    }

    fn hang_up(&self) {
        let pid = self.process.process.id().to_string();
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
