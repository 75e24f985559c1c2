//! What came of a change.

use latchkey_key_feed::Cursor;

use crate::audit::ChangeEvent;

/// A change that is durable: where it left the feed, and what it was.
pub(super) type Committed = (Cursor, ChangeEvent);

/// The outcome of a change that may turn out to be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// What was done, or why not.
    pub outcome: T,
    /// Where the change left the feed: whoever has applied everything up to here has applied it. `None` when nothing was changed.
    pub cursor: Option<Cursor>,
}

impl<T> Changed<T> {
    pub(super) fn by(change: Option<&Committed>, outcome: T) -> Self {
        Self { outcome, cursor: change.map(|(cursor, _)| *cursor) }
    }
}
