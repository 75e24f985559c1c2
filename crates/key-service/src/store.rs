//! The store of keys: durable, in the order of their changes, with an audit log of who changed them.
//!
//! Its methods speak of keys, never of rows. A change takes the next sequence numbers from the store's
//! counter and writes the keys and its audit event, all or nothing. It is on disk before anybody is told of
//! it. Changes that come at the same time share a transaction (`group_commit`). A change runs to its end even when
//! the caller goes away, and then wakes those who wait. Only the submodules of this one know which database it is.

pub(crate) mod audit_trail;
pub(crate) mod change;
mod change_queue;
pub(crate) mod directory;
pub(crate) mod edge_store;
mod error;
pub(crate) mod failed_precondition;
pub(crate) mod feed_text;
mod group_commit;
mod invalidation;
pub(crate) mod key_entry;
pub(crate) mod key_size;
mod ledger;
pub mod location;
mod lookups;
pub(crate) mod opaque_keys;
pub(crate) mod removal;
mod replicas;
pub(crate) mod rotation;
pub(crate) mod scan;
pub(crate) mod searches;
mod sql;
pub(crate) mod tokens;
pub(crate) mod transfer;
pub(crate) mod update;
pub(crate) mod usage;
pub(crate) mod written_len;

use std::sync::Arc;

use latchkey_budget::Cancellation;
use latchkey_edge_ledger::KnownEdges;
use latchkey_key_feed::{Cursor, Epoch, FeedVersion, KeyId, UnixMillis};
use tokio::sync::watch;
use tracing::Instrument as _;

use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::fair_permits::FairPermits;
use crate::limits::{KEYS_ENDED_AT_ONCE_MAX, SIDE_CHANGES_MAX};
use crate::model::stored_key::StoredKey;
use crate::store::change::{Change, Changed, Verb};
use crate::store::change_queue::ChangeQueue;
use crate::store::directory::Directory;
use crate::store::directory::users::Users;
use crate::store::edge_store::Edges;
use crate::store::feed_text::FeedText;
use crate::store::key_entry::KeyEntry;
use crate::store::ledger::{ChangeHealth, Health, KeyLedger};
use crate::store::location::StoreLocation;
use crate::store::lookups::Lookups;
use crate::store::replicas::Hearing;
use crate::store::scan::{KeyScan, Scan};
use crate::store::sql::scan::Selection;
use crate::store::sql::{SqlStore, UnreadKey, edge_rows, feed_reader, key_rows};
use crate::store::tokens::Tokens;
use crate::store::update::{KeyUpdate, UpdateOutcome};

pub use error::StoreError;

/// The store of one service. Clones share it.
#[derive(Clone, Debug)]
pub struct KeyStore {
    database: SqlStore,
    lookups: Lookups,
    /// Which feed it is. Another process may begin another.
    epoch: Arc<watch::Sender<Epoch>>,
    changes: Arc<watch::Sender<Cursor>>,
    /// The queue of changes of keys.
    queue: ChangeQueue,
    /// Changes of the directory and of tokens do not use the queue of keys; a few are made at a time.
    directory_permits: FairPermits,
    token_permits: FairPermits,
    health: ChangeHealth,
    edges_at_opening: Arc<KnownEdges>,
    _replicas: Arc<Option<Hearing>>,
}

/// Which keys a listing or an invalidation is about: those that pass every condition that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFilter {
    /// Only these ids. Any text is allowed; one that no key has selects none.
    pub ids: Option<Vec<String>>,
    /// Only keys with such a name.
    pub name: Option<NamePattern>,
    /// Only keys of owners with this username.
    pub username: Option<String>,
    /// Only keys of owners in this realm.
    pub realm: Option<String>,
    /// Only keys that may be used at this moment.
    pub active_at: Option<UnixMillis>,
}

/// Which names are meant. Names differ by case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePattern {
    /// This name.
    Exact(String),
    /// Every name that begins so; with an empty text, every name.
    Prefix(String),
}

/// How far a follower has read, and of which version of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeedPosition {
    /// The last change it has.
    pub after: Cursor,
    /// While it loads from the beginning: what the store had forgotten when the load began.
    pub purged: Option<Cursor>,
    /// Which version it gets.
    pub version: FeedVersion,
}

impl From<Cursor> for FeedPosition {
    fn from(after: Cursor) -> Self {
        Self { after, purged: None, version: FeedVersion::V1 }
    }
}

impl KeyStore {
    /// Opens the store that is there, making it when there is none. A new store's feed is called `epoch`,
    /// and one that has lost changes gets a name that begins so.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there is something else, or a store of a newer version, or it cannot be opened.
    pub async fn open(location: &StoreLocation, epoch: Epoch) -> Result<Self, StoreError> {
        let database = SqlStore::open(location, &epoch).await?;
        let state = feed_reader::latest_state(&database).await?;
        let spare_epoch = epoch;
        let epoch = Arc::new(watch::Sender::new(state.epoch));
        let changes = Arc::new(watch::Sender::new(state.latest));
        let replicas = Hearing::begin(&database, &epoch, &changes, spare_epoch);
        let health = ChangeHealth::default();
        let ledger = KeyLedger {
            database: database.clone(),
            changes: Arc::clone(&changes),
            health: health.clone(),
            heard: replicas.as_ref().map(Hearing::feed),
        };
        let queue = ChangeQueue::begin(ledger);
        let lookups = Lookups::default();
        let edges_at_opening = Arc::new(edge_rows::known_edges(&database).await?);
        let replicas = Arc::new(replicas);
        Ok(Self {
            database,
            lookups,
            epoch,
            changes,
            queue,
            directory_permits: FairPermits::new(SIDE_CHANGES_MAX, 1),
            token_permits: FairPermits::new(SIDE_CHANGES_MAX, 1),
            health,
            edges_at_opening,
            _replicas: replicas,
        })
    }

    /// Which feed this store's is.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch.borrow().clone()
    }

    /// Ends the connections once nobody uses them.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// The users that are managed over the REST interface.
    #[must_use]
    pub const fn users(&self) -> Users<'_> {
        Users(self)
    }

    /// The roles and the application privileges.
    #[must_use]
    pub const fn directory(&self) -> Directory<'_> {
        Directory(self)
    }

    /// The tokens.
    #[must_use]
    pub const fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// What is stored of edges.
    #[must_use]
    pub const fn edges(&self) -> Edges<'_> {
        Edges(self)
    }

    /// Whether there may be other replicas, to tell of edges and to hear of them from.
    #[must_use]
    pub fn may_have_replicas(&self) -> bool {
        self.database.may_have_replicas()
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// [`StoreError::IdTaken`] when another key has its id.
    pub async fn create(&self, key: StoredKey, actor: Actor, now: UnixMillis) -> Result<(), StoreError> {
        self.add(vec![key], ChangeAction::CreateApiKey, actor, now).await.map(|_| ())
    }

    /// Adds keys, all or none, and tells where that left the feed. `action` is how they came about.
    ///
    /// # Errors
    ///
    /// [`StoreError::IdTaken`] when another key has the id of one of them.
    pub async fn add(
        &self,
        keys: Vec<StoredKey>,
        action: ChangeAction,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Option<Cursor>, StoreError> {
        let key_ids = keys.iter().map(|key| key.id.clone()).collect();
        let event = ChangeEvent { at: now, action, actor, key_ids };
        Ok(self.queue.write(Change::new(Verb::Add(keys), event)).await?.cursor())
    }

    /// Changes the keys with these ids that the owner has and that live, and tells what became of each. Many
    /// keys are changed in parts, each of which is all or nothing; between two of them others have their
    /// turn. An id that is none of the owner's is not written about.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when some were not changed. Parts before them stay; to ask again for the same changes
    /// nothing more in these.
    pub async fn update(
        &self,
        ids: Vec<String>,
        update: KeyUpdate,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Changed<Vec<UpdateOutcome>>, StoreError> {
        let event = ChangeEvent { at: now, action: ChangeAction::UpdateApiKeys, actor, key_ids: Vec::new() };
        // In a task of its own, so that no part is left out when the caller goes away.
        let parts = update::in_parts(self.clone(), ids, Arc::new(update), event);
        let updated = tokio::spawn(parts.in_current_span()).await;
        updated.map_err(|failed| StoreError::Unavailable(failed.into()))?
    }

    /// Ends, for ever, the keys that pass the filter and were not invalidated yet, and tells which. Many are ended in
    /// parts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a part was not ended. Those before it are.
    pub async fn invalidate(
        &self,
        filter: KeyFilter,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Changed<Vec<KeyId>>, StoreError> {
        let event =
            ChangeEvent { at: now, action: ChangeAction::InvalidateApiKeys, actor, key_ids: Vec::new() };
        // In a task of its own, so that no part is left out when the caller goes away.
        let parts = invalidation::in_parts(self.clone(), filter, event, KEYS_ENDED_AT_ONCE_MAX);
        let ended = tokio::spawn(parts.in_current_span()).await;
        ended.map_err(|failed| StoreError::Unavailable(failed.into()))?
    }

    /// The key with this id, dead or alive, shared by all who ask for it at the same moment.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find_entry(&self, id: &str) -> Result<Option<Arc<KeyEntry>>, StoreError> {
        self.lookups.find(&self.database, id).await
    }

    /// The key with this id, dead or alive, as the database has it. What is JSON in it is still text.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find_unread(&self, id: &str) -> Result<Option<UnreadKey>, StoreError> {
        key_rows::find_unread(&self.database, id).await
    }

    /// The keys that pass the filter, by creation, then by id, until the work is cancelled that reads them. At most
    /// one more than a listing may have.
    #[must_use]
    pub fn scan(&self, filter: &KeyFilter, cancellation: Cancellation) -> KeyScan {
        Scan::begin(self.database.clone(), Selection::of_keys(filter), cancellation)
    }

    /// The changes after a position of the feed, at most `rows_max` of them, and fewer when they are long.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn feed_page(
        &self,
        position: impl Into<FeedPosition>,
        rows_max: u32,
    ) -> Result<FeedText, StoreError> {
        let page = feed_reader::feed_page(&self.database, position.into(), rows_max).await?;
        page.rows.withheld().report();
        Ok(page)
    }

    /// The changes between two positions, as the last page for a follower whose key has ended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn feed_page_through(
        &self,
        position: impl Into<FeedPosition>,
        through: Cursor,
        rows_max: u32,
    ) -> Result<FeedText, StoreError> {
        let page = feed_reader::feed_page_through(&self.database, position.into(), through, rows_max).await?;
        page.rows.withheld().report();
        Ok(page)
    }

    /// The last change by then that ended a key; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn last_ended_by(&self, moment: UnixMillis) -> Result<Option<Cursor>, StoreError> {
        feed_reader::last_ended_by(&self.database, moment).await
    }

    /// The last sequence number of the change that invalidated this key; `None` when it was not invalidated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn end_of(&self, id: &KeyId) -> Result<Option<Cursor>, StoreError> {
        feed_reader::end_of(&self.database, id).await
    }

    /// The receiver is woken by every change that is committed after this call. Call it before reading, so
    /// that no change is missed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Cursor> {
        self.changes.subscribe()
    }

    /// The position of the latest durable change of any replica. From then on the store also knows the epoch of
    /// that change.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn latest(&self) -> Result<Cursor, StoreError> {
        let state = feed_reader::latest_state(&self.database).await?;
        self.epoch.send_if_modified(|epoch| replicas::replaced(epoch, state.epoch));
        Ok(state.latest)
    }

    /// Whether the store answers, takes changes and has shown no damage. After a change has failed the store counts as taking none
    /// for [`RETRY_PAUSE`](crate::limits::RETRY_PAUSE); then a change is tried.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        feed_reader::latest_state(&self.database).await?;
        match self.health.get() {
            Health::Good => Ok(()),
            Health::Bad => Err(StoreError::Unavailable("a change has failed just now".into())),
            Health::Damaged => Err(StoreError::Damaged("it has shown damage".into())),
            Health::Unknown => {
                let tried = self.database.try_a_change().await;
                self.health.note(&tried);
                tried
            }
        }
    }

    /// Notes that the store has shown damage: it counts as damaged as long as the process lives.
    pub(crate) fn note_damage(&self) {
        self.health.note_damage();
    }

    fn announce(&self, cursor: Cursor) {
        replicas::announce(&self.changes, cursor);
    }
}

#[cfg(test)]
mod scratch;
#[cfg(test)]
pub(crate) mod tests;
