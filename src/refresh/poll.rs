//! The request for the feed.

use std::time::Duration;

use latchkey_key_feed::{AskingEdge, Cursor, EdgeInstance, EdgeName, Epoch, FeedRequest, FeedVersion};

use crate::limits::{FEED_ROWS_PER_POLL, GOODBYE_MS};

/// What every request for the feed has in common.
#[derive(Clone, Debug)]
pub struct FeedEndpoint {
    /// Path of the feed, without a query.
    pub path: String,
    /// Name by which the operator knows this edge.
    pub edge: EdgeName,
    /// The identity under which its table acknowledges.
    pub instance: EdgeInstance,
    /// Which version of the feed is read at most. An earlier one is read as well.
    pub version: FeedVersion,
    /// How long the service may hold an answer back for lack of changes.
    pub wait: Duration,
    /// How long an answer may take beyond that.
    pub fetch_timeout: Duration,
}

/// One request to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// Path and query.
    pub path: String,
    /// Which version of the feed the service is told, if it is told any: a header, which a service passes over
    /// that does not know it.
    pub version: Option<FeedVersion>,
    /// When the host gives the call up.
    pub timeout: Duration,
}

impl FeedEndpoint {
    /// The request for everything after `after`, held back for at most `wait`. A load says with `purged`
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
        wait: Duration,
        refuse_after: Duration,
    ) -> Poll {
        let request = FeedRequest {
            after,
            limit: Some(FEED_ROWS_PER_POLL),
            wait: Some(wait),
            edge: self.asking_edge(Some(refuse_after)),
            epoch: epoch.cloned(),
            purged,
            is_leaving: false,
        };
        self.to_poll(&request, self.timeout(wait))
    }

    /// The last request of this instance: nothing of it admits any more. It asks for nothing and acknowledges
    /// nothing.
    #[must_use]
    pub fn goodbye(&self) -> Poll {
        let request = FeedRequest {
            limit: Some(1),
            wait: Some(Duration::ZERO),
            edge: self.asking_edge(None),
            is_leaving: true,
            ..FeedRequest::default()
        };
        self.to_poll(&request, Duration::from_millis(GOODBYE_MS))
    }

    pub(super) fn timeout(&self, wait: Duration) -> Duration {
        wait.saturating_add(self.fetch_timeout)
    }

    fn asking_edge(&self, refuse_after: Option<Duration>) -> Option<AskingEdge> {
        Some(AskingEdge { name: self.edge.clone(), instance: Some(self.instance.clone()), refuse_after })
    }

    fn to_poll(&self, request: &FeedRequest, timeout: Duration) -> Poll {
        let mut path = self.path.clone();
        request.push_query(&mut path);
        let version = (self.version != FeedVersion::V1).then_some(self.version);
        Poll { path, version, timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_what_follows_the_cursor_and_says_who_asks() {
        let request = FeedEndpoint {
            path: "/_latchkey/feed".to_owned(),
            edge: EdgeName::try_from("edge 1&after=0".to_owned()).unwrap(),
            instance: EdgeInstance::from([7; 16]),
            version: FeedVersion::V1,
            wait: Duration::from_secs(20),
            fetch_timeout: Duration::from_secs(5),
        };
        let who = format!("&edge=edge%201%26after%3D0&instance={}", request.instance.as_str());
        let minute = Duration::from_secs(60);
        let poll = request.poll(Cursor(7), None, None, request.wait, minute);
        assert_eq!(
            poll.path,
            format!("/_latchkey/feed?after=7&limit=1000&wait=20000ms{who}&refuse_after=60000ms")
        );
        assert_eq!((poll.timeout, poll.version), (Duration::from_secs(25), None));
        let with_rights = FeedEndpoint { version: FeedVersion::V2, ..request.clone() };
        assert_eq!(with_rights.goodbye().version, Some(FeedVersion::V2));
        let epoch = Epoch::try_from("e/1".to_owned()).unwrap();
        let load = request.poll(Cursor(7), Some(&epoch), Some(Cursor(3)), Duration::ZERO, minute);
        assert!(load.path.ends_with("&epoch=e%2F1&purged=3"), "{}", load.path);
        let goodbye = request.goodbye();
        assert_eq!(goodbye.path, format!("/_latchkey/feed?after=0&limit=1&wait=0ms{who}&leaving=true"));
    }
}
