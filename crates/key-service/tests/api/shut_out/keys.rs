//! What happens to the keys of a user who is shut out.

use latchkey_key_service::settings::KeyPolicy;

use super::*;

const KEYS: &str = "/_security/api_key";

/// Keys of alice, one that a key of hers made, and one of somebody else.
struct Keys {
    own: Vec<String>,
    /// The id of the one that a key made.
    derived: String,
    others: String,
}

async fn keys(service: &Service) -> Keys {
    let client = service.user("alice");
    let first = client.make(r#"{"name":"a"}"#).await;
    let second = client.make(r#"{"name":"b"}"#).await;
    let derived = service.key(&first).make(r#"{"name":"c","role_descriptors":{"r":{}}}"#).await;
    let expired = client.make(r#"{"name":"d","expiration":"1s"}"#).await;
    service.clock.advance_ms(1_000);
    let others = service.user("own").make(r#"{"name":"e"}"#).await;
    let _ = expired;
    let own = vec![first.encoded, second.encoded, derived.encoded];
    Keys { own, derived: derived.id, others: others.encoded }
}

async fn assert_all(service: &Service, keys: &[String], status: u16) {
    for key in keys {
        let answer = service.presenting(format!("ApiKey {key}")).get(WHO).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    }
}

async fn shut_out_by(service: &Service, way: &str, query: &str) -> Answer {
    let security = service.user("security");
    match way {
        "disable" => security.put_nothing(&format!("{ALICE}/_disable{query}")).await,
        "delete" => security.delete_nothing(&format!("{ALICE}{query}")).await,
        _ => security.put(&format!("{ALICE}{query}"), r#"{"roles":[],"enabled":false}"#).await,
    }
}

const WAYS: [(&str, &str); 3] =
    [("disable", "{}"), ("delete", r#"{"found":true}"#), ("put", r#"{"created":false}"#)];

// As in Elasticsearch, whose clients show a warning of this form.
#[tokio::test]
async fn keys_go_on_working_and_the_answer_says_so() {
    for (way, body) in WAYS {
        let service = service().await;
        let keys = keys(&service).await;
        let answer = shut_out_by(&service, way, "").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, body));
        assert_eq!(
            answer.header("warning"),
            [
                r#"299 Elasticsearch-9.1.0 "3 API keys of this user go on working; with_keys=true invalidates them""#
            ]
        );
        assert_all(&service, &keys.own, 200).await;
    }
}

#[tokio::test]
async fn whoever_has_no_key_that_works_is_let_in_no_more_without_a_warning() {
    let service = service().await;
    assert_eq!(shut_out_by(&service, "disable", "").await.header("warning"), [""; 0]);
    let enabled = service.elastic().put_nothing(&format!("{ALICE}/_enable")).await;
    assert_eq!((enabled.text.as_str(), enabled.header("warning").len()), ("{}", 0));
}

#[tokio::test]
async fn keys_end_with_their_owner_when_that_is_asked() {
    for (way, _) in WAYS {
        let service = service().await;
        let keys = keys(&service).await;
        let before = service.store.latest().await.unwrap();
        let answer = shut_out_by(&service, way, "?with_keys=true").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.header("warning"), [""; 0]);
        assert_eq!(answer.json()["invalidated_api_keys"].as_array().unwrap().len(), 4, "{}", answer.text);
        assert_all(&service, &keys.own, 401).await;
        assert_all(&service, &[keys.others], 200).await;
        // It appears in the feed like any other revocation.
        let page = service.user("feed").get(&format!("/_latchkey/feed?after={}", before.0)).await.json();
        let rows = page["keys"].as_array().unwrap();
        assert_eq!(rows.len(), 4);
        assert!(rows.iter().all(|row| row["removed"] == json!(true)), "{page}");
        // The key of an edge may be among the user's own; that edge gets what ended before it.
        assert_eq!(rows[0]["id"], json!(keys.derived), "{page}");
    }
}

#[tokio::test]
async fn a_setting_ends_keys_with_their_owner_unless_the_request_says_otherwise() {
    let key_policy = KeyPolicy { end_with_owner: true, ..KeyPolicy::default() };
    for (query, ends) in [("", true), ("?with_keys", true), ("?with_keys=false", false)] {
        let service = Service::with(ServiceSettings { key_policy: key_policy.clone(), ..settings() }).await;
        service.elastic().put(ALICE, &alice(true)).await;
        let keys = keys(&service).await;
        let answer = shut_out_by(&service, "disable", query).await;
        assert_eq!(answer.json().get("invalidated_api_keys").is_some(), ends, "{}", answer.text);
        assert_all(&service, &keys.own, if ends { 401 } else { 200 }).await;
    }
}

#[tokio::test]
async fn the_answer_waits_for_the_edges_when_that_is_asked() {
    let service = service().await;
    keys(&service).await;
    let answer = shut_out_by(&service, "disable", "?with_keys=true&wait_for_edges=1s").await.json();
    assert!(answer["edges"].is_object(), "{answer}");
    let refused = shut_out_by(&service, "disable", "?with_keys=perhaps").await;
    refused.assert_error(
        400,
        "illegal_argument_exception",
        "Failed to parse value [perhaps] as only [true] or [false] are allowed.",
    );
    let listed = service.elastic().get(KEYS).await.json();
    let alive = listed["api_keys"].as_array().unwrap().iter().filter(|key| key["invalidated"] == false);
    assert_eq!(alive.count(), 1, "somebody else's");
}

// Before, a caller with `grant_api_key` could clone a key of a disabled user.
#[tokio::test]
async fn nobody_clones_a_key_for_an_owner_who_is_let_in_no_more() {
    for (way, _) in WAYS {
        let service = service().await;
        let keys = keys(&service).await;
        let clone = async |key: &str| {
            let body = json!({"api_key": key}).to_string();
            service.user("grant").post("/_security/api_key/clone", &body).await
        };
        assert_eq!(clone(&keys.own[0]).await.status, StatusCode::OK);
        shut_out_by(&service, way, "").await;
        for key in &keys.own {
            let answer = clone(key).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
            let reason = answer.json()["error"]["reason"].as_str().unwrap().to_owned();
            assert!(reason.starts_with("the owner [alice] of API key ["), "{reason}");
        }
        assert_eq!(clone(&keys.others).await.status, StatusCode::OK);
        let_in_again(&service).await;
        for key in &keys.own {
            assert_eq!(clone(key).await.status, StatusCode::OK);
        }
    }
}

// As in Elasticsearch: a key that a key made has no privileges of its own and does not end with it. One
// request ends all of them.
#[tokio::test]
async fn what_a_key_made_outlives_it_and_is_ended_by_its_realm() {
    let service = service().await;
    let keys = keys(&service).await;
    let security = service.user("security");
    security.delete(KEYS, r#"{"name":"a"}"#).await;
    assert_all(&service, &keys.own[..1], 401).await;
    assert_all(&service, &keys.own[1..], 200).await;
    let made = r#"{"realm_name":"_es_api_key","username":"alice"}"#;
    let ended = security.delete(KEYS, made).await.json();
    assert_eq!(ended["invalidated_api_keys"], json!([keys.derived]));
    assert_all(&service, &keys.own[2..], 401).await;
    assert_all(&service, &keys.own[1..2], 200).await;
}
