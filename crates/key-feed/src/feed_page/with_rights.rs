//! A page of version 2 in memory, for tests of both sides.

use std::collections::BTreeMap;

use super::parts::WirePart;
use super::reading::FeedHead;
use super::writing::WrittenRows;
use super::{Cursor, FeedPage, FeedRow, InvalidFeedPage, Malformed, UnwritablePage, WireState};
use crate::{FeedVersion, KeyId, OpaqueKeyPepper};

/// A page with what keys may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPageWithRights {
    /// The page without it. Its epoch is the one that followers of version 2 are told.
    pub page: FeedPage,
    /// What applications have registered, in ascending sequence.
    pub applications: Vec<FeedApplication>,
    /// The rights of the keys, as JSON; a key that is not there has rights that nobody knows.
    pub rights: BTreeMap<KeyId, String>,
}

/// What one application has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedApplication {
    /// Sequence number of its latest change.
    pub seq: Cursor,
    /// The name of the application.
    pub application: String,
    /// A JSON object; `None` for what is too long.
    pub privileges: Option<String>,
}

impl FeedPageWithRights {
    /// Reads the answer to a request for everything after `after`. One of version 1 has no rights.
    ///
    /// # Errors
    ///
    /// [`InvalidFeedPage`] when the bytes are not such an answer; nothing of it may be applied then.
    pub fn parse(bytes: &[u8], after: Cursor) -> Result<Self, InvalidFeedPage> {
        let (mut applications, mut texts, mut rights) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        FeedHead::read_parts(bytes, after, &mut |part| {
            match part {
                WirePart::Application(it) => applications.push(FeedApplication {
                    seq: it.seq,
                    application: it.application.into_owned(),
                    privileges: it.privileges.map(|json| owned(json.as_json())).transpose()?,
                }),
                WirePart::OpaqueKeyPepper(_) => {}
                WirePart::Rights { index, json } => {
                    texts.insert(index, owned(json)?);
                }
                WirePart::Row(row) => {
                    if let WireState::Live(key) = &row.state
                        && let Some(text) = key.rights.and_then(|index| texts.get(&index))
                    {
                        let id = KeyId::try_from(&*row.id).map_err(|_| Malformed)?;
                        rights.insert(id, text.clone());
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { page: FeedPage::parse(bytes, after)?, applications, rights })
    }

    /// The page as it is sent.
    ///
    /// # Errors
    ///
    /// [`UnwritablePage`] when no follower could read it.
    pub fn to_json(&self) -> Result<Vec<u8>, UnwritablePage> {
        self.to_json_with(None)
    }

    /// The page as it is sent by a service that holds opaque keys.
    ///
    /// # Errors
    ///
    /// [`UnwritablePage`] when no follower could read it.
    pub fn to_json_with(&self, pepper: Option<&OpaqueKeyPepper>) -> Result<Vec<u8>, UnwritablePage> {
        let mut rows = WrittenRows::new(FeedVersion::V2);
        rows.set_opaque_key_pepper(pepper.cloned());
        for FeedApplication { seq, application, privileges } in &self.applications {
            rows.push_application(*seq, application, privileges.as_deref())?;
        }
        for row in &self.page.keys {
            let rights = match row {
                FeedRow::Live { record, .. } => self.rights.get(&record.id),
                FeedRow::Removed { .. } => None,
            };
            let place = rights.and_then(|rights| rows.place_of_rights(rights));
            row.push_to(&mut rows, place)?;
        }
        Ok(rows.to_page(&self.page.head(FeedVersion::V2)))
    }
}

fn owned(json: &[u8]) -> Result<String, Malformed> {
    String::from_utf8(json.to_vec()).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests;
