//! The client's end of a connection.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::issuing::{Authority, Issued};

/// Longest that anything here may take before the test fails instead of hanging.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Somebody who connects.
#[derive(Clone)]
pub(crate) struct Caller {
    config: ClientConfig,
}

impl Caller {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::speaking(&[&TLS12, &TLS13], authority, None)
    }

    pub(crate) fn showing(issued: &Issued, authority: &Authority) -> Self {
        Self::speaking(&[&TLS12, &TLS13], authority, Some(issued))
    }

    pub(crate) fn speaking(
        versions: &[&'static SupportedProtocolVersion],
        authority: &Authority,
        shown: Option<&Issued>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![issued.der()], key).unwrap()
            }
        };
        Self { config }
    }

    pub(crate) fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let connecting = connector.connect(ServerName::IpAddress(address.ip().into()), stream);
        tokio::time::timeout(PATIENCE, connecting).await.unwrap()
    }

    /// The answer to one request over a new connection, or why there is none.
    pub(crate) async fn ask(&self, address: SocketAddr) -> Result<String, String> {
        self.ask_for("/", address).await
    }

    /// The same, for another path.
    pub(crate) async fn ask_for(&self, path: &str, address: SocketAddr) -> Result<String, String> {
        let stream = self.connect(address).await.map_err(|error| told(&error))?;
        ask_for_over_http_1(path, &mut Sender::over(stream).await).await
    }
}

/// What HTTP/1.1 requests go out by, one after the other.
pub(crate) struct Sender(http1::SendRequest<Body>);

impl Sender {
    pub(crate) async fn over(stream: TlsStream<TcpStream>) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }
}

pub(crate) async fn ask_over_http_1(sender: &mut Sender) -> Result<String, String> {
    ask_for_over_http_1("/", sender).await
}

async fn ask_for_over_http_1(path: &str, sender: &mut Sender) -> Result<String, String> {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
    let answer = tokio::time::timeout(PATIENCE, sender.0.send_request(request)).await.unwrap();
    let answer = answer.map_err(|error| told(&error))?;
    assert_eq!(answer.status(), StatusCode::OK);
    Ok(text(&answer.into_body().collect().await.unwrap().to_bytes()))
}

pub(crate) async fn ask_over_http_2(stream: TlsStream<TcpStream>) -> String {
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
    text(&answer.into_body().collect().await.unwrap().to_bytes())
}

/// The certificate that the service shows on a connection.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An error with everything behind it.
fn told(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        told.push_str(&format!(": {error}"));
        next = error.source();
    }
    told
}
