//! What every route has in common: media types, and answers for requests that no route takes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use latchkey_elastic::ErrorCause;

use super::error::ApiError;
use super::media_type::{MediaTypeSettings, has_body, negotiate};
use super::presentation::present;

/// Proof that a request has no body, for routes that take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoBody;

/// The routes with the layers that all of them share, from the outermost: content negotiation, the shape of
/// the answer that the URL asks for, an explanation for a wrong method, and the look-up of the path.
///
/// The routes are a service inside the returned router, because only then a 405 has its `Allow` header when
/// the layers see it. Layers that the routes already have do not run for an unknown path.
pub(crate) fn with_negotiation(routes: Router, settings: MediaTypeSettings) -> Router {
    Router::new()
        .fallback_service(routes.fallback(no_handler))
        .layer(from_fn(explain_wrong_method))
        .layer(from_fn(present))
        .layer(from_fn_with_state(Arc::new(settings), negotiate))
}

/// Refuses a body with 400.
impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !has_body(&request) {
            return Ok(Self);
        }
        let uri = original_uri(&request);
        let path = uri.split('?').next().unwrap_or_default();
        let reason = format!("request [{} {path}] does not support having a body", request.method());
        Err(ErrorCause::illegal_argument(reason).into())
    }
}

/// Gives a 405 of the router the body of Elasticsearch's 405.
async fn explain_wrong_method(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let uri = original_uri(&request);
    let response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    ApiError::wrong_method(&method, &uri, &allowed_methods(response.headers())).into_response()
}

/// 400: no route has this path.
async fn no_handler(request: Request) -> ApiError {
    ApiError::no_handler(request.method(), &original_uri(&request))
}

fn original_uri(request: &Request) -> String {
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |original| &original.0);
    uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}

/// The methods that the router announced. It adds `HEAD` by itself wherever there is `GET`.
fn allowed_methods(headers: &HeaderMap) -> Vec<Method> {
    let listed = headers.get(ALLOW).and_then(|value| value.to_str().ok()).unwrap_or_default();
    listed
        .split(',')
        .filter_map(|name| name.trim().parse().ok())
        .filter(|method| *method != Method::HEAD)
        .collect()
}

#[cfg(test)]
mod tests;
