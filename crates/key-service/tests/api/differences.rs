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
        (Method::GET, "/_security/profile/x"),
        (Method::GET, "/_security/settings"),
        (Method::POST, "/_security/saml/prepare"),
        (Method::GET, "/_cluster/settings"),
        (Method::GET, "/_nodes/stats"),
    ] {
        let answer = service.anonymous().request(method.clone(), path, None).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let expected = format!("no handler found for uri [{path}] and method [{method}]");
        assert_eq!(answer.json(), json!({ "error": expected }));
    }
}

// There is no data here to which they could apply: names of queries are not known.
#[tokio::test]
async fn what_restricts_documents_is_stored_whatever_its_query_is_called() {
    let service = Service::new().await;
    let block = json!({"names": ["a"], "privileges": ["read"], "query": {"zzz": {}}});
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
