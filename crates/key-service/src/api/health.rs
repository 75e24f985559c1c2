//! Whether the service lives and its store answers, and what it has counted. Neither names a key or an owner,
//! so neither needs authentication.
//!
//! Two questions, because two things follow from the answers: a process that does not live is started again, and
//! one that is not ready gets no requests. A store that is away is no reason to start any process again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::response::Response;
use latchkey_key_feed::Cursor;
use serde::Serialize;

use crate::api::answer;
use crate::api::call::SharedService;
use crate::api::error::ApiError;
use crate::store::StoreError;
use crate::telemetry;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// 200: the process answers. The store is not asked.
pub(super) async fn show_alive() -> Result<Response, ApiError> {
    answer::ok(&Health { status: "alive" })
}

/// 200 if the store answers, takes changes and has shown no damage, 503 if not.
pub(super) async fn show_ready(State(service): State<SharedService>) -> Result<Response, ApiError> {
    match service.open().store.ping().await {
        Ok(()) => answer::ok(&Health { status: "ready" }),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the store does not answer");
            telemetry::store_failed(error.kind());
            let damaged = matches!(error, StoreError::Damaged(_));
            let status = if damaged { "store damaged" } else { "store unavailable" };
            answer::with_status(StatusCode::SERVICE_UNAVAILABLE, &Health { status })
        }
    }
}

/// The counters in Prometheus' text format.
pub(super) async fn show_metrics(State(service): State<SharedService>) -> Response {
    let service = service.open();
    let latest: Cursor = *service.store.changes().borrow();
    telemetry::work_metrics::work_counted(service.lanes(), service.workshop.memory.held());
    telemetry::edge_metrics::edges_counted(service.feed.edges().counts(latest));
    let headers = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, service.recorded.render()).into_response()
}
