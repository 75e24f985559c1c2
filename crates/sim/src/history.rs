//! What the key service has said of each key, in each epoch: the truth that edges are held against.

use std::collections::BTreeMap;
use std::fmt;

use latchkey_key_feed::UnixMillis;

use crate::keys::{Secret, Secrets};

/// A key of the simulation, by its number.
pub(crate) type Key = usize;

/// One state of a key that the service has told: the change by which it came. It stands in the name of the
/// key, so an upstream reads which state it was admitted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    /// The epoch in which it came.
    pub(crate) epoch: usize,
    /// Its place in the feed of that epoch.
    pub(crate) seq: u64,
}

/// A place in the feed of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Which epoch, counted from 0.
    pub(crate) epoch: usize,
    /// How far.
    pub(crate) cursor: u64,
}

/// What a key is from a change on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// It is admitted, as that.
    Live(Version),
    /// It is not.
    Ended,
}

/// Whom a state of a key admits, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// When it ends by itself; `None` is never.
    pub(crate) expiration: Option<UnixMillis>,
    /// The secrets that the key has.
    pub(crate) secrets: Secrets,
}

/// Every change of every key, by epoch.
#[derive(Debug, Default)]
pub(crate) struct History {
    epochs: Vec<BTreeMap<Key, Vec<(u64, KeyState)>>>,
    terms: BTreeMap<Version, Terms>,
}

impl Version {
    /// The version in a name.
    #[must_use]
    pub(crate) fn read(name: &str) -> Option<Self> {
        let (epoch, seq) = name.strip_prefix('e')?.split_once('s')?;
        Some(Self { epoch: epoch.parse().ok()?, seq: seq.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}s{}", self.epoch, self.seq)
    }
}

impl History {
    /// A new epoch begins with these keys.
    pub(crate) fn begin_epoch(&mut self, keys: impl Iterator<Item = (Key, u64, KeyState)>) {
        self.epochs.push(keys.map(|(key, seq, state)| (key, vec![(seq, state)])).collect());
    }

    /// A key has changed in the latest epoch.
    pub(crate) fn note(&mut self, key: Key, seq: u64, state: KeyState) {
        if let Some(epoch) = self.epochs.last_mut() {
            epoch.entry(key).or_default().push((seq, state));
        }
    }

    /// The terms of a new state of a key.
    pub(crate) fn note_terms(&mut self, version: Version, terms: Terms) {
        self.terms.insert(version, terms);
    }

    /// The terms of a state of a key. One that was never told admits as a new key does, and nobody gives it out.
    #[must_use]
    pub(crate) fn terms(&self, version: Version) -> Terms {
        let unknown = Terms { expiration: None, secrets: Secrets::NEW };
        self.terms.get(&version).copied().unwrap_or(unknown)
    }

    /// Whether somebody with that secret is admitted by a state of a key, for whoever has that time.
    #[must_use]
    pub(crate) fn admits(&self, version: Version, secret: Secret, now: UnixMillis) -> bool {
        self.terms(version).secrets.admit(secret, now)
    }

    /// Whether the service has ever told this of the key.
    #[must_use]
    pub(crate) fn has_told(&self, key: Key, version: Version) -> bool {
        (0..self.epochs.len()).any(|epoch| self.place(epoch, key, version).is_some())
    }

    /// What makes it wrong to admit a key as `version` for whoever has everything up to a position: the change
    /// that it does not have. A state of a later epoch is not wrong, because it has read that further.
    #[must_use]
    pub(crate) fn older_than(&self, position: Position, key: Key, version: Version) -> Option<String> {
        let Position { epoch, cursor } = position;
        if (epoch + 1..self.epochs.len()).any(|later| self.place(later, key, version).is_some()) {
            return None;
        }
        let Some(place) = self.place(epoch, key, version) else {
            return Some(format!("epoch {epoch} knows no such state"));
        };
        let later = self.epochs[epoch][&key][place + 1..].iter().find(|(seq, _)| *seq <= cursor)?;
        Some(match later {
            (seq, KeyState::Ended) => format!("it was invalidated by change {seq}"),
            (seq, KeyState::Live(_)) => format!("it was replaced by change {seq}"),
        })
    }

    fn place(&self, epoch: usize, key: Key, version: Version) -> Option<usize> {
        self.epochs.get(epoch)?.get(&key)?.iter().position(|(_, state)| *state == KeyState::Live(version))
    }
}
