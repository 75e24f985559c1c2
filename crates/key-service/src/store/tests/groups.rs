//! Changes that share a transaction, in each database.

use latchkey_key_feed::{Cursor, FeedRow};

use super::*;
use crate::audit::{ChangeAction, ChangeEvent};
use crate::store::StoreError;
use crate::store::change::{Change, Done, Verb};
use crate::store::sql::group;

fn change(verb: Verb, at: u64) -> Change {
    let (action, key_ids) = match &verb {
        Verb::Add(keys) => (ChangeAction::CreateApiKey, keys.iter().map(|key| key.id.clone()).collect()),
        _ => (ChangeAction::InvalidateApiKeys, Vec::new()),
    };
    Change::new(verb, ChangeEvent { at: UnixMillis(at), action, actor: actor(), key_ids })
}

fn adding(ids: &[&str]) -> Change {
    change(Verb::Add(ids.iter().map(|id| key(id)).collect()), 1)
}

fn ending(ids: &[&str], at: u64) -> Change {
    let ids = Some(ids.iter().map(ToString::to_string).collect());
    change(Verb::Invalidate(KeyFilter { ids, ..KeyFilter::default() }, usize::MAX), at)
}

/// Where a change left the feed, and the keys that it was about, if it was one; the error where it was
/// refused.
type Told = Result<Option<(u64, Vec<String>)>, String>;

fn told(outcomes: Vec<Result<Done, StoreError>>) -> Vec<Told> {
    let told = |done: Done| {
        done.change.map(|(cursor, event)| (cursor.0, event.key_ids.iter().map(ToString::to_string).collect()))
    };
    outcomes.into_iter().map(|outcome| outcome.map(told).map_err(|error| error.kind().to_owned())).collect()
}

fn did(cursor: u64, ids: &[&str]) -> Told {
    Ok(Some((cursor, ids.iter().map(ToString::to_string).collect())))
}

/// The rows of the feed: sequence number, id, and whether the key lives.
async fn feed(store: &KeyStore) -> Vec<(u64, String, bool)> {
    let page = store.parsed_page(Cursor(0), 100).await.unwrap();
    let told = |row: &FeedRow| match row {
        FeedRow::Live { seq, record } => (seq.0, record.id.to_string(), true),
        FeedRow::Removed { seq, id } => (seq.0, id.to_string(), false),
    };
    assert_eq!(page.total, page.keys.iter().filter(|row| matches!(row, FeedRow::Live { .. })).count() as u64);
    page.keys.iter().map(told).collect()
}

fn row(seq: u64, id: &str, lives: bool) -> (u64, String, bool) {
    (seq, id.to_owned(), lives)
}

#[tokio::test]
async fn changes_of_a_group_follow_each_other_in_the_feed_and_in_the_trail() {
    let scratch = ScratchStore::new().await;
    let group = [adding(&["a"]), adding(&["b", "c"]), ending(&["b"], 5), adding(&["d"])];
    let outcomes = group::write_group(&scratch.store.database, &group).await.unwrap();
    assert_eq!(told(outcomes), [did(2, &["a"]), did(4, &["b", "c"]), did(5, &["b"]), did(6, &["d"])]);
    assert_eq!(
        feed(&scratch.store).await,
        [row(2, "a", true), row(4, "c", true), row(5, "b", false), row(6, "d", true)]
    );
    let audit_log: Vec<String> =
        scratch.store.database.events().await.into_iter().map(|(_, _, ids)| ids).collect();
    assert_eq!(audit_log, [r#"["a"]"#, r#"["b","c"]"#, r#"["b"]"#, r#"["d"]"#]);
}

#[tokio::test]
async fn a_change_that_is_refused_leaves_its_neighbours_and_no_trace() {
    let scratch = ScratchStore::new().await;
    scratch.create("taken").await;
    let group = [adding(&["a"]), adding(&["b", "taken"]), adding(&["c"]), adding(&["a"]), ending(&["a"], 5)];
    let outcomes = group::write_group(&scratch.store.database, &group).await.unwrap();
    let taken = || Err("id_taken".to_owned());
    assert_eq!(told(outcomes), [did(3, &["a"]), taken(), did(4, &["c"]), taken(), did(5, &["a"])]);
    assert_eq!(feed(&scratch.store).await, [row(2, "taken", true), row(4, "c", true), row(5, "a", false)]);
    assert_eq!(scratch.store.database.events().await.len(), 4);
}

#[tokio::test]
async fn a_text_that_cannot_be_kept_is_refused_alone() {
    let scratch = ScratchStore::new().await;
    let nul = StoredKey { name: "a\0b".into(), ..key("nul") };
    let group = [adding(&["a"]), change(Verb::Add(vec![nul]), 1), adding(&["b"])];
    let outcomes = told(group::write_group(&scratch.store.database, &group).await.unwrap());
    let ids: Vec<String> = feed(&scratch.store).await.into_iter().map(|(_, id, _)| id).collect();
    if scratch.store.database.may_have_replicas() {
        assert_eq!(outcomes, [did(2, &["a"]), Err("nul_in_text".to_owned()), did(3, &["b"])]);
        assert_eq!(ids, ["a", "b"]);
    } else {
        assert_eq!(ids, ["a", "nul", "b"]);
    }
}

#[tokio::test]
async fn of_neighbours_who_end_the_same_key_the_first_does() {
    let scratch = ScratchStore::new().await;
    for id in ["a", "b", "c"] {
        scratch.create(id).await;
    }
    let group = [ending(&["nobody"], 5), ending(&["b", "b"], 6), ending(&["b", "a"], 7), ending(&["a"], 8)];
    let outcomes = told(group::write_group(&scratch.store.database, &group).await.unwrap());
    assert_eq!(outcomes, [Ok(None), did(6, &["b"]), did(5, &["a"]), Ok(None)]);
    assert_eq!(feed(&scratch.store).await, [row(4, "c", true), row(5, "a", false), row(6, "b", false)]);
    let ended = scratch.store.find("a").await.unwrap().unwrap();
    assert_eq!(ended.invalidation, Some(UnixMillis(8)), "together, when the last of them was asked for");
}

#[tokio::test]
async fn a_group_that_changes_nothing_is_no_change() {
    let scratch = ScratchStore::new().await;
    let before = scratch.store.parsed_page(Cursor(0), 10).await.unwrap();
    let outcomes = group::write_group(&scratch.store.database, &[ending(&["nobody"], 5)]).await.unwrap();
    assert_eq!(told(outcomes), [Ok(None)]);
    assert_eq!(scratch.store.parsed_page(Cursor(0), 10).await.unwrap(), before);
    assert!(scratch.store.database.events().await.is_empty());
}

#[tokio::test]
async fn however_many_come_at_once_each_is_made() {
    let scratch = ScratchStore::new().await;
    let ids: Vec<String> = (0..700).map(|number| format!("k{number}")).collect();
    let created = ids.iter().map(|id| scratch.store.create(key(id), actor(), UnixMillis(1)));
    for created in futures_util::future::join_all(created).await {
        created.unwrap();
    }
    let page = scratch.store.parsed_page(Cursor(0), 10_000).await.unwrap();
    assert_eq!((page.total, page.keys.len(), page.cursor), (700, 700, Cursor(701)));
}
