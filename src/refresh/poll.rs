//! The request for the feed.

use std::fmt::Write as _;
use std::time::Duration;

use latchkey_key_feed::{Cursor, Epoch};

use super::instance::Instance;
use crate::limits::{FEED_ROWS_PER_POLL, GOODBYE_MS};

/// What every request for the feed has in common.
#[derive(Clone, Debug)]
pub struct FeedRequest {
    /// Path of the feed, without a query.
    pub path: String,
    /// Name by which the operator knows this edge.
    pub edge: String,
    /// As what its table acknowledges.
    pub instance: Instance,
    /// How long the service may hold an answer back for lack of changes, in milliseconds.
    pub wait_ms: u64,
    /// How long an answer may take beyond that, in milliseconds.
    pub fetch_timeout_ms: u64,
}

/// One request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Path and query.
    pub path: String,
    /// When the host gives the call up.
    pub timeout: Duration,
}

impl FeedRequest {
    /// The request for everything after `after`, held back for at most `wait_ms`. A load says with `purged`
    /// when it was begun.
    ///
    /// Every request says for how long keys may be admitted after its answer, whatever becomes of this edge.
    ///
    /// `epoch` is the feed that `after` was read from: of another feed the service takes it for no
    /// acknowledgement, and answers with a reset at once instead of holding the request.
    #[must_use]
    pub fn poll(
        &self,
        after: Cursor,
        epoch: Option<&Epoch>,
        purged: Option<Cursor>,
        wait_ms: u64,
        refuse_after_ms: u64,
    ) -> Poll {
        let mut path = format!("{}?after={}&limit={FEED_ROWS_PER_POLL}&wait={wait_ms}ms", self.path, after.0);
        self.push_who(&mut path);
        // Writing to a String cannot fail.
        let _ = write!(path, "&refuse_after={refuse_after_ms}ms");
        if let Some(epoch) = epoch {
            path.push_str("&epoch=");
            push_query_value(&mut path, epoch.as_str());
        }
        if let Some(purged) = purged {
            // Writing to a String cannot fail.
            let _ = write!(path, "&purged={}", purged.0);
        }
        Poll { path, timeout: Duration::from_millis(self.timeout_ms(wait_ms)) }
    }

    /// The last request of this instance: nothing of it admits any more. It asks for nothing and acknowledges
    /// nothing.
    #[must_use]
    pub fn goodbye(&self) -> Poll {
        let mut path = format!("{}?after=0&limit=1&wait=0ms", self.path);
        self.push_who(&mut path);
        path.push_str("&leaving=true");
        Poll { path, timeout: Duration::from_millis(GOODBYE_MS) }
    }

    fn push_who(&self, path: &mut String) {
        path.push_str("&edge=");
        push_query_value(path, &self.edge);
        path.push_str("&instance=");
        path.push_str(self.instance.as_str());
    }

    pub(super) fn timeout_ms(&self, wait_ms: u64) -> u64 {
        wait_ms.saturating_add(self.fetch_timeout_ms)
    }
}

/// Appends a text with everything but the unreserved characters of RFC 3986, section 2.3, percent-encoded.
fn push_query_value(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::TableNumber;
    use crate::table::TableIdentity;

    #[test]
    fn asks_for_what_follows_the_cursor_and_says_who_asks() {
        let request = FeedRequest {
            path: "/_latchkey/feed".to_owned(),
            edge: "edge 1&after=0".to_owned(),
            instance: Instance::of(TableNumber(7), b"vm", TableIdentity::from_bytes([1; 8])),
            wait_ms: 20_000,
            fetch_timeout_ms: 5_000,
        };
        let who = format!("&edge=edge%201%26after%3D0&instance={}", request.instance.as_str());
        let poll = request.poll(Cursor(7), None, None, request.wait_ms, 60_000);
        assert_eq!(
            poll.path,
            format!("/_latchkey/feed?after=7&limit=1000&wait=20000ms{who}&refuse_after=60000ms")
        );
        assert_eq!(poll.timeout, Duration::from_secs(25));
        let epoch = Epoch::try_from("e/1".to_owned()).unwrap();
        let load = request.poll(Cursor(7), Some(&epoch), Some(Cursor(3)), 0, 60_000);
        assert!(load.path.ends_with("&epoch=e%2F1&purged=3"), "{}", load.path);
        let goodbye = request.goodbye();
        assert_eq!(goodbye.path, format!("/_latchkey/feed?after=0&limit=1&wait=0ms{who}&leaving=true"));
    }
}
