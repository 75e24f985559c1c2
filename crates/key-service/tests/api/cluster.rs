//! What clients ask a cluster before anything else.

use axum::http::StatusCode;
use latchkey_key_service::settings::{PublishSettings, ServiceSettings};
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
    let publish = PublishSettings { host: Some("10.0.0.7".to_owned()), port: Some(443) };
    let service = Service::with(ServiceSettings { publish, ..ServiceSettings::default() }).await;
    let nodes = service.elastic().get_with("/_nodes/http", "host", "keys.example.org:9200").await.json();
    let node = nodes["nodes"].as_object().unwrap().values().next().unwrap();
    assert_eq!(node["http"]["publish_address"], "10.0.0.7:443");
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
