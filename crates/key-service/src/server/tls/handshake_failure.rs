//! Why a handshake failed: a word out of a small set for the counter, a sentence for the log.

use std::io;
use std::time::Duration;

use rustls::{CertificateError, Error};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeFailure {
    /// It broke off. Within the error is one of rustls, unless the client just went away.
    #[error("{0}")]
    Broken(io::Error),
    /// It took longer than this.
    #[error("no whole handshake within {} ms", .0.as_millis())]
    TooSlow(Duration),
}

impl HandshakeFailure {
    /// The reason as a label of the counter. Nothing that a client sends can add another.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::TooSlow(_) => "timeout",
            Self::Broken(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
                None => "closed",
                Some(error) => word(error),
            },
        }
    }
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::NoCertificatesPresented => "client_certificate_missing",
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "client_certificate_expired"
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "client_certificate_unknown_issuer",
        Error::InvalidCertificate(_) => "client_certificate_invalid",
        Error::AlertReceived(_) => "refused_by_client",
        Error::NoApplicationProtocol | Error::PeerIncompatible(_) => "incompatible",
        _ => "malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, InvalidMessage, PeerIncompatible};

    #[test]
    fn names_every_reason_with_a_word_of_its_own() {
        let of = |error: Error| HandshakeFailure::Broken(io::Error::other(error)).reason();
        for (error, expected) in [
            (Error::NoCertificatesPresented, "client_certificate_missing"),
            (Error::InvalidCertificate(CertificateError::Expired), "client_certificate_expired"),
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "client_certificate_unknown_issuer"),
            (Error::InvalidCertificate(CertificateError::BadSignature), "client_certificate_invalid"),
            (Error::AlertReceived(AlertDescription::UnknownCA), "refused_by_client"),
            (Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon), "incompatible"),
            (Error::NoApplicationProtocol, "incompatible"),
            (Error::InvalidMessage(InvalidMessage::InvalidContentType), "malformed"),
        ] {
            assert_eq!(of(error.clone()), expected, "{error:?}");
        }
        let gone = HandshakeFailure::Broken(io::ErrorKind::UnexpectedEof.into());
        assert_eq!(gone.reason(), "closed");
        assert_eq!(HandshakeFailure::TooSlow(Duration::from_secs(1)).reason(), "timeout");
    }
}
