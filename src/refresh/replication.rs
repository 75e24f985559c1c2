//! What the follower reads answers into, and what it therefore asks next.

use std::time::Duration;

use latchkey_key_feed::{Cursor, Epoch, FeedHead, FeedVersion};

use super::poll::FeedEndpoint;
use super::sink::{Build, FeedSink, Live};
use crate::table::{LiveFeed, Refresh};

/// What the answers are read into.
pub(super) enum Replication<K: FeedSink> {
    /// The live table. A confirmed one waits for changes; an unconfirmed one asks first whether it is
    /// current.
    Following { live: Live<K>, confirmed: bool },
    /// A generation being built; the first page, which tells the size, begins it.
    Loading { load: Option<Load<K>>, cursor: Cursor },
}

/// A load as it was begun.
pub(super) struct Load<K: FeedSink> {
    pub(super) build: Build<K>,
    pub(super) epoch: Epoch,
    pub(super) version: FeedVersion,
    /// What the service had forgotten by then.
    pub(super) purged: Cursor,
    /// The latest answer, while the one that follows it is on its way.
    pub(super) unread: Option<UnreadAnswer>,
}

/// An answer of a load that was put off.
pub(super) struct UnreadAnswer {
    pub(super) bytes: Vec<u8>,
    /// What was asked for.
    pub(super) after: Cursor,
}

/// What a load has come to.
#[derive(Clone, Copy)]
pub(super) struct LoadEnd {
    pub(super) cursor: Cursor,
    pub(super) keys: u64,
    /// The answer after which nothing followed; `None` when that was because the credential has ended.
    pub(super) refreshed: Option<Refresh>,
}

impl<K: FeedSink> Load<K> {
    pub(super) fn begun(build: Build<K>, first: &FeedHead) -> Self {
        let FeedHead { epoch, version, purged, .. } = first;
        Self { build, epoch: epoch.clone(), version: *version, purged: *purged, unread: None }
    }
}

impl<K: FeedSink> Replication<K> {
    pub(super) fn load() -> Self {
        Self::Loading { load: None, cursor: Cursor(0) }
    }

    /// Puts an answer of a load off, if its head tells what to ask next. So the service reads what follows
    /// while this VM works. Nothing is acknowledged by asking: it is a load.
    pub(super) fn put_off(self, answer: &[u8]) -> Result<Self, Self> {
        let Self::Loading { load: Some(mut load), cursor } = self else { return Err(self) };
        match FeedHead::peek(answer) {
            Some(head) if head.more && !head.reset && head.epoch == load.epoch && head.cursor > cursor => {
                load.unread = Some(UnreadAnswer { bytes: answer.to_vec(), after: cursor });
                Ok(Self::Loading { load: Some(load), cursor: head.cursor })
            }
            _ => Err(Self::Loading { load: Some(load), cursor }),
        }
    }

    /// Whether an answer was put off.
    pub(super) fn has_unread(&self) -> bool {
        matches!(self, Self::Loading { load: Some(load), .. } if load.unread.is_some())
    }

    pub(super) fn cursor(&self) -> Cursor {
        match self {
            Self::Following { live, .. } => live.cursor(),
            Self::Loading { cursor, .. } => *cursor,
        }
    }

    /// Whether a page goes on with this. Otherwise the feed has become another one since it was begun.
    pub(super) fn is_of(&self, page: &FeedHead) -> bool {
        !page.reset && self.epoch().is_none_or(|epoch| *epoch == page.epoch)
    }

    /// Which feed the cursor is of; `None` before anything was read.
    pub(super) fn epoch(&self) -> Option<&Epoch> {
        match self {
            Self::Following { live, .. } => Some(live.epoch()),
            Self::Loading { load, .. } => load.as_ref().map(|load| &load.epoch),
        }
    }

    /// What whoever reads several answers repeats, so that the service knows when that was begun: a load, and a
    /// table after whose cursor more is known to follow. By that it also knows that nothing is acknowledged.
    ///
    /// After the last page of a credential that has ended, more may follow too: the service knows, and counts the
    /// acknowledgement if not. Under another credential it must not count.
    pub(super) fn purged(&self) -> Option<Cursor> {
        match self {
            Self::Following { live, .. } => {
                live.more_follows().or(live.credential_ended().then_some(Cursor(0)))
            }
            Self::Loading { load, .. } => load.as_ref().map(|load| load.purged),
        }
    }

    /// How long the service may hold its answer back. Only a table known to be current has nothing better to
    /// do than wait.
    pub(super) fn wait(&self, request: &FeedEndpoint) -> Duration {
        match self {
            Self::Following { confirmed: true, live } if live.more_follows().is_none() => request.wait,
            Self::Following { .. } | Self::Loading { .. } => Duration::ZERO,
        }
    }

    pub(super) fn unconfirmed(self) -> Self {
        match self {
            Self::Following { live, .. } => Self::Following { live, confirmed: false },
            loading @ Self::Loading { .. } => loading,
        }
    }
}

/// Whether an epoch is one that is known in a later version: while the service is upgraded, a replica has
/// answered that is older than one before.
pub(super) fn is_of_earlier_version(told: &Epoch, known: &Epoch) -> bool {
    match (FeedVersion::of_told_epoch(told), FeedVersion::of_told_epoch(known)) {
        (Ok((version, told)), Ok((known_version, known))) => told == known && version < known_version,
        _ => false,
    }
}
