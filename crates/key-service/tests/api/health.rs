use axum::http::StatusCode;
use latchkey_build_info::{COMMIT, VERSION};

use crate::service::Service;

// A process that lives is not started again because its store is away.
#[tokio::test]
async fn is_ready_while_the_store_answers_and_alive_without_it() {
    let service = Service::new().await;
    for path in ["/readyz", "/healthz"] {
        let ready = service.anonymous().get(path).await;
        assert_eq!((ready.status, ready.text.as_str()), (StatusCode::OK, r#"{"status":"ready"}"#), "{path}");
    }
    service.store.close().await;
    for path in ["/readyz", "/healthz"] {
        let unready = service.anonymous().get(path).await;
        assert_eq!(unready.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(unready.text, r#"{"status":"store unavailable"}"#, "{path}");
        assert_eq!(unready.header("retry-after"), ["2"], "{path}");
    }
    let alive = service.anonymous().get("/livez").await;
    assert_eq!((alive.status, alive.text.as_str()), (StatusCode::OK, r#"{"status":"alive"}"#));
}

// Store trouble is never a bad credential, and says nothing of its cause.
#[tokio::test]
async fn without_its_store_the_service_is_unavailable_and_not_unauthorized() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    service.store.close().await;
    for answer in [
        service.key(&made).get("/_security/_authenticate").await,
        service.elastic().get("/_security/api_key").await,
        service.elastic().post("/_security/api_key", r#"{"name":"x"}"#).await,
        service.elastic().get("/_latchkey/feed").await,
    ] {
        answer.assert_error(503, "status_exception", "the service is temporarily unavailable");
        assert_eq!(answer.header("retry-after"), ["2"]);
    }
}

#[tokio::test]
async fn counts_by_route_and_never_by_key_or_owner() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"a-very-special-name"}"#).await;
    service.key(&made).get("/_security/_authenticate").await;
    service.anonymous().get("/_security/_authenticate").await;
    service.anonymous().get("/some/path/of/a/stranger").await;
    service.user("feed").get("/_latchkey/feed?edge=a-very-special-edge").await;
    service.elastic().delete("/_security/api_key", r#"{"name":"*"}"#).await;
    let metrics = service.anonymous().get("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    for line in [
        r#"latchkey_requests_total{route="/_security/api_key",method="POST",status="200"}"#,
        r#"latchkey_requests_total{route="none",method="GET",status="400"}"#,
        r#"latchkey_request_duration_seconds_bucket{route="/_security/api_key",method="POST",le="0.0005"}"#,
        r#"latchkey_authentication_failures_total{reason="credential_missing"}"#,
        &format!(r#"latchkey_build_info{{version="{VERSION}",commit="{COMMIT}"}} 1"#),
        "latchkey_keys_created_total",
        "latchkey_keys_invalidated_total",
        "latchkey_feed_polls_waiting",
        "latchkey_feed_rows_total",
        "latchkey_feed_edges",
    ] {
        assert!(metrics.text.contains(line), "{line}\n{}", metrics.text);
    }
    for stranger in ["very-special", "stranger", &made.id, "\"own\""] {
        assert!(!metrics.text.contains(stranger), "{stranger}\n{}", metrics.text);
    }
}
