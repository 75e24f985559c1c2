//! Shared data as the host behaves, and keys to put into it, for the tests of the table and of the follower.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use latchkey_key_feed::{
    Cursor, Epoch, FeedPage, FeedRow, KeyId, KeyRecord, KeySecret, MonotonicMillis, Owner, Salt,
    SecretDigest, UnixMillis,
};
use serde_json::Map;

use super::{
    Build, Changes, Entry, EntryName, Page, Progress, RecordShape, RecordText, Refresh, SharedStore, Stamp,
    SwapLost, TableWriter, Version, text_in,
};
use crate::clock::Moment;

/// A value and its compare-and-swap number.
type Valued = (Vec<u8>, u32);

/// One process's shared data. Clones see the same data, as VMs do.
#[derive(Clone, Default)]
pub(crate) struct FakeSharedData {
    entries: Rc<RefCell<BTreeMap<EntryName, Valued>>>,
    last_cas: Rc<RefCell<u32>>,
    stamp: Rc<Cell<u64>>,
    stamp_is_lost: Rc<Cell<bool>>,
    reads: Rc<Cell<usize>>,
    meanwhile: Rc<RefCell<VecDeque<Meanwhile>>>,
}

/// What another VM does between two calls of one.
type Meanwhile = Box<dyn FnOnce()>;

impl FakeSharedData {
    /// Writes whatever stood there, as a foreign plugin might.
    pub(crate) fn overwrite(&self, name: EntryName, bytes: &[u8]) {
        *self.last_cas.borrow_mut() += 1;
        let cas = *self.last_cas.borrow();
        self.entries.borrow_mut().insert(name, (bytes.to_vec(), cas));
    }

    /// Before each call of the store from now on, another VM does the next of these.
    pub(crate) fn meanwhile(&self, steps: impl IntoIterator<Item = Meanwhile>) {
        self.meanwhile.borrow_mut().extend(steps);
    }

    /// The host cannot tell any more whether the stamp moves.
    pub(crate) fn lose_stamp(&self) {
        self.stamp_is_lost.set(true);
    }

    /// How often an entry was read.
    pub(crate) fn reads(&self) -> usize {
        self.reads.get()
    }

    fn let_others_run(&self) {
        let step = self.meanwhile.borrow_mut().pop_front();
        if let Some(step) = step {
            step();
        }
    }

    /// How many entries hold anything.
    pub(crate) fn filled(&self) -> usize {
        self.entries.borrow().values().filter(|(bytes, _)| !bytes.is_empty()).count()
    }

    /// Names of all entries there ever were.
    pub(crate) fn names(&self) -> Vec<EntryName> {
        self.entries.borrow().keys().copied().collect()
    }
}

impl SharedStore for FakeSharedData {
    fn read(&self, name: EntryName) -> Entry {
        self.let_others_run();
        self.reads.set(self.reads.get() + 1);
        match self.entries.borrow().get(&name) {
            None => Entry { bytes: Vec::new(), version: Version::Absent },
            Some((bytes, cas)) => Entry { bytes: bytes.clone(), version: Version::Cas(*cas) },
        }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        if self.read(name).version != read_at {
            return Err(SwapLost);
        }
        self.overwrite(name, bytes);
        Ok(())
    }

    fn stamp(&self) -> Option<Stamp> {
        self.let_others_run();
        (!self.stamp_is_lost.get()).then(|| Stamp(self.stamp.get()))
    }

    fn move_stamp(&self) {
        self.let_others_run();
        self.stamp.set(self.stamp.get() + 1);
    }
}

/// That moment by both clocks, which are far apart.
pub(crate) fn at(monotonic: MonotonicMillis) -> Moment {
    Moment { monotonic, wall: UnixMillis(1_700_000_000_000).plus_millis(monotonic.0) }
}

/// A refresh at that moment, by which keys may be admitted for a day.
pub(crate) fn refreshed_at(at: Moment) -> Refresh {
    Refresh { at, serves_ms: 24 * 60 * 60 * 1_000 }
}

/// The secret of every key made here is `secret of <id>`.
pub(crate) fn secret_of(id: &str) -> KeySecret {
    KeySecret::presented(format!("secret of {id}").into_bytes())
}

/// A key that never expires.
pub(crate) fn key(id: &str) -> KeyRecord {
    let salt = Salt::from_bytes([5; 16]);
    KeyRecord {
        id: KeyId::try_from(id).unwrap(),
        salt,
        digest: SecretDigest::of(&salt, &secret_of(id)),
        expiration: None,
        name: format!("name-of-{id}"),
        owner: Owner { username: "alice".to_owned(), realm: "native".to_owned() },
        roles: vec!["reader".to_owned()],
        vouched_roles: vec!["reader".to_owned()],
        limited_by: vec!["ops".to_owned()],
        metadata: Map::new(),
        metadata_vouched: true,
    }
}

pub(crate) fn live(seq: u64, record: KeyRecord) -> FeedRow {
    FeedRow::Live { seq: Cursor(seq), record: Box::new(record) }
}

pub(crate) fn removed(seq: u64, id: &str) -> FeedRow {
    FeedRow::Removed { seq: Cursor(seq), id: KeyId::try_from(id).unwrap() }
}

/// What the records of all these tests hold.
pub(crate) fn shape() -> RecordShape {
    use RecordText::{ClaimedRoles, LimitedBy, Metadata, Name, Owner, OwnerRealm, Roles};
    let vouched = |path: &str| Metadata { path: path.to_owned(), claims: false };
    let claims = |path: &str| Metadata { path: path.to_owned(), claims: true };
    let metadata = [vouched("field"), claims("field"), vouched("team.name"), vouched("team.ids")];
    RecordShape::of(
        [vec![Name, Owner, OwnerRealm, Roles, ClaimedRoles, LimitedBy], metadata.to_vec()].concat(),
    )
}

/// What the page holds of a key; `None` when it is not a key's with all of its texts.
pub(crate) fn text_of(page: &Page, id: &str, text: &RecordText) -> Option<String> {
    let record = page.find(&KeyId::try_from(id).unwrap()).unwrap().key()?;
    let place = shape().place_of(|other| other == text).unwrap();
    text_in(record.texts()?, place).map(str::to_owned)
}

/// The rows as an answer of the feed brings them.
pub(crate) fn changes(rows: &[FeedRow]) -> Changes {
    changes_after_forgetting(0, rows)
}

/// The same of a service that has forgotten everything up to a change.
pub(crate) fn changes_after_forgetting(purged: u64, rows: &[FeedRow]) -> Changes {
    let page = FeedPage {
        epoch: Epoch::try_from("epoch".to_owned()).unwrap(),
        cursor: rows.last().map_or(Cursor(0), FeedRow::seq),
        purged: Cursor(purged),
        total: rows.len() as u64,
        more: false,
        reset: false,
        ended: false,
        keys: rows.to_vec(),
    };
    Changes::read(&serde_json::to_vec(&page).unwrap(), Cursor(0), &shape()).unwrap().1
}

/// A generation of these rows, ready to be published.
pub(crate) fn build(writer: &TableWriter<FakeSharedData>, rows: &[FeedRow]) -> Build {
    let mut build = writer.begin(rows.len() as u64).unwrap();
    writer.collect(&mut build, &changes(rows)).unwrap();
    while writer.lay_out(&mut build).unwrap() == Progress::Continues {}
    build
}
