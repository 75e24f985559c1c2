use std::time::Duration;

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use latchkey_key_service::limits::edge_limits::EDGE_WAITERS_PER_PRINCIPAL_MAX;
use latchkey_key_service::settings::{EdgeSettings, ServiceSettings};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::follower::{Follower, reached};
use crate::service::{Answer, BEGINNING, Client, PASSWORD, Service};

const KEYS: &str = "/_security/api_key";

async fn invalidate(client: &Client<'_>, id: &str, wait: &str) -> Answer {
    client.delete(&format!("{KEYS}?wait_for_edges={wait}"), &json!({"ids": [id]}).to_string()).await
}

/// What the answer says about edges that have not asked since the service began.
fn edges(total: usize, applied: usize, missing: &[&str]) -> Value {
    let until = BEGINNING + 3_660_000;
    let mut edges =
        json!({"total": total, "applied": applied, "missing": missing, "complete": missing.is_empty()});
    if !missing.is_empty() {
        let may_admit = missing
            .iter()
            .map(|name| json!({"name": name, "instance": name, "last_seen": BEGINNING, "until": until}));
        edges["may_admit"] = may_admit.collect();
        edges["may_admit_until"] = json!(until);
    }
    edges
}

#[tokio::test]
async fn an_invalidation_is_answered_when_every_edge_has_applied_it() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    let mut one = Follower::current(&service, "one").await;
    let mut two = Follower::current(&service, "two").await;
    let (answer, (), ()) = tokio::join!(invalidate(&elastic, &id, "60s"), one.apply(), two.apply());
    assert_eq!(answer.status, StatusCode::OK);
    let told = answer.json();
    assert_eq!(reached(&told), edges(2, 2, &[]));
    let (cursor, epoch) = (&told["edges"]["cursor"], &told["edges"]["epoch"]);
    assert_eq!((cursor, epoch), (&json!(one.cursor), &json!("epoch")), "it is the change that they have");
    assert_eq!(told["invalidated_api_keys"], json!([id]));
}

#[tokio::test]
async fn the_edge_that_hangs_is_named_and_a_retry_asks_again() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    let mut one = Follower::current(&service, "one").await;
    let mut hangs = Follower::current(&service, "hangs").await;
    let first = invalidate(&elastic, &id, "1ms").await.json();
    assert_eq!(first["invalidated_api_keys"], json!([id]));
    assert_eq!(reached(&first), edges(2, 0, &["hangs", "one"]));
    one.apply().await;
    let retried = invalidate(&elastic, &id, "0").await.json();
    assert_eq!(retried["invalidated_api_keys"], json!([]));
    assert_eq!(reached(&retried), edges(2, 1, &["hangs"]));
    hangs.apply().await;
    assert_eq!(reached(&invalidate(&elastic, &id, "60s").await.json()), edges(2, 2, &[]));
}

#[tokio::test]
async fn an_edge_that_loads_or_follows_another_feed_is_missing() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    let loads = Follower::current(&service, "loads").await;
    let strays = Follower::current(&service, "strays").await;
    invalidate(&elastic, &id, "0").await;
    let cursor = loads.cursor + 1;
    loads.page(cursor, "&epoch=epoch&purged=0").await;
    strays.page(cursor, "&epoch=another").await;
    let asked = invalidate(&elastic, &id, "0").await.json();
    assert_eq!(reached(&asked), edges(2, 0, &["loads", "strays"]));
}

#[tokio::test]
async fn an_edge_that_is_silent_is_named_until_it_can_admit_no_more_and_one_that_comes_later_is_not_waited_for()
 {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    Follower::current(&service, "silent").await;
    service.clock.advance_ms(90_001);
    assert_eq!(reached(&invalidate(&elastic, &id, "60s").await.json()), edges(1, 0, &["silent"]));
    service.clock.advance_ms(3_660_000 - 90_001);
    assert_eq!(reached(&invalidate(&elastic, &id, "60s").await.json()), edges(0, 0, &[]));
    let waits = Follower::current(&service, "waits").await;
    let (answer, ()) = tokio::join!(
        async {
            let id = elastic.make(r#"{"name":"b"}"#).await.id;
            invalidate(&elastic, &id, "60s").await
        },
        async {
            service.store.changes().wait_for(|cursor| cursor.0 == waits.cursor + 2).await.unwrap();
            Follower::current(&service, "comes-later").await;
            service.stop.send_replace(true);
        }
    );
    let told = &answer.json()["edges"];
    assert_eq!(told["missing"], json!(["waits"]));
}

#[tokio::test]
async fn an_update_waits_too() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    let mut edge = Follower::current(&service, "edge").await;
    let one = format!("{KEYS}/{id}?wait_for_edges=60s");
    let change = r#"{"metadata":{"a":1}}"#;
    let (answer, ()) = tokio::join!(elastic.put(&one, change), edge.apply());
    let changed = answer.json();
    assert_eq!((&changed["updated"], reached(&changed)), (&json!(true), edges(1, 1, &[])));
    let unchanged = elastic.put(&one, change).await.json();
    assert_eq!((&unchanged["updated"], reached(&unchanged)), (&json!(false), edges(1, 1, &[])));
    assert_eq!(unchanged["edges"].get("cursor"), None, "nothing was changed");
    let several = format!("{KEYS}/_bulk_update?wait_for_edges=0");
    let body = json!({"ids": [id, "nobody"], "metadata": {"a": 2}}).to_string();
    let answer = elastic.post(&several, &body).await.json();
    assert_eq!((&answer["updated"], &answer["errors"]["count"]), (&json!([id]), &json!(1)));
    assert_eq!(
        (&answer["edges"]["missing"], &answer["edges"]["complete"]),
        (&json!(["edge"]), &json!(false))
    );
}

#[tokio::test]
async fn a_new_key_waits_for_the_live_edges_alone() {
    let service = Service::new().await;
    let elastic = service.elastic();
    Follower::current(&service, "silent").await;
    service.clock.advance_ms(90_001);
    let mut edge = Follower::current(&service, "edge").await;
    let source = elastic.make(r#"{"name":"source"}"#).await;
    edge.apply().await;
    let key = r#"{"name":"a"}"#;
    let grant = |field: &str, key: Value| {
        json!({"grant_type": "password", "username": "own", "password": PASSWORD, field: key}).to_string()
    };
    for (path, body) in [
        (KEYS.to_owned(), key.to_owned()),
        (format!("{KEYS}/clone"), json!({"api_key": source.encoded}).to_string()),
        (format!("{KEYS}/grant"), grant("api_key", json!({"name": "a"}))),
        (format!("{KEYS}/_bulk_grant"), grant("api_keys", json!([{"name": "a"}, {"name": "b"}]))),
    ] {
        let waiting = format!("{path}?wait_for_edges=60s");
        let (answer, ()) = tokio::join!(elastic.post(&waiting, &body), edge.apply());
        assert_eq!(reached(&answer.json()), edges(1, 1, &[]), "{path}: {}", answer.text);
        let late = elastic.post(&format!("{path}?wait_for_edges=0"), &body).await.json();
        assert_eq!(
            (&late["edges"]["total"], &late["edges"]["missing"]),
            (&json!(1), &json!(["edge"])),
            "{path}"
        );
        edge.apply().await;
        let usual = elastic.post(&path, &body).await.json();
        assert!(usual["error"].is_null() && usual.get("edges").is_none(), "{usual}");
        edge.apply().await;
    }
}

#[tokio::test]
async fn refresh_waits_for_live_edges_where_the_operator_says_so() {
    let settings = EdgeSettings { refresh_waits_for: Duration::from_secs(60), ..EdgeSettings::default() };
    let service = Service::with(ServiceSettings { edges: settings, ..ServiceSettings::default() }).await;
    let elastic = service.elastic();
    let mut edge = Follower::current(&service, "edge").await;
    let before = edge.cursor;
    let made = async {
        let answer = elastic.post(&format!("{KEYS}?refresh=wait_for"), r#"{"name":"a"}"#).await;
        (answer.status, answer.json().get("edges").cloned(), service.feed_cursor("edge").await)
    };
    let (told, ()) = tokio::join!(made, edge.apply());
    assert_eq!(told, (StatusCode::OK, None, before + 1));
    // Nobody applies these.
    for query in ["", "?refresh=true", "?refresh=false"] {
        elastic.make_at(&format!("{KEYS}{query}"), r#"{"name":"a"}"#).await;
    }
    let not_asked = Service::new().await;
    Follower::current(&not_asked, "edge").await;
    not_asked.elastic().make_at(&format!("{KEYS}?refresh=wait_for"), r#"{"name":"a"}"#).await;
}

#[tokio::test]
async fn without_the_parameter_the_answers_are_those_of_elasticsearch() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    Follower::current(&service, "edge").await;
    let updated = elastic.put(&format!("{KEYS}/{id}"), r#"{"metadata":{"a":1}}"#).await;
    assert_eq!(updated.json(), json!({"updated": true}));
    let body = json!({"ids": [id]}).to_string();
    let bulk = elastic.post(&format!("{KEYS}/_bulk_update"), &body).await;
    assert_eq!(bulk.json(), json!({"updated": [], "noops": [id]}));
    assert_eq!(elastic.delete(KEYS, &body).await.json().get("edges"), None);
}

#[tokio::test]
async fn who_may_not_list_the_edges_is_told_how_many_and_not_which() {
    let service = Service::new().await;
    Follower::current(&service, "edge").await;
    let somebody = service.user("tokens");
    let id = somebody.make(r#"{"name":"a"}"#).await.id;
    let body = json!({"ids": [id], "owner": true}).to_string();
    let answer = somebody.delete(&format!("{KEYS}?wait_for_edges=0"), &body).await;
    assert_eq!(answer.json()["invalidated_api_keys"], json!([id]));
    assert_eq!(
        reached(&answer.json()),
        json!({
            "total": 1, "applied": 0, "complete": false, "may_admit_until": BEGINNING + 3_660_000,
        })
    );
}

#[tokio::test]
async fn a_wait_that_is_too_long_changes_nothing() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(r#"{"name":"a"}"#).await;
    let body = json!({"ids": [made.id]}).to_string();
    for (method, path, body) in [
        (Method::POST, KEYS.to_owned(), r#"{"name":"never made"}"#),
        (Method::DELETE, KEYS.to_owned(), body.as_str()),
        (Method::PUT, format!("{KEYS}/{}", made.id), r#"{"metadata":{"a":1}}"#),
        (Method::POST, format!("{KEYS}/_bulk_update"), body.as_str()),
    ] {
        let answer = elastic.request(method, &format!("{path}?wait_for_edges=61s"), Some(body)).await;
        let reason = "[wait_for_edges] must not exceed 60s";
        answer.assert_error(400, "illegal_argument_exception", reason);
    }
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, StatusCode::OK);
}

#[tokio::test]
async fn however_many_wait_a_revocation_is_made_and_who_waits_too_often_is_told_at_once() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(r#"{"name":"a"}"#).await;
    Follower::current(&service, "hangs").await;
    // A change that the edge does not apply, for all to wait for.
    elastic.make(r#"{"name":"b"}"#).await;
    let told_at_once = Notify::new();
    let waiting = join_all((0..=EDGE_WAITERS_PER_PRINCIPAL_MAX).map(|_| async {
        let answer = invalidate(&elastic, "nobody", "60s").await;
        told_at_once.notify_one();
        answer.status
    }));
    let (statuses, ()) = tokio::join!(waiting, async {
        told_at_once.notified().await;
        let revoked = invalidate(&elastic, &made.id, "60s").await;
        assert_eq!(revoked.status, StatusCode::OK, "{}", revoked.text);
        assert_eq!(revoked.json()["invalidated_api_keys"], json!([made.id]));
        assert_eq!(revoked.json()["edges"]["complete"], json!(false));
        service.stop.send_replace(true);
    });
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    let answer = service.key(&made).get("/_security/_authenticate").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_client_that_goes_away_has_made_the_change() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let made = elastic.make(r#"{"name":"a"}"#).await;
    let hangs = Follower::current(&service, "hangs").await;
    let mut changes = service.store.changes();
    tokio::select! {
        answer = invalidate(&elastic, &made.id, "60s") => panic!("{}", answer.text),
        _ = changes.wait_for(|cursor| cursor.0 > hangs.cursor) => {}
    }
    let answer = service.key(&made).get("/_security/_authenticate").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
