//! What is recorded of every request once it is answered. Time and status are counted by method and route.
//! Each request is a line of the log, and a request that was allowed and failed is a line of the audit log.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use latchkey_key_feed::whole_millis;

use crate::api::request_context::{AllowedAction, RequestContext};
use crate::audit::{self, FailureEvent};
use crate::model::source::Source;
use crate::telemetry;
use crate::traces;

/// The label of requests without a route. Clients choose their paths, so the number of labels would have no
/// bound.
const NO_ROUTE: &str = "none";

/// The label of methods that HTTP's own registry does not have.
const OTHER_METHOD: &str = "other";

/// The route of an answered request.
#[derive(Clone, Debug)]
struct AnsweredBy(MatchedPath);

/// Notes in the answer which route it came from, because only layers inside the router can see that.
pub(super) async fn name_route(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path {
        response.extensions_mut().insert(AnsweredBy(path));
    }
    response
}

/// A request and its answer, as far as they are logged. The pattern of the path is logged, and not the path
/// or the query: clients choose them, and they may hold secrets.
struct Answered<'a> {
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_ms: u64,
    source: Option<Source>,
}

/// Records a request once it is answered.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = match request.method().as_str() {
        known @ ("DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT") => known.to_owned(),
        _ => OTHER_METHOD.to_owned(),
    };
    let path = request.uri().path().to_owned();
    let context = request.extensions().get::<RequestContext>().cloned();
    let response = next.run(request).await;
    let took = begun.elapsed();
    let route = response.extensions().get::<AnsweredBy>().map_or(NO_ROUTE, |AnsweredBy(path)| path.as_str());
    let status = response.status();
    telemetry::request_answered(route, &method, status.as_u16(), took);
    traces::note_answer(&method, route, status.as_u16());
    let answered = Answered {
        method: &method,
        route,
        status: status.as_u16(),
        duration_ms: whole_millis(took),
        source: context.as_ref().and_then(|context| context.source),
    };
    if status.is_server_error() {
        log_failure(&answered);
        let allowed = context.as_ref().and_then(RequestContext::allowed);
        if let Some(AllowedAction { action, actor }) = allowed {
            audit::record_failure(&FailureEvent { path: &path, action, actor, status: status.as_u16() });
        }
    } else {
        log_answer(&answered);
    }
    response
}

fn log_answer(Answered { method, route, status, duration_ms, source }: &Answered<'_>) {
    let source = source.map(tracing::field::display);
    tracing::debug!(method, route, status, duration_ms, source, "answered");
}

fn log_failure(Answered { method, route, status, duration_ms, source }: &Answered<'_>) {
    let source = source.map(tracing::field::display);
    tracing::info!(method, route, status, duration_ms, source, "answered");
}

#[cfg(test)]
mod tests;
