//! A page: the records of the keys whose ids hash to it.
//!
//! ```text
//! generation u32 | seq u64 | record*
//! ```
//!
//! `seq` is the highest change applied to the page. It is what makes a write safe: see [`Page::with`].

use latchkey_key_feed::{Cursor, FeedRow, KeyId};

use super::bytes::Unread;
use super::header::Generation;
use super::record::{RecordView, is_of, push_record, split_record};

/// The bytes of a page, as the store handed them over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which build of the table wrote it; 0 for a page that was never written or has been cleared.
    pub generation: Generation,
    seq: Cursor,
    bytes: Vec<u8>,
}

/// Something other than this filter wrote the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

const HEAD_LEN: usize = 12;

impl Page {
    /// Reads a page. No bytes are a page without keys.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes do not begin like a page.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, Unreadable> {
        if bytes.is_empty() {
            return Ok(Self::empty(Generation::default()));
        }
        let mut unread = Unread(&bytes);
        let generation = Generation(unread.u32().ok_or(Unreadable)?);
        let seq = Cursor(unread.u64().ok_or(Unreadable)?);
        Ok(Self { generation, seq, bytes })
    }

    /// A page of that generation without keys.
    #[must_use]
    pub fn empty(generation: Generation) -> Self {
        Self { generation, seq: Cursor(0), bytes: Vec::new() }
    }

    /// The record of that key, if the page holds it.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub fn find(&self, id: &KeyId) -> Result<Option<RecordView<'_>>, Unreadable> {
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (_, body) = split_record(&mut unread).ok_or(Unreadable)?;
            if is_of(body, id) {
                return RecordView::decode(body).map(Some).ok_or(Unreadable);
            }
        }
        Ok(None)
    }

    /// The bytes of this page after `changes`, as a page of `generation`; `None` when they change nothing.
    ///
    /// A change whose sequence number is not higher than the page's has been applied already, together with every change between: followers
    /// apply the feed in order. So a follower that is behind cannot undo what another has done.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] when the bytes are not records.
    pub fn with(&self, generation: Generation, changes: &[&FeedRow]) -> Result<Option<Vec<u8>>, Unreadable> {
        let new: Vec<_> = changes.iter().filter(|change| change.seq() > self.seq).collect();
        let Some(seq) = new.iter().map(|change| change.seq()).max() else { return Ok(None) };
        let mut bytes = Vec::with_capacity(self.bytes.len() + 256 * new.len());
        bytes.extend_from_slice(&generation.0.to_le_bytes());
        bytes.extend_from_slice(&seq.0.to_le_bytes());
        let mut unread = self.records();
        while !unread.0.is_empty() {
            let (whole, body) = split_record(&mut unread).ok_or(Unreadable)?;
            if !new.iter().any(|change| is_of(body, change.id())) {
                bytes.extend_from_slice(whole);
            }
        }
        for (position, change) in new.iter().enumerate() {
            let is_superseded = new.iter().skip(position + 1).any(|later| later.id() == change.id());
            if let FeedRow::Live { record, .. } = change
                && !is_superseded
            {
                push_record(&mut bytes, record);
            }
        }
        Ok(Some(bytes))
    }

    fn records(&self) -> Unread<'_> {
        Unread(self.bytes.get(HEAD_LEN..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::header_value;
    use crate::limits::RECORD_LEN_MAX;
    use crate::table::fake_store::{key, live, removed};

    const GENERATION: Generation = Generation(3);

    fn page(changes: &[FeedRow]) -> Page {
        let changes: Vec<_> = changes.iter().collect();
        Page::decode(Page::empty(GENERATION).with(GENERATION, &changes).unwrap().unwrap()).unwrap()
    }

    fn id(text: &str) -> KeyId {
        KeyId::try_from(text).unwrap()
    }

    #[test]
    fn finds_a_key_among_others() {
        let page = page(&[live(1, key("one")), live(2, key("two")), live(3, key("three"))]);
        assert_eq!(page.generation, GENERATION);
        assert_eq!(page.find(&id("two")).unwrap().unwrap().id(), "two");
        assert!(page.find(&id("four")).unwrap().is_none());
        assert!(page.find(&id("tw")).unwrap().is_none());
    }

    #[test]
    fn a_late_change_cannot_bring_a_revoked_key_back() {
        let revoked = page(&[live(1, key("one")), removed(5, "one")]);
        let late = live(4, key("one"));
        assert_eq!(revoked.with(GENERATION, &[&late]).unwrap(), None);
        assert!(revoked.find(&id("one")).unwrap().is_none());
    }

    #[test]
    fn applying_a_change_twice_changes_nothing() {
        let change = live(2, key("one"));
        let once = page(std::slice::from_ref(&change));
        assert_eq!(once.with(GENERATION, &[&change]).unwrap(), None);
    }

    #[test]
    fn a_change_replaces_the_record_and_keeps_its_neighbours() {
        let before = page(&[live(1, key("one")), live(2, key("two"))]);
        let mut renamed = key("one");
        renamed.name = "renamed".to_owned();
        let after = Page::decode(before.with(GENERATION, &[&live(3, renamed)]).unwrap().unwrap()).unwrap();
        assert_eq!(after.find(&id("one")).unwrap().unwrap().texts().unwrap().name, "renamed");
        assert!(after.find(&id("two")).unwrap().is_some());
    }

    #[test]
    fn identity_is_stored_ready_to_be_a_header() {
        let mut record = key("one");
        record.name = "näme, 100%".to_owned();
        record.roles = vec!["a,b".to_owned(), "c".to_owned()];
        record.metadata =
            json!({"team": {"name": "x y", "ids": [1, true, "z"]}, "none": null, "deep": [[1]]})
                .as_object()
                .unwrap()
                .clone();
        let page = page(&[live(1, record)]);
        let view = page.find(&id("one")).unwrap().unwrap();
        let texts = view.texts().unwrap();
        assert_eq!((texts.name, texts.roles), ("n%C3%A4me%2C%20100%25", "a%2Cb,c"));
        assert_eq!(view.metadata("team.name"), Some("x%20y"));
        assert_eq!(view.metadata("team.ids"), Some("1,true,z"));
        assert_eq!(view.metadata("team"), None);
        assert_eq!(view.metadata("none"), None);
        assert_eq!(view.metadata("deep"), None);
    }

    #[test]
    fn a_key_without_own_roles_shows_its_owners() {
        let mut record = key("one");
        record.roles.clear();
        record.limited_by = vec!["ops".to_owned()];
        let page = page(&[live(1, record)]);
        let texts = page.find(&id("one")).unwrap().unwrap().texts().unwrap();
        assert_eq!((texts.roles, texts.limited_by), ("ops", "ops"));
    }

    #[test]
    fn a_record_over_the_limit_keeps_its_credential_and_says_so() {
        let fitting = RECORD_LEN_MAX - 1_000;
        for (len, too_long) in [(fitting, false), (RECORD_LEN_MAX, true), (usize::from(u16::MAX) + 1, true)] {
            let mut record = key("one");
            record.name = "n".repeat(len);
            let page = page(&[live(1, record.clone()), live(2, key("two"))]);
            let view = page.find(&id("one")).unwrap().unwrap();
            assert_eq!(view.is_too_long(), too_long, "{len} bytes");
            assert!(*view.digest() == record.digest && view.expiration() == record.expiration);
            assert!(page.find(&id("two")).unwrap().is_some());
        }
    }

    #[test]
    fn a_cut_page_is_unreadable_and_not_empty() {
        let whole = page(&[live(1, key("one"))]);
        let cut = Page::decode(whole.bytes[..whole.bytes.len() - 1].to_vec()).unwrap();
        assert_eq!(cut.find(&id("two")).map(|_| ()), Err(Unreadable));
        assert_eq!(Page::decode(vec![1]), Err(Unreadable));
    }

    proptest! {
        #[test]
        fn any_key_survives_the_layout(
            ids in proptest::collection::hash_set("[a-z0-9_-]{1,20}", 1..6),
            texts in proptest::collection::vec(".{0,40}", 4),
            expiration in proptest::option::of(0..u64::MAX),
        ) {
            let records: Vec<_> = ids.iter().map(|id| {
                let mut record = key(id);
                record.name.clone_from(&texts[0]);
                record.owner.username.clone_from(&texts[1]);
                record.roles = vec![texts[2].clone()];
                record.metadata.insert("field".to_owned(), json!(texts[3]));
                record.expiration = expiration.map(latchkey_key_feed::UnixMillis);
                record
            }).collect();
            let rows: Vec<_> = (1..).zip(records.clone()).map(|(seq, record)| live(seq, record)).collect();
            let page = page(&rows);
            for record in records {
                let view = page.find(&record.id).unwrap().unwrap();
                let shown = view.texts().unwrap();
                prop_assert_eq!(shown.name, header_value::encode(&record.name));
                prop_assert_eq!(shown.owner, header_value::encode(&record.owner.username));
                prop_assert_eq!(shown.roles, header_value::encode(&record.roles[0]));
                prop_assert_eq!(view.metadata("field").unwrap_or_default(), header_value::encode(&texts[3]));
                prop_assert_eq!(view.expiration(), record.expiration);
                prop_assert!(*view.digest() == record.digest && *view.salt() == record.salt);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            if let Ok(page) = Page::decode(bytes) {
                let _ = page.find(&id("k")).map(|found| found.map(|view| (view.texts(), view.metadata("a"))));
                let _ = page.with(GENERATION, &[&live(u64::MAX, key("k"))]);
            }
        }
    }
}
