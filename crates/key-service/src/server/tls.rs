//! TLS on the connections of the listener: the handshake, its limit, and what is counted when it fails.
//!
//! What is shown and what is trusted is read from files ([`files`]) and follows them without a restart
//! ([`renewal`]). A connection keeps what it began with; only new ones see a change.

pub mod files;
mod handshake_failure;
pub mod renewal;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::limits::{TLS_PARTING_LEN_MAX, TLS_PARTING_WAIT_MAX};
use crate::server::tls::handshake_failure::HandshakeFailure;
use crate::telemetry;

/// Speaks TLS as the files of the moment say.
#[derive(Clone, derive_more::Debug)]
#[debug("TlsServer {{ handshake_wait_max: {handshake_wait_max:?}, .. }}")]
pub struct TlsServer {
    config: watch::Receiver<Arc<ServerConfig>>,
    handshake_wait_max: Duration,
}

impl TlsServer {
    /// Brings TLS onto a connection, within the time that a handshake may take. Where that fails there is
    /// none any more: it is counted, logged and closed.
    pub async fn accept(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.config.borrow());
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
        match timeout(self.handshake_wait_max, handshake).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err((error, stream))) => {
                note(&HandshakeFailure::Broken(error), peer);
                part(stream).await;
                None
            }
            Err(_) => {
                note(&HandshakeFailure::TooSlow(self.handshake_wait_max), peer);
                None
            }
        }
    }
}

fn note(failure: &HandshakeFailure, peer: SocketAddr) {
    telemetry::tls_metrics::handshake_failed(failure.reason());
    tracing::debug!(%peer, reason = failure.reason(), %failure, "a TLS handshake failed");
}

/// Closes a connection so that the client can read why. A socket that is closed with bytes unread is reset,
/// and what was written before, here the alert, may be lost.
async fn part(mut stream: TcpStream) {
    let parted = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(TLS_PARTING_LEN_MAX), &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = timeout(TLS_PARTING_WAIT_MAX, parted).await {
        tracing::trace!(%error, "a client did not wait to be told why its handshake failed");
    }
}
