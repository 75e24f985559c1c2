//! What every route has in common: media types, bodies that are compressed, and answers for requests that no route takes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::http::header::{ALLOW, CONNECTION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use latchkey_elastic::ErrorCause;

use super::content_encoding;
use super::error::ApiError;
use super::media_type::{MediaTypeSettings, has_body, negotiate};
use super::presentation::present;
use super::unread_body::BodyEnd;

/// Proof that a request has no body, for routes that take none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoBody;

/// The routes with the layers that all of them share, from the outermost: content negotiation, the shape of the answer that
/// the URL asks for, and what prepares the look-up of the path: slashes at its end are cut, the body is decoded, `OPTIONS`,
/// `HEAD` and a wrong method are answered, and an answer before the end of the body ends the connection. There are few layers, because each costs every follower that waits some memory.
///
/// The routes are a service inside the returned router, because only then a 405 has its `Allow` header when
/// the layers see it. Layers that the routes already have do not run for an unknown path.
pub(crate) fn with_negotiation(routes: Router, settings: MediaTypeSettings) -> Router {
    Router::new()
        .fallback_service(routes.fallback(no_handler))
        .layer(from_fn(prepare))
        .layer(from_fn(present))
        .layer(from_fn_with_state(Arc::new(settings), negotiate))
}

/// The one path that Elasticsearch answers to `HEAD`; on all others that is a wrong method.
const HEAD_PATH: &str = "/";

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

/// Gives a 405 of the router the body of Elasticsearch's 405, and answers `OPTIONS` by the methods that there are
/// (Elasticsearch, `RestController#handleOptionsRequest`). Neither asks who the sender is. A path is looked up without the
/// slashes at its end (`PathTrie#retrieve`).
async fn prepare(mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let uri = original_uri(&request);
    trim_slashes(request.uri_mut());
    if method == Method::OPTIONS || method == Method::HEAD && request.uri().path() != HEAD_PATH {
        // No route has this method. With `HEAD` the router would do what is done for `GET`.
        *request.method_mut() = Method::TRACE;
    }
    let (body_end, request) = BodyEnd::of(request);
    let mut response = match content_encoding::decoded(request) {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    body_end.tell(&mut response);
    if method == Method::OPTIONS {
        return options(&allowed_methods(response.headers()));
    }
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let mut explained =
        ApiError::wrong_method(&method, &uri, &allowed_methods(response.headers())).into_response();
    if let Some(end) = response.headers_mut().remove(CONNECTION) {
        explained.headers_mut().insert(CONNECTION, end);
    }
    explained
}

fn trim_slashes(uri: &mut Uri) {
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() || path.len() == uri.path().len() {
        return;
    }
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{path}{query}").parse().ok();
    if let Ok(trimmed) = Uri::from_parts(parts) {
        *uri = trimmed;
    }
}

/// 200 with the methods; without any for a path that no route has.
fn options(methods: &[Method]) -> Response {
    let names = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let mut response = Response::default();
    if let (false, Ok(value)) = (methods.is_empty(), HeaderValue::try_from(names)) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
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
