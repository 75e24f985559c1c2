//! What only replicas on one PostgreSQL can do to each other.

use latchkey_key_feed::Cursor;

use super::*;
use crate::store::StoreError;

/// Two replicas of one store.
async fn pair() -> (ScratchStore, KeyStore) {
    let scratch = ScratchStore::in_postgres().await;
    let other = scratch.another_replica().await;
    (scratch, other)
}

#[tokio::test]
async fn a_change_wakes_whoever_waits_at_another_replica() {
    let (scratch, other) = pair().await;
    let mut changes = other.changes();
    for number in 0..20 {
        changes.borrow_and_update();
        scratch.create(&format!("k{number}")).await;
        let latest = changes.wait_for(|latest| latest.0 == 2 + number).await.unwrap();
        assert_eq!(latest.0, 2 + number);
    }
}

#[tokio::test]
async fn a_change_that_nobody_announced_is_found() {
    let (scratch, other) = pair().await;
    let mut changes = other.changes();
    scratch.store.database.set_latest(7).await;
    assert_eq!(*changes.wait_for(|latest| latest.0 == 7).await.unwrap(), Cursor(7));
}

#[tokio::test]
async fn replicas_that_start_together_make_one_store() {
    let ScratchStore { store: _, place: scratch } = ScratchStore::in_postgres().await;
    let (a, b, c, d) = tokio::join!(
        open(&scratch, "epoch-a"),
        open(&scratch, "epoch-b"),
        open(&scratch, "epoch-c"),
        open(&scratch, "epoch-d")
    );
    for replica in [b, c, d] {
        assert_eq!(replica.epoch(), a.epoch());
    }
}

#[tokio::test]
async fn a_replica_that_falls_silent_within_a_change_loses_its_turn() {
    let (scratch, other) = pair().await;
    let silent = scratch.store.database.begin_unfinished_change("silent").await;
    other.create(key("a"), actor(), UnixMillis(1)).await.unwrap();
    assert!(matches!(silent.await, Err(StoreError::Unavailable(_))), "it must not be able to commit");
    assert_eq!(other.find("silent").await.unwrap(), None);
    assert_eq!(other.parsed_page(Cursor(0), 10).await.unwrap().keys.len(), 1);
    scratch.create("b").await;
}

#[tokio::test]
async fn connections_that_are_cut_are_made_anew_and_nothing_is_half_done() {
    let (scratch, other) = pair().await;
    let mut changes = other.changes();
    for number in 0..10 {
        let before = scratch.store.parsed_page(Cursor(0), 100).await.unwrap();
        let change = scratch.store.create(key(&format!("k{number}")), actor(), UnixMillis(1));
        let (made, ()) = tokio::join!(change, other.database.cut_connections());
        let after = {
            // The connections that were cut are found out one by one.
            let mut page = scratch.store.parsed_page(Cursor(0), 100).await;
            while page.is_err() {
                page = scratch.store.parsed_page(Cursor(0), 100).await;
            }
            page.unwrap()
        };
        let is_there = after.keys.len() > before.keys.len();
        assert!(is_there || made.is_err(), "what was acknowledged is missing");
        assert_eq!(after.total, after.keys.len() as u64);
        assert_eq!(after.cursor.0, 1 + after.total);
    }
    let made = loop {
        if scratch.store.create(key("last"), actor(), UnixMillis(1)).await.is_ok() {
            break scratch.store.parsed_page(Cursor(0), 100).await.unwrap().cursor;
        }
    };
    changes.wait_for(|latest| *latest >= made).await.unwrap();
}
