use std::time::Duration;

use latchkey_budget::Principal;
use latchkey_edge_ledger::{
    EdgeId, EdgeRequest, EdgeRow, EdgeTime, Forgetting, GoneEdge, Holder, InstanceId, Waiting,
};
use latchkey_key_feed::{Cursor, EdgeName, Epoch, UnixMillis};
use tokio::sync::watch;

use super::*;
use crate::audit::Actor;
use crate::clock::SystemClock;
use crate::feed::Feed;
use crate::feed::edge_wait::EdgeWait;
use crate::feed::tests::RULES;
use crate::store::tests::ScratchStore;
use crate::store::{KeyStore, transfer};

/// Long enough that a test which waits for it has failed.
const FOR_EVER: Duration = Duration::from_secs(600);

/// A replica's feed, in exchange with the others.
fn exchanging(store: KeyStore) -> (Feed, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    (Feed::new(store, stopping, RULES, 10, Arc::new(SystemClock)), stop)
}

fn at(name: &str, acknowledged: u64) -> EdgeRequest {
    let holder = Holder { key: None, username: name.into(), realm: "file".into() };
    let instance = InstanceId::of_holder(&holder);
    let id = EdgeId { name: EdgeName::try_from(name.to_owned()).unwrap(), instance };
    EdgeRequest { id, holder, refuse_after_ms: 600_000, acknowledged: Cursor(acknowledged) }
}

impl Feed {
    async fn admit(&self, request: EdgeRequest) {
        self.edges.admit(&request, Duration::ZERO).await.unwrap();
    }
}

async fn known(feed: &Feed, count: usize) {
    let mut news = feed.edges.news();
    while feed.edges().counts(Cursor(1)).live < count {
        news.changed().await.unwrap();
    }
}

#[tokio::test]
async fn what_one_replica_hears_counts_at_the_others() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    let (other, _stop_other) = exchanging(scratch.another_replica().await);
    one.admit(at("a", 1)).await;
    other.admit(at("b", 1)).await;
    for feed in [&one, &other] {
        known(feed, 2).await;
    }
    let wait = EdgeWait::begin(&one, FOR_EVER, Waiting::ForAll, &principal()).until_applied(Some(Cursor(5)));
    let (reached, ()) = tokio::join!(wait, async {
        other.admit(at("b", 5)).await;
        one.admit(at("a", 7)).await;
    });
    let reached = reached.unwrap();
    assert_eq!((reached.total, &reached.missing, reached.is_complete()), (2, &Vec::new(), true));
}

#[tokio::test]
async fn an_edge_that_another_replica_has_answered_is_never_missed() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    let (other, _stop_other) = exchanging(scratch.another_replica().await);
    for number in 1..=20 {
        other.admit(at(&format!("e{number}"), 1)).await;
        let wait = EdgeWait::begin(&one, Duration::ZERO, Waiting::ForAll, &principal());
        let reached = wait.until_applied(Some(Cursor(5))).await.unwrap();
        assert_eq!((reached.total, reached.missing.len()), (number, number));
    }
}

#[tokio::test]
async fn what_was_acknowledged_in_one_epoch_never_counts_for_a_change_of_the_next() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    one.admit(at("a", 7)).await;
    let epoch = Epoch::try_from("next".to_owned()).unwrap();
    let operator = scratch.another_replica().await;
    transfer::begin_epoch(&operator, epoch, Actor::operator(), UnixMillis(7)).await.unwrap();
    let wait = EdgeWait::begin(&one, Duration::ZERO, Waiting::ForAll, &principal());
    let reached = wait.until_applied(Some(Cursor(5))).await.unwrap();
    assert_eq!((reached.total, reached.missing.len()), (1, 1));
}

#[tokio::test]
async fn a_goodbye_to_one_replica_is_heard_by_the_others() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    let (other, _stop_other) = exchanging(scratch.another_replica().await);
    one.admit(at("a", 1)).await;
    known(&other, 1).await;
    let edge = at("a", 1);
    assert!(one.edges.leave(&edge.id, &edge.holder).await.unwrap());
    let wait = EdgeWait::begin(&other, FOR_EVER, Waiting::ForAll, &principal());
    let reached = wait.until_applied(Some(Cursor(5))).await.unwrap();
    assert_eq!((reached.total, reached.is_complete()), (0, true));
}

#[tokio::test]
async fn a_listing_and_a_forgetting_know_what_the_others_have_answered() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop_one) = exchanging(scratch.store.clone());
    let (other, _stop_other) = exchanging(scratch.another_replica().await);
    for number in 1..=20 {
        let edge = at(&format!("e{number:02}"), 1);
        other.admit(edge.clone()).await;
        let fleet = one.edges().fleet().await.unwrap();
        assert_eq!((fleet.counts.live, fleet.is_complete), (number, true));
    }
    for number in 21..=40 {
        let edge = at(&format!("e{number:02}"), 1);
        other.admit(edge.clone()).await;
        let forgotten = one.edges().forget(&Forgetting::Name(edge.id.name)).await.unwrap();
        assert_eq!(forgotten.live, 1, "it still asks");
    }
}

#[tokio::test]
async fn a_replica_that_starts_knows_what_the_others_have_heard() {
    let scratch = ScratchStore::in_postgres().await;
    let (one, _stop) = exchanging(scratch.store.clone());
    one.admit(at("a", 4)).await;
    let (late, _stop_late) = exchanging(scratch.another_replica().await);
    assert_eq!(late.edges().counts(Cursor(1)).live, 1, "from the beginning");
    let wait = EdgeWait::begin(&late, FOR_EVER, Waiting::ForAll, &principal()).until_applied(Some(Cursor(4)));
    assert_eq!(wait.await.unwrap().missing, Vec::new());
}

#[tokio::test]
async fn what_is_written_only_rises_and_edges_that_are_gone_are_dropped() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let store = &scratch.store;
        let edge = |acknowledged, seen, until, epoch: &str| {
            let EdgeRequest { id, holder, refuse_after_ms, .. } = at("a \"quoted\" name", 0);
            let (acknowledged, seen) = (Cursor(acknowledged), UnixMillis(seen));
            let (epoch, may_admit_until) = (epoch.to_owned(), UnixMillis(until));
            EdgeRow {
                id,
                holder,
                refuse_after_ms,
                epoch,
                acknowledged,
                seen,
                may_admit_until,
                noted: UnixMillis(until - 40),
                told: UnixMillis(1_000),
                has_left: false,
            }
        };
        let rows = async || store.edges().told_of().await.unwrap().rows;
        store.edges().keep(&[edge(7, 20, 100, "e")]).await.unwrap();
        store.edges().keep(&[edge(5, 30, 90, "e")]).await.unwrap();
        assert_eq!(rows().await, [edge(7, 30, 100, "e")]);
        store.edges().keep(&[edge(2, 10, 90, "restored")]).await.unwrap();
        assert_eq!(rows().await, [edge(2, 30, 100, "restored")], "acknowledgements of another feed");
        store.edges().drop_gone(UnixMillis(1_000), UnixMillis(100)).await.unwrap();
        assert_eq!(rows().await.len(), 1);
        store.edges().drop_gone(UnixMillis(0), UnixMillis(101)).await.unwrap();
        assert_eq!(rows().await, []);
        let gone = |seen, until| GoneEdge {
            id: at("a \"quoted\" name", 0).id,
            seen: UnixMillis(seen),
            may_admit_until: UnixMillis(until),
        };
        store.edges().keep(&[edge(7, 20, 100, "e")]).await.unwrap();
        store.edges().mark_gone(&[gone(19, 100)]).await.unwrap();
        store.edges().mark_gone(&[gone(20, 99)]).await.unwrap();
        assert_eq!(rows().await, [edge(7, 20, 100, "e")], "another replica knows more of it");
        store.edges().mark_gone(&[gone(20, 100)]).await.unwrap();
        assert_eq!(rows().await, [EdgeRow { has_left: true, ..edge(7, 21, 100, "e") }]);
        store.edges().drop_gone(UnixMillis(22), UnixMillis(0)).await.unwrap();
        store.edges().keep(&[EdgeRow { has_left: true, ..edge(7, 20, 100, "e") }]).await.unwrap();
        store.edges().drop_gone(UnixMillis(21), UnixMillis(0)).await.unwrap();
        assert_eq!(rows().await, []);
    }
}

#[tokio::test]
async fn the_longest_time_is_kept_whatever_the_clocks_said_and_is_made_shorter_unless_others_know_more() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let store = &scratch.store;
        let EdgeRequest { id, holder, refuse_after_ms, .. } = at("a", 0);
        let row = |seen, noted, until| EdgeRow {
            id: id.clone(),
            holder: holder.clone(),
            refuse_after_ms,
            epoch: "e".to_owned(),
            acknowledged: Cursor(1),
            seen: UnixMillis(seen),
            may_admit_until: UnixMillis(until),
            noted: UnixMillis(noted),
            told: UnixMillis(10_000),
            has_left: false,
        };
        let stored = async || {
            let row = store.edges().told_of().await.unwrap().rows.remove(0);
            (row.seen.0, row.may_admit_until.0, row.may_admit_for_ms())
        };
        for (written, expected) in [
            (row(100, 100, 200), (100, 200, 100)),
            (row(5_000, 5_000, 5_050), (5_000, 5_050, 100)),
            (row(10, 10, 160), (5_000, 5_050, 150)),
            (row(10, 10, 20), (5_000, 5_050, 150)),
        ] {
            store.edges().keep(&[written]).await.unwrap();
            assert_eq!(stored().await, expected);
        }
        // Whoever had not read the end that is there goes beyond it, with the longer time.
        store.edges().keep(&[EdgeRow { told: UnixMillis(0), ..row(10, 10, 20) }]).await.unwrap();
        assert_eq!(stored().await, (5_000, 5_051, 150));
        store.edges().keep(&[row(10, 10, 20)]).await.unwrap();
        assert_eq!(stored().await, (5_000, 5_051, 150), "once");
        let time = |seen, until, may_admit_for_ms| {
            let (seen, may_admit_until) = (UnixMillis(seen), UnixMillis(until));
            EdgeTime { id: id.clone(), seen, may_admit_until, may_admit_for_ms }
        };
        for (time, expected) in [
            (time(4_999, 5_051, 7), 150),
            (time(5_000, 5_050, 7), 150),
            (time(5_000, 5_051, 151), 150),
            (time(5_000, 5_051, 7), 7),
            (time(9_000, 9_000, 0), 0),
        ] {
            store.edges().shorten_times(&[time]).await.unwrap();
            assert_eq!(stored().await, (5_000, 5_051, expected));
        }
    }
}

#[tokio::test]
async fn what_was_not_known_of_edges_is_forgotten_once_it_is_over() {
    for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
        let store = &scratch.store;
        let begun = async || store.edges().told_of().await.unwrap().begun;
        let epoch = Epoch::try_from("next".to_owned()).unwrap();
        transfer::begin_epoch(store, epoch, Actor::operator(), UnixMillis(7)).await.unwrap();
        assert_eq!(begun().await, UnixMillis(7));
        store.edges().know_all(UnixMillis(6)).await.unwrap();
        assert_eq!(begun().await, UnixMillis(7), "it is of another time");
        store.edges().know_all(UnixMillis(7)).await.unwrap();
        assert_eq!(begun().await, UnixMillis(0));
    }
}

fn principal() -> Principal {
    Principal::new("elastic", "reserved")
}
