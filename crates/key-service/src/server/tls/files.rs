//! The files of TLS, and what they come to: a configuration that is whole, or every reason why there is none.
//!
//! Nothing is taken by halves: a certificate without its key, or with authorities that cannot be read, would
//! lock out clients that the set before it let in.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use latchkey_key_feed::UnixMillis;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};

use crate::pem_file::{self, UnusablePem};
use crate::settings::http_ssl::{ClientAuthentication, HttpSslSettings};

/// The protocols that are offered inside TLS (RFC 7301), the better first.
const ALPN_PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the files hold at one moment. It has no `Debug`, because one of them is a private key.
pub(super) struct TlsFiles {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Vec<Vec<u8>>,
}

/// Distinguishes what the files hold at one moment from what they hold at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

/// A configuration of TLS that new connections can be served with.
#[derive(Debug)]
pub(super) struct TlsIdentity {
    pub(super) config: Arc<ServerConfig>,
    /// When the service's certificate ends, in seconds since 1970.
    pub(super) ends_at_s: i64,
}

/// The files of TLS cannot be used: every file with a reason. Its text is one line.
#[derive(Debug)]
pub struct UnusableTls {
    problems: Vec<(PathBuf, Problem)>,
}

/// What is wrong with one file.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("is not the key of the first certificate in {}", certificate.display())]
    AnotherKey { certificate: PathBuf },
    #[error("cannot be used to check clients: {0}")]
    Authorities(VerifierBuilderError),
    #[error("cannot be used: {0}")]
    Certificate(rustls::Error),
    /// In seconds since 1970.
    #[error("holds a certificate that expired at {}", Moment(*.0))]
    Expired(i64),
    /// It is of no kind that is known, or damaged.
    #[error("holds a private key that cannot be used")]
    Key,
    #[error("holds something that is no X.509 certificate")]
    NoX509,
    /// In seconds since 1970.
    #[error("holds a certificate that is valid only from {}", Moment(*.0))]
    NotYetValid(i64),
    #[error("{0}")]
    Pem(UnusablePem),
}

impl TlsFiles {
    pub(super) fn read(settings: &HttpSslSettings) -> Result<Self, UnusableTls> {
        let mut problems = Vec::new();
        let mut text_of = |path: &Path| match pem_file::read(path) {
            Ok(text) => text,
            Err(unusable) => {
                problems.push((path.to_owned(), Problem::Pem(unusable)));
                Vec::new()
            }
        };
        let certificate = text_of(&settings.certificate);
        let key = text_of(&settings.key);
        let authorities =
            settings.client_authentication.authorities().iter().map(|path| text_of(path)).collect();
        UnusableTls::unless_none(problems)?;
        Ok(Self { certificate, key, authorities })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut digest = Sha256::new();
        for text in [&self.certificate, &self.key].into_iter().chain(&self.authorities) {
            // With its length, so that nothing can move from the end of one file to the beginning of the next
            // unseen.
            digest.update(text.len().to_be_bytes());
            digest.update(text);
        }
        Fingerprint(digest.finalize().into())
    }

    /// What they come to at this moment.
    pub(super) fn identity(
        &self,
        settings: &HttpSslSettings,
        now: UnixMillis,
    ) -> Result<TlsIdentity, UnusableTls> {
        let provider = Arc::new(ring::default_provider());
        let certified = self.certified_key(settings, &provider, now);
        let verifier = self.client_verifier(&settings.client_authentication, &provider);
        match (certified, verifier) {
            (Ok((certified, ends_at_s)), Ok(verifier)) => {
                let config = server_config(settings, provider, certified, verifier)
                    .map_err(|error| UnusableTls::one(&settings.certificate, Problem::Certificate(error)))?;
                Ok(TlsIdentity { config: Arc::new(config), ends_at_s })
            }
            (certified, verifier) => {
                let problems = certified.err().into_iter().chain(verifier.err());
                Err(UnusableTls { problems: problems.flat_map(|unusable| unusable.problems).collect() })
            }
        }
    }

    /// The certificate with its key, and when it ends.
    fn certified_key(
        &self,
        settings: &HttpSslSettings,
        provider: &CryptoProvider,
        now: UnixMillis,
    ) -> Result<(CertifiedKey, i64), UnusableTls> {
        let of_certificate = |problem| UnusableTls::one(&settings.certificate, problem);
        let of_key = |problem| UnusableTls::one(&settings.key, problem);
        let chain = pem_file::certificates(&self.certificate)
            .map_err(Problem::Pem)
            .and_then(|chain| Ok((end_of_first(&chain, now)?, chain)));
        let key = pem_file::private_key(&self.key)
            .map_err(Problem::Pem)
            .and_then(|key| provider.key_provider.load_private_key(key).map_err(|_| Problem::Key));
        match (chain, key) {
            (Ok((ends_at_s, chain)), Ok(key)) => {
                let certified = CertifiedKey::new(chain, key);
                match certified.keys_match() {
                    Ok(()) => Ok((certified, ends_at_s)),
                    Err(rustls::Error::InconsistentKeys(_)) => {
                        let certificate = settings.certificate.clone();
                        Err(of_key(Problem::AnotherKey { certificate }))
                    }
                    Err(error) => Err(of_certificate(Problem::Certificate(error))),
                }
            }
            (chain, key) => {
                let problems = chain.err().map(of_certificate).into_iter().chain(key.err().map(of_key));
                Err(UnusableTls { problems: problems.flat_map(|unusable| unusable.problems).collect() })
            }
        }
    }

    /// Who checks what clients show.
    fn client_verifier(
        &self,
        authentication: &ClientAuthentication,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, UnusableTls> {
        let mut roots = RootCertStore::empty();
        let mut problems = Vec::new();
        for (path, text) in authentication.authorities().iter().zip(&self.authorities) {
            if let Err(unusable) = pem_file::trust(&mut roots, text) {
                problems.push((path.clone(), Problem::Pem(unusable)));
            }
        }
        UnusableTls::unless_none(problems)?;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let built = match authentication {
            ClientAuthentication::None => return Ok(WebPkiClientVerifier::no_client_auth()),
            ClientAuthentication::Optional(_) => builder.allow_unauthenticated().build(),
            ClientAuthentication::Required(_) => builder.build(),
        };
        built.map_err(|error| {
            let path = authentication.authorities().first().cloned().unwrap_or_default();
            UnusableTls::one(&path, Problem::Authorities(error))
        })
    }
}

impl UnusableTls {
    fn one(path: &Path, problem: Problem) -> Self {
        Self { problems: vec![(path.to_owned(), problem)] }
    }

    fn unless_none(problems: Vec<(PathBuf, Problem)>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

fn server_config(
    settings: &HttpSslSettings,
    provider: Arc<CryptoProvider>,
    certified: CertifiedKey,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.supported_protocols)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = ALPN_PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    if settings.client_authentication != ClientAuthentication::None {
        // Who resumes a session shows no certificate again, and so would come in after it has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

/// When the first certificate ends, in seconds since 1970. It must have begun, and not have ended.
fn end_of_first(chain: &[CertificateDer<'_>], now: UnixMillis) -> Result<i64, Problem> {
    let first = chain.first().ok_or(Problem::Pem(UnusablePem::NoCertificate))?;
    let (_, certificate) = x509_parser::parse_x509_certificate(first).map_err(|_| Problem::NoX509)?;
    let validity = certificate.validity();
    let (begins_at_s, ends_at_s) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let now_s = i64::try_from(now.0 / 1_000).unwrap_or(i64::MAX);
    // RFC 5280, section 4.1.2.5: it is valid in the seconds of both ends too.
    if now_s < begins_at_s {
        Err(Problem::NotYetValid(begins_at_s))
    } else if now_s > ends_at_s {
        Err(Problem::Expired(ends_at_s))
    } else {
        Ok(ends_at_s)
    }
}

impl fmt::Display for UnusableTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (path, problem)) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {problem}", path.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for UnusableTls {}

/// Seconds since 1970 as a date and a time of day in UTC. One beyond the calendar stays a number.
struct Moment(i64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(moment) => write!(f, "{moment}"),
            Err(_) => write!(f, "{}", self.0),
        }
    }
}
