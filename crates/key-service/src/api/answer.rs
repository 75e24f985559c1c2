//! Answers that are not errors.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

use crate::api::error::ApiError;

/// 200 with this as JSON.
///
/// # Errors
///
/// 500 when it has no JSON form.
pub(super) fn ok<T: Serialize>(answer: &T) -> Result<Response, ApiError> {
    with_status(StatusCode::OK, answer)
}

/// This as JSON, with a status of the caller's choice.
///
/// # Errors
///
/// 500 when it has no JSON form.
pub(super) fn with_status<T: Serialize>(status: StatusCode, answer: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer).map_err(ApiError::internal)?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Whether there was something to remove: 200 or 404, with a body that says so.
///
/// # Errors
///
/// None that can happen: the body has a JSON form.
pub(super) fn found(found: bool) -> Result<Response, ApiError> {
    let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    with_status(status, &serde_json::json!({ "found": found }))
}

/// Answers carry secrets, digests and names: no cache on the way may keep one unless the answer says otherwise.
pub(super) async fn forbid_storing(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
