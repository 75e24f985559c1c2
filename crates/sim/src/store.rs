//! The store of the key service, in memory: the verbs and the pages of the real one.

use std::collections::BTreeMap;

use latchkey_edge_ledger::testing::KeptRows;
use latchkey_key_feed::{
    Cursor, Epoch, FeedApplication, FeedPage, FeedPageWithRights, FeedRow, FeedVersion, KeptSecrets, KeyId,
    KeyRecord, KeySecret, Owner, Salt, SecretDigest, UnixMillis,
};

use crate::history::{History, Key, KeyState, Version};

/// Keys at most.
pub(crate) const KEYS_MAX: usize = 5;

/// Everything that is durable.
pub(crate) struct Store {
    pub(crate) held: Held,
    pub(crate) epoch: usize,
    pub(crate) history: History,
    backup: Option<Held>,
    keys: Vec<KeyParts>,
}

/// What a copy of the store has.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) seq: u64,
    purged: u64,
    keys: BTreeMap<Key, (u64, KeyState)>,
    /// Edges whose own key has ended, and the change by which.
    ended_edges: BTreeMap<String, u64>,
    pub(crate) edges: KeptRows,
}

/// What never changes of a key.
struct KeyParts {
    id: KeyId,
    secrets: KeptSecrets,
}

/// What stands at the head of a page.
struct Head {
    cursor: u64,
    more: bool,
    reset: bool,
    ended: bool,
}

/// A page of the feed.
pub(crate) struct Page {
    /// Which feed, as followers of its version call it.
    pub(crate) told_epoch: Epoch,
    pub(crate) cursor: Cursor,
    pub(crate) reset: bool,
    pub(crate) body: Vec<u8>,
}

impl Store {
    pub(crate) fn new(keys: usize) -> Self {
        let mut history = History::default();
        history.begin_epoch(std::iter::empty());
        // The store of a new service has one change: its own.
        let held = Held { seq: 1, ..Held::default() };
        let keys = (0..keys).map(KeyParts::of).collect();
        Self { held, epoch: 0, history, backup: None, keys }
    }

    /// What the key is now, for whoever has that time.
    pub(crate) fn state_of(&self, key: Key, now: UnixMillis) -> Option<KeyState> {
        let state = self.stored(key)?;
        let KeyState::Live(version) = state else { return Some(state) };
        let is_over = self.history.expiration(version).is_some_and(|expiration| now >= expiration);
        Some(if is_over { KeyState::Ended } else { state })
    }

    fn stored(&self, key: Key) -> Option<KeyState> {
        self.held.keys.get(&key).map(|(_, state)| *state)
    }

    /// Makes a key, or changes it if it lives. One that has ended never lives again.
    pub(crate) fn write(&mut self, key: Key, expiration: Option<UnixMillis>) {
        if self.stored(key) != Some(KeyState::Ended) {
            let version = Version { epoch: self.epoch, seq: self.held.seq + 1 };
            self.history.note_expiration(version, expiration);
            self.change(key, KeyState::Live(version));
        }
    }

    /// Ends the key with which an edge reads the feed.
    pub(crate) fn end_key_of(&mut self, edge: &str) {
        if !self.held.ended_edges.contains_key(edge) {
            self.held.seq += 1;
            self.held.ended_edges.insert(edge.to_owned(), self.held.seq);
        }
    }

    /// Gives an edge another key.
    pub(crate) fn renew_key_of(&mut self, edge: &str) {
        self.held.ended_edges.remove(edge);
    }

    /// The change by which the key of an edge has ended.
    pub(crate) fn end_of_key_of(&self, edge: &str) -> Option<Cursor> {
        self.held.ended_edges.get(edge).copied().map(Cursor)
    }

    /// Ends a key, if it lives.
    pub(crate) fn invalidate(&mut self, key: Key) {
        if matches!(self.stored(key), Some(KeyState::Live(_))) {
            self.change(key, KeyState::Ended);
        }
    }

    fn change(&mut self, key: Key, state: KeyState) {
        self.held.seq += 1;
        self.held.keys.insert(key, (self.held.seq, state));
        self.history.note(key, self.held.seq, state);
    }

    /// Forgets the keys that have ended.
    pub(crate) fn purge(&mut self) {
        let ended = self.held.keys.extract_if(.., |_, (_, state)| *state == KeyState::Ended);
        let last = ended.map(|(_, (seq, _))| seq).max();
        self.held.purged = self.held.purged.max(last.unwrap_or(0));
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = Some(self.held.clone());
    }

    /// Begins another epoch, with what the copy has if there is one.
    pub(crate) fn restore(&mut self, now: UnixMillis) {
        if let Some(backup) = &self.backup {
            self.held = backup.clone();
        }
        self.epoch += 1;
        self.held.edges.begin_knowing(now);
        let keys = self.held.keys.iter().map(|(key, (seq, state))| (*key, *seq, *state));
        self.history.begin_epoch(keys);
    }

    /// The epoch as the store calls it.
    pub(crate) fn epoch_named(epoch: usize) -> Epoch {
        Epoch::try_from(format!("e{epoch}")).unwrap()
    }

    /// The changes after a position, up to the end of what may be told.
    pub(crate) fn page(
        &self,
        after: Cursor,
        purged: Option<Cursor>,
        version: FeedVersion,
        rows_max: usize,
        end: Option<Cursor>,
    ) -> Page {
        let Held { seq: latest, purged: purged_through, .. } = self.held;
        // As the real store says it.
        let is_load = after == Cursor(0) || purged == Some(Cursor(purged_through));
        if (after.0 < purged_through && !is_load) || after.0 > latest {
            return self.reset(version);
        }
        let mut rows: Vec<_> =
            self.held.keys.iter().map(|(key, (seq, state))| (*seq, *key, *state)).collect();
        let through = end.map_or(latest, |end| end.0);
        rows.retain(|(seq, ..)| *seq > after.0 && *seq <= through);
        rows.sort_unstable_by_key(|(seq, ..)| *seq);
        let more = rows.len() > rows_max;
        rows.truncate(rows_max);
        let last = rows.last().filter(|_| more).map(|(seq, ..)| *seq);
        let rows = rows.into_iter().map(|(seq, key, state)| self.row(seq, key, state)).collect();
        let head =
            Head { cursor: last.unwrap_or(through), more, reset: false, ended: end.is_some() && !more };
        self.page_of(rows, head, version)
    }

    /// The page for a follower whose position means nothing.
    pub(crate) fn reset(&self, version: FeedVersion) -> Page {
        self.page_of(Vec::new(), Head { cursor: 0, more: false, reset: true, ended: false }, version)
    }

    fn page_of(&self, keys: Vec<FeedRow>, head: Head, version: FeedVersion) -> Page {
        let Head { cursor, more, reset, ended } = head;
        let live = self.held.keys.values().filter(|(_, state)| matches!(state, KeyState::Live(_)));
        let told_epoch = version.told_epoch(&Self::epoch_named(self.epoch)).unwrap();
        let page = FeedPage {
            epoch: told_epoch.clone(),
            cursor: Cursor(cursor),
            purged: Cursor(self.held.purged),
            total: live.count() as u64,
            more,
            reset,
            ended,
            keys,
        };
        let body = match version {
            FeedVersion::V1 => page.to_json().unwrap(),
            FeedVersion::V2 => with_rights(page).to_json().unwrap(),
        };
        Page { told_epoch, cursor: Cursor(cursor), reset, body }
    }

    fn row(&self, seq: u64, key: Key, state: KeyState) -> FeedRow {
        let KeyParts { id, secrets } = &self.keys[key];
        let (seq, id) = (Cursor(seq), id.clone());
        let KeyState::Live(version) = state else { return FeedRow::Removed { seq, id } };
        let record = KeyRecord {
            id,
            secrets: *secrets,
            expiration: self.history.expiration(version),
            name: version.to_string(),
            owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
            roles: vec![],
            vouched_roles: vec![],
            limited_by: vec!["ops".to_owned()],
            metadata: "{}".to_owned(),
            metadata_vouched: true,
        };
        FeedRow::Live { seq, record: Box::new(record) }
    }
}

/// The page as version 2 has it: what a key may do differs with each of its versions.
fn with_rights(page: FeedPage) -> FeedPageWithRights {
    let rights = page.keys.iter().filter_map(|row| match row {
        FeedRow::Live { record, .. } => {
            let set = format!(r#"{{"limited_by":{{"cluster":["{}"]}}}}"#, record.name);
            Some((record.id.clone(), set))
        }
        FeedRow::Removed { .. } => None,
    });
    let rights = rights.collect();
    let applications: Vec<FeedApplication> = Vec::new();
    FeedPageWithRights { applications, rights, page }
}

impl KeyParts {
    fn of(key: Key) -> Self {
        let salt = Salt::from_bytes([key as u8; 16]);
        let secret = KeySecret::presented(secret_of(key).into_bytes());
        let id = KeyId::try_from(id_of(key).as_str()).unwrap();
        Self { id, secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &secret)) }
    }
}

/// The id of a key. The first two share a page of a small table, and the next two another one.
pub(crate) fn id_of(key: Key) -> String {
    const NUMBERS: [usize; KEYS_MAX] = [0, 13, 1, 16, 2];
    format!("key-{}", NUMBERS[key])
}

/// The secret of a key.
pub(crate) fn secret_of(key: Key) -> String {
    format!("secret of {key}")
}
