//! Where a request came from, also when it came through a trusted proxy.
//!
//! A proxy appends the address of its client to the header `X-Forwarded-For`. What is to the left of that
//! came with the request and may be anything. So the list is read from the right, over the proxies that the
//! operator trusts, to the first address that is not one of them. If the peer is not a trusted proxy, the
//! header is ignored.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// The header to which proxies append.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request came from, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The address. One that IPv6 maps to an IPv4 address is that address.
    pub address: IpAddr,
    /// The port, which proxies seldom add.
    pub port: Option<u16>,
}

/// The unit in which sources are counted, because one subscriber has at least that much: an IPv4 address, or
/// the first 64 bits of an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

/// An address, or a block of addresses (CIDR): `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBlock(IpNet);

/// A text that is not a block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, such as 10.0.0.7, nor a block of them, such as 10.0.0.0/8")]
pub struct InvalidAddressBlock;

impl Source {
    /// Where the request of this peer with these headers came from. If the header cannot be read, it is the
    /// peer itself.
    #[must_use]
    pub fn of(peer: SocketAddr, headers: &HeaderMap, trusted: &[AddressBlock]) -> Self {
        let peer = Self::from(peer);
        if !peer.is_in(trusted) {
            return peer;
        }
        let lines = headers.get_all(FORWARDED_FOR).iter();
        let Ok(lines) = lines.map(|line| line.to_str()).collect::<Result<Vec<_>, _>>() else { return peer };
        let mut source = peer;
        for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
            let Ok(hop) = hop.parse() else { return peer };
            source = hop;
            if !source.is_in(trusted) {
                break;
            }
        }
        source
    }

    /// Whether it is in one of these blocks.
    #[must_use]
    pub fn is_in(self, blocks: &[AddressBlock]) -> bool {
        blocks.iter().any(|block| block.contains(self.address))
    }
}

impl Network {
    /// The network of a source.
    #[must_use]
    pub(crate) fn of(source: Source) -> Self {
        Self(match source.address {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX))),
        })
    }

    /// Its first address.
    #[must_use]
    pub(crate) fn address(self) -> IpAddr {
        self.0
    }
}

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Self {
        Self { address: address.ip().to_canonical(), port: Some(address.port()) }
    }
}

/// `192.0.2.1`, `192.0.2.1:5000`, `2001:db8::1` or `[2001:db8::1]:5000`, with blanks around.
impl FromStr for Source {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Self { address: address.to_canonical(), port: None }),
            Err(_) => text.parse::<SocketAddr>().map(Self::from),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}", SocketAddr::new(self.address, port)),
            None => write!(f, "{}", self.address),
        }
    }
}

impl AddressBlock {
    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

impl FromStr for AddressBlock {
    type Err = InvalidAddressBlock;

    fn from_str(text: &str) -> Result<Self, InvalidAddressBlock> {
        let block = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        block.map(Self).map_err(|_| InvalidAddressBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(texts: &[&str]) -> Vec<AddressBlock> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// The source of a request of 10.0.0.1:5000 with these lines of the header.
    fn source(lines: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        Source::of("10.0.0.1:5000".parse().unwrap(), &headers, &blocks(trusted)).to_string()
    }

    #[test]
    fn the_source_is_the_rightmost_address_that_is_no_trusted_proxy() {
        const PROXIES: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];
        for (lines, trusted, expected, why) in [
            (&["192.0.2.1"][..], &[][..], "10.0.0.1:5000", "nobody is trusted"),
            (&["192.0.2.1"], &["10.0.0.2"], "10.0.0.1:5000", "the peer is not trusted"),
            (&[], &PROXIES, "10.0.0.1:5000", "no header"),
            (&["192.0.2.1"], &PROXIES, "192.0.2.1", "one hop"),
            (&["192.0.2.1"], &["10.0.0.1"], "192.0.2.1", "trusted by its address"),
            (&["1.1.1.1, 192.0.2.1"], &PROXIES, "192.0.2.1", "what stands to the left may be invented"),
            (&["rubbish, 192.0.2.1"], &PROXIES, "192.0.2.1", "rubbish to the left is not looked at"),
            (&["192.0.2.1 , 10.1.1.1,10.2.2.2"], &PROXIES, "192.0.2.1", "through several proxies"),
            (&["1.1.1.1", "192.0.2.1, 10.1.1.1"], &PROXIES, "192.0.2.1", "several lines are one list"),
            (&["10.3.3.3, 10.1.1.1"], &PROXIES, "10.3.3.3", "a client among the proxies"),
            (&["192.0.2.1:443"], &PROXIES, "192.0.2.1:443", "with a port"),
            (&["2001:db8::1, fd00::7"], &PROXIES, "2001:db8::1", "IPv6"),
            (&["[2001:db8::1]:443"], &PROXIES, "[2001:db8::1]:443", "IPv6 with a port"),
            (&["::ffff:192.0.2.1"], &PROXIES, "192.0.2.1", "IPv4 inside of IPv6"),
            (&["192.0.2.1, rubbish"], &PROXIES, "10.0.0.1:5000", "malformed"),
            (&["192.0.2.1, rubbish, 10.1.1.1"], &PROXIES, "10.0.0.1:5000", "malformed behind a proxy"),
            (&["192.0.2.1,"], &PROXIES, "10.0.0.1:5000", "an empty hop"),
            (&[""], &PROXIES, "10.0.0.1:5000", "an empty header"),
            (&["unknown"], &PROXIES, "10.0.0.1:5000", "a word"),
        ] {
            assert_eq!(source(lines, trusted), expected, "{why}: {lines:?}");
        }
    }

    #[test]
    fn a_header_that_is_no_text_is_malformed() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, http::HeaderValue::from_bytes(b"192.0.2.1, \xff").unwrap());
        let peer = "10.0.0.1:5000".parse().unwrap();
        assert_eq!(Source::of(peer, &headers, &blocks(&["0.0.0.0/0"])), Source::from(peer));
    }

    #[test]
    fn a_block_holds_what_begins_alike() {
        for (block, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("10.9.9.9/8", "10.0.0.0", "9.255.255.255"),
            ("192.168.4.0/23", "192.168.5.255", "192.168.6.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("::1", "::1", "::2"),
            ("::/0", "ffff::", "127.0.0.1"),
        ] {
            let block: AddressBlock = block.parse().unwrap();
            assert!(block.contains(inside.parse().unwrap()), "{block:?} holds {inside}");
            assert!(!block.contains(outside.parse().unwrap()), "{block:?} holds {outside}");
        }
        for text in
            ["", "10.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "localhost", "10.0.0.0/8/8"]
        {
            assert_eq!(text.parse::<AddressBlock>(), Err(InvalidAddressBlock), "{text}");
        }
    }
}
