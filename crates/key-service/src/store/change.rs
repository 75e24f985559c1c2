//! A change of keys: what is asked, and what came of it.

use std::sync::Arc;

use latchkey_budget::Principal;
use latchkey_key_feed::{Cursor, OpaqueKeyPepper, UnixMillis};
use tracing::Span;

use crate::audit::ChangeEvent;
use crate::limits::GROUP_KEYS_MAX;
use crate::model::stored_key::StoredKey;
use crate::quota_permits::QuotaPermit;
use crate::store::KeyFilter;
use crate::store::rotation::{KeyRotation, RotationOutcome};
use crate::store::update::{KeyUpdate, UpdateOutcome};

/// A change that is durable: where it left the feed, and what it was.
pub(super) type Committed = (Cursor, ChangeEvent);

/// A change that is to be made.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) verb: Verb,
    /// Its entry in the audit log. The ids of the keys are filled in once they are known.
    pub(super) event: ChangeEvent,
    /// The request that asked for it: the entry in the audit log has its id.
    pub(super) span: Span,
    /// Its permit to wait.
    pub(super) waiting_permit: Option<QuotaPermit<Principal>>,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Verb {
    /// Add keys, all or none.
    Add(Vec<StoredKey>),
    /// Add keys that were made elsewhere, all or none. Where ids of them were made with a pepper, the store must have
    /// that one, or none yet.
    Import(Vec<StoredKey>, Option<OpaqueKeyPepper>),
    /// End keys, for ever: so many at most.
    Invalidate(KeyFilter, usize),
    /// Remove some of the keys that were dead at this moment.
    RemoveDead(UnixMillis),
    /// Give a key another secret.
    Rotate(Arc<KeyRotation>),
    /// Change keys, by id: the first one, and as many of the others as fit into a short transaction.
    Update(Vec<String>, Arc<KeyUpdate>),
}

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    /// The change; `None` when there was nothing to change.
    pub(super) change: Option<Committed>,
    /// Of an update: the outcome for each key, in the order of the ids. There are fewer outcomes than ids
    /// when the rest is left to a later change.
    pub(super) updates: Vec<UpdateOutcome>,
    /// Of a rotation: what came of it.
    pub(super) rotation: Option<RotationOutcome>,
}

/// The outcome of a change that may turn out to be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// What was done, or why not.
    pub outcome: T,
    /// The cursor after the change: an edge that has applied everything up to here has applied it. `None`
    /// when nothing was changed.
    pub cursor: Option<Cursor>,
}

impl Change {
    /// A change that the current request asks for.
    pub(super) fn new(verb: Verb, event: ChangeEvent) -> Self {
        Self { verb, event, span: Span::current(), waiting_permit: None }
    }

    /// The keys that it adds.
    pub(super) fn added(&self) -> &[StoredKey] {
        if let Verb::Add(keys) | Verb::Import(keys, _) = &self.verb { keys } else { &[] }
    }

    /// The ids of the keys that it ends, as far as it names them.
    pub(super) fn named(&self) -> &[String] {
        if let Verb::Invalidate(KeyFilter { ids: Some(ids), .. }, _) = &self.verb { ids } else { &[] }
    }

    /// How many keys it is about; [`usize::MAX`] when only the store can tell.
    pub(super) fn keys(&self) -> usize {
        match &self.verb {
            Verb::Add(keys) | Verb::Import(keys, _) => keys.len(),
            Verb::Invalidate(KeyFilter { ids: Some(ids), .. }, _) | Verb::Update(ids, _) => ids.len(),
            Verb::Rotate(_) => 1,
            Verb::Invalidate(..) | Verb::RemoveDead(_) => usize::MAX,
        }
    }

    /// On whose account it waits.
    pub(super) fn principal(&self) -> Principal {
        self.event.actor.principal()
    }

    /// Whether it ends keys.
    pub(super) fn ends_keys(&self) -> bool {
        matches!(self.verb, Verb::Invalidate(..))
    }

    /// Whether it fills a group alone.
    pub(super) fn is_large(&self) -> bool {
        self.keys() >= GROUP_KEYS_MAX
    }

    /// How many bytes of text it writes at most, as JSON. A change that only invalidates keys writes none.
    pub(super) fn written_len(&self) -> usize {
        match &self.verb {
            Verb::Add(keys) | Verb::Import(keys, _) => keys.iter().map(StoredKey::written_len).sum(),
            Verb::Update(ids, to) => to.written_len().saturating_mul(ids.len()),
            // The texts of a key that is rotated are written again, and it alone is.
            Verb::Invalidate(..) | Verb::RemoveDead(_) | Verb::Rotate(_) => 0,
        }
    }
}

impl Done {
    pub(super) fn of(change: Option<Committed>) -> Self {
        Self { change, updates: Vec::new(), rotation: None }
    }

    /// The cursor after the change.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.change.as_ref().map(|(cursor, _)| *cursor)
    }
}
