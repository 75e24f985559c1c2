//! The client with which the command line asks a service, and with which the keys of issuers are fetched. It
//! speaks HTTP/1.1 and follows no redirect, which could name another host.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// The one protocol that is spoken inside TLS (RFC 7301).
const ALPN_HTTP_1: &[u8] = b"http/1.1";

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that speaks TLS so, where the URL says `https`.
pub(crate) fn http_client(mut tls: ClientConfig) -> HttpClient {
    tls.alpn_protocols = vec![ALPN_HTTP_1.to_vec()];
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    Client::builder(TokioExecutor::new()).build(HttpsConnector::from((connector, tls)))
}

/// Trusts the authorities that the system trusts.
pub(crate) fn trusting_system() -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    builder()?.try_with_platform_verifier()
}

/// Trusts these authorities and no other.
pub(crate) fn trusting(
    roots: RootCertStore,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    Ok(builder()?.with_root_certificates(roots))
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}
