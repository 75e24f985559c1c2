//! A follower whose own key ends gets everything up to the change that ended it, and nothing newer.

use axum::http::StatusCode;
use latchkey_key_feed::{Cursor, FeedPage, FeedRow};
use serde_json::{Value, json};

use crate::follower::{Follower, reached};
use crate::service::{Answer, Made, Service};

const KEYS: &str = "/_security/api_key";

const FEED_KEY: &str = r#"{"name":"edge","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#;

/// A service with an edge that follows by a key of its own, and some other keys.
async fn fleet(service: &Service) -> (Made, Vec<String>) {
    let key = service.elastic().make(FEED_KEY).await;
    let mut others = Vec::new();
    for name in ["a", "b", "c"] {
        others.push(service.elastic().make(&json!({ "name": name }).to_string()).await.id);
    }
    (key, others)
}

async fn revoke(service: &Service, which: Value, wait: &str) -> Value {
    let path = format!("{KEYS}?wait_for_edges={wait}");
    service.elastic().delete(&path, &which.to_string()).await.json()
}

fn page(answer: &Answer, after: u64) -> FeedPage {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    FeedPage::parse(answer.text.as_bytes(), Cursor(after)).unwrap()
}

fn removed(page: &FeedPage) -> Vec<String> {
    let rows = page.keys.iter().map(|row| match row {
        FeedRow::Removed { id, .. } => id.to_string(),
        FeedRow::Live { record, .. } => panic!("{record:?}"),
    });
    rows.collect()
}

#[tokio::test]
async fn a_waiting_edge_hears_of_everything_that_was_revoked_with_its_own_key() {
    let service = Service::new().await;
    let (key, others) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let cursor = edge.cursor;
    let (answer, told) = tokio::join!(
        async {
            let last = page(&edge.answer(cursor, "&wait=60s").await, cursor);
            assert!(last.ended && !last.more && !last.reset);
            let mut expected = others.clone();
            expected.push(key.id.clone());
            expected.sort();
            let mut ended = removed(&last);
            ended.sort();
            assert_eq!(ended, expected);
            edge.answer(last.cursor.0, "").await
        },
        async {
            service.elastic().get("/").await;
            revoke(&service, json!({"name": "*"}), "60s").await
        },
    );
    let empty = page(&answer, cursor + 4);
    assert!(empty.ended && empty.keys.is_empty() && empty.cursor.0 == cursor + 4);
    let all = json!({"total": 1, "applied": 1, "missing": [], "complete": true});
    assert_eq!(reached(&told), all, "it has acknowledged, with the key that has ended");
}

#[tokio::test]
async fn an_edge_that_did_not_wait_is_told_when_it_comes_and_nothing_that_is_newer() {
    let service = Service::new().await;
    let (key, others) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let cursor = edge.cursor;
    revoke(&service, json!({"ids": [others[0], key.id, others[1]]}), "0").await;
    let newer = service.elastic().make(r#"{"name":"newer"}"#).await.id;
    revoke(&service, json!({"ids": [others[2]]}), "0").await;
    // In pages of two rows.
    let first = page(&edge.answer(cursor, "&limit=2&wait=60s").await, cursor);
    assert_eq!((first.more, first.ended, first.keys.len()), (true, false, 2));
    let after = first.cursor.0;
    let last = page(&edge.answer(after, "&limit=2").await, after);
    assert_eq!((last.more, last.ended, last.cursor.0, last.keys.len()), (false, true, cursor + 3, 1));
    let after = last.cursor.0;
    assert!(page(&edge.answer(after, "&wait=60s").await, after).ended, "and never waits");
    let told = revoke(&service, json!({"ids": [newer]}), "60s").await["edges"].clone();
    assert_eq!((&told["complete"], &told["missing"]), (&json!(false), &json!(["edge"])), "{told}");
    assert!(told["may_admit_until"].is_u64(), "{told}");
}

#[tokio::test]
async fn the_last_page_does_not_make_an_edge_fresh_again_and_again() {
    let service = Service::new().await;
    let (key, _) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    revoke(&service, json!({"ids": [key.id]}), "0").await;
    let last = page(&edge.answer(edge.cursor, "").await, edge.cursor).cursor.0;
    for _ in 0..4 {
        service.clock.advance_ms(1_000_000);
        assert_eq!(edge.answer(last, "").await.status, StatusCode::OK);
    }
    service.elastic().make(r#"{"name":"newer"}"#).await;
    let told = reached(&revoke(&service, json!({"ids": ["nobody"]}), "0").await);
    assert_eq!(told, json!({"total": 0, "applied": 0, "missing": [], "complete": true}));
}

#[tokio::test]
async fn an_edge_says_goodbye_with_a_key_that_has_ended() {
    let service = Service::new().await;
    let (key, _) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let told = revoke(&service, json!({"ids": [key.id]}), "0").await["edges"].clone();
    assert_eq!(told["total"], 1);
    // As the filter says it.
    let identity = format!("instance={:032x}", 1);
    let path = format!("/_latchkey/feed?after=0&limit=1&wait=0ms&edge=edge&{identity}&leaving=true");
    let goodbye = service.key(&key).get(&path).await;
    assert!(page(&goodbye, 0).keys.is_empty());
    let told = reached(&revoke(&service, json!({"ids": ["nobody"]}), "0").await);
    assert_eq!(told, json!({"total": 0, "applied": 0, "missing": [], "complete": true}));
    assert_eq!(service.key(&key).get(&path).await.status, StatusCode::UNAUTHORIZED, "it is nobody now");
    assert_eq!(edge.answer(edge.cursor, "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_expired_key_is_told_what_was_revoked_before_its_end_and_nothing_else() {
    let service = Service::new().await;
    let body = FEED_KEY.replace("\"name\"", "\"expiration\":\"1h\",\"name\"");
    let key = service.elastic().make(&body).await;
    let before = service.elastic().make(r#"{"name":"before"}"#).await.id;
    let after = service.elastic().make(r#"{"name":"after"}"#).await.id;
    let edge = Follower::instance(service.key(&key), "edge", 1, "7200s").await;
    revoke(&service, json!({"ids": [before]}), "0").await;
    service.clock.advance_ms(3_600_001);
    revoke(&service, json!({"ids": [after]}), "0").await;
    let last = page(&edge.answer(edge.cursor, "").await, edge.cursor);
    assert_eq!((last.ended, last.more, removed(&last)), (true, false, vec![before]));
    let over = page(&edge.answer(last.cursor.0, "").await, last.cursor.0);
    assert!(over.ended && over.keys.is_empty() && over.cursor == last.cursor);
}

/// A feed has each key at its latest change. So an update before the end is not in the last page once the key was
/// changed again.
#[tokio::test]
async fn an_edge_whose_key_has_ended_acknowledges_nothing_once_something_follows() {
    let service = Service::new().await;
    let (key, others) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let other = format!("{KEYS}/{}", others[0]);
    let lag = async || {
        let fleet = service.elastic().get("/_latchkey/edges").await.json();
        fleet["edges"][0]["lag"].as_u64().unwrap()
    };
    assert_eq!(lag().await, 0);
    service.elastic().put(&other, r#"{"role_descriptors":{"less":{}}}"#).await;
    revoke(&service, json!({"ids": [key.id]}), "0").await;
    service.elastic().put(&other, r#"{"role_descriptors":{"least":{}}}"#).await;
    let last = page(&edge.answer(edge.cursor, "").await, edge.cursor);
    assert_eq!((last.ended, last.cursor.0, removed(&last)), (true, edge.cursor + 2, vec![key.id.clone()]));
    assert_eq!(edge.answer(last.cursor.0, "&purged=0").await.status, StatusCode::OK);
    assert_eq!(edge.answer(last.cursor.0, "").await.status, StatusCode::OK, "as an older filter asks");
    assert_eq!(lag().await, 3, "it lacks the first update");
}

#[tokio::test]
async fn an_edge_whose_key_has_ended_acknowledges_everything_while_nothing_follows() {
    let service = Service::new().await;
    let (key, _) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    revoke(&service, json!({"ids": [key.id]}), "0").await;
    let last = page(&edge.answer(edge.cursor, "").await, edge.cursor);
    // As the filter asks after a last page.
    assert_eq!(edge.answer(last.cursor.0, "&purged=0").await.status, StatusCode::OK);
    let fleet = service.elastic().get("/_latchkey/edges").await.json();
    assert_eq!(fleet["edges"][0]["lag"], 0, "{fleet}");
}

/// It says `purged`, and so acknowledges nothing before it has all of them.
#[tokio::test]
async fn an_edge_whose_key_ends_while_it_reads_changes_in_several_answers_is_told_the_rest() {
    let service = Service::new().await;
    let (key, _) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let other = service.elastic().make(r#"{"name":"other"}"#).await.id;
    let cursor = edge.cursor;
    revoke(&service, json!({"ids": [other, key.id]}), "0").await;
    let first = page(&edge.answer(cursor, "&purged=0&limit=1").await, cursor);
    assert_eq!((first.ended, first.more, first.keys.len()), (false, true, 1));
    let rest = page(&edge.answer(first.cursor.0, "&purged=0&limit=1").await, first.cursor.0);
    assert_eq!((rest.ended, rest.more, rest.keys.len()), (true, false, 1));
}

#[tokio::test]
async fn an_ended_key_is_nobody_but_for_the_instance_that_followed_by_it() {
    let service = Service::new().await;
    let (key, _) = fleet(&service).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let powerless = service.elastic().make(r#"{"name":"edge","role_descriptors":{"none":{}}}"#).await;
    let cursor = edge.cursor;
    revoke(&service, json!({"ids": [key.id, powerless.id]}), "0").await;
    let number = |number: u128| format!("&instance={number:032x}");
    let (epoch, one, two) = ("&epoch=epoch", number(1), number(2));
    for (what, query) in [
        ("another instance", format!("?after={cursor}&edge=edge{epoch}{two}")),
        ("another name", format!("?after={cursor}&edge=other{epoch}{one}")),
        ("no edge", format!("?after={cursor}{epoch}")),
        ("an older filter, which never asked", format!("?after={cursor}&edge=edge{epoch}")),
        ("a load", format!("?after=0&edge=edge{epoch}{one}")),
        ("what it had before", format!("?after=1&edge=edge{epoch}{one}")),
        ("another feed", format!("?after={cursor}&edge=edge&epoch=another{one}")),
        ("no feed", format!("?after={cursor}&edge=edge{one}")),
        ("the future", format!("?after={}&edge=edge{epoch}{one}", cursor + 100)),
        ("no sense", format!("?after=x&edge=edge{epoch}{one}")),
    ] {
        let answer = service.key(&key).get(&format!("/_latchkey/feed{query}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.text);
    }
    let wrong = Made { encoded: encoded(&key.id, "wrong secret of it"), ..key.clone() };
    assert_eq!(edge.by(service.key(&wrong)).answer(cursor, "").await.status, StatusCode::UNAUTHORIZED);
    let of_powerless = edge.by(service.key(&powerless)).answer(cursor, "").await;
    assert_eq!(of_powerless.status, StatusCode::UNAUTHORIZED);
    assert_eq!(edge.answer(cursor, "").await.status, StatusCode::OK);
    let later = service.elastic().make(r#"{"name":"later"}"#).await;
    revoke(&service, json!({"ids": [later.id]}), "0").await;
    let latest = cursor + 4;
    let beyond = edge.answer(latest, "").await;
    assert_eq!(beyond.status, StatusCode::UNAUTHORIZED, "it was never served that: {}", beyond.text);
    assert_eq!(service.key(&key).get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_older_filter_is_told_what_was_revoked_with_its_key_once() {
    let service = Service::new().await;
    let (key, others) = fleet(&service).await;
    let ask = async |after: u64| {
        let path = format!("/_latchkey/feed?after={after}&epoch=epoch&edge=older");
        service.key(&key).get(&path).await
    };
    let cursor = page(&ask(0).await, 0).cursor.0;
    page(&ask(cursor).await, cursor);
    revoke(&service, json!({"ids": [others[0], key.id]}), "0").await;
    let last = page(&ask(cursor).await, cursor);
    assert_eq!(last.keys.len(), 2);
    assert_eq!(ask(last.cursor.0).await.status, StatusCode::UNAUTHORIZED, "it would ask for ever");
    let goodbye = service.key(&key).get("/_latchkey/feed?after=0&edge=older&leaving=true").await;
    assert_eq!(goodbye.status, StatusCode::UNAUTHORIZED, "it never says so, but whoever has its key could");
    let told = revoke(&service, json!({"ids": ["nobody"]}), "0").await["edges"].clone();
    assert_eq!(told["total"], 1, "it may admit");
}

fn encoded(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"))
}
