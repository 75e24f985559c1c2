//! The store of the key service, in memory: the verbs and the pages of the real one.

use std::collections::BTreeMap;

use latchkey_edge_ledger::testing::KeptRows;
use latchkey_key_feed::{
    Cursor, Epoch, FeedApplication, FeedPage, FeedPageWithRights, FeedRow, FeedVersion, KeyId, KeyRecord,
    Owner, UnixMillis,
};

use crate::history::{History, Key, KeyState, Terms, Version};
use crate::keys::{Presented, Secret, Secrets, id_of};

/// How many secrets before its latest one are tried of a key: one that may still work, and one that cannot.
const SECRETS_BEFORE: Secret = 2;

/// Everything that is durable.
pub(crate) struct Store {
    pub(crate) held: Held,
    pub(crate) epoch: usize,
    pub(crate) history: History,
    backup: Option<Held>,
    /// Rotations of each key so far. A store that is restored forgets them, and clients do not.
    rotations: BTreeMap<Key, Secret>,
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
    pub(crate) fn new() -> Self {
        let mut history = History::default();
        history.begin_epoch(std::iter::empty());
        // The store of a new service has one change: its own.
        let held = Held { seq: 1, ..Held::default() };
        Self { held, epoch: 0, history, backup: None, rotations: BTreeMap::new() }
    }

    /// As what that is admitted by what the store has now, for whoever has that time.
    pub(crate) fn admits(&self, presented: Presented, now: UnixMillis) -> Option<Version> {
        let KeyState::Live(version) = self.stored(presented.key)? else { return None };
        let is_over = self.history.terms(version).expiration.is_some_and(|expiration| now >= expiration);
        (!is_over && self.history.admits(version, presented.secret, now)).then_some(version)
    }

    fn stored(&self, key: Key) -> Option<KeyState> {
        self.held.keys.get(&key).map(|(_, state)| *state)
    }

    /// Makes a key, or changes it if it lives. One that has ended never lives again.
    pub(crate) fn write(&mut self, key: Key, expiration: Option<UnixMillis>) {
        let secrets = match self.stored(key) {
            Some(KeyState::Ended) => return,
            Some(KeyState::Live(version)) => self.history.terms(version).secrets,
            None => Secrets::NEW,
        };
        self.live(key, Terms { expiration, secrets });
    }

    /// Gives a key another secret, if it lives. The secret that it has works until then.
    pub(crate) fn rotate(&mut self, key: Key, until: UnixMillis) {
        let Some(KeyState::Live(version)) = self.stored(key) else { return };
        let rotations = self.rotations.entry(key).or_default();
        *rotations += 1;
        let next = *rotations;
        let Terms { expiration, secrets } = self.history.terms(version);
        self.live(key, Terms { expiration, secrets: secrets.rotated(next, until) });
    }

    /// The secrets of a key that a client may have: the latest ones that it was ever given.
    pub(crate) fn secrets_of(&self, key: Key) -> impl Iterator<Item = Secret> + use<> {
        let latest = self.rotations.get(&key).copied().unwrap_or(0);
        (latest.saturating_sub(SECRETS_BEFORE)..=latest).rev()
    }

    fn live(&mut self, key: Key, terms: Terms) {
        let version = Version { epoch: self.epoch, seq: self.held.seq + 1 };
        self.history.note_terms(version, terms);
        self.change(key, KeyState::Live(version));
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
        let (seq, id) = (Cursor(seq), KeyId::try_from(id_of(key).as_str()).unwrap());
        let KeyState::Live(version) = state else { return FeedRow::Removed { seq, id } };
        let Terms { expiration, secrets } = self.history.terms(version);
        let record = KeyRecord {
            id,
            secrets: secrets.kept(key),
            expiration,
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
