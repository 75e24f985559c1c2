//! Keys that the feed cannot send as they are.
//!
//! An edge that cannot read one row would refuse the whole page, and with it every later change. So the feed
//! says that such a key was removed: edges refuse the key, which is safe, and the feed goes on. The key is
//! counted, and named in the log.

use latchkey_key_feed::{KeyId, ListSize, MetadataSize, RowSize, header_value};

use super::FeedKey;
use crate::limits::rows::WITHHELD_KEYS_NAMED_MAX;
use crate::telemetry;

/// Why the feed says that a key was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyWithheld {
    /// No edge could hold it. It was made when nothing was refused for its size.
    TooLarge,
    /// What is stored of it is not what was stored.
    Unreadable,
}

/// The withheld keys of one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    too_large: usize,
    unreadable: usize,
    /// The ids of the first of them.
    ids: Vec<String>,
}

impl FeedKey<'_> {
    /// Why it cannot be told as it is, if it cannot.
    pub(super) fn why_withheld(&self) -> Option<WhyWithheld> {
        match self.row_size() {
            None => Some(WhyWithheld::Unreadable),
            Some(size) if !size.fits_a_record() => Some(WhyWithheld::TooLarge),
            Some(_) => None,
        }
    }

    /// `None` when an edge could not read it.
    fn row_size(&self) -> Option<RowSize> {
        ListSize::of_json(self.vouched_roles).ok()?;
        Some(RowSize {
            id_len: self.id.len(),
            name_len: header_value::encoded_len(self.name),
            owner_len: header_value::encoded_len(self.username) + header_value::encoded_len(self.realm),
            roles: ListSize::of_json(self.roles).ok()?,
            limited_by: ListSize::of_json(self.limited_by).ok()?,
            metadata: MetadataSize::of_json(self.metadata).ok()?,
        })
    }
}

/// Whether an edge can read it as an id. A row without an id cannot be sent at all; nobody can present such a
/// key either.
pub(super) fn is_id(id: &str) -> bool {
    KeyId::check(id).is_ok()
}

impl Withheld {
    pub(super) fn note(&mut self, id: &str, why: WhyWithheld) {
        match why {
            WhyWithheld::TooLarge => self.too_large += 1,
            WhyWithheld::Unreadable => self.unreadable += 1,
        }
        if self.ids.len() < WITHHELD_KEYS_NAMED_MAX {
            self.ids.push(id.to_owned());
        }
    }

    /// Counts them, and names them in the log.
    pub fn report(&self) {
        let Self { too_large, unreadable, ids } = self;
        if ids.is_empty() {
            return;
        }
        telemetry::feed_rows_withheld("too_large", *too_large);
        telemetry::feed_rows_withheld("unreadable", *unreadable);
        tracing::warn!(
            too_large,
            unreadable,
            key_ids = ?ids,
            "edges are told that these API keys were removed, because they could not hold or read them; `latchkey check` lists all of them"
        );
    }
}

#[cfg(test)]
impl Withheld {
    pub(super) fn of(id: &str, why: WhyWithheld) -> Self {
        let mut withheld = Self::default();
        withheld.note(id, why);
        withheld
    }
}
