//! Where the service listens: an address or a name, and a port.

use std::net::{SocketAddr, ToSocketAddrs as _};

/// What belongs there.
pub(crate) const LISTEN_BELONGS: &str =
    "must be an address and a port, such as localhost:9200 or 127.0.0.1:9200";

/// Reads it. A name is looked up, and of its addresses an IPv4 one is taken first: `localhost` means
/// 127.0.0.1, which is what clients try that know nothing of IPv6.
pub(crate) fn listen_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let found: Vec<SocketAddr> = text.to_socket_addrs().ok()?.collect();
    found.iter().find(|address| address.is_ipv4()).or(found.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_an_address_is_taken_as_it_is() {
        for (text, expected) in [
            ("127.0.0.1:9200", Some("127.0.0.1:9200")),
            ("[::1]:0", Some("[::1]:0")),
            ("localhost:9200", Some("127.0.0.1:9200")),
            ("localhost", None),
            ("9200", None),
            (":9200", None),
            ("localhost:port", None),
            ("", None),
        ] {
            assert_eq!(listen_address(text), expected.map(|text| text.parse().unwrap()), "{text}");
        }
    }
}
