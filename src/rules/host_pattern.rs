//! A host that a rule matches, and the host of a request in one spelling.

use std::borrow::Cow;

use super::Ambiguous;
use crate::limits::RULE_HOST_LEN_MAX;

/// A host name or address, or every name below one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// Every host that ends so, with one label or more before it: the text begins with the dot. So a
    /// wildcard is in Envoy's virtual hosts and in the Gateway API.
    Below(String),
}

impl HostPattern {
    /// Reads `shop.example` or `*.shop.example`, in any case and with or without the dot at the end; `None`
    /// when it is neither, or has a port.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, is_wildcard) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let normal = normalized(name.as_bytes()).ok()?;
        // What the normal form has lost is a port, which no host of a request keeps.
        if normal.len() != name.trim_end_matches('.').len() || (is_wildcard && normal.starts_with('[')) {
            return None;
        }
        Some(if is_wildcard {
            Self::Below([".", &normal].concat())
        } else {
            Self::Exact(normal.into_owned())
        })
    }

    /// Whether it matches a host that [`normalized`] made.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => name == host,
            Self::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
        }
    }

    /// Whether every host that the other one matches is matched by this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Below(_), Self::Exact(name)) => self.matches(name),
            (Self::Below(suffix), Self::Below(longer)) => longer.ends_with(suffix.as_str()),
            (Self::Exact(_), _) => self == other,
        }
    }
}

/// The host of an authority: without port and the dot at its end, in lower case.
///
/// # Errors
///
/// [`Ambiguous::Host`] when it is not one host name or address with or without a port.
pub(super) fn normalized(authority: &[u8]) -> Result<Cow<'_, str>, Ambiguous> {
    let text = str::from_utf8(authority).map_err(|_| Ambiguous::Host)?;
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(Ambiguous::Host)?;
            let is_address = !address.is_empty()
                && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
            // Both brackets are part of it.
            let len = address.len() + 2;
            let host = text.get(..len).filter(|_| is_address).ok_or(Ambiguous::Host)?;
            match port {
                "" => (host, None),
                _ => (host, Some(port.strip_prefix(':').ok_or(Ambiguous::Host)?)),
            }
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            let host = host.strip_suffix('.').unwrap_or(host);
            let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_label);
            if !host.split('.').all(is_label) {
                return Err(Ambiguous::Host);
            }
            (host, port)
        }
    };
    let is_port = port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if host.len() > RULE_HOST_LEN_MAX || !is_port {
        return Err(Ambiguous::Host);
    }
    Ok(if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

/// Letters, digits and hyphens (RFC 1123, section 2.1), and the underscore, which resolvers take too.
fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
