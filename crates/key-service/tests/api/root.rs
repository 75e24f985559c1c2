use axum::http::{Method, StatusCode};
use latchkey_key_service::settings::ServiceSettings;

use crate::service::Service;

// The fields that the official clients read.
#[tokio::test]
async fn greets_as_elasticsearch_does() {
    let service = Service::new().await;
    let answer = service.elastic().get("/").await;
    assert_eq!(answer.status, StatusCode::OK);
    let greeting = answer.json();
    for field in ["name", "cluster_name", "cluster_uuid"] {
        assert!(greeting[field].is_string(), "{field}");
    }
    for field in [
        "number",
        "build_flavor",
        "lucene_version",
        "minimum_wire_compatibility_version",
        "minimum_index_compatibility_version",
    ] {
        assert!(greeting["version"][field].is_string(), "{field}");
    }
    assert_eq!(greeting["tagline"], "You Know, for Search");
    let head = service.elastic().request(Method::HEAD, "/", None).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn needs_the_privilege_to_monitor() {
    let service = Service::new().await;
    assert_eq!(service.user("own").get("/").await.status, StatusCode::OK);
    let refused = service.user("feed").get("/").await.error();
    assert_eq!(refused.0, 403);
    assert!(
        refused.2.starts_with("action [cluster:monitor/main] is unauthorized for user [feed]"),
        "{}",
        refused.2
    );
    assert_eq!(service.anonymous().get("/").await.status, StatusCode::UNAUTHORIZED);
}

// The name of a product is a trademark, so it can be left out.
#[tokio::test]
async fn the_product_header_can_be_switched_off() {
    let service =
        Service::with(ServiceSettings { product_header: false, ..ServiceSettings::default() }).await;
    assert_eq!(service.elastic().get("/").await.header("x-elastic-product"), Vec::<String>::new());
}

#[tokio::test]
async fn explains_paths_and_methods_that_do_not_exist() {
    let service = Service::new().await;
    let nowhere = service.anonymous().get("/_nowhere?x=1").await;
    assert_eq!(
        (nowhere.status, nowhere.text.as_str()),
        (StatusCode::BAD_REQUEST, r#"{"error":"no handler found for uri [/_nowhere?x=1] and method [GET]"}"#)
    );
    let patched = service.anonymous().request(Method::PATCH, "/_security/api_key", None).await;
    assert_eq!(patched.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(patched.text.contains("Incorrect HTTP method for uri [/_security/api_key] and method [PATCH]"));
    assert_eq!(patched.header("allow").len(), 1);
}

#[tokio::test]
async fn no_answer_may_be_stored_on_the_way() {
    let service = Service::new().await;
    for answer in [service.elastic().get("/").await, service.anonymous().get("/").await] {
        assert_eq!(answer.header("cache-control"), ["no-store"]);
    }
}
