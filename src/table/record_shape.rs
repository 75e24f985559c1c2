//! What a record holds of a key besides its credential: the texts that the configuration tells somebody, and
//! no others.
//!
//! A key may have far more texts than anybody asks for. The others are not kept: they would fill the table,
//! and a key could be refused for the length of a text that nobody reads.
//!
//! The shape of its records is part of a table's name. Two configurations of one feed that tell different
//! things have a table each, so that none ever reads a record in which another left something out; a
//! configuration that tells something new loads its own. Those that tell the same share one, whatever their
//! headers are called.

use sha2::{Digest as _, Sha256};

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
}

/// The texts of every record of a table, in the order in which they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordShape {
    texts: Vec<RecordText>,
}

impl RecordShape {
    /// A record of these texts. Their order, and how often one is named, make no difference.
    #[must_use]
    pub fn of(texts: Vec<RecordText>) -> Self {
        let mut sorted = Vec::with_capacity(texts.len());
        for text in texts {
            if let Err(position) = sorted.binary_search(&text) {
                sorted.insert(position, text);
            }
        }
        Self { texts: sorted }
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
            };
            hash.update([kind]);
            hash.update(path.len().to_le_bytes());
            hash.update(path.as_bytes());
        }
    }
}
