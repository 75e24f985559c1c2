//! Answers that are not errors.

pub(super) mod members;
pub(super) mod text;

use axum::body::{Body, Bytes};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use latchkey_key_feed::FEED_VERSION_HEADER;
use serde::Serialize;

use crate::api::error::ApiError;
use crate::feed::shared_page::SharedPage;
use crate::limits::RETRY_PAUSE;

/// The entity tags of what the caller already has: lists, as they were sent.
pub(super) struct KnownTags(Vec<String>);

/// 200 with this as JSON.
///
/// # Errors
///
/// 500 when it has no JSON form.
pub(super) fn ok<T: Serialize>(answer: &T) -> Result<Response, ApiError> {
    with_status(StatusCode::OK, answer)
}

/// 200 with this text, which is JSON already.
pub(super) fn ok_text(text: Bytes) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// This as JSON, with a status of the caller's choice.
///
/// # Errors
///
/// 500 when it has no JSON form.
pub(super) fn with_status<T: Serialize>(status: StatusCode, answer: &T) -> Result<Response, ApiError> {
    let body = serde_json::to_vec(answer).map_err(ApiError::internal)?;
    let mut response = ok_text(body.into());
    *response.status_mut() = status;
    Ok(response)
}

/// 200 with this page of the feed, or 304 if the request says that the caller already has it (RFC 9110,
/// section 13.1.2).
///
/// Only the caller's own cache may keep the answer, and must ask before it uses it.
///
/// # Errors
///
/// None that can happen: a tag is visible ASCII.
pub(super) fn page_unless_known(page: &SharedPage, known: &KnownTags) -> Result<Response, ApiError> {
    let known = known.name(&page.tag);
    let body = if known { Body::empty() } else { Body::from(page.body.clone()) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(&page.tag).map_err(ApiError::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(VARY, HeaderValue::from(AUTHORIZATION));
    headers.append(VARY, HeaderValue::from_static(FEED_VERSION_HEADER));
    Ok(response)
}

impl KnownTags {
    pub(super) fn of(request: &HeaderMap) -> Self {
        let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
        Self(lists.map(str::to_owned).collect())
    }

    /// Whether one of them equals this one, by the weak comparison.
    fn name(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let names = |tags: &String| {
            tags.trim() == "*" || tags.split(',').any(|candidate| opaque(candidate) == opaque(tag))
        };
        self.0.iter().any(names)
    }
}

/// 200 if something was removed and 404 if not, with a body that says so.
///
/// # Errors
///
/// None that can happen: the body has a JSON form.
pub(super) fn found(found: bool) -> Result<Response, ApiError> {
    let status = if found { StatusCode::OK } else { StatusCode::NOT_FOUND };
    with_status(status, &serde_json::json!({ "found": found }))
}

/// Answers have secrets, digests and names. So no cache may keep one, unless the answer itself says
/// otherwise.
pub(super) async fn forbid_storing(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A refusal for a temporary reason says when the client may try again (RFC 9110, section 10.2.3; RFC 6585,
/// section 4).
pub(super) async fn say_when_to_retry(mut response: Response) -> Response {
    if matches!(response.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(RETRY_PAUSE.as_secs()));
    }
    response
}
