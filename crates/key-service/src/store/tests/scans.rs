//! Scans that are given up before their last row.

use std::time::Duration;

use latchkey_budget::CancellationReason;

use super::*;
use crate::limits::STORE_READERS_MAX;
use crate::store::scan::Scan;
use crate::store::sql::scan::Selection;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);

fn numbers(store: &KeyStore, cancellation: Cancellation) -> Scan<i64> {
    Scan::begin(store.database.clone(), Ok(Selection::endless()), cancellation)
}

/// The next of them, off the threads that serve requests.
async fn next(mut scan: Scan<i64>) -> (Option<Result<i64, StoreError>>, Scan<i64>) {
    tokio::task::spawn_blocking(move || (scan.blocking_next(), scan)).await.unwrap()
}

async fn is_at_work(store: &KeyStore) -> bool {
    if store.may_have_replicas() {
        store.database.statements_at_work().await > 0
    } else {
        store.database.is_read().await
    }
}

/// Waits until the database does nothing for this store any more.
async fn until_idle(store: &KeyStore) {
    let idle = async {
        while is_at_work(store).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, idle).await.unwrap();
}

// In PostgreSQL the driver read all rows that nobody wanted, and nobody else had the connection meanwhile.
#[tokio::test]
async fn scans_that_are_given_up_leave_the_connections_to_others() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let store = &scratch.store;
        for _ in 0..3 * STORE_READERS_MAX {
            let (first, scan) = next(numbers(store, Cancellation::default())).await;
            assert_eq!(first.unwrap().unwrap(), 1);
            drop(scan);
        }
        store.ping().await.unwrap();
        if store.may_have_replicas() {
            until_idle(store).await;
        }
    }
}

// SQLite went on counting, for nobody, and kept the connection.
#[tokio::test]
async fn a_count_that_is_given_up_leaves_its_connection_to_others() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let store = &scratch.store;
        for _ in 0..2 * STORE_READERS_MAX {
            let cancellation = Cancellation::default();
            let count =
                Scan::begin(store.database.clone(), Ok(Selection::endless_count()), cancellation.clone());
            // So it begins.
            tokio::time::sleep(Duration::from_millis(50)).await;
            cancellation.cancel(CancellationReason::Gone);
            let (none, _) = next(count).await;
            assert!(none.is_none());
        }
        let (first, _) = next(numbers(store, Cancellation::default())).await;
        assert_eq!(first.unwrap().unwrap(), 1);
        until_idle(store).await;
    }
}

#[tokio::test]
async fn a_scan_ends_when_its_work_is_cancelled() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let cancellation = Cancellation::default();
        let (first, scan) = next(numbers(&scratch.store, cancellation.clone())).await;
        assert_eq!(first.unwrap().unwrap(), 1);
        cancellation.cancel(CancellationReason::Gone);
        let mut scan = scan;
        let all = tokio::task::spawn_blocking(move || while scan.blocking_next().is_some() {});
        tokio::time::timeout(PATIENCE, all).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn postgresql_ends_a_statement_that_has_sent_nothing_yet() {
    let scratch = ScratchStore::in_postgres().await;
    let store = &scratch.store;
    let cancellation = Cancellation::default();
    let scan = Scan::begin(store.database.clone(), Ok(Selection::silent()), cancellation.clone());
    let at_work = async { while store.database.statements_at_work().await == 0 {} };
    tokio::time::timeout(PATIENCE, at_work).await.unwrap();
    cancellation.cancel(CancellationReason::Gone);
    let (none, _) = next(scan).await;
    assert!(none.is_none());
    until_idle(store).await;
}
