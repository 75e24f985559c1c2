//! Keys whose role descriptors are as long as they may be: whoever makes one pays for it, and nobody else.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::service::{Made, Service};

const PATH: &str = "/_security/api_key";
const WHO: &str = "/_security/_authenticate";

/// How many ask with a long key at once.
const ATTACKERS: usize = 20;

/// The body of a request for a key of nearly a megabyte of patterns. They repeat, because what it may do must
/// not be as long.
fn long_body(name: &str) -> String {
    let patterns: Vec<String> = (0..50_000).map(|n| format!("n{:05}-*", n % 1_000)).collect();
    let index = json!({"names": patterns, "privileges": ["read"]});
    json!({"name": name, "role_descriptors": {"long": {"cluster": ["all"], "indices": [index]}}}).to_string()
}

async fn make_long(service: &Service, name: &str) -> Made {
    service.user("own").make(&long_body(name)).await
}

#[tokio::test]
async fn a_long_key_is_answered_as_any_other() {
    let service = Service::new().await;
    let (long, short) = (make_long(&service, "x").await, service.user("own").make(r#"{"name":"x"}"#).await);
    let identity = async |made: &Made| {
        let mut answer = service.key(made).get(WHO).await.json();
        assert_eq!(answer["api_key"]["id"], json!(made.id));
        answer["api_key"]["id"] = Value::Null;
        answer
    };
    assert_eq!(identity(&long).await, identity(&short).await);
    assert_eq!(identity(&long).await["metadata"], json!({"office": 7}));
    let check = r#"{"cluster":["monitor","manage_own_api_key","manage"],"index":[{"names":["n00007-x"],"privileges":["read"]}]}"#;
    let answer = service.key(&long).post("/_security/user/_has_privileges", check).await.json();
    assert_eq!(answer["cluster"], json!({"monitor": true, "manage_own_api_key": true, "manage": false}));
    // Within what its owner could do.
    assert_eq!(answer["index"]["n00007-x"]["read"], json!(false));
    let own = service.key(&long).get(&format!("{PATH}?id={}", long.id)).await;
    assert_eq!(own.ids(), std::slice::from_ref(&long.id));
    assert_eq!(service.key(&long).get("/_latchkey/feed").await.status, StatusCode::FORBIDDEN);
    let wrong = STANDARD.encode(format!("{}:wrong", long.id));
    let wrong = service.presenting(format!("ApiKey {wrong}")).get(WHO).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let renamed = json!({"api_key": long.encoded, "name": "clone"}).to_string();
    let clone = service.user("own").post(&format!("{PATH}/clone"), &renamed).await;
    assert_ne!(clone.status, StatusCode::UNAUTHORIZED, "{}", clone.text);
    let update = json!({"metadata": {"a": 1}}).to_string();
    let updated = service.user("own").put(&format!("{PATH}/{}", long.id), &update).await;
    assert_eq!(updated.json(), json!({"updated": true}));
}

#[tokio::test]
async fn a_change_of_a_long_key_counts_from_the_next_request_on() {
    let service = Service::new().await;
    let long = make_long(&service, "x").await;
    let may_monitor = async || service.key(&long).get("/").await.status;
    assert_eq!(may_monitor().await, StatusCode::OK);
    let mut body: Value = serde_json::from_str(&long_body("x")).unwrap();
    body.as_object_mut().unwrap().remove("name");
    body["role_descriptors"]["long"]["cluster"] = json!([]);
    let update = service.user("own").put(&format!("{PATH}/{}", long.id), &body.to_string()).await;
    assert_eq!(update.json(), json!({"updated": true}));
    assert_eq!(may_monitor().await, StatusCode::FORBIDDEN);
    service.user("own").delete(PATH, &json!({"ids": [long.id], "owner": true}).to_string()).await;
    assert_eq!(may_monitor().await, StatusCode::UNAUTHORIZED);
}

// Health and feed are asked while the long keys are asked with: none of these must have been answered first.
#[tokio::test]
async fn a_flood_of_long_keys_keeps_nobody_waiting() {
    let service = Service::new().await;
    let feed = service.elastic().make(r#"{"name":"edge"}"#).await;
    let mut long = Vec::new();
    for n in 0..4 {
        long.push(make_long(&service, &n.to_string()).await);
    }
    let answered = AtomicUsize::new(0);
    let attack = join_all((0..ATTACKERS).map(|n| {
        let (service, key, answered) = (&service, &long[n % long.len()], &answered);
        async move {
            let answer = service.key(key).get(WHO).await;
            answered.fetch_add(1, Ordering::Relaxed);
            answer
        }
    }));
    let others = async {
        for _ in 0..3 {
            assert_eq!(service.anonymous().get("/healthz").await.status, StatusCode::OK);
            assert_eq!(service.key(&feed).get("/_latchkey/feed").await.status, StatusCode::OK);
        }
        answered.load(Ordering::Relaxed)
    };
    let (answers, answered_before) = tokio::join!(attack, others);
    assert!(answered_before < ATTACKERS, "{answered_before}");
    for answer in answers {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
}
