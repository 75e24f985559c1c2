//! What a table holds of a key besides its credential: the texts that the configuration tells somebody or
//! asks for, and no others. Where it asks what keys may do, that is their rights too, and what the applications
//! have registered that it asks about.
//!
//! A key may have far more texts than anybody asks for. The others are not kept: they would fill the table,
//! and a key could be refused for the length of a text that nobody reads.
//!
//! The shape of its records is part of a table's name. Two configurations of one feed that tell different
//! things have a table each, so that none ever reads a record in which another left something out; a
//! configuration that tells something new loads its own. Those that tell the same share one, whatever their
//! headers are called.

use latchkey_key_feed::FeedVersion;
use sha2::{Digest as _, Sha256};

use super::page_index::page_bits_with_attachments;
use crate::limits::APPLICATION_NAME_LEN_MAX;

/// One text of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordText {
    /// The key's name.
    Name,
    /// The owner's username.
    Owner,
    /// The owner's realm.
    OwnerRealm,
    /// Those of the key's own role names that somebody vouches for, or its owner's roles when it has none of
    /// its own.
    Roles,
    /// The rest of the key's own role names.
    ClaimedRoles,
    /// The owner's roles when the key was made.
    LimitedBy,
    /// A field of its metadata.
    Metadata {
        /// Where it is: names joined by dots.
        path: String,
        /// Whether it is told also when nobody vouches for it.
        claims: bool,
    },
    /// By what content its set of rights is named; empty when nobody can say what it may do.
    Rights,
}

/// The texts of every record of a table, in the order in which they stand there, and what stands beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordShape {
    texts: Vec<RecordText>,
    /// The applications whose registered privileges are kept, in order.
    applications: Vec<String>,
}

impl RecordShape {
    /// A record of these texts. Their order, and how often one is named, make no difference.
    #[must_use]
    pub fn of(texts: Vec<RecordText>) -> Self {
        Self { texts: sorted(texts), applications: Vec::new() }
    }

    /// The same with the rights of keys, and what these applications have registered. The name of an
    /// application is shorter than 2^16 bytes, or it is none.
    #[must_use]
    pub fn with_rights(self, applications: Vec<String>) -> Self {
        let mut texts = self.texts;
        texts.push(RecordText::Rights);
        let applications =
            applications.into_iter().filter(|name| name.len() <= APPLICATION_NAME_LEN_MAX).collect();
        Self { texts: sorted(texts), applications: sorted(applications) }
    }

    /// Whether it has the rights of keys.
    #[must_use]
    pub fn holds_rights(&self) -> bool {
        self.texts.contains(&RecordText::Rights)
    }

    /// The version of the feed that has all of it.
    #[must_use]
    pub fn feed_version(&self) -> FeedVersion {
        if self.holds_rights() { FeedVersion::V2 } else { FeedVersion::V1 }
    }

    /// The applications whose registered privileges are kept, in order.
    #[must_use]
    pub fn applications(&self) -> &[String] {
        &self.applications
    }

    /// Whether what that application has registered is kept.
    pub(super) fn keeps_application(&self, name: &str) -> bool {
        self.applications.binary_search_by(|other| other.as_str().cmp(name)).is_ok()
    }

    /// The binary logarithm of all pages of a table with 2^`page_bits` pages of keys.
    pub(super) fn all_page_bits(&self, page_bits: u8) -> u8 {
        if self.holds_rights() { page_bits_with_attachments(page_bits) } else { page_bits }
    }

    /// The texts in their order.
    #[must_use]
    pub fn texts(&self) -> &[RecordText] {
        &self.texts
    }

    /// The paths of its metadata fields, in their order.
    pub(super) fn metadata_paths(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().filter_map(|text| match text {
            RecordText::Metadata { path, .. } => Some(path.as_str()),
            _ => None,
        })
    }

    /// Where the text that is meant stands among them.
    #[must_use]
    pub fn position_of(&self, is_meant: impl Fn(&RecordText) -> bool) -> Option<usize> {
        self.texts.iter().position(is_meant)
    }

    pub(super) fn hash_into(&self, hash: &mut Sha256) {
        for text in &self.texts {
            let (kind, path) = match text {
                RecordText::Name => (0, ""),
                RecordText::Owner => (1, ""),
                RecordText::OwnerRealm => (2, ""),
                RecordText::Roles => (3, ""),
                RecordText::ClaimedRoles => (4, ""),
                RecordText::LimitedBy => (5, ""),
                RecordText::Metadata { path, claims: false } => (6, path.as_str()),
                RecordText::Metadata { path, claims: true } => (7, path.as_str()),
                RecordText::Rights => (8, ""),
            };
            hash_part(hash, kind, path);
        }
        for application in &self.applications {
            hash_part(hash, 9, application);
        }
    }
}

fn hash_part(hash: &mut Sha256, kind: u8, text: &str) {
    hash.update([kind]);
    hash.update(text.len().to_le_bytes());
    hash.update(text.as_bytes());
}

/// These in order, each once. Merging would be quicker, and larger; there are few.
fn sorted<T: Ord>(items: Vec<T>) -> Vec<T> {
    let mut sorted = Vec::with_capacity(items.len());
    for item in items {
        if let Err(position) = sorted.binary_search(&item) {
            sorted.insert(position, item);
        }
    }
    sorted
}
