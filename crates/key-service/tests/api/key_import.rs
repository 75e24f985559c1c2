//! `POST /_latchkey/api_key/_import`.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{Cursor, FeedHead, OpaqueDigest, OpaqueKeyPepper, WirePart};
use serde_json::{Value, json};

use crate::service::{Answer, BEGINNING, Service};

const PATH: &str = "/_latchkey/api_key/_import";
const OPAQUE: &str = "5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90";
const SECRET: &str = "ui2lp2axTNmsyakw9tvNnw";

fn key(text: &str) -> Value {
    json!({"key": text, "owner": "own", "name": "brought", "role_descriptors": {"reader": {}}})
}

async fn import(service: &Service, keys: &[Value]) -> Answer {
    service.user("security").post(PATH, &json!({"keys": keys}).to_string()).await
}

/// What all keys are found by, as an edge hears it.
async fn pepper(service: &Service) -> Option<OpaqueKeyPepper> {
    let answer = service.user("feed").get("/_latchkey/feed").await;
    let mut found = None;
    FeedHead::read_parts(answer.text.as_bytes(), Cursor(0), &mut |part| {
        if let WirePart::OpaqueKeyPepper(pepper) = part {
            found = Some(pepper);
        }
        Ok(())
    })
    .unwrap();
    found
}

#[tokio::test]
async fn keys_of_every_kind_are_brought_along_for_their_owners() {
    let service = Service::new().await;
    let with_id = format!("their-id:{SECRET}");
    let mut by_digest = key("x");
    by_digest.as_object_mut().unwrap().remove("key");
    // printf another-key-4f1c9a5e7d3b2a10 | sha256sum
    by_digest["digest"] = json!("sha256:6e6006f1123f5e8d475f523874e822a352ffc238d60cba03194026d858dec958");
    let mut opaque = key(OPAQUE);
    opaque["expiration"] = json!(BEGINNING + 1_000);
    opaque["metadata"] = json!({"from": "kong"});
    let answer = import(&service, &[key(&with_id), opaque, by_digest]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = answer.json();
    assert_eq!((&answer["imported"], &answer["already_there"]), (&json!(3), &json!(0)));
    assert_eq!(answer["keys"][0]["id"], "their-id");

    // The service itself takes a key by its id and secret.
    let authorization = format!("ApiKey {}", STANDARD.encode(&with_id));
    let who = service.presenting(authorization).get("/_security/_authenticate").await;
    assert_eq!((who.status, &who.json()["username"]), (StatusCode::OK, &json!("own")));
    let pepper = pepper(&service).await.unwrap();
    for (place, text) in [(1, OPAQUE), (2, "another-key-4f1c9a5e7d3b2a10")] {
        let credential = pepper.credential(&OpaqueDigest::of(text.as_bytes()));
        assert_eq!(answer["keys"][place]["id"].as_str().unwrap().as_bytes(), credential.id);
        let pair = [credential.id.as_slice(), b":", credential.secret.expose()].concat();
        let authorization = format!("ApiKey {}", STANDARD.encode(pair));
        let who = service.presenting(authorization).get("/_security/_authenticate").await;
        assert_eq!(who.status, StatusCode::OK, "{}", who.text);
    }
    let id = answer["keys"][1]["id"].as_str().unwrap();
    let shown = service.elastic().get(&format!("/_security/api_key?id={id}&with_limited_by=true")).await;
    let shown = &shown.json()["api_keys"][0];
    assert_eq!((&shown["username"], &shown["expiration"]), (&json!("own"), &json!(BEGINNING + 1_000)));
    assert_eq!(shown["metadata"], json!({"from": "kong"}));
    assert_eq!(shown["limited_by"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["own"]);
}

#[tokio::test]
async fn what_is_there_already_stays_and_a_revoked_key_is_not_brought_back() {
    let service = Service::new().await;
    let keys = [key(OPAQUE), key(&format!("their-id:{SECRET}"))];
    let first = import(&service, &keys).await.json();
    let again = import(&service, &keys).await.json();
    assert_eq!((&again["imported"], &again["already_there"]), (&json!(0), &json!(2)));
    let refused = import(&service, &[key(&format!("their-id:{SECRET}x"))]).await;
    assert!(refused.error().2.contains("[keys][0]: another key has the id [their-id]"), "{}", refused.text);
    let mut of_another = keys[0].clone();
    of_another["owner"] = json!("elastic");
    let refused = import(&service, &[of_another]).await;
    assert!(refused.error().2.contains("has another owner"), "{}", refused.text);

    let id = first["keys"][0]["id"].as_str().unwrap();
    let end = json!({"ids": [id]}).to_string();
    assert_eq!(service.elastic().delete("/_security/api_key", &end).await.status, StatusCode::OK);
    let refused = import(&service, &keys).await;
    assert!(refused.error().2.contains("was invalidated here"), "{}", refused.text);
}

#[tokio::test]
async fn every_mistake_is_told_and_nothing_is_done() {
    let service = Service::new().await;
    let with = |field: &str, value: Value| {
        let mut key = key(&format!("{OPAQUE}-{field}"));
        key[field] = value;
        key
    };
    let keys = [
        key(OPAQUE),
        key(OPAQUE),
        key("hunter2hunter2"),
        with("owner", json!("nobody")),
        with("name", json!("_hidden")),
        with("expiration", json!(BEGINNING)),
        with("metadata", json!({"_a": 1})),
        json!(7),
        with("expiration", json!("soon")),
        key(&format!("..:{SECRET}")),
        key(&format!("a\u{202e}b:{SECRET}")),
    ];
    let expected = [
        (1, "it is the key of [keys][0] again"),
        (2, "the key is weak"),
        (3, "there is no user [nobody]"),
        (4, "may not begin with an underscore"),
        (5, "the key has ended already"),
        (6, "metadata keys may not start with [_]"),
        (7, "imported_api_key"),
        (8, "expiration"),
        (9, "the id is a word of paths"),
        (10, "the id has other than visible characters"),
    ];
    let refused = import(&service, &keys).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    let body = json!({"keys": keys}).to_string();
    let dry = service.user("security").post(&format!("{PATH}?dry_run"), &body).await;
    assert_eq!(dry.status, StatusCode::OK, "{}", dry.text);
    let mistakes = dry.json()["mistakes"].as_array().unwrap().clone();
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
    for ((place, words), mistake) in expected.iter().zip(&mistakes) {
        assert_eq!(mistake["key"], json!(place), "{mistakes:?}");
        assert!(mistake["problem"].as_str().unwrap().contains(words), "{mistake}");
        assert!(refused.error().2.contains(&format!("[keys][{place}]: ")), "{}", refused.text);
    }
    assert!(!refused.text.contains("hunter2") && !dry.text.contains("hunter2"));
    assert_eq!(service.elastic().get("/_security/api_key").await.ids(), Vec::<String>::new());
    assert_eq!(pepper(&service).await, None);
}

#[tokio::test]
async fn a_dry_run_does_nothing_and_tells_ids_only_of_keys_that_are_there() {
    let service = Service::new().await;
    let body = json!({"keys": [key(OPAQUE)]}).to_string();
    let dry_run = format!("{PATH}?dry_run=true");
    let dry = service.user("security").post(&dry_run, &body).await.json();
    let new = json!({"name": "brought", "owner": "own", "result": "imported"});
    assert_eq!(
        dry,
        json!({"dry_run": true, "imported": 1, "already_there": 0, "keys": [new], "mistakes": []})
    );
    assert_eq!(service.elastic().get("/_security/api_key").await.ids(), Vec::<String>::new());
    assert_eq!(pepper(&service).await, None);

    let id = import(&service, &[key(OPAQUE)]).await.json()["keys"][0]["id"].clone();
    let body = json!({"keys": [key("hunter2"), key(OPAQUE)]}).to_string();
    let dry = service.user("security").post(&dry_run, &body).await.json();
    let there = json!({"id": id, "name": "brought", "owner": "own", "result": "already_there"});
    assert_eq!((&dry["keys"], &dry["mistakes"][0]["key"]), (&json!([there]), &json!(0)));
}

#[tokio::test]
async fn an_owner_that_is_disabled_is_said_to_be() {
    let service = Service::new().await;
    let team = r#"{"service_account":true,"enabled":false,"roles":[]}"#;
    assert_eq!(service.elastic().put("/_security/user/team", team).await.status, StatusCode::OK);
    let mut of_team = key(OPAQUE);
    of_team["owner"] = json!("team");
    let refused = import(&service, &[of_team]).await;
    assert!(refused.error().2.contains("[keys][0]: the user [team] is disabled"), "{}", refused.text);
}

// Whoever brings a key along knows it, and could act as its owner.
#[tokio::test]
async fn only_whoever_manages_security_brings_keys_along() {
    let service = Service::new().await;
    let body = json!({"keys": [key(OPAQUE)]}).to_string();
    for username in ["own", "manage", "grant", "nothing"] {
        let refused = service.user(username).post(PATH, &body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{username}: {}", refused.text);
    }
    for username in ["security", "elastic"] {
        assert_eq!(service.user(username).post(PATH, &body).await.status, StatusCode::OK, "{username}");
    }
}

// Each key is written with all that its owner may do.
#[tokio::test]
async fn keys_of_owners_with_long_roles_come_a_few_at_a_time() {
    let service = Service::new().await;
    let long = json!({"cluster": ["monitor"], "metadata": {"text": "x".repeat(900 * 1024)}}).to_string();
    assert_eq!(service.elastic().put("/_security/role/long", &long).await.status, StatusCode::OK);
    let user = json!({"service_account": true, "roles": ["long"]}).to_string();
    assert_eq!(service.elastic().put("/_security/user/team", &user).await.status, StatusCode::OK);
    let keys = |count: usize| -> Vec<Value> {
        let key = |number| json!({"key": format!("k{number}:{SECRET}"), "owner": "team", "name": "brought"});
        (0..count).map(key).collect()
    };
    let refused = import(&service, &keys(19)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("bring fewer along at a time"), "{}", refused.text);
    assert_eq!(import(&service, &keys(2)).await.json()["imported"], 2);
}

#[tokio::test]
async fn a_dry_run_counts_no_key_that_has_a_mistake() {
    let service = Service::new().await;
    let mut ended = key(&format!("ended:{SECRET}"));
    ended["expiration"] = json!(0);
    let body = json!({"keys": [ended, key(&format!("good:{SECRET}"))]}).to_string();
    let told = service.user("security").post(&format!("{PATH}?dry_run=true"), &body).await.json();
    assert_eq!((&told["imported"], &told["mistakes"][0]["key"]), (&json!(1), &json!(0)));
}
