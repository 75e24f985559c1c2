use super::*;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

fn request(after: u64, wait: Duration) -> FeedRequest {
    FeedRequest { position: Cursor(after).into(), rows_max: 10, wait, edge: None }
}

fn feed(scratch: &ScratchStore) -> (Feed, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (Feed::new(scratch.store.clone(), stopping), stop)
}

#[tokio::test]
async fn a_load_never_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let page = feed.answer(request(0, FOR_EVER), UnixMillis(1)).await.unwrap();
    assert_eq!((page.cursor, page.keys.len()), (Cursor(1), 0));
}

#[tokio::test]
async fn a_waiting_request_is_answered_by_the_next_change() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let (page, ()) = tokio::join!(feed.answer(request(1, FOR_EVER), UnixMillis(1)), async {
        tokio::task::yield_now().await;
        scratch.create("a").await;
    });
    assert_eq!(page.unwrap().keys.len(), 1);
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
    assert_eq!((page.cursor, page.keys.len(), page.reset), (Cursor(1), 0, false));
}

#[tokio::test]
async fn stopping_answers_whoever_waits() {
    let scratch = ScratchStore::new().await;
    let (feed, stop) = feed(&scratch);
    let (page, ()) = tokio::join!(feed.answer(request(1, FOR_EVER), UnixMillis(1)), async {
        tokio::task::yield_now().await;
        stop.send_replace(true);
    });
    assert_eq!(page.unwrap().keys.len(), 0);
}

#[tokio::test]
async fn turns_away_one_waiter_too_many() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let all = u32::try_from(FEED_WAITERS_MAX).unwrap();
    let _taken = feed.places.acquire_many(all).await.unwrap();
    let refusal = feed.answer(request(1, FOR_EVER), UnixMillis(1)).await;
    assert!(matches!(refusal, Err(FeedRefusal::TooManyWaiting)));
    assert!(feed.answer(request(0, FOR_EVER), UnixMillis(1)).await.is_ok(), "a load needs no place");
}

#[tokio::test]
async fn asking_acknowledges() {
    let scratch = ScratchStore::new().await;
    let (feed, _stop) = feed(&scratch);
    let edge = EdgeName::try_from("envoy-1".to_owned()).unwrap();
    let asked = FeedRequest { edge: Some(edge), ..request(0, FOR_EVER) };
    feed.answer(asked.clone(), UnixMillis(1)).await.unwrap();
    assert_eq!(feed.edge_counts(Cursor(1)), EdgeCounts { known: 1, current: 0 });
    let acknowledged = FeedRequest { position: Cursor(1).into(), wait: Duration::ZERO, ..asked };
    feed.answer(acknowledged, UnixMillis(2)).await.unwrap();
    assert_eq!(feed.edge_counts(Cursor(1)), EdgeCounts { known: 1, current: 1 });
}
