//! The settings below `http`: where clients that sniff are told to find the service (Elasticsearch, `http.publish_host` and
//! `http.publish_port`).

use crate::settings::section::Section;

/// Where the service is published. What is not set is taken from the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishSettings {
    /// A name or an address.
    pub host: Option<String>,
    /// A port.
    pub port: Option<u16>,
}

pub(super) fn read(mut section: Section<'_>) -> PublishSettings {
    let host = section.parsed("publish_host", "must be the name or the address of a host", host);
    let port = section.number("publish_port", 1..=u16::MAX);
    section.end();
    PublishSettings { host, port }
}

/// A host as it stands in a URL.
fn host(text: &str) -> Option<String> {
    let authority: http::uri::Authority = text.parse().ok()?;
    (authority.as_str() == authority.host()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_else() {
        for good in ["keys.example.org", "10.0.0.7", "[::1]"] {
            assert_eq!(host(good).as_deref(), Some(good));
        }
        for bad in ["", "keys:9200", "user@keys", "a b", "http://keys", "keys/x"] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
