//! TLS on the connections of the listener: the handshake, its limit, and what is counted when it fails.
//!
//! What is shown and what is trusted is read from files ([`files`]) and follows them without a restart ([`renewal`]). A connection
//! keeps what it began with; only new ones see a change.

pub mod files;
mod handshake_failure;
pub mod renewal;

use std::fmt;
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

pub use handshake_failure::HandshakeFailure;

/// Speaks TLS as the files of the moment say.
#[derive(Clone)]
pub struct TlsServer {
    config: watch::Receiver<Arc<ServerConfig>>,
    handshake_wait_max: Duration,
}

impl TlsServer {
    /// Brings TLS onto a connection, within the time that a handshake may take.
    ///
    /// # Errors
    ///
    /// [`HandshakeFailure`] with what is to be counted and logged. The connection is closed.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeFailure> {
        let config = Arc::clone(&self.config.borrow());
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
        match timeout(self.handshake_wait_max, handshake).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err((error, stream))) => {
                part(stream).await;
                Err(HandshakeFailure::Broken(error))
            }
            Err(_) => Err(HandshakeFailure::TooSlow(self.handshake_wait_max)),
        }
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("handshake_wait_max", &self.handshake_wait_max)
            .finish_non_exhaustive()
    }
}

/// Closes a connection so that the client can read why. A socket that is closed with bytes unread is reset, and what was
/// written before, here the alert, may be lost.
async fn part(mut stream: TcpStream) {
    let parted = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(TLS_PARTING_LEN_MAX), &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = timeout(TLS_PARTING_WAIT_MAX, parted).await {
        tracing::trace!(%error, "a client did not wait to be told why its handshake failed");
    }
}
