//! TLS over real sockets, with authorities and certificates that are made here.

mod clients;
pub(crate) mod issuing;
pub(crate) mod line;
mod renewal;
mod speaking;
mod start;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use issuing::Issued;
use latchkey_key_service::clock::SystemClock;
use latchkey_key_service::server;
use latchkey_key_service::server::connection_permits::ConnectionLimits;
use latchkey_key_service::server::tls::renewal::Certificates;
use latchkey_key_service::settings::http_ssl::{ClientAuthentication, HttpSslSettings};
use latchkey_key_service::telemetry;
use rustls::version::{TLS12, TLS13};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A listener with TLS in front of a router that says only that it is there. Its files can be changed under
/// it.
struct Secured {
    address: SocketAddr,
    certificates: Certificates,
    files: Files,
    stop: watch::Sender<bool>,
}

/// The files of TLS, in a directory of their own.
struct Files {
    directory: TempDir,
    settings: HttpSslSettings,
}

impl Files {
    /// Of a service that asks nothing of its clients.
    fn of(issued: &Issued) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = HttpSslSettings {
            certificate: directory.path().join("tls.crt"),
            key: directory.path().join("tls.key"),
            client_authentication: ClientAuthentication::None,
            supported_protocols: vec![&TLS12, &TLS13],
        };
        let files = Self { directory, settings };
        files.replace(issued);
        files
    }

    /// The same, with this file of authorities for clients.
    fn asking(issued: &Issued, authorities: &str, ask: fn(Vec<PathBuf>) -> ClientAuthentication) -> Self {
        let mut files = Self::of(issued);
        files.write("ca.crt", authorities);
        files.settings.client_authentication = ask(vec![files.path("ca.crt")]);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn replace(&self, issued: &Issued) {
        self.write("tls.crt", &issued.certificate);
        self.write("tls.key", &issued.key);
    }

    fn load(&self) -> Result<Certificates, String> {
        Certificates::load(self.settings.clone(), Arc::new(SystemClock))
            .map_err(|unusable| self.without_directory(&unusable.to_string()))
    }

    fn without_directory(&self, text: &str) -> String {
        text.replace(&format!("{}{}", self.directory.path().display(), std::path::MAIN_SEPARATOR), "")
    }
}

impl Secured {
    async fn serving(files: Files) -> Self {
        Self::with_handshake_limit(files, Duration::from_secs(30)).await
    }

    async fn with_handshake_limit(files: Files, handshake_wait_max: Duration) -> Self {
        // Nothing is counted before there is somebody who counts.
        telemetry::recorder();
        let certificates = files.load().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        let router = Router::new().route("/", get(async || "here"));
        let tls = certificates.server(handshake_wait_max);
        let limits = ConnectionLimits { all: 100, from_one_source: 100, uncounted: Vec::new() };
        tokio::spawn(server::serve(listener, limits, Some(tls), router, stopping));
        Self { address, certificates, files, stop }
    }
}

/// A file that is there as a link, as Kubernetes mounts it.
fn link(from: &Path, to: &Path) {
    std::os::unix::fs::symlink(from, to).unwrap();
}
