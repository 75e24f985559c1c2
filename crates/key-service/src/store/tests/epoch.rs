use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_key_feed::{Cursor, FeedRow};
use sqlx::{Connection as _, PgConnection};

use super::*;
use crate::store::transfer::{self, StoreReader};

/// Bound of every wait: whoever waits so long has failed.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// An edge: it keeps the keys of a feed by epoch and cursor, as the filter does.
#[derive(Debug, Default)]
struct Follower {
    epoch: Option<Epoch>,
    cursor: Cursor,
    keys: BTreeMap<String, String>,
}

impl Follower {
    async fn catch_up(&mut self, store: &KeyStore) {
        loop {
            let page = store.parsed_page(self.cursor, 2).await.unwrap();
            let is_other = self.epoch.as_ref().is_some_and(|epoch| *epoch != page.epoch);
            if page.reset || is_other {
                *self = Self { epoch: Some(page.epoch), ..Self::default() };
                continue;
            }
            self.epoch = Some(page.epoch);
            self.cursor = page.cursor;
            for row in page.keys {
                match row {
                    FeedRow::Live { record, .. } => self.keys.insert(record.id.to_string(), record.name),
                    FeedRow::Removed { id, .. } => self.keys.remove(id.as_str()),
                };
            }
            if !page.more {
                return;
            }
        }
    }

    fn ids(&self) -> Vec<&str> {
        self.keys.keys().map(String::as_str).collect()
    }
}

fn epoch(name: &str) -> Epoch {
    Epoch::try_from(name.to_owned()).unwrap()
}

/// A backup of the tables that edges see.
async fn back_up(scratch: &ScratchStore) -> Option<tempfile::TempDir> {
    match &scratch.place.place {
        ScratchLocation::File(_) => {
            let directory = tempfile::tempdir().unwrap();
            let reader = StoreReader::open(&location(&scratch.place)).await.unwrap();
            reader.copy_into(&directory.path().join("copy.db")).await.unwrap();
            Some(directory)
        }
        ScratchLocation::Database(url) => {
            run(url, "create table kept_state as table feed_state; create table kept_key as table api_key")
                .await;
            None
        }
    }
}

/// Puts the backup in place. A file must be closed for that, so the store is opened again; a database stays
/// in use.
async fn restore(scratch: &mut ScratchStore, backup: Option<tempfile::TempDir>) {
    match &scratch.place.place {
        ScratchLocation::File(file) => {
            scratch.store.close().await;
            for rest in ["db-wal", "db-shm"] {
                let _ = std::fs::remove_file(file.with_extension(rest));
            }
            std::fs::copy(backup.unwrap().path().join("copy.db"), file).unwrap();
            scratch.store = open(&scratch.place, "unused").await;
        }
        ScratchLocation::Database(url) => {
            run(
                url,
                "begin; delete from api_key; delete from feed_state; insert into feed_state select * from kept_state;
                 insert into api_key overriding system value select * from kept_key; commit",
            )
            .await;
        }
    }
}

async fn run(url: &str, statements: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
}

/// A store that was backed up with the key `kept`, then had `lost` made and `kept` ended, of which a follower
/// knows, and was then restored; `others` more keys were made after that.
async fn restored(others: usize) -> (ScratchStore, Follower) {
    let mut scratch = ScratchStore::new().await;
    scratch.create("kept").await;
    let backup = back_up(&scratch).await;
    scratch.create("lost").await;
    scratch.invalidate("kept").await;
    let mut follower = Follower::default();
    follower.catch_up(&scratch.store).await;
    assert_eq!(follower.ids(), ["lost"]);
    restore(&mut scratch, backup).await;
    for number in 0..others {
        scratch.create(&format!("other{number}")).await;
    }
    (scratch, follower)
}

#[tokio::test]
async fn a_follower_of_a_restored_store_ends_with_what_the_store_has() {
    for others in [0, 5] {
        let (scratch, mut follower) = restored(others).await;
        transfer::begin_epoch(&scratch.store, epoch("epoch-2"), actor(), UnixMillis(9)).await.unwrap();
        follower.catch_up(&scratch.store).await;
        assert_eq!(follower.epoch, Some(epoch("epoch-2")));
        assert_eq!(follower.keys.len(), 1 + others);
        assert!(follower.keys.contains_key("kept") && !follower.keys.contains_key("lost"), "{follower:?}");
    }
}

// Why the rule is needed: once as many changes were made as were forgotten, a cursor looks right again. Where
// others may change the store, a service that runs notices, and begins another epoch itself.
#[tokio::test]
async fn without_a_new_epoch_a_follower_would_keep_what_is_lost() {
    let (scratch, mut follower) = restored(5).await;
    follower.catch_up(&scratch.store).await;
    let is_noticed = scratch.store.may_have_replicas();
    assert_eq!(follower.keys.contains_key("lost"), !is_noticed, "{follower:?}");
}

#[tokio::test]
async fn a_new_epoch_is_a_change_with_an_event_and_outlives_the_process() {
    let place = Scratch::new().await;
    let scratch = ScratchStore { store: open(&place, "epoch-before").await, place };
    scratch.create("a").await;
    let mut changes = scratch.store.changes();
    transfer::begin_epoch(&scratch.store, epoch("epoch-after"), actor(), UnixMillis(9)).await.unwrap();
    assert_eq!(*changes.borrow_and_update(), Cursor(3));
    assert_eq!(scratch.store.epoch(), epoch("epoch-after"));
    let last = scratch.store.database.events().await.pop().unwrap();
    assert_eq!(last, ("begin_epoch".to_owned(), "elastic".to_owned(), "[]".to_owned()));
    scratch.store.close().await;
    let again = open(&scratch.place, "unused").await;
    assert_eq!(again.epoch(), epoch("epoch-after"));
}

#[tokio::test]
async fn a_running_replica_hears_of_a_new_epoch_and_of_the_changes_after_it() {
    let place = Scratch::new().await;
    let scratch = ScratchStore { store: open(&place, "epoch-of-replica-1").await, place };
    let ScratchLocation::Database(_) = scratch.place.place else { return };
    let (replica, operator) = (&scratch.store, open(&scratch.place, "unused").await);
    let mut changes = replica.changes();
    transfer::begin_epoch(&operator, epoch("epoch-of-replica-2"), actor(), UnixMillis(9)).await.unwrap();
    tokio::time::timeout(WAIT_MAX, changes.wait_for(|cursor| cursor.0 == 2)).await.unwrap().unwrap();
    assert_eq!(replica.epoch(), epoch("epoch-of-replica-2"));
    operator.create(key("a"), actor(), UnixMillis(10)).await.unwrap();
    tokio::time::timeout(WAIT_MAX, changes.wait_for(|cursor| cursor.0 == 3)).await.unwrap().unwrap();
    assert_eq!(replica.parsed_page(Cursor(0), 10).await.unwrap().epoch, epoch("epoch-of-replica-2"));
}
