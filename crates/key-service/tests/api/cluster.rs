//! What clients ask a cluster before anything else.

use axum::http::{Method, StatusCode};
use latchkey_key_service::settings::{HttpSettings, ServiceSettings};
use serde_json::json;

use crate::service::Service;

#[tokio::test]
async fn the_cluster_is_green_while_the_store_takes_changes() {
    let service = Service::new().await;
    for path in [
        "/_cluster/health",
        "/_cluster/health?wait_for_status=yellow&timeout=1s&level=cluster&wait_for_nodes=1",
        "/_cluster/health/?wait_for_status=green",
    ] {
        let answer = service.elastic().get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let health = answer.json();
        assert_eq!((&health["status"], &health["timed_out"]), (&json!("green"), &json!(false)), "{path}");
        assert_eq!(health["number_of_nodes"], 1);
    }
    let unknown = service.elastic().get("/_cluster/health?wait_for_status=blue").await;
    unknown.assert_error(400, "illegal_argument_exception", "unknown cluster health status [blue]");
    // As every request, since nobody can tell who asks.
    service.store.close().await;
    let gone = service.elastic().get("/_cluster/health").await;
    gone.assert_error(503, "status_exception", "the service is temporarily unavailable");
}

#[tokio::test]
async fn a_client_that_sniffs_finds_the_service_where_it_is_published() {
    let service = Service::new().await;
    for path in ["/_nodes/http", "/_nodes/_all/http"] {
        let nodes = service.elastic().get_with(path, "host", "keys.example.org:9200").await.json();
        assert_eq!(nodes["_nodes"], json!({"total": 1, "successful": 1, "failed": 0}));
        let node = nodes["nodes"].as_object().unwrap().values().next().unwrap();
        assert_eq!(node["http"]["publish_address"], "keys.example.org:9200", "{path}");
        assert_eq!(node["version"], service.elastic().get("/").await.json()["version"]["number"]);
    }
    let http = HttpSettings {
        publish_host: Some("10.0.0.7".to_owned()),
        publish_port: Some(443),
        max_content_length: 4_000_000,
    };
    let service = Service::with(ServiceSettings { http, ..ServiceSettings::default() }).await;
    let nodes = service.elastic().get_with("/_nodes/http", "host", "keys.example.org:9200").await.json();
    let node = nodes["nodes"].as_object().unwrap().values().next().unwrap();
    assert_eq!(node["http"]["publish_address"], "10.0.0.7:443");
    assert_eq!(node["http"]["max_content_length_in_bytes"], 4_000_000);
    assert_eq!(node["http"].get("max_content_length"), None);
    let human = service.elastic().get("/_nodes/http?human").await.json();
    let node = human["nodes"].as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(node["http"]["max_content_length"], "3.8mb");
}

#[tokio::test]
async fn human_adds_texts_beside_the_numbers_that_have_them() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for (query, texts) in [("", None), ("?human=false", None), ("?human", Some(("0s", "100.0%")))] {
        let health = elastic.get(&format!("/_cluster/health{query}")).await.json();
        assert_eq!(health.get("task_max_waiting_in_queue").and_then(|it| it.as_str()), texts.map(|it| it.0));
        assert_eq!(health.get("active_shards_percent").and_then(|it| it.as_str()), texts.map(|it| it.1));
    }
    for name in ["human", "error_trace", "pretty"] {
        elastic.get(&format!("/_security/api_key?{name}=maybe")).await.assert_error(
            400,
            "illegal_argument_exception",
            "Failed to parse value [maybe] as only [true] or [false] are allowed.",
        );
    }
}

#[tokio::test]
async fn error_trace_tells_each_cause_of_an_error_once_more() {
    let service = Service::new().await;
    let path = "/_security/api_key?error_trace";
    let body = r#"{"name":"x","expiration":"soon"}"#;
    let error = service.elastic().post(path, body).await.json()["error"].clone();
    let told = |cause: &serde_json::Value| {
        format!("{}: {}", cause["type"].as_str().unwrap(), cause["reason"].as_str().unwrap())
    };
    let below = &error["caused_by"];
    let (own, cause) = (told(&error), told(below));
    assert_eq!(error["stack_trace"], format!("{own}\nCaused by: {cause}"));
    assert_eq!(below["stack_trace"], cause);
    assert_eq!(error["root_cause"][0]["stack_trace"], told(&error["root_cause"][0]));
    let refused = service.anonymous().get("/_security/api_key?error_trace=true").await.json();
    assert!(refused["error"]["stack_trace"].as_str().unwrap().starts_with("security_exception: missing"));
    let flat = service.elastic().request(Method::PATCH, path, None).await.json();
    assert!(flat["error"].is_string(), "{flat}");
    let silent = service.elastic().post("/_security/api_key?error_trace=false", body).await;
    assert!(!silent.text.contains("stack_trace"));
    assert_eq!(service.elastic().get(path).await.text, r#"{"api_keys":[]}"#);
}

#[tokio::test]
async fn the_licence_is_the_one_with_which_security_works() {
    let service = Service::new().await;
    let license = service.elastic().get("/_license").await.json();
    assert_eq!(
        (&license["license"]["type"], &license["license"]["status"]),
        (&json!("basic"), &json!("active"))
    );
    let xpack = service.elastic().get("/_xpack?categories=license,features").await.json();
    assert_eq!(xpack["features"]["security"], json!({"available": true, "enabled": true}));
    assert_eq!(xpack["license"]["uid"], license["license"]["uid"]);
}

#[tokio::test]
async fn all_of_this_needs_the_privilege_to_monitor() {
    let service = Service::new().await;
    for path in ["/_cluster/health", "/_nodes/http", "/_license", "/_xpack"] {
        assert_eq!(service.user("own").get(path).await.status, StatusCode::OK, "{path}");
        assert_eq!(service.user("nothing").get(path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(service.anonymous().get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
