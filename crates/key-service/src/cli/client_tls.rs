//! TLS of the command line: whom it trusts, what it shows, and what it says when either side refuses the
//! other.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::client::WantsClientCert;
use rustls::{AlertDescription, CertificateError, ClientConfig, ConfigBuilder, RootCertStore};

use crate::cli::CommandFailed;
use crate::cli::report::harmless;
use crate::cli::service_place::Scheme;
use crate::http_client::{trusting, trusting_system};
use crate::pem_file::{self, UnusablePem};

/// Files for TLS; what they hold is PEM.
#[derive(Debug, Args)]
pub(super) struct TlsArguments {
    /// A file with the authorities whose certificates are trusted, instead of the system's.
    #[arg(long, global = true, value_name = "FILE", env = "LATCHKEY_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// A file with a certificate to show to the service, for mutual TLS.
    #[arg(long, global = true, value_name = "FILE", env = "LATCHKEY_CLIENT_CERT")]
    client_cert: Option<PathBuf>,
    /// A file with the private key of that certificate.
    #[arg(long, global = true, value_name = "FILE", env = "LATCHKEY_CLIENT_KEY")]
    client_key: Option<PathBuf>,
}

impl TlsArguments {
    /// How TLS is spoken, as the files say, where the URL says that it is.
    pub(super) fn config(&self, scheme: Scheme) -> Result<ClientConfig, CommandFailed> {
        let are_given =
            [&self.ca_file, &self.client_cert, &self.client_key].iter().any(|file| file.is_some());
        match scheme {
            Scheme::Https => self.secured(),
            // Who names such a file believes that the line is protected.
            Scheme::Http if are_given => Err(CommandFailed::new(
                "--ca-file, --client-cert and --client-key are for TLS, and --url does not start with https://",
            )),
            // No TLS is spoken, so nobody is trusted.
            Scheme::Http => match trusting(RootCertStore::empty()) {
                Ok(builder) => Ok(builder.with_no_client_auth()),
                Err(error) => Err(no_tls(&error)),
            },
        }
    }

    fn secured(&self) -> Result<ClientConfig, CommandFailed> {
        let builder = match &self.ca_file {
            Some(file) => trusting_file(file)?,
            None => trusting_system().map_err(|error| no_tls(&error))?,
        };
        match (&self.client_cert, &self.client_key) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => showing(builder, certificate, key),
            _ => Err(CommandFailed::new("--client-cert and --client-key belong together")),
        }
    }
}

fn trusting_file(file: &Path) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, CommandFailed> {
    let mut roots = RootCertStore::empty();
    pem_file::read(file)
        .and_then(|text| pem_file::trust(&mut roots, &text))
        .map_err(|unusable| cannot_use(file, &unusable))?;
    trusting(roots).map_err(|error| no_tls(&error))
}

fn showing(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    certificate: &Path,
    key: &Path,
) -> Result<ClientConfig, CommandFailed> {
    let chain = pem_file::read(certificate)
        .and_then(|text| pem_file::certificates(&text))
        .map_err(|unusable| cannot_use(certificate, &unusable))?;
    let private = pem_file::read(key)
        .and_then(|text| pem_file::private_key(&text))
        .map_err(|unusable| cannot_use(key, &unusable))?;
    builder.with_client_auth_cert(chain, private).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => CommandFailed::new(format!(
            "{} is not the key of the first certificate in {}",
            key.display(),
            certificate.display()
        )),
        _ => CommandFailed::new(format!(
            "{} and {} cannot be used: {error}",
            certificate.display(),
            key.display()
        )),
    })
}

fn cannot_use(file: &Path, unusable: &UnusablePem) -> CommandFailed {
    CommandFailed::new(format!("{} {unusable}", file.display()))
}

fn no_tls(error: &rustls::Error) -> CommandFailed {
    CommandFailed::new(format!("could not begin with TLS: {error}"))
}

/// What TLS says of an exchange that failed, if it was TLS. `place` is whom was spoken to.
pub(super) fn refusal(place: &str, failed: &(dyn Error + 'static)) -> Option<CommandFailed> {
    let text = match cause(failed)? {
        rustls::Error::InvalidCertificate(error) => {
            format!("{place} shows a certificate that is not to be trusted: {}", distrust(error))
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            format!("{place} asks for a certificate: --client-cert and --client-key show one")
        }
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::UnsupportedCertificate),
        ) => format!("{place} refuses the certificate of --client-cert ({alert:?})"),
        rustls::Error::InvalidMessage(_) => format!("{place} speaks no TLS: is it http:// instead?"),
        error => format!("no TLS with {place}: {error}"),
    };
    // A certificate holds whatever its maker wrote into it.
    Some(CommandFailed::new(harmless(&text)))
}

fn distrust(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "no authority that is trusted here has signed it (--ca-file names others)".to_owned()
        }
        error => error.to_string(),
    }
}

/// The error of TLS that is behind this one, however deep.
fn cause<'a>(failed: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(failed);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An error of IO hides the one that it is made of from `source`.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_on_one_line_who_refuses_whom() {
        let alert = |alert| rustls::Error::AlertReceived(alert);
        for (error, expected) in [
            (
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "https://k shows a certificate that is not to be trusted: no authority that is trusted here has signed it (--ca-file names others)",
            ),
            (
                alert(AlertDescription::CertificateRequired),
                "https://k asks for a certificate: --client-cert and --client-key show one",
            ),
            (
                alert(AlertDescription::CertificateExpired),
                "https://k refuses the certificate of --client-cert (CertificateExpired)",
            ),
            (
                alert(AlertDescription::ProtocolVersion),
                "no TLS with https://k: received fatal alert: ProtocolVersion",
            ),
        ] {
            let wrapped = io::Error::other(error);
            let refusal = refusal("https://k", &wrapped).unwrap().to_string();
            assert_eq!(refusal, expected);
        }
        assert!(refusal("https://k", &io::Error::other("something else")).is_none());
    }
}
