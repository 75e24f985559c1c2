//! The settings below `xpack.security.http.ssl`, with Elasticsearch's names and meanings.
//!
//! ```toml
//! [xpack.security.http.ssl]
//! enabled = true                                 # must be there as soon as anything else is
//! certificate = "tls/tls.crt"                    # PEM: the service's certificate, then those that lead to the authority
//! key = "tls/tls.key"                            # PEM: its private key, not encrypted
//! client_authentication = "required"             # or "optional", or "none", the default
//! certificate_authorities = ["tls/ca.crt"]       # PEM: who signs the certificates of clients
//! supported_protocols = ["TLSv1.2", "TLSv1.3"]   # both by default
//! ```

use std::path::PathBuf;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::settings::section::Section;

/// The versions of TLS that may be spoken, by the names that Elasticsearch has for them.
const PROTOCOLS: [(&str, &SupportedProtocolVersion); 2] = [("TLSv1.2", &TLS12), ("TLSv1.3", &TLS13)];

/// How the service speaks TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSslSettings {
    /// The file (PEM) with the service's certificate, and behind it those that lead to the authority.
    pub certificate: PathBuf,
    /// The file (PEM) with the private key of that certificate.
    pub key: PathBuf,
    /// What is asked of clients.
    pub client_authentication: ClientAuthentication,
    /// The versions of TLS that are spoken; never empty.
    pub supported_protocols: Vec<&'static SupportedProtocolVersion>,
}

/// Whether clients show a certificate. The files (PEM) hold the authorities that sign those; there is at
/// least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// They are not asked for one.
    None,
    /// They may show none; what they show must be good.
    Optional(Vec<PathBuf>),
    /// Without a good one there is no connection.
    Required(Vec<PathBuf>),
}

impl ClientAuthentication {
    /// The files of the authorities.
    #[must_use]
    pub fn authorities(&self) -> &[PathBuf] {
        match self {
            Self::None => &[],
            Self::Optional(authorities) | Self::Required(authorities) => authorities,
        }
    }
}

/// `None` when TLS is off; of settings with mistakes what is returned does not matter.
pub(super) fn read(mut section: Section<'_>) -> Option<HttpSslSettings> {
    let is_enabled = section.flag("enabled") == Some(true);
    if section.is_said() && !section.says("enabled") {
        // Elasticsearch refuses this too: somebody who names a certificate believes that it is used.
        section.problem("enabled", "is required with the other settings of TLS");
    }
    let [certificate, key] = ["certificate", "key"]
        .map(|field| if is_enabled { section.required_file(field) } else { section.file(field) });
    let client_authentication = client_authentication(&mut section);
    let supported_protocols = supported_protocols(&mut section);
    section.end();
    if !is_enabled {
        return None;
    }
    Some(HttpSslSettings { certificate: certificate?, key: key?, client_authentication, supported_protocols })
}

fn client_authentication(section: &mut Section<'_>) -> ClientAuthentication {
    const AUTHORITIES: &str = "certificate_authorities";
    let word = section.text("client_authentication");
    let authorities = section.files(AUTHORITIES).unwrap_or_default();
    let of_authorities = match word {
        None | Some("none") => {
            if !authorities.is_empty() {
                // Elasticsearch takes them. Here they would have no use, and who names them believes that
                // clients are checked.
                section.problem(AUTHORITIES, "has no use while client_authentication is none");
            }
            return ClientAuthentication::None;
        }
        Some("optional") => ClientAuthentication::Optional,
        Some("required") => ClientAuthentication::Required,
        Some(_) => {
            section.problem("client_authentication", "must be none, optional or required");
            return ClientAuthentication::None;
        }
    };
    if authorities.is_empty() {
        section.problem(
            AUTHORITIES,
            "is required, with at least one file, to check the certificates of clients",
        );
    }
    of_authorities(authorities)
}

fn supported_protocols(section: &mut Section<'_>) -> Vec<&'static SupportedProtocolVersion> {
    const FIELD: &str = "supported_protocols";
    let all = || PROTOCOLS.iter().map(|(_, protocol)| *protocol).collect();
    let Some(names) = section.texts(FIELD) else { return all() };
    let is_known = |name: &String| PROTOCOLS.iter().any(|(known, _)| known == name);
    if names.is_empty() || !names.iter().all(is_known) {
        section.problem(FIELD, format!("must name some of {}", PROTOCOLS.map(|(name, _)| name).join(", ")));
    }
    let is_named = |name: &str| names.iter().any(|named| named == name);
    PROTOCOLS.iter().filter(|(name, _)| is_named(name)).map(|(_, protocol)| *protocol).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::settings::section::{InvalidFile, Problems};
    use crate::settings::sources::Sources;

    /// What a file says, without its name where there are mistakes.
    fn parse(text: &str) -> Result<Option<HttpSslSettings>, InvalidFile> {
        let problems = Problems::default();
        let file = Path::new("/etc/latchkey/latchkey.toml");
        let sources = Sources::read(&[], [], Some((file, text)), &problems);
        let mut root = Section::of_sources(&sources, &problems);
        let settings = read(root.section("ssl"));
        root.end();
        problems.none_or(settings).map_err(|mut invalid| {
            invalid.problems.iter_mut().for_each(|problem| problem.said_by = None);
            invalid
        })
    }

    #[test]
    fn reads_the_example() {
        let source = include_str!("http_ssl.rs");
        let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_start);
        let block: String = lines
            .skip_while(|line| *line != "```toml")
            .skip(1)
            .take_while(|line| *line != "```")
            .map(|line| format!("{}\n", line.replace("xpack.security.http.ssl", "ssl")))
            .collect();
        let authority = PathBuf::from("/etc/latchkey/tls/ca.crt");
        let expected = HttpSslSettings {
            certificate: "/etc/latchkey/tls/tls.crt".into(),
            key: "/etc/latchkey/tls/tls.key".into(),
            client_authentication: ClientAuthentication::Required(vec![authority]),
            supported_protocols: vec![&TLS12, &TLS13],
        };
        assert_eq!(parse(&block), Ok(Some(expected)));
    }

    #[test]
    fn is_off_unless_it_is_switched_on() {
        for text in ["", "[ssl]", "[ssl]\nenabled = false", "[ssl]\nenabled = false\nkey = \"k\""] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn asks_nothing_of_clients_and_speaks_both_versions_by_default() {
        let settings = parse("[ssl]\nenabled = true\ncertificate = \"/c\"\nkey = \"/k\"").unwrap().unwrap();
        assert_eq!(settings.certificate, Path::new("/c"));
        assert_eq!(settings.client_authentication, ClientAuthentication::None);
        assert_eq!(settings.supported_protocols, [&TLS12, &TLS13]);
    }

    #[test]
    fn a_version_can_be_left_out() {
        let text =
            "[ssl]\nenabled = true\ncertificate = \"c\"\nkey = \"k\"\nsupported_protocols = [\"TLSv1.3\"]";
        assert_eq!(parse(text).unwrap().unwrap().supported_protocols, [&TLS13]);
    }

    #[test]
    fn reports_every_mistake_and_no_value() {
        for (text, expected) in [
            ("certificate = \"hunter2\"", vec!["enabled: is required with the other settings of TLS"]),
            ("enabled = true", vec!["certificate: is required", "key: is required"]),
            (
                "enabled = true\ncertificate = 1\nkey = []\nclient_authentication = \"hunter2\"\nsupported_protocols = [\"hunter2\"]\nx = 1",
                vec![
                    "certificate: must be a string",
                    "key: must be a string",
                    "client_authentication: must be none, optional or required",
                    "supported_protocols: must name some of TLSv1.2, TLSv1.3",
                    "x: is not known; known are enabled, certificate, key, client_authentication, certificate_authorities, supported_protocols",
                ],
            ),
            (
                "enabled = false\nclient_authentication = \"required\"\nsupported_protocols = []",
                vec![
                    "certificate_authorities: is required, with at least one file, to check the certificates of clients",
                    "supported_protocols: must name some of TLSv1.2, TLSv1.3",
                ],
            ),
            (
                "enabled = false\ncertificate_authorities = [\"hunter2\"]",
                vec!["certificate_authorities: has no use while client_authentication is none"],
            ),
        ] {
            let printed = parse(&format!("[ssl]\n{text}")).unwrap_err().to_string();
            let lines: Vec<&str> = printed.lines().map(|line| line.strip_prefix("ssl.").unwrap()).collect();
            assert_eq!(lines, expected, "{text}");
        }
    }
}
