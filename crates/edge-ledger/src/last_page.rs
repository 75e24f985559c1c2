//! What an edge may still have whose own key has ended.
//!
//! A revocation may end the very key with which an edge reads the feed. If the edge were refused from then
//! on, it would go on admitting all keys that were revoked with it. So the edge is served all changes up to
//! the end of the change that ended its key, and nothing newer, and is told that this is the last page.
//!
//! That must be useless to anybody else who holds the key. The page is only for an instance that asked with
//! this key while it was valid, and only for what comes after that instance's acknowledgement: never for a
//! load from the beginning, and never from a cursor before it.

use latchkey_key_feed::Cursor;

/// Where the feed ends for a key that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEnd {
    /// It was invalidated, by a change that ends here; `None` when the store does not know it any more.
    Invalidated(Option<Cursor>),
    /// Its time was over. The store knows when keys were ended, and not when they were changed otherwise: this is the
    /// last change before that which ended a key.
    Expired(Option<Cursor>),
}

impl KeyEnd {
    /// How far somebody is served who has read up to `after`; `None` for one who has read beyond: with a key that
    /// was invalidated nobody was served what came later.
    #[must_use]
    pub fn through(self, after: Cursor) -> Option<Cursor> {
        match self {
            Self::Invalidated(Some(end)) if end < after => None,
            Self::Invalidated(end) | Self::Expired(end) => Some(end.unwrap_or(after).max(after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use latchkey_key_feed::{Epoch, FeedVersion};

    use super::*;
    use crate::{FollowerRequest, PageStanding};

    fn epoch() -> Epoch {
        Epoch::try_from("e".to_owned()).unwrap()
    }

    fn request(after: u64, purged: Option<u64>) -> FollowerRequest {
        FollowerRequest {
            version: FeedVersion::V1,
            after: Cursor(after),
            epoch: Some(epoch()),
            purged: purged.map(Cursor),
            rows_max: 10,
            wait: Duration::ZERO,
            edge: None,
            is_leaving: false,
        }
    }

    #[test]
    fn an_edge_is_served_up_to_the_change_that_ended_its_key() {
        let invalidated = KeyEnd::Invalidated(Some(Cursor(7)));
        assert_eq!(invalidated.through(Cursor(5)), Some(Cursor(7)));
        assert_eq!(invalidated.through(Cursor(7)), Some(Cursor(7)));
        assert_eq!(invalidated.through(Cursor(8)), None, "nobody was served that");
        let expired = KeyEnd::Expired(Some(Cursor(7)));
        assert_eq!(expired.through(Cursor(5)), Some(Cursor(7)));
        assert_eq!(expired.through(Cursor(8)), Some(Cursor(8)), "other changes came before it ended");
        assert_eq!(KeyEnd::Expired(None).through(Cursor(5)), Some(Cursor(5)));
    }

    #[test]
    fn what_is_served_begins_where_the_instance_is_and_never_from_nothing() {
        let (epoch, other) = (epoch(), Epoch::try_from("other".to_owned()).unwrap());
        let is_at =
            |after, acknowledged, epoch| request(after, None).is_at_its_place(Cursor(acknowledged), epoch);
        assert!(is_at(5, 5, Some(&epoch)) && is_at(6, 5, Some(&epoch)));
        assert!(!is_at(4, 5, Some(&epoch)), "before what it has acknowledged");
        assert!(!is_at(5, 0, Some(&epoch)), "it has acknowledged nothing");
        assert!(!is_at(5, 5, Some(&other)) && !is_at(5, 5, None));
    }

    #[test]
    fn the_end_is_acknowledged_only_while_nothing_follows_it() {
        let epoch = epoch();
        let acknowledged = |request: FollowerRequest, latest| {
            let page = PageStanding { epoch: &epoch, cursor: Cursor(7), reset: false };
            request.acknowledged_at_the_end(page, Cursor(latest)).0
        };
        assert_eq!(acknowledged(request(7, Some(0)), 7), 7);
        assert_eq!(acknowledged(request(7, Some(0)), 8), 0);
        assert_eq!(acknowledged(request(7, None), 8), 0);
        // What it had before its key ended was whole.
        assert_eq!(acknowledged(request(5, None), 8), 5);
        assert_eq!(acknowledged(request(5, Some(0)), 7), 0, "it reads several answers");
    }
}
