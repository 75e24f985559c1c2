use latchkey_key_feed::{Cursor, Epoch, UnixMillis};
use tokio::sync::watch;

use super::*;
use crate::clock::SystemClock;
use crate::store::KeyStore;
use crate::store::tests::ScratchStore;

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A replica's feed, in exchange with the others.
fn exchanging(store: KeyStore) -> (Arc<Feed>, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let feed = Arc::new(Feed::new(store, stopping, FOR_EVER, 10, UnixMillis(0)));
    begin(&feed, Arc::new(SystemClock), FOR_EVER);
    (feed, stop)
}

fn at(name: &str, acknowledged: u64) -> EdgeSighting {
    let name = EdgeName::try_from(name.to_owned()).unwrap();
    EdgeSighting { name, acknowledged: Cursor(acknowledged), seen: SystemClock.now() }
}

async fn known(feed: &Feed, count: usize) {
    let mut news = feed.edge_news();
    while feed.edge_counts(Cursor(1), SystemClock.now()).live < count {
        news.changed().await.unwrap();
    }
}

#[tokio::test]
async fn what_one_replica_hears_counts_at_the_others() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    let (other, _stop_other) = exchanging(scratch.another_replica().await);
    one.see(at("a", 1));
    other.see(at("b", 1));
    for feed in [&one, &other] {
        known(feed, 2).await;
    }
    let wait = one.edge_wait(FOR_EVER).unwrap().until_applied(Some(Cursor(5)), SystemClock.now());
    let (reached, ()) = tokio::join!(wait, async {
        other.see(at("b", 5));
        one.see(at("a", 7));
    });
    let reached = reached.unwrap();
    assert_eq!((reached.total, reached.missing), (2, Vec::new()));
}

#[tokio::test]
async fn a_replica_that_starts_knows_what_the_others_have_heard() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop) = exchanging(scratch.store.clone());
    one.see(at("a", 4));
    let epoch = scratch.store.epoch();
    while scratch.store.edges_told_of(&epoch).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    let (late, _stop_late) = exchanging(scratch.another_replica().await);
    known(&late, 1).await;
    let wait = late.edge_wait(FOR_EVER).unwrap().until_applied(Some(Cursor(4)), SystemClock.now());
    assert_eq!(wait.await.unwrap().missing, Vec::new());
}

#[tokio::test]
async fn promises_only_rise_and_edges_that_nobody_sees_are_forgotten() {
    let scratch = ScratchStore::in_postgres().await;
    let store = &scratch.store;
    let epoch = store.epoch();
    let edge = |acknowledged, seen| EdgeRow {
        name: "a \"quoted\" name".to_owned(),
        acknowledged: Cursor(acknowledged),
        seen: UnixMillis(seen),
    };
    store.tell_of_edges(&epoch, &[edge(7, 20)]).await.unwrap();
    store.tell_of_edges(&epoch, &[edge(5, 30)]).await.unwrap();
    assert_eq!(store.edges_told_of(&epoch).await.unwrap(), [edge(7, 30)]);
    let restored = Epoch::try_from("restored".to_owned()).unwrap();
    assert_eq!(store.edges_told_of(&restored).await.unwrap(), [], "promises about another feed");
    store.forget_edges(UnixMillis(30)).await.unwrap();
    assert_eq!(store.edges_told_of(&epoch).await.unwrap().len(), 1);
    store.forget_edges(UnixMillis(31)).await.unwrap();
    assert_eq!(store.edges_told_of(&epoch).await.unwrap(), []);
}
