//! The bytes of a request's body, within bounds of length and time.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use crate::api::error::{ApiError, ErrorCause, ErrorStatus, ErrorType};
use crate::limits::{REQUEST_BODY_LEN_MAX, REQUEST_BODY_WAIT_MAX};

/// A body, whole; empty when there is none.
pub(super) struct RequestBody(pub(super) Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for RequestBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = to_bytes(request.into_body(), REQUEST_BODY_LEN_MAX);
        match tokio::time::timeout(REQUEST_BODY_WAIT_MAX, body).await {
            Ok(Ok(bytes)) => Ok(Self(bytes.into())),
            Ok(Err(error)) if is_too_long(&error) => Err(ApiError::body_too_large(REQUEST_BODY_LEN_MAX)),
            Ok(Err(_)) => Err(ErrorCause::new(ErrorType::Status, "the request body ended early").into()),
            Err(_) => Err(too_slow()),
        }
    }
}

fn too_slow() -> ApiError {
    let status = ErrorStatus::try_from(StatusCode::REQUEST_TIMEOUT).unwrap_or(ErrorStatus::BAD_REQUEST);
    ApiError::new(status, ErrorCause::new(ErrorType::Status, "the request body took too long"))
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
}
