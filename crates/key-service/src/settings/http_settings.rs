//! The settings below `http`: where clients that sniff are told to find the service, and how long the body of a request may
//! be (Elasticsearch, `http.publish_host`, `http.publish_port` and `http.max_content_length`).

use latchkey_elastic::byte_size;

use crate::limits::{REQUEST_BODY_LEN_DEFAULT, REQUEST_BODY_LEN_LEAST, REQUEST_BODY_LEN_MAX};
use crate::settings::section::Section;

/// How the service speaks HTTP. What is not set of where it is published is taken from the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where it is published: a name or an address.
    pub publish_host: Option<String>,
    /// The port of that.
    pub publish_port: Option<u16>,
    /// Most bytes of a request's body, once it is decoded.
    pub max_content_length: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { publish_host: None, publish_port: None, max_content_length: REQUEST_BODY_LEN_DEFAULT }
    }
}

pub(super) fn read(mut section: Section<'_>) -> HttpSettings {
    let publish_host = section.parsed("publish_host", "must be the name or the address of a host", host);
    let publish_port = section.number("publish_port", 1..=u16::MAX);
    let max_content_length =
        section.parsed("max_content_length", "must be a size between 64kb and 8mb, such as 1mb", body_len);
    section.end();
    let max_content_length = max_content_length.unwrap_or(REQUEST_BODY_LEN_DEFAULT);
    HttpSettings { publish_host, publish_port, max_content_length }
}

fn body_len(text: &str) -> Option<usize> {
    let len = usize::try_from(byte_size::parse(text)?).ok()?;
    (REQUEST_BODY_LEN_LEAST..=REQUEST_BODY_LEN_MAX).contains(&len).then_some(len)
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
    fn a_body_may_be_as_long_as_its_memory_allows() {
        for (text, expected) in [
            ("64kb", Some(REQUEST_BODY_LEN_LEAST)),
            ("65535b", None),
            ("1mb", Some(REQUEST_BODY_LEN_DEFAULT)),
            ("8mb", Some(REQUEST_BODY_LEN_MAX)),
            ("8388609b", None),
            ("100mb", None),
            ("1048576", None),
        ] {
            assert_eq!(body_len(text), expected, "{text}");
        }
    }

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
