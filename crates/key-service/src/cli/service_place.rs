//! Where a service is, as a URL says it.

use std::fmt;

use http::Uri;

use crate::cli::CommandFailed;

/// Where a service is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the header `Host` has it.
    pub(super) authority: String,
    /// What stands before every path, without a slash at its end.
    pub(super) prefix: String,
}

/// How a service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Place {
    /// Reads a URL. It is not repeated when it is refused: somebody may have written a password into it.
    pub(super) fn parse(url: &str) -> Result<Self, CommandFailed> {
        let wrong = |what: &str| CommandFailed::new(format!("--url {what}"));
        let uri: Uri = url.parse().map_err(|_| wrong("is no URL"))?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(wrong("must start with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("must not hold a username or password"));
        }
        if uri.query().is_some() {
            return Err(wrong("must not have a query"));
        }
        Ok(Self {
            scheme,
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: authority.port_u16().unwrap_or(scheme.port()),
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether what is sent there stays on this machine.
    pub(super) fn is_loopback(&self) -> bool {
        let address = self.host.parse::<std::net::IpAddr>();
        self.host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority, self.prefix)
    }
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is named (RFC 9110, sections 4.2.1 and 4.2.2).
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_service_is() {
        for (url, host, port, prefix) in [
            ("https://keys.example", "keys.example", 443, ""),
            ("http://127.0.0.1:9200", "127.0.0.1", 9200, ""),
            ("http://[::1]:9200/", "::1", 9200, ""),
            ("http://keys.example/a/b/", "keys.example", 80, "/a/b"),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!(
                (place.host.as_str(), place.port, place.prefix.as_str()),
                (host, port, prefix),
                "{url}"
            );
        }
    }

    #[test]
    fn refuses_urls_that_it_would_misread_and_repeats_none() {
        for (url, complaint) in [
            ("keys.example:9200", "must start with https:// or http://"),
            ("ftp://keys.example", "must start with https:// or http://"),
            ("http://elastic:hunter2@keys.example", "must not hold a username or password"),
            ("http://keys.example/?a=hunter2", "must not have a query"),
            ("http:// ", "is no URL"),
            ("", "is no URL"),
        ] {
            assert_eq!(Place::parse(url).unwrap_err().to_string(), format!("--url {complaint}"), "{url}");
        }
    }

    #[test]
    fn knows_what_stays_on_this_machine() {
        for (url, is_loopback) in [
            ("http://localhost:9200", true),
            ("http://127.9.9.9", true),
            ("http://[::1]", true),
            ("http://10.0.0.1", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(Place::parse(url).unwrap().is_loopback(), is_loopback, "{url}");
        }
    }
}
