use axum::body::Body;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::any;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::audit::Actor;
use crate::log_line::tests::Log;

/// The lines about a `PUT` of `/key/k?secret=hunter2`, which alice may do or not, and which ends so.
async fn lines(is_allowed: bool, status: StatusCode) -> Vec<Value> {
    let (log, _guard) = Log::begin();
    let handler = move |Extension(context): Extension<RequestContext>| async move {
        if is_allowed {
            let actor = || Actor { username: "alice".to_owned(), ..Actor::service() };
            context.note_allowed("cluster:admin/change", actor);
            context.note_allowed("cluster:admin/another", Actor::service);
        }
        status
    };
    let router = Router::new()
        .route("/key/{id}", any(handler))
        .route_layer(from_fn(name_route))
        .layer(from_fn(measure))
        .layer(Extension(RequestContext::of("192.0.2.1".parse().ok())));
    let request = Request::put("/key/k?secret=hunter2").body(Body::empty()).unwrap();
    assert_eq!(router.oneshot(request).await.unwrap().status(), status);
    let lines = log.lines();
    assert!(!format!("{lines:?}").contains("hunter2"), "{lines:?}");
    lines
}

#[tokio::test]
async fn a_request_is_one_line_of_the_log_and_says_no_path() {
    for (status, level) in [(200, "DEBUG"), (404, "DEBUG"), (500, "INFO"), (503, "INFO")] {
        let lines = lines(false, StatusCode::from_u16(status).unwrap()).await;
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let seen =
            ["level", "message", "method", "route", "status", "source"].map(|field| line[field].clone());
        let expected = [
            json!(level),
            json!("answered"),
            json!("PUT"),
            json!("/key/{id}"),
            json!(status),
            json!("192.0.2.1"),
        ];
        assert_eq!(seen, expected);
    }
}

// Otherwise the audit log would know of changes that were made and of changes that were refused, and not of
// the third kind.
#[tokio::test]
async fn what_was_allowed_and_failed_is_a_line_of_the_trail() {
    let lines = lines(true, StatusCode::SERVICE_UNAVAILABLE).await;
    let audited: Vec<&Value> = lines.iter().filter(|line| line["target"] == audit::TARGET).collect();
    let [line] = audited.as_slice() else { panic!("{lines:?}") };
    let seen = ["outcome", "action", "username", "path", "status"].map(|field| line[field].clone());
    let expected =
        [json!("failure"), json!("cluster:admin/change"), json!("alice"), json!("/key/k"), json!(503)];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_was_allowed_and_did_not_fail_is_no_failure() {
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::TOO_MANY_REQUESTS] {
        let lines = lines(true, status).await;
        assert!(lines.iter().all(|line| line["target"] != audit::TARGET), "{lines:?}");
    }
}
