//! Files of certificates and private keys (PEM, RFC 7468): what the service shows, and what both sides of TLS
//! trust.
//!
//! No message about such a file repeats anything that it holds.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::file_modes::{WrittenByAll, refuse_written_by_all};
use crate::limits::PEM_FILE_LEN_MAX;

/// Why a file of certificates or keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnusablePem {
    /// A certificate is none that can be trusted as an authority.
    #[error("holds a certificate that cannot be trusted: {0}")]
    Authority(rustls::Error),
    /// Somewhere it stops being PEM.
    #[error("is not PEM all through")]
    Damaged,
    /// It has no certificate.
    #[error("holds no certificate in PEM")]
    NoCertificate,
    /// It has no private key, or one behind a passphrase.
    #[error("holds no private key in PEM without a passphrase")]
    NoPrivateKey,
    /// It is longer than any such file.
    #[error("is longer than {PEM_FILE_LEN_MAX} bytes")]
    TooLong,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// Everybody may write it.
    #[error("is not trusted: {0}")]
    WrittenByAll(WrittenByAll),
}

/// What a file holds.
///
/// # Errors
///
/// [`UnusablePem`] when it cannot be read or is longer than [`PEM_FILE_LEN_MAX`].
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, UnusablePem> {
    refuse_written_by_all(path).map_err(UnusablePem::WrittenByAll)?;
    let mut text = Vec::new();
    let file = File::open(path).map_err(UnusablePem::Unreadable)?;
    file.take(PEM_FILE_LEN_MAX as u64 + 1).read_to_end(&mut text).map_err(UnusablePem::Unreadable)?;
    if text.len() > PEM_FILE_LEN_MAX { Err(UnusablePem::TooLong) } else { Ok(text) }
}

/// The certificates in a text, in their order; at least one.
///
/// # Errors
///
/// [`UnusablePem`] when there is none, or the text is damaged.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, UnusablePem> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err(UnusablePem::NoCertificate),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(UnusablePem::Damaged),
    }
}

/// The first private key in a text, in PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
///
/// [`UnusablePem`] when there is none, or the text is damaged.
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, UnusablePem> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound => UnusablePem::NoPrivateKey,
        _ => UnusablePem::Damaged,
    })
}

/// Adds the certificates in a text to those that are trusted to sign others.
///
/// # Errors
///
/// [`UnusablePem`] when there is none, or one cannot be trusted, or the text is damaged.
pub(crate) fn trust(roots: &mut RootCertStore, text: &[u8]) -> Result<(), UnusablePem> {
    for certificate in certificates(text)? {
        roots.add(certificate).map_err(UnusablePem::Authority)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENCRYPTED: &str =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";

    #[test]
    fn takes_every_kind_of_private_key_without_a_passphrase() {
        for kind in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let text = format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----\n");
            assert_eq!(private_key(text.as_bytes()).unwrap().secret_der(), [0, 0, 0], "{kind}");
        }
        assert!(matches!(private_key(ENCRYPTED.as_bytes()), Err(UnusablePem::NoPrivateKey)));
    }

    #[test]
    fn finds_no_certificate_where_there_is_none() {
        for text in ["", "something else", ENCRYPTED] {
            assert!(matches!(certificates(text.as_bytes()), Err(UnusablePem::NoCertificate)), "{text}");
        }
        for text in ["-----BEGIN NOTHING", "-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(certificates(text.as_bytes()), Err(UnusablePem::Damaged)), "{text}");
        }
    }

    #[test]
    fn no_file_is_read_beyond_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("long");
        std::fs::write(&path, vec![b'x'; PEM_FILE_LEN_MAX]).unwrap();
        assert_eq!(read(&path).unwrap().len(), PEM_FILE_LEN_MAX);
        std::fs::write(&path, vec![b'x'; PEM_FILE_LEN_MAX + 1]).unwrap();
        assert!(matches!(read(&path), Err(UnusablePem::TooLong)));
        assert!(matches!(read(directory.path()), Err(UnusablePem::Unreadable(_))));
    }
}
