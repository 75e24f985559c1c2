//! A key that the service accepts is one that every edge can hold.

use latchkey_key_feed::format_limits::{METADATA_JSON_LEN_MAX, METADATA_VALUES_MAX, ROW_LEN_MAX};
use serde_json::{Map, Value, json};

use crate::service::{Answer, PASSWORD, Service};

const PATH: &str = "/_security/api_key";

/// A long name around many values: an edge wrote the name before each of them, and asked for 985 MB.
fn product() -> Value {
    let many: Map<String, Value> = (0..80_000).map(|number| (number.to_string(), json!(1))).collect();
    json!({ "n".repeat(60_000): many })
}

/// More than an edge holds, though it is short: each of its bytes takes three in a header.
fn japanese() -> Value {
    json!({ "team": "鍵".repeat(3_700) })
}

fn deep(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }))
}

fn refused(answer: &Answer) -> String {
    let (status, kind, reason) = answer.error();
    assert_eq!((status, kind.as_str()), (400, "action_request_validation_exception"), "{reason}");
    reason
}

async fn count(service: &Service) -> usize {
    service.elastic().get(PATH).await.ids().len()
}

#[tokio::test]
async fn a_key_that_no_edge_could_hold_is_not_made_and_the_complaint_says_why() {
    let service = Service::new().await;
    let values: Vec<Value> = vec![json!(1); METADATA_VALUES_MAX];
    for (metadata, complaint) in [
        (product(), "metadata has a field whose path has 60006 bytes, at most 1024 are allowed"),
        (product(), "metadata has 80001 values, at most 2048 are allowed"),
        (product(), "bytes as header values, at most 28672 are allowed: metadata has 48008"),
        (japanese(), "1: the key has 66"),
        (japanese(), "metadata has 66604, role_descriptors 0, the owner's roles 3, "),
        (
            json!({"a": [["x".repeat(METADATA_JSON_LEN_MAX)]]}),
            "1: metadata has 65548 bytes as JSON, at most 65536",
        ),
        (json!({ "a": values }), "1: metadata has 2049 values, at most 2048 are allowed;"),
        (deep(33), "1: metadata is nested 33 levels deep, at most 32 are allowed;"),
        (deep(90), "1: metadata is nested 90 levels deep, at most 32 are allowed;"),
        (json!({"p".repeat(1_025): 1}), "1: metadata has a field whose path has 1025 bytes, at most 1024"),
        (json!({"a": "x".repeat(ROW_LEN_MAX)}), "1: the key has 57"),
    ] {
        let create = json!({"name": "x", "metadata": metadata}).to_string();
        let reason = refused(&service.user("own").post(PATH, &create).await);
        assert!(reason.contains(complaint), "{reason}\n{complaint}");
    }
    assert_eq!(count(&service).await, 0);
}

#[tokio::test]
async fn every_way_to_make_or_change_a_key_has_the_same_limits() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let key = elastic.make(r#"{"name":"x","metadata":{"team":"red"}}"#).await;
    let other = elastic.make(r#"{"name":"y"}"#).await;
    let long = || json!({"name": "x", "metadata": japanese()});
    let grant = json!({"grant_type": "password", "username": "own", "password": PASSWORD});
    let with = |field: &str, value: Value| {
        let mut body = grant.clone();
        body[field] = value;
        body.to_string()
    };
    let small = json!({"name": "small"});
    let clone = json!({"api_key": key.encoded, "metadata": japanese()}).to_string();
    let update = json!({"metadata": japanese()}).to_string();
    let bulk = json!({"ids": [key.id, other.id], "metadata": japanese()}).to_string();
    for answer in [
        elastic.post(&format!("{PATH}/grant"), &with("api_key", long())).await,
        elastic.post(&format!("{PATH}/_bulk_grant"), &with("api_keys", json!([small, long()]))).await,
        elastic.put(&format!("{PATH}/clone"), &clone).await,
        elastic.put(&format!("{PATH}/{}", key.id), &update).await,
        elastic.post(&format!("{PATH}/_bulk_update"), &bulk).await,
    ] {
        let reason = refused(&answer);
        assert!(reason.contains("bytes as header values, at most 28672 are allowed"), "{reason}");
    }
    assert_eq!(count(&service).await, 2, "nothing of it was stored");
    let shown = elastic.get(&format!("{PATH}?id={}", key.id)).await.json();
    assert_eq!(shown["api_keys"][0]["metadata"], json!({"team": "red"}));
}

#[tokio::test]
async fn what_clients_of_elasticsearch_attach_is_far_below_the_limits() {
    let service = Service::new().await;
    let agent = json!({
        "policy_id": "fleet-server-policy", "managed_by": "fleet", "managed": true, "type": "output",
        "agent": {"id": "2f6e4f0a-8f5d-4d6e-9b60-1a8d0bb2f4a1", "tags": ["linux", "production", "eu-central-1"]},
    });
    let large: Map<String, Value> =
        (0..200).map(|n| (format!("label-{n}"), json!(format!("value {n}")))).collect();
    for metadata in [agent, Value::Object(large), deep(32), json!({"p".repeat(1_024): "x"})] {
        let body = json!({"name": "x".repeat(256), "metadata": metadata}).to_string();
        let answer = service.user("own").post(PATH, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn names_and_contents_of_role_descriptors_have_limits_too() {
    let service = Service::new().await;
    let many: Map<String, Value> = (0..1_025).map(|number| (number.to_string(), json!({}))).collect();
    let long: Map<String, Value> = (0..100).map(|number| (format!("{number:0>400}"), json!({}))).collect();
    let padded: Map<String, Value> =
        (0..1_000).map(|number| (number.to_string(), json!({"metadata": {"x": "y".repeat(950)}}))).collect();
    for (roles, complaint) in [
        (many, "role_descriptors has 1025 names, at most 1024 are allowed"),
        (long, "role_descriptors 40099"),
        (padded, "role_descriptors have 1"),
    ] {
        let body = json!({"name": "x", "role_descriptors": roles}).to_string();
        let reason = refused(&service.user("own").post(PATH, &body).await);
        assert!(reason.contains(complaint), "{reason}");
    }
}

// What an owner is was not chosen by the request, but it comes to the edges with the key.
#[tokio::test]
async fn an_owner_with_very_many_roles_is_told_so() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let names: Vec<String> = (0..60).map(|number| format!("{number:0>500}")).collect();
    for name in &names {
        let answer =
            elastic.put(&format!("/_security/role/{name}"), r#"{"cluster":["manage_own_api_key"]}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let user = |roles: &[String]| json!({"password": PASSWORD, "roles": roles}).to_string();
    elastic.put("/_security/user/many", &user(&names[..20])).await;
    let many = service.user("many");
    let key = many.make(r#"{"name":"x"}"#).await;
    let answer = elastic.put("/_security/user/many", &user(&names)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let reason = refused(&many.post(PATH, r#"{"name":"x"}"#).await);
    assert!(reason.contains("the owner's roles 30059"), "{reason}");
    let reason = refused(&many.put(&format!("{PATH}/{}", key.id), r#"{"metadata":{}}"#).await);
    assert!(reason.contains("the owner's roles 30059"), "{reason}");
    let bulk = json!({"ids": [key.id, "nobody"], "metadata": {}}).to_string();
    let answer = many.post(&format!("{PATH}/_bulk_update"), &bulk).await.json();
    assert_eq!(answer["errors"]["count"], 2, "{answer}");
    let error = &answer["errors"]["details"][&key.id];
    assert_eq!(error["type"], "action_request_validation_exception", "{answer}");
}
