//! Counting requests and their time, by the pattern of their route.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use crate::telemetry;

/// The label of requests that no route has. Their paths are strangers' words, and there is no end of them.
const NO_ROUTE: &str = "none";

/// The label of methods that HTTP's own registry does not have.
const OTHER_METHOD: &str = "other";

/// The route of an answered request.
#[derive(Clone, Debug)]
struct AnsweredBy(MatchedPath);

/// Notes on the answer which route it came from: only layers inside the router can see that.
pub(super) async fn name_route(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path {
        response.extensions_mut().insert(AnsweredBy(path));
    }
    response
}

/// Counts a request and the time until its answer.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = match request.method().as_str() {
        known @ ("DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT") => known.to_owned(),
        _ => OTHER_METHOD.to_owned(),
    };
    let response = next.run(request).await;
    let route = response.extensions().get::<AnsweredBy>().map_or(NO_ROUTE, |AnsweredBy(path)| path.as_str());
    telemetry::request_answered(route, &method, response.status().as_u16(), begun.elapsed());
    response
}
