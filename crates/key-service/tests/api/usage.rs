//! `POST /_latchkey/usage`, and what is shown of it.

use std::time::Duration;

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_service::settings::{KeyPolicy, ServiceSettings};
use serde_json::{Value, json};

use crate::service::{BEGINNING, Made, Service};

const HOUR_MS: u64 = 3_600_000;

/// A service that writes at once what was counted.
pub(crate) async fn service() -> Service {
    let key_policy = KeyPolicy { usage_written_every: Duration::from_millis(10), ..KeyPolicy::default() };
    Service::with(ServiceSettings { key_policy, ..ServiceSettings::default() }).await
}

impl Service {
    pub(crate) async fn tell(&self, edge: &str, keys: Value) {
        let path = format!("/_latchkey/usage?edge={edge}");
        let answer = self.elastic().post(&path, &json!({"keys": keys}).to_string()).await;
        assert_eq!(
            (answer.status, answer.json()),
            (StatusCode::OK, json!({"keys": keys.as_object().unwrap().len()}))
        );
    }

    /// What is shown of the uses of a key, once so many requests were counted.
    pub(crate) async fn usage(&self, made: &Made, count: u64) -> Value {
        for _ in 0..1_000 {
            let list = self.elastic().get(&format!("/_security/api_key?id={}", made.id)).await.json();
            let mut key = list["api_keys"][0].clone();
            let counted = ["uses", "wrong_secrets"].map(|field| key[field].as_u64().unwrap_or(0));
            if counted.iter().sum::<u64>() == count {
                let shown = ["last_used", "last_used_edge", "uses", "last_wrong_secret", "wrong_secrets"];
                return shown.map(|field| (field.to_owned(), key[field].take())).into_iter().collect();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} uses were never shown");
    }
}

fn rounded(millis: u64) -> u64 {
    millis - millis % HOUR_MS
}

#[tokio::test]
async fn what_edges_tell_adds_up_and_the_last_one_is_named() {
    let service = service().await;
    let made = service.elastic().make(r#"{"name":"ci"}"#).await;
    service.tell("east", json!({&made.id: [3, 1], "unknown": [1, 0]})).await;
    service.usage(&made, 4).await;
    service.clock.advance_ms(HOUR_MS);
    service.tell("west", json!({&made.id: [2, 0]})).await;
    let expected = json!({
        "last_used": rounded(BEGINNING + HOUR_MS), "last_used_edge": "west", "uses": 5,
        "last_wrong_secret": rounded(BEGINNING), "wrong_secrets": 1,
    });
    assert_eq!(service.usage(&made, 6).await, expected);
}

#[tokio::test]
async fn uses_at_the_service_itself_count_and_no_edge_is_named() {
    let service = service().await;
    let made = service.elastic().make(r#"{"name":"ci"}"#).await;
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, StatusCode::OK);
    let wrong = Made { encoded: STANDARD.encode(format!("{}:wrong", made.id)), ..made.clone() };
    assert_eq!(service.key(&wrong).get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    let expected = json!({
        "last_used": rounded(BEGINNING), "last_used_edge": null, "uses": 1,
        "last_wrong_secret": rounded(BEGINNING), "wrong_secrets": 1,
    });
    assert_eq!(service.usage(&made, 2).await, expected);
}

#[tokio::test]
async fn keys_are_searched_and_sorted_by_their_last_use() {
    let service = service().await;
    let mut made = Vec::new();
    for hour in 0..3 {
        let key = service.elastic().make(&json!({"name": format!("k{hour}")}).to_string()).await;
        service.clock.advance_ms(HOUR_MS);
        if hour < 2 {
            service.tell("east", json!({&key.id: [1, 0]})).await;
            service.usage(&key, 1).await;
        }
        made.push(key);
    }
    let found = async |query: Value| {
        let answer = service.elastic().post("/_security/_query/api_key", &query.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let keys = answer.json()["api_keys"].clone();
        keys.as_array()
            .unwrap()
            .iter()
            .map(|key| key["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found(json!({"sort": [{"last_used": {"order": "desc"}}]})).await, ["k1", "k0", "k2"]);
    assert_eq!(found(json!({"sort": ["last_used"]})).await, ["k0", "k1", "k2"]);
    let before = json!({"range": {"last_used": {"lt": rounded(BEGINNING + 2 * HOUR_MS)}}});
    assert_eq!(found(json!({"query": before})).await, ["k0"]);
    let never = json!({"bool": {"must_not": {"exists": {"field": "last_used"}}}});
    assert_eq!(found(json!({"query": never})).await, ["k2"]);
}

#[tokio::test]
async fn only_who_may_read_the_feed_may_tell_and_what_is_wrong_is_refused_whole() {
    let service = service().await;
    let made = service.elastic().make(r#"{"name":"ci"}"#).await;
    let told = json!({"keys": {&made.id: [1, 0]}}).to_string();
    let refused = service.user("own").post("/_latchkey/usage?edge=e", &told).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    for body in [
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":{"a":[1]}}"#,
        r#"{"keys":{"a":[1,-1]}}"#,
        r#"{"keys":{"a":[1,0.5]}}"#,
        r#"{"keys":{"a":[1,4294967296]}}"#,
        r#"{"keys":{"a:b":[1,0]}}"#,
        r#"{"keys":{},"more":1}"#,
    ] {
        let answer = service.elastic().post("/_latchkey/usage", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.text.contains("expected [keys]: an object of key ids"), "{}", answer.text);
    }
    let answer = service.elastic().post("/_latchkey/usage?edge=", &told).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    service.tell("e", json!({&made.id: [1, 0]})).await;
    assert_eq!(service.usage(&made, 1).await["uses"], json!(1));
}
