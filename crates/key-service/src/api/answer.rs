//! Answers that are not errors.

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::api::error::ApiError;
use crate::limits::RETRY_PAUSE;

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

/// 200 with this as JSON, or 304 when `request` shows that the caller has it already (RFC 9110, section 13.1.2).
///
/// The tag is of the content, so every replica gives the same. It is a weak one: the answer may be compressed on its way. Only the caller's own
/// cache may keep the answer, and must ask before it uses it.
///
/// # Errors
///
/// 500 when it has no JSON form.
pub(super) fn ok_unless_known<T: Serialize>(answer: &T, request: &HeaderMap) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer).map_err(ApiError::internal)?;
    let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
    let known = request.get_all(IF_NONE_MATCH).iter().any(|tags| names(tags, &tag));
    let mut response = if known { Response::new(Body::empty()) } else { Response::new(Body::from(body)) };
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(tag).map_err(ApiError::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(VARY, HeaderValue::from(AUTHORIZATION));
    Ok(response)
}

/// Whether a list of tags names this one, by the weak comparison.
fn names(tags: &HeaderValue, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    tags.to_str().is_ok_and(|tags| {
        tags.trim() == "*" || tags.split(',').any(|candidate| opaque(candidate) == opaque(tag))
    })
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

/// Whoever is turned away because of trouble that passes is told when to come back (RFC 9110, section 10.2.3; RFC 6585, section 4).
pub(super) async fn say_when_to_retry(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(RETRY_PAUSE.as_secs()));
    }
    response
}
