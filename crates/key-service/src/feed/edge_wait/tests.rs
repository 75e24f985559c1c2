use std::sync::Arc;

use latchkey_edge_ledger::{EdgeId, EdgeRequest, Holder, InstanceId};
use tokio::sync::watch;

use latchkey_key_feed::EdgeName;

use super::*;
use crate::clock::tests::ManualClock;
use crate::feed::tests::RULES;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

struct Watched {
    feed: Feed,
    clock: Arc<ManualClock>,
    scratch: ScratchStore,
    stop: watch::Sender<bool>,
}

async fn feed(keys: &[&str]) -> Watched {
    let scratch = ScratchStore::new().await;
    for key in keys {
        scratch.create(key).await;
    }
    let (stop, stopping) = watch::channel(false);
    let clock = Arc::new(ManualClock::at(1_000));
    let feed = Feed::new(scratch.store.clone(), stopping, RULES, 10, clock.clone());
    Watched { feed, clock, scratch, stop }
}

impl Watched {
    /// An edge acknowledges this cursor.
    fn note_request(&self, name: &str, acknowledged: u64) {
        self.feed.edges.note_request(at(name, acknowledged), 0);
    }

    async fn reached(&self, wait: Duration, change: Option<u64>) -> (usize, Vec<String>, bool) {
        let wait = EdgeWait::begin(&self.feed, wait, Waiting::ForAll, &principal());
        told(&wait.until_applied(change.map(Cursor)).await.unwrap())
    }
}

fn at(name: &str, acknowledged: u64) -> EdgeRequest {
    let holder = Holder { key: None, username: name.into(), realm: "file".into() };
    let instance = InstanceId::of_holder(&holder);
    let id = EdgeId { name: EdgeName::try_from(name.to_owned()).unwrap(), instance };
    EdgeRequest { id, holder, refuse_after_ms: 600_000, acknowledged: Cursor(acknowledged) }
}

fn told(reached: &EdgesReached) -> (usize, Vec<String>, bool) {
    let missing = reached.missing.iter().map(|edge| edge.id.name.as_str().to_owned()).collect();
    (reached.total, missing, reached.is_complete())
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn ends_when_the_last_edge_has_acknowledged() {
    let watched = feed(&[]).await;
    for name in ["a", "b"] {
        watched.note_request(name, 4);
    }
    let (reached, ()) = tokio::join!(watched.reached(FOR_EVER, Some(5)), async {
        while !watched.feed.edges.ledger().is_anybody_waiting() {
            sleep(Duration::from_millis(1)).await;
        }
        watched.note_request("b", 5);
        tokio::task::yield_now().await;
        watched.note_request("a", 6);
        watched.note_request("late", 0);
    });
    assert_eq!(reached, (2, names(&[]), true));
}

#[tokio::test]
async fn names_who_is_missing_when_the_time_is_over() {
    let watched = feed(&[]).await;
    for name in ["c", "b", "a"] {
        watched.note_request(name, 4);
    }
    let (reached, ()) = tokio::join!(watched.reached(Duration::from_millis(30), Some(5)), async {
        tokio::task::yield_now().await;
        watched.note_request("b", 5);
    });
    assert_eq!(reached, (3, names(&["a", "c"]), false));
}

#[tokio::test]
async fn a_change_that_was_none_waits_for_the_latest() {
    let watched = feed(&["one", "two"]).await;
    watched.note_request("a", 2);
    watched.note_request("b", 3);
    assert_eq!(watched.reached(Duration::ZERO, None).await, (2, names(&["a"]), false));
}

#[tokio::test]
async fn one_that_is_silent_is_named_at_once_until_it_can_admit_no_more() {
    let watched = feed(&[]).await;
    watched.note_request("gone", 1);
    watched.clock.advance(90_001);
    let wait = EdgeWait::begin(&watched.feed, FOR_EVER, Waiting::ForAll, &principal());
    let reached = wait.until_applied(Some(Cursor(5))).await.unwrap();
    assert_eq!(told(&reached), (1, names(&["gone"]), false));
    assert_eq!((reached.missing[0].seen.0, reached.missing[0].until.0), (1_000, 1_000 + 660_000));
    let wait = EdgeWait::begin(&watched.feed, FOR_EVER, Waiting::ForLive, &principal());
    let of_new = wait.until_applied(Some(Cursor(5))).await.unwrap();
    assert_eq!(told(&of_new), (0, names(&[]), true), "it refuses a key that it does not know");
    watched.clock.advance(660_000);
    assert_eq!(watched.reached(FOR_EVER, Some(5)).await, (0, names(&[]), true));
}

#[tokio::test]
async fn a_clock_set_back_or_ahead_changes_nothing() {
    let watched = feed(&[]).await;
    watched.note_request("silent", 1);
    watched.clock.advance(90_001);
    for wall in [0, 1, 50_000_000] {
        watched.clock.set_wall(wall);
        assert_eq!(watched.reached(FOR_EVER, Some(5)).await, (1, names(&["silent"]), false), "{wall}");
    }
    watched.clock.advance(570_000);
    watched.clock.set_wall(0);
    assert_eq!(watched.reached(FOR_EVER, Some(5)).await, (0, names(&[]), true));
}

#[tokio::test]
async fn what_is_stored_is_known_after_a_start_and_nothing_is_doubted() {
    let watched = feed(&["used"]).await;
    watched.feed.edges.admit(&at("cut-off", 1), Duration::ZERO).await.unwrap();
    let (_stop, stopping) = watch::channel(false);
    let store = watched.scratch.another_opening().await;
    let clock = Arc::new(ManualClock::at(91_001 + 1_000));
    let again = Feed::new(store, stopping, RULES, 10, clock.clone());
    let wait = EdgeWait::begin(&again, FOR_EVER, Waiting::ForAll, &principal());
    let reached = wait.until_applied(None).await.unwrap();
    assert_eq!(told(&reached), (1, names(&["cut-off"]), false));
    assert!(reached.is_sure);
    clock.advance(660_000 + 660_000);
    let wait = EdgeWait::begin(&again, FOR_EVER, Waiting::ForAll, &principal());
    let reached = wait.until_applied(None).await.unwrap();
    assert_eq!(told(&reached), (0, names(&[]), true));
}

#[tokio::test]
async fn stopping_ends_the_wait() {
    let watched = feed(&[]).await;
    watched.note_request("a", 4);
    let (reached, ()) = tokio::join!(watched.reached(FOR_EVER, Some(5)), async {
        tokio::task::yield_now().await;
        watched.stop.send_replace(true);
    });
    assert_eq!(reached, (1, names(&["a"]), false));
}

#[tokio::test]
async fn one_who_waits_too_often_is_told_at_once_and_keeps_nobody_else_from_waiting() {
    let watched = feed(&[]).await;
    watched.note_request("a", 4);
    let permits: Vec<EdgeWait<'_>> = (0..EDGE_WAITERS_PER_PRINCIPAL_MAX)
        .map(|_| EdgeWait::begin(&watched.feed, FOR_EVER, Waiting::ForAll, &principal()))
        .collect();
    let one_more = EdgeWait::begin(&watched.feed, FOR_EVER, Waiting::ForAll, &principal());
    let reached = one_more.until_applied(Some(Cursor(5))).await.unwrap();
    assert_eq!(told(&reached), (1, names(&["a"]), false));
    let other = EdgeWait::begin(&watched.feed, FOR_EVER, Waiting::ForAll, &Principal::new("other", "native"));
    let (reached, ()) = tokio::join!(other.until_applied(Some(Cursor(5))), async {
        tokio::task::yield_now().await;
        watched.note_request("a", 5);
    });
    assert!(reached.unwrap().is_complete());
    drop(permits);
}

fn principal() -> Principal {
    Principal::new("elastic", "reserved")
}
