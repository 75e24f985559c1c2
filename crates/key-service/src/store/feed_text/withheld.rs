//! Keys that the feed cannot send as they are.
//!
//! An edge that cannot read one row would refuse the whole page, and with it every later change. So the feed
//! says that such a key was removed: edges refuse the key, which is safe, and the feed goes on. The key is
//! counted, and named in the log.

use std::borrow::Cow;

use latchkey_key_feed::{Malformed, RowSize, UnixMillis, WireKey, WireObject, WireTexts, header_value};

use super::FeedKey;
use super::rights::WhyWithoutRights;
use crate::limits::row_limits::WITHHELD_KEYS_NAMED_MAX;
use crate::telemetry;

/// Why the feed says that a key was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhyWithheld {
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
    without_rights: WithoutRights,
}

/// Keys of a page of which the feed does not say what they may do. Edges hold them, and refuse what asks for
/// a right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct WithoutRights {
    too_large: usize,
    unreadable: usize,
    /// The ids of the first of them.
    ids: Vec<String>,
}

impl FeedKey<'_> {
    /// The key as the feed tells it, or why it cannot be told as it is.
    pub(super) fn as_wire(&self) -> Result<WireKey<'_>, WhyWithheld> {
        let (roles, size_of_roles) = WireTexts::measured(self.roles)?;
        let (vouched_roles, _) = WireTexts::measured(self.vouched_roles)?;
        let (limited_by, size_of_limits) = WireTexts::measured(self.limited_by)?;
        let (metadata, size_of_metadata) = WireObject::measured(self.metadata)?;
        let size = RowSize {
            id_len: self.id.len(),
            name_len: header_value::encoded_len(self.name),
            owner_len: header_value::encoded_len(self.username) + header_value::encoded_len(self.realm),
            roles: size_of_roles,
            limited_by: size_of_limits,
            metadata: size_of_metadata,
        };
        if !size.fits_a_record() {
            return Err(WhyWithheld::TooLarge);
        }
        let expiration = self.expiration.map(u64::try_from).transpose();
        Ok(WireKey {
            secrets: self.secrets.ok_or(WhyWithheld::Unreadable)?,
            expiration: expiration.map_err(|_| WhyWithheld::Unreadable)?.map(UnixMillis),
            name: Cow::Borrowed(self.name),
            username: Cow::Borrowed(self.username),
            realm: Cow::Borrowed(self.realm),
            roles,
            vouched_roles,
            limited_by,
            metadata,
            metadata_vouched: self.is_metadata_vouched && !metadata.is_empty(),
            rights: None,
        })
    }
}

impl From<Malformed> for WhyWithheld {
    fn from(_: Malformed) -> Self {
        Self::Unreadable
    }
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

    pub(super) fn note_without_rights(&mut self, id: &str, why: WhyWithoutRights) {
        let without = &mut self.without_rights;
        match why {
            WhyWithoutRights::TooLarge => without.too_large += 1,
            WhyWithoutRights::Unreadable => without.unreadable += 1,
        }
        if without.ids.len() < WITHHELD_KEYS_NAMED_MAX {
            without.ids.push(id.to_owned());
        }
    }

    /// Counts them, and names them in the log.
    pub fn report(&self) {
        self.without_rights.report();
        let Self { too_large, unreadable, ids, without_rights: _ } = self;
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

impl WithoutRights {
    fn report(&self) {
        let Self { too_large, unreadable, ids } = self;
        if ids.is_empty() {
            return;
        }
        telemetry::feed_rights_withheld("too_large", *too_large);
        telemetry::feed_rights_withheld("unreadable", *unreadable);
        tracing::warn!(
            too_large,
            unreadable,
            key_ids = ?ids,
            "edges are not told what these API keys may do, because their rights are too large or not readable; requests that need a right get 503"
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
