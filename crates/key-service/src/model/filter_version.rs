//! Which version of the filter an edge runs, as it says itself.

use std::fmt;

use crate::limits::edge_limits::FILTER_VERSION_LEN_MAX;

/// How the filter's `User-Agent` begins.
const PRODUCT: &str = "latchkey-filter/";

/// A version and the commit it was built from, such as `0.1.0 (commit 1a2b3c4)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterVersion(Box<str>);

impl FilterVersion {
    /// What a `User-Agent` of the filter says; `None` for one of anything else.
    pub(crate) fn of_user_agent(header: &[u8]) -> Option<Self> {
        let version = std::str::from_utf8(header).ok()?.strip_prefix(PRODUCT)?;
        let is_of_version = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b' ' | b'(' | b')')
        };
        let is_good = (1..=FILTER_VERSION_LEN_MAX).contains(&version.len())
            && version.bytes().all(is_of_version)
            && version.starts_with(|first: char| first.is_ascii_digit());
        is_good.then(|| Self(version.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilterVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use latchkey_build_info::{FILTER, VERSION_AND_COMMIT};

    use super::*;

    #[test]
    fn reads_what_the_filter_of_this_build_says() {
        let version = FilterVersion::of_user_agent(FILTER.as_bytes()).unwrap();
        assert_eq!(version.as_str(), VERSION_AND_COMMIT);
    }

    #[test]
    fn takes_nothing_that_is_no_version_or_too_long() {
        let longest = format!("{PRODUCT}{}", "1".repeat(FILTER_VERSION_LEN_MAX));
        let too_long = format!("{longest}1");
        for (header, is_taken) in [
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("latchkey-filter/1.2.3-rc.1+x (commit abc-dirty)", true),
            ("latchkey-filter/", false),
            ("latchkey-filter/x", false),
            ("latchkey-filter/1\n", false),
            ("latchkey-filter/1<script>", false),
            ("latchkey-filter/1é", false),
            ("curl/8.0", false),
            ("", false),
        ] {
            assert_eq!(FilterVersion::of_user_agent(header.as_bytes()).is_some(), is_taken, "{header}");
        }
        assert_eq!(FilterVersion::of_user_agent(b"latchkey-filter/1\xff"), None);
    }
}
