//! Why the store did not do what it was asked.

use std::fmt;
use std::sync::Arc;

use crate::model::footing::Footing;

/// Why the store did not do it.
#[derive(Debug)]
pub enum StoreError {
    /// The stored data is damaged: the text says which part.
    Corrupt(&'static str),
    /// A key with this id exists.
    IdTaken,
    /// A text holds the character NUL, which PostgreSQL does not keep.
    NulInText,
    /// A text is longer than PostgreSQL can find again.
    TextTooLong,
    /// What the change depends on was no longer valid when it was to be written.
    ShutOut(Footing),
    /// The queue of changes is full.
    TooManyChanges,
    /// It is not a store of Latchkey.
    NotAStore,
    /// The store was made by a newer version.
    NewerVersion,
    /// The store is of an older version, and is not to be changed.
    OlderVersion,
    /// The database failed. For the log, never for a client.
    Unavailable(Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// For one of several callers that are answered with the same failure.
    #[must_use]
    pub fn of_shared(error: &Arc<Self>) -> Self {
        match error.as_ref() {
            Self::Corrupt(part) => Self::Corrupt(part),
            _ => Self::Unavailable(Box::new(Arc::clone(error))),
        }
    }

    /// The kind of the error, from a bounded set, for metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Corrupt(_) => "corrupt",
            Self::IdTaken => "id_taken",
            Self::NulInText => "nul_in_text",
            Self::TextTooLong => "text_too_long",
            Self::NotAStore => "not_a_store",
            Self::NewerVersion => "newer_version",
            Self::OlderVersion => "older_version",
            Self::ShutOut(_) => "shut_out",
            Self::TooManyChanges => "too_many_changes",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(part) => write!(f, "what is stored as {part} is not readable"),
            Self::IdTaken => f.write_str("a key with this id exists"),
            Self::NulInText => {
                f.write_str("a text holds the character NUL (U+0000), which this store cannot keep")
            }
            Self::TextTooLong => f.write_str("a name is longer than this store can keep"),
            Self::ShutOut(_) => f.write_str("the user, key or token that asked for it is no longer valid"),
            Self::TooManyChanges => f.write_str("too many changes wait to be written"),
            Self::NotAStore => f.write_str("it is not a store of Latchkey"),
            Self::NewerVersion => {
                f.write_str("it was made by a newer version of Latchkey, or its migrations were altered")
            }
            Self::OlderVersion => f.write_str(
                "it is of an older version of Latchkey; start the service once to bring it up to date",
            ),
            Self::Unavailable(_) => f.write_str("the database failed"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(cause) => Some(cause.as_ref()),
            _ => None,
        }
    }
}
