//! What a request for the feed acknowledges, and what its sender is given.
//!
//! An acknowledgement is a promise about one feed: no VM that reads the table of the sender admits by
//! anything older than `after`. So a request of another epoch acknowledges nothing in this one, and its
//! sender loads again.

use std::time::Duration;

use latchkey_key_feed::{Cursor, Epoch, FeedVersion};

use crate::ledger::EdgeRequest;

/// What a follower asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerRequest {
    /// Which version of the feed it gets.
    pub version: FeedVersion,
    /// How far it has read, and thereby acknowledges.
    pub after: Cursor,
    /// Which feed it has read so far, if it says so, as followers of the version that it read call it. It does
    /// not matter to a load from 0.
    pub epoch: Option<Epoch>,
    /// While it reads several answers, of a load or of changes: what the store had forgotten when that began.
    pub purged: Option<Cursor>,
    /// Most rows to answer.
    pub rows_max: u32,
    /// How long to wait for a change when there is none; zero answers at once.
    pub wait: Duration,
    /// Which edge asks, if it says so. The other fields say what it acknowledges.
    pub edge: Option<EdgeRequest>,
    /// Whether nothing of this edge admits any more: it says goodbye.
    pub is_leaving: bool,
}

/// A page of the feed, as far as it decides what a request acknowledges.
#[derive(Clone, Copy, Debug)]
pub struct PageStanding<'a> {
    /// Which feed it is of, as followers of its version call it.
    pub epoch: &'a Epoch,
    /// How far one has read after applying it.
    pub cursor: Cursor,
    /// Whether the follower must load again from 0.
    pub reset: bool,
}

impl FollowerRequest {
    /// What the request acknowledges when this page is the answer: 0 is nothing. `is_of_now` says whether the
    /// page is of the epoch that the store has now.
    ///
    /// A load acknowledges nothing before it is whole, because the table before it still serves. Nor does
    /// whoever knows that more follows: a key may have changed before `after` and again after it, and only its
    /// latest change comes. Both say so with `purged`. A cursor that is answered with a reset acknowledges nothing
    /// either.
    #[must_use]
    pub fn acknowledged(&self, page: PageStanding<'_>, is_of_now: bool) -> Cursor {
        if is_of_now && self.purged.is_none() && !page.reset { self.after } else { Cursor(0) }
    }

    /// Whether it asks from the cursor that its instance has acknowledged, or a later one, in this epoch.
    #[must_use]
    pub fn is_at_its_place(&self, acknowledged: Cursor, epoch: Option<&Epoch>) -> bool {
        epoch.is_some()
            && self.epoch.as_ref() == epoch
            && acknowledged != Cursor(0)
            && self.after >= acknowledged
    }

    /// What it acknowledges with a key that has ended: 0 is nothing. `latest` is read after the page.
    ///
    /// A key that changed before the end and again after it comes with neither change. So whoever has read up to the
    /// end has acknowledged it only if nothing follows. A filter cannot know that, and says `purged` from its last page
    /// on: under another key such a request acknowledges nothing.
    #[must_use]
    pub fn acknowledged_at_the_end(&self, page: PageStanding<'_>, latest: Cursor) -> Cursor {
        if page.reset || self.has_news(page) {
            return self.acknowledged(page, true);
        }
        if latest <= page.cursor { self.after } else { Cursor(0) }
    }

    /// Whether the sender has read another feed than that of the page, so that it is told to load again: one
    /// of another epoch, or of another version.
    #[must_use]
    pub fn is_of_another_feed(&self, epoch: &Epoch) -> bool {
        self.after != Cursor(0) && self.epoch.as_ref().is_some_and(|read| read != epoch)
    }

    /// Whether a page has news for the sender. A store's positions begin at 1, so a load from 0 always has
    /// news, even of an empty store.
    #[must_use]
    pub fn has_news(&self, page: PageStanding<'_>) -> bool {
        page.reset || page.cursor != self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch::try_from(name.to_owned()).unwrap()
    }

    fn request(purged: Option<u64>) -> FollowerRequest {
        FollowerRequest {
            version: FeedVersion::V1,
            after: Cursor(7),
            epoch: Some(epoch("e")),
            purged: purged.map(Cursor),
            rows_max: 10,
            wait: Duration::ZERO,
            edge: None,
            is_leaving: false,
        }
    }

    #[test]
    fn a_cursor_is_acknowledged_in_its_own_epoch_and_when_nothing_is_known_to_follow_it() {
        let epoch = epoch("e");
        let page = |reset| PageStanding { epoch: &epoch, cursor: Cursor(7), reset };
        let acknowledged = |purged, reset, is_of_now| request(purged).acknowledged(page(reset), is_of_now);
        assert_eq!(acknowledged(None, false, true), Cursor(7));
        assert_eq!(acknowledged(Some(0), false, true), Cursor(0));
        assert_eq!(acknowledged(None, true, true), Cursor(0));
        assert_eq!(acknowledged(None, false, false), Cursor(0));
    }

    #[test]
    fn who_has_read_another_feed_is_told_so_unless_it_begins() {
        assert!(!request(None).is_of_another_feed(&epoch("e")));
        assert!(request(None).is_of_another_feed(&epoch("e.2")));
        assert!(!FollowerRequest { after: Cursor(0), ..request(None) }.is_of_another_feed(&epoch("e.2")));
        assert!(!FollowerRequest { epoch: None, ..request(None) }.is_of_another_feed(&epoch("e.2")));
    }
}
