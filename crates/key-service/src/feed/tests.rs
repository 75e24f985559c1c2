use std::time::Duration;

use latchkey_edge_ledger::{EdgeCounts, EdgeId, EdgeRequest, Holder, InstanceId, Waiting};
use latchkey_key_feed::{EdgeName, Epoch, FeedVersion};

use super::*;
use crate::clock::tests::ManualClock;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

/// How many may wait.
const WAITERS_MAX: usize = 2_000;

fn request(after: u64, wait: Duration) -> FollowerRequest {
    let (after, edge) = (Cursor(after), None);
    FollowerRequest {
        version: FeedVersion::V1,
        after,
        epoch: None,
        purged: None,
        rows_max: 10,
        wait,
        edge,
        is_leaving: false,
    }
}

pub(super) const RULES: EdgeRules =
    EdgeRules { live_for_ms: 90_000, refuse_after_ms: 3_600_000, instances_per_key_max: 4 };

fn feed(scratch: &ScratchStore) -> (Feed, watch::Sender<bool>) {
    let (feed, _, stop) = feed_with_clock(scratch);
    (feed, stop)
}

fn feed_with_clock(scratch: &ScratchStore) -> (Feed, Arc<ManualClock>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let clock = Arc::new(ManualClock::at(1));
    (Feed::new(scratch.store.clone(), stopping, RULES, WAITERS_MAX, clock.clone()), clock, stop)
}

#[tokio::test]
async fn a_load_never_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let page = feed.answer(&request(0, FOR_EVER)).await.unwrap();
    assert_eq!((page.cursor, page.rows), (Cursor(1), 0));
}

#[tokio::test]
async fn a_waiting_request_is_answered_by_the_next_change() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let asked = request(1, FOR_EVER);
    let (page, ()) = tokio::join!(feed.answer(&asked), async {
        tokio::task::yield_now().await;
        scratch.create("a").await;
    });
    assert_eq!(page.unwrap().rows, 1);
}

#[tokio::test]
async fn no_wake_up_is_lost_between_reading_and_waiting() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let mut after = 1;
    for number in 0..100 {
        let id = format!("k{number}");
        let asked = request(after, FOR_EVER);
        let (page, _) = tokio::join!(feed.answer(&asked), scratch.create(&id));
        after = page.unwrap().cursor.0;
    }
    assert_eq!(after, 101);
}

#[tokio::test]
async fn an_idle_wait_ends_empty() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let page = feed.answer(&request(1, Duration::from_millis(20))).await.unwrap();
    assert_eq!((page.cursor, page.rows, page.reset), (Cursor(1), 0, false));
}

#[tokio::test]
async fn stopping_answers_whoever_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, stop) = feed(&scratch);
    let asked = request(1, FOR_EVER);
    let (page, ()) = tokio::join!(feed.answer(&asked), async {
        tokio::task::yield_now().await;
        stop.send_replace(true);
    });
    assert_eq!(page.unwrap().rows, 0);
}

#[tokio::test]
async fn turns_away_one_waiter_too_many() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let all = u32::try_from(WAITERS_MAX).unwrap();
    let _taken = feed.permits.acquire_many(all).await.unwrap();
    let refusal = feed.answer(&request(1, FOR_EVER)).await;
    assert!(matches!(refusal, Err(FeedRefusal::TooManyWaiting(WAITERS_MAX))));
    assert!(feed.answer(&request(0, FOR_EVER)).await.is_ok(), "a load needs no permit");
}

fn edge() -> Option<EdgeRequest> {
    let holder = Holder { key: None, username: "feed".into(), realm: "file".into() };
    let name = EdgeName::try_from("envoy-1".to_owned()).unwrap();
    let instance = InstanceId::of_holder(&holder);
    let id = EdgeId { name, instance };
    Some(EdgeRequest { id, holder, refuse_after_ms: 60_000, acknowledged: Cursor(0) })
}

fn epoch(name: &str) -> Option<Epoch> {
    Epoch::try_from(name.to_owned()).ok()
}

/// What the edge has acknowledged after this request.
async fn acknowledged(feed: &Feed, asked: FollowerRequest) -> u64 {
    feed.answer(&FollowerRequest { edge: edge(), ..asked }).await.unwrap();
    let known = feed.edges().fleet().await.unwrap().edges;
    known.iter().map(|status| status.acknowledged.0).sum()
}

#[tokio::test]
async fn asking_acknowledges() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    assert_eq!(acknowledged(&feed, request(0, FOR_EVER)).await, 0);
    let counts = |current| EdgeCounts {
        known: 1,
        live: 1,
        current,
        silent: 0,
        lag_max: 1 - current as u64,
        of_key_max: 1,
    };
    assert_eq!(feed.edges().counts(Cursor(1)), counts(0));
    assert_eq!(acknowledged(&feed, request(1, Duration::ZERO)).await, 1);
    assert_eq!(feed.edges().counts(Cursor(1)), counts(1));
}

#[tokio::test]
async fn only_a_whole_table_of_this_feed_is_an_acknowledgement() {
    type Case = (&'static str, Option<&'static str>, Option<Cursor>, u64, u64);
    let cases: [Case; 6] = [
        ("no epoch", None, None, 2, 2),
        ("this epoch", Some("own"), None, 2, 2),
        ("another epoch", Some("another"), None, 2, 0),
        ("a load that goes on", Some("own"), Some(Cursor(0)), 2, 0),
        ("the beginning of a load", None, None, 0, 0),
        ("a cursor from the future", Some("own"), None, 4, 0),
    ];
    for (what, name, purged, after, expected) in cases {
        // A store of its own, because other feeds write what they know to theirs.
        let scratch = ScratchStore::new().await;
        scratch.create("a").await;
        scratch.create("b").await;
        let own = scratch.store.epoch();
        let epoch = name.and_then(|name| if name == "own" { Some(own.clone()) } else { epoch(name) });
        let asked = FollowerRequest { epoch, purged, ..request(after, Duration::ZERO) };
        let (feed, _stop) = feed(&scratch);
        assert_eq!(acknowledged(&feed, asked).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_follower_of_another_epoch_is_reset_at_once_and_a_load_never() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    let (feed, _stop) = feed(&scratch);
    let other = FollowerRequest { epoch: epoch("another"), ..request(2, FOR_EVER) };
    let page = feed.answer(&other).await.unwrap();
    assert_eq!((page.reset, page.more, page.cursor, page.rows), (true, false, Cursor(0), 0));
    let load = FollowerRequest { after: Cursor(0), ..other.clone() };
    let page = feed.answer(&load).await.unwrap();
    assert_eq!((page.reset, page.rows), (false, 1));
}

#[tokio::test]
async fn an_edge_may_admit_from_when_its_answer_may_have_come() {
    let scratch = ScratchStore::new().await;
    let (feed, clock, _stop) = feed_with_clock(&scratch);
    let asked = FollowerRequest { edge: edge(), ..request(1, Duration::from_secs(60)) };
    let mut news = feed.edges.news();
    let (page, ()) = tokio::join!(feed.answer(&asked), async {
        news.changed().await.unwrap();
        clock.advance(50_000);
        scratch.create("a").await;
    });
    page.unwrap();
    let counts = || {
        let now = feed.edges.now();
        feed.edges.ledger().wait_for(Cursor(9), Waiting::ForAll, now).0
    };
    // It waits for 60 s, the call may take 60 s more, and 60 s after its end it admits no more.
    clock.advance(129_999);
    assert_eq!(counts(), 1);
    clock.advance(1);
    assert_eq!(counts(), 0);
}

#[tokio::test]
async fn an_edge_is_durable_before_it_is_answered_and_asking_again_writes_nothing() {
    let scratch = ScratchStore::new().await;
    let (feed, clock, _stop) = feed_with_clock(&scratch);
    let asked = FollowerRequest { edge: edge(), ..request(0, Duration::ZERO) };
    feed.answer(&asked).await.unwrap();
    let rows = scratch.store.edges().told_of().await.unwrap().rows;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&row.id, row.refuse_after_ms), (&edge().unwrap().id, 60_000));
    assert!(row.may_admit_until.0 >= 120_000 + 600_000, "{row:?}");
    clock.advance(100_000);
    feed.answer(&asked).await.unwrap();
    assert_eq!(scratch.store.edges().told_of().await.unwrap().rows[0].may_admit_until, row.may_admit_until);
    clock.advance(620_000);
    feed.answer(&asked).await.unwrap();
    let renewed = scratch.store.edges().told_of().await.unwrap().rows[0].may_admit_until;
    assert!(renewed.0 >= 720_001 + 120_000, "{renewed:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_makes_the_store_remember_for_longer() {
    let scratch = ScratchStore::new().await;
    let (feed, clock, _stop) = feed_with_clock(&scratch);
    feed.answer(&FollowerRequest { edge: edge(), ..request(0, Duration::ZERO) }).await.unwrap();
    clock.advance(30_000);
    clock.set_wall(50_000_000);
    let now = feed.edges.now();
    feed.edges.ledger().sweep(now);
    let rows = feed.edges.ledger().take_unstored(now);
    assert!(rows[0].may_admit_until.0 >= 50_000_000 + 90_000, "{rows:?}");
}
