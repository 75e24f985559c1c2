//! A page of the feed as it is sent, made once for all requests for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use latchkey_edge_ledger::PageStanding;
use latchkey_key_feed::{Cursor, Epoch, FeedVersion};
use sha2::{Digest as _, Sha256};

use crate::store::StoreError;
use crate::store::feed_text::{FeedText, told_epoch};

/// A page with its bytes.
#[derive(Debug)]
pub(crate) struct SharedPage {
    /// Which feed this is, as followers of this version call it.
    pub epoch: Epoch,
    /// How far one has read after applying this page.
    pub cursor: Cursor,
    /// Whether more rows wait after `cursor`.
    pub more: bool,
    /// Whether the follower must load again from 0.
    pub reset: bool,
    /// How many rows it has.
    pub rows: usize,
    /// What is sent.
    pub body: Bytes,
    /// The weak tag of the content: the same from every replica, and whether it is compressed on its way or
    /// not.
    pub tag: String,
    /// Which feed this is, as the store calls it.
    pub(super) history: Epoch,
    version: FeedVersion,
    pub(super) latest: Cursor,
    pub(super) purged: Cursor,
    total: u64,
}

impl SharedPage {
    pub(super) fn of(text: &FeedText) -> Result<Self, StoreError> {
        let body = text.to_json()?;
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Ok(Self {
            epoch: told_epoch(text.head.version, &text.head.epoch)?,
            history: text.head.epoch.clone(),
            version: text.head.version,
            cursor: text.head.cursor,
            more: text.head.more,
            reset: text.head.reset,
            rows: text.rows.count(),
            body: Bytes::from(body),
            tag,
            latest: text.latest,
            purged: text.head.purged,
            total: text.head.total,
        })
    }

    /// What decides what a request for it acknowledges.
    pub(super) fn standing(&self) -> PageStanding<'_> {
        PageStanding { epoch: &self.epoch, cursor: self.cursor, reset: self.reset }
    }

    /// The page for a follower whose position means nothing in this feed.
    pub(super) fn reset(&self) -> Result<Self, StoreError> {
        let Self { history, version, latest, purged, total, .. } = self;
        Self::of(&FeedText::reset_of(history.clone(), *version, *latest, *purged, *total))
    }
}
