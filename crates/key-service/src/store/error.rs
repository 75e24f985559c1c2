//! Why the store did not do what it was asked.

use std::sync::Arc;

use crate::model::precondition::Precondition;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The stored data is damaged: the text says which part.
    #[error("what is stored as {0} is not readable")]
    Corrupt(&'static str),
    /// A key with this id exists.
    #[error("a key with this id exists")]
    IdTaken,
    /// Ids of keys were made with another pepper than the store's.
    #[error("the store finds opaque keys by another pepper")]
    OtherPepper,
    /// A text holds the character NUL, which PostgreSQL does not keep.
    #[error("a text holds the character NUL (U+0000), which this store cannot keep")]
    NulInText,
    /// A text is longer than PostgreSQL can find again.
    #[error("a name is longer than this store can keep")]
    TextTooLong,
    /// What the change depends on was no longer valid when it was to be written.
    #[error("the user, key or token that asked for it is no longer valid")]
    PreconditionFailed(Precondition),
    /// The queue of changes is full.
    #[error("too many changes wait to be written")]
    TooManyChanges,
    /// It is not a store of Latchkey.
    #[error("it is not a store of Latchkey")]
    NotAStore,
    /// The store was made by a newer version.
    #[error("it was made by a newer version of Latchkey, or its migrations were altered")]
    NewerVersion,
    /// The store is of an older version, and is not to be changed.
    #[error("it is of an older version of Latchkey; start the service once to bring it up to date")]
    OlderVersion,
    /// The database has found that what it keeps is damaged. For the log, never for a client.
    #[error("the store is damaged; restore it from a backup")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database failed. For the log, never for a client.
    #[error("the database failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// For one of several callers that are answered with the same failure.
    #[must_use]
    pub fn of_shared(error: &Arc<Self>) -> Self {
        match error.as_ref() {
            Self::Corrupt(part) => Self::Corrupt(part),
            Self::Damaged(_) => Self::Damaged(Box::new(Arc::clone(error))),
            _ => Self::Unavailable(Box::new(Arc::clone(error))),
        }
    }

    /// The kind of the error, from a bounded set, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Corrupt(_) => "corrupt",
            Self::Damaged(_) => "damaged",
            Self::IdTaken => "id_taken",
            Self::NulInText => "nul_in_text",
            Self::OtherPepper => "other_pepper",
            Self::TextTooLong => "text_too_long",
            Self::NotAStore => "not_a_store",
            Self::NewerVersion => "newer_version",
            Self::OlderVersion => "older_version",
            Self::PreconditionFailed(_) => "shut_out",
            Self::TooManyChanges => "too_many_changes",
            Self::Unavailable(_) => "unavailable",
        }
    }
}
