use super::*;
use crate::feed::edges::EdgeCounts;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

/// How many may wait.
const WAITERS_MAX: usize = 2_000;

fn request(after: u64, wait: Duration) -> FeedRequest {
    FeedRequest { after: Cursor(after), epoch: None, purged: None, rows_max: 10, wait, edge: None }
}

fn feed(scratch: &ScratchStore) -> (Feed, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (Feed::new(scratch.store.clone(), stopping, Duration::from_secs(90), WAITERS_MAX, UnixMillis(0)), stop)
}

#[tokio::test]
async fn a_load_never_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let page = feed.answer(request(0, FOR_EVER), UnixMillis(1)).await.unwrap();
    assert_eq!((page.cursor, page.rows), (Cursor(1), 0));
}

#[tokio::test]
async fn a_waiting_request_is_answered_by_the_next_change() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let (page, ()) = tokio::join!(feed.answer(request(1, FOR_EVER), UnixMillis(1)), async {
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
        let (page, _) =
            tokio::join!(feed.answer(request(after, FOR_EVER), UnixMillis(1)), scratch.create(&id));
        after = page.unwrap().cursor.0;
    }
    assert_eq!(after, 101);
}

#[tokio::test]
async fn an_idle_wait_ends_empty() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let page = feed.answer(request(1, Duration::from_millis(20)), UnixMillis(1)).await.unwrap();
    assert_eq!((page.cursor, page.rows, page.reset), (Cursor(1), 0, false));
}

#[tokio::test]
async fn stopping_answers_whoever_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, stop) = feed(&scratch);
    let (page, ()) = tokio::join!(feed.answer(request(1, FOR_EVER), UnixMillis(1)), async {
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
    let _taken = feed.places.acquire_many(all).await.unwrap();
    let refusal = feed.answer(request(1, FOR_EVER), UnixMillis(1)).await;
    assert!(matches!(refusal, Err(FeedRefusal::TooManyWaiting(WAITERS_MAX))));
    assert!(feed.answer(request(0, FOR_EVER), UnixMillis(1)).await.is_ok(), "a load needs no place");
}

fn edge() -> EdgeName {
    EdgeName::try_from("envoy-1".to_owned()).unwrap()
}

fn epoch(name: &str) -> Option<Epoch> {
    Epoch::try_from(name.to_owned()).ok()
}

/// What the feed holds acknowledged by the edge once it has asked so.
async fn acknowledged(feed: &Feed, asked: FeedRequest) -> u64 {
    let asked = FeedRequest { edge: Some(edge()), ..asked };
    feed.answer(asked, UnixMillis(1)).await.unwrap();
    let known = feed.fleet(UnixMillis(1)).await.unwrap().edges;
    known.iter().map(|status| status.sighting.acknowledged.0).sum()
}

#[tokio::test]
async fn asking_acknowledges() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    assert_eq!(acknowledged(&feed, request(0, FOR_EVER)).await, 0);
    let counts = |current| EdgeCounts { known: 1, live: 1, current, lag_max: 1 - current as u64 };
    assert_eq!(feed.edge_counts(Cursor(1), UnixMillis(2)), counts(0));
    assert_eq!(acknowledged(&feed, request(1, Duration::ZERO)).await, 1);
    assert_eq!(feed.edge_counts(Cursor(1), UnixMillis(2)), counts(1));
}

#[tokio::test]
async fn only_a_whole_table_of_this_feed_is_an_acknowledgement() {
    let scratch = ScratchStore::new().await;
    let own = scratch.store.epoch().as_str().to_owned();
    scratch.create("a").await;
    scratch.create("b").await;
    let asked = |epoch, purged, after| FeedRequest { epoch, purged, ..request(after, Duration::ZERO) };
    for (what, asked, expected) in [
        ("no epoch", asked(None, None, 2), 2),
        ("this epoch", asked(epoch(&own), None, 2), 2),
        ("another epoch", asked(epoch("another"), None, 2), 0),
        ("a load that goes on", asked(epoch(&own), Some(Cursor(0)), 2), 0),
        ("the beginning of a load", asked(None, None, 0), 0),
        ("a cursor from the future", asked(epoch(&own), None, 4), 0),
    ] {
        let (feed, _stop) = feed(&scratch);
        assert_eq!(acknowledged(&feed, asked).await, expected, "{what}");
    }
}

#[tokio::test]
async fn a_follower_of_another_epoch_is_reset_at_once_and_a_load_never() {
    let scratch = ScratchStore::new().await;
    scratch.create("a").await;
    let (feed, _stop) = feed(&scratch);
    let other = FeedRequest { epoch: epoch("another"), ..request(2, FOR_EVER) };
    let page = feed.answer(other.clone(), UnixMillis(1)).await.unwrap();
    assert_eq!((page.reset, page.more, page.cursor, page.rows), (true, false, Cursor(0), 0));
    let load = FeedRequest { after: Cursor(0), ..other };
    let page = feed.answer(load, UnixMillis(1)).await.unwrap();
    assert_eq!((page.reset, page.rows), (false, 1));
}

#[tokio::test]
async fn an_edge_is_seen_when_it_asks_and_again_when_it_is_answered() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let asked = FeedRequest { edge: Some(edge()), ..request(1, FOR_EVER) };
    let waits_at_least = Duration::from_millis(5);
    let seen = async || feed.fleet(UnixMillis(0)).await.unwrap().edges[0].sighting.seen;
    let (_, while_it_waits) = tokio::join!(feed.answer(asked, UnixMillis(7)), async {
        feed.edge_news().changed().await.unwrap();
        let seen = seen().await;
        tokio::time::sleep(waits_at_least).await;
        scratch.create("a").await;
        seen
    });
    assert_eq!(while_it_waits, UnixMillis(7));
    assert!(seen().await >= UnixMillis(12));
}

#[tokio::test]
async fn what_one_replica_hands_out_another_takes_in() {
    let scratch = ScratchStore::new().await;
    let ((one, _stop), (other, _stop_other)) = (feed(&scratch), feed(&scratch));
    let mut news = other.edge_news();
    assert_eq!(acknowledged(&one, request(1, Duration::ZERO)).await, 1);
    let (version, sightings) = one.own_sightings_since(0);
    other.merge_sightings(&other.store.epoch(), sightings.clone());
    assert!(news.has_changed().unwrap());
    assert_eq!(other.fleet(UnixMillis(1)).await.unwrap(), one.fleet(UnixMillis(1)).await.unwrap());
    assert_eq!(other.own_sightings_since(0).1, [], "what was taken in is not handed out again");
    assert_eq!(one.own_sightings_since(version).1, []);
    news.mark_unchanged();
    other.merge_sightings(&other.store.epoch(), sightings);
    assert!(!news.has_changed().unwrap(), "the same again is no news");
}
