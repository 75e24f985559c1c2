use tokio::sync::watch;

use super::*;
use crate::feed::edges::EdgeSighting;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

const LIVE_FOR: Duration = Duration::from_millis(100);

async fn feed(keys: &[&str]) -> (Feed, ScratchStore, watch::Sender<bool>) {
    let scratch = ScratchStore::new().await;
    for key in keys {
        scratch.create(key).await;
    }
    let (stop, stopping) = watch::channel(false);
    (Feed::new(scratch.store.clone(), stopping, LIVE_FOR, 10, UnixMillis(0)), scratch, stop)
}

fn edge(name: &str) -> EdgeName {
    EdgeName::try_from(name.to_owned()).unwrap()
}

fn at(name: &str, acknowledged: u64, seen: u64) -> EdgeSighting {
    EdgeSighting { name: edge(name), acknowledged: Cursor(acknowledged), seen: UnixMillis(seen) }
}

fn reached(total: usize, missing: &[&str]) -> EdgesReached {
    EdgesReached { total, missing: missing.iter().map(|name| edge(name)).collect(), is_complete: true }
}

#[tokio::test]
async fn ends_when_the_last_live_edge_has_acknowledged() {
    let (feed, _scratch, _stop) = feed(&[]).await;
    for name in ["a", "b"] {
        feed.see(at(name, 4, 1_000));
    }
    feed.see(at("gone", 4, 1));
    let wait = feed.edge_wait(FOR_EVER).unwrap().until_applied(Some(Cursor(5)), UnixMillis(1_000));
    let (outcome, ()) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        feed.see(at("b", 5, 1_001));
        tokio::task::yield_now().await;
        // Another replica has heard of this one, and of one that came later.
        feed.merge_sightings(&feed.store.epoch(), vec![at("a", 6, 1_001), at("late", 0, 1_001)]);
    });
    assert_eq!(outcome.unwrap(), reached(2, &[]));
}

#[tokio::test]
async fn names_who_is_missing_when_the_time_is_over_also_when_it_is_forgotten_meanwhile() {
    let (feed, _scratch, _stop) = feed(&[]).await;
    for name in ["c", "b", "a"] {
        feed.see(at(name, 4, 1_000));
    }
    let wait =
        feed.edge_wait(Duration::from_millis(30)).unwrap().until_applied(Some(Cursor(5)), UnixMillis(1_000));
    let (outcome, ()) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        feed.see(at("b", 5, 1_000));
        tokio::task::yield_now().await;
        let crowd = (0..crate::limits::EDGES_MAX).map(|number| at(&format!("z{number}"), 9, 2_000));
        feed.merge_sightings(&feed.store.epoch(), crowd.collect());
    });
    // "b" was counted before it was forgotten.
    assert_eq!(outcome.unwrap(), reached(3, &["a", "c"]));
}

#[tokio::test]
async fn a_change_that_was_none_waits_for_the_latest() {
    let (feed, _scratch, _stop) = feed(&["one", "two"]).await;
    feed.see(at("a", 2, 1_000));
    feed.see(at("b", 3, 1_000));
    let wait = feed.edge_wait(Duration::ZERO).unwrap().until_applied(None, UnixMillis(1_000));
    assert_eq!(wait.await.unwrap(), reached(2, &["a"]));
}

#[tokio::test]
async fn without_a_live_edge_there_is_nothing_to_wait_for() {
    let (feed, _scratch, _stop) = feed(&[]).await;
    feed.see(at("gone", 1, 1));
    let wait = feed.edge_wait(FOR_EVER).unwrap().until_applied(Some(Cursor(5)), UnixMillis(1_000));
    assert_eq!(wait.await.unwrap(), reached(0, &[]));
}

#[tokio::test]
async fn says_that_edges_may_be_unknown_for_one_window_after_the_start_with_a_store_that_was_used() {
    let (feed, _scratch, _stop) = feed(&["used"]).await;
    for (now, is_complete) in [(99, false), (100, true)] {
        let wait = feed.edge_wait(FOR_EVER).unwrap().until_applied(None, UnixMillis(now));
        assert_eq!(wait.await.unwrap().is_complete, is_complete, "{now}");
    }
}

#[tokio::test]
async fn stopping_ends_the_wait() {
    let (feed, _scratch, stop) = feed(&[]).await;
    feed.see(at("a", 4, 1_000));
    let wait = feed.edge_wait(FOR_EVER).unwrap().until_applied(Some(Cursor(5)), UnixMillis(1_000));
    let (outcome, ()) = tokio::join!(wait, async {
        tokio::task::yield_now().await;
        stop.send_replace(true);
    });
    assert_eq!(outcome.unwrap(), reached(1, &["a"]));
}

#[tokio::test]
async fn turns_away_one_too_many_and_takes_the_next_when_one_has_gone() {
    let (feed, _scratch, _stop) = feed(&[]).await;
    let mut taken: Vec<EdgeWait<'_>> = Vec::new();
    for _ in 0..crate::limits::EDGE_WAITERS_MAX {
        taken.push(feed.edge_wait(FOR_EVER).unwrap());
    }
    assert!(matches!(feed.edge_wait(FOR_EVER), Err(FeedRefusal::TooManyEdgeWaits)));
    taken.pop();
    assert!(feed.edge_wait(FOR_EVER).is_ok());
}
