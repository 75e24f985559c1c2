//! What `docs/elasticsearch.md` says is different from Elasticsearch, where no other file holds it.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::service::Service;

#[tokio::test]
async fn paths_that_only_elasticsearch_has_are_unknown_here() {
    let service = Service::new().await;
    for (method, path) in [
        (Method::GET, "/_security/service"),
        (Method::GET, "/_security/role_mapping"),
        (Method::GET, "/_security/_query/user"),
        (Method::GET, "/_security/_query/role"),
        (Method::GET, "/_security/profile/x"),
        (Method::GET, "/_security/settings"),
        (Method::POST, "/_security/role/x/_clear_cache"),
        (Method::POST, "/_security/realm/x/_clear_cache"),
        (Method::POST, "/_security/saml/prepare"),
        (Method::GET, "/_cluster/health"),
        (Method::GET, "/_nodes/_all/http"),
        (Method::GET, "/_security/_authenticate/"),
    ] {
        let answer = service.anonymous().request(method.clone(), path, None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let expected = format!("no handler found for uri [{path}] and method [{method}]");
        assert_eq!(answer.json(), json!({ "error": expected }));
    }
}

#[tokio::test]
async fn options_is_a_method_like_any_other() {
    let service = Service::new().await;
    let answer = service.elastic().request(Method::OPTIONS, "/_security/api_key", None).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.header("allow").len(), 1);
}

// Elasticsearch says `false` to each of these, because it computes with the names of privileges there.
#[tokio::test]
async fn a_privilege_implies_whatever_its_actions_cover() {
    let service = Service::new().await;
    let role = r#"{"cluster":["monitor","manage","manage_security"]}"#;
    service.elastic().put("/_security/role/wide", role).await;
    let user = r#"{"password":"correct horse","roles":["wide"]}"#;
    service.elastic().put("/_security/user/alice", user).await;
    let asked = r#"{"cluster":["manage_ccr","manage_saml","monitor_connector","read_ccr"]}"#;
    let alice = service.basic("alice", "correct horse");
    let answer = alice.post("/_security/user/_has_privileges", asked).await.json();
    assert_eq!(answer["has_all_requested"], true, "{answer}");
}

// There is no data here to which they could apply.
#[tokio::test]
async fn what_restricts_documents_and_fields_is_stored_as_it_is() {
    let service = Service::new().await;
    let block =
        json!({"names": ["a"], "privileges": [], "field_security": {"except": ["x"]}, "query": "none"});
    let role = json!({"indices": [block]}).to_string();
    let answer = service.elastic().put("/_security/role/odd", &role).await;
    assert_eq!(answer.text, r#"{"role":{"created":true}}"#);
}

#[tokio::test]
async fn a_restricted_key_may_do_nothing_here() {
    let service = Service::new().await;
    let restricted = r#"{"r":{"cluster":["all"],"restriction":{"workflows":["search_application_query"]}}}"#;
    let made =
        service.elastic().make(&format!(r#"{{"name":"restricted","role_descriptors":{restricted}}}"#)).await;
    let asked = r#"{"cluster":["monitor"]}"#;
    let answer = service.key(&made).post("/_security/user/_has_privileges", asked).await.json();
    assert_eq!(answer["cluster"]["monitor"], false);
}
