//! The bytes of a request's body, within bounds of length, time and memory. A compressed body is decoded when it comes here,
//! and its length is that of what was decoded.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use latchkey_budget::{Holding, Principal};
use latchkey_elastic::{ErrorCause, ErrorType};
use latchkey_key_feed::UnixMillis;

use crate::api::body_format::BodyFormat;
use crate::api::call::SharedService;
use crate::api::call::authenticated::Proven;
use crate::api::error::{ApiError, ErrorStatus};
use crate::api::request_context::RequestContext;
use crate::limits::REQUEST_BODY_WAIT_MAX;
use crate::limits::work_limits::{BODY_HELD_PER_BYTE, LONG_BODY_LEN};

/// A body, whole; empty when there is none.
pub(in crate::api) struct RequestBody {
    pub(super) bytes: Vec<u8>,
    pub(super) format: BodyFormat,
    /// When all of it had come.
    pub(super) received: UnixMillis,
}

impl FromRequest<SharedService> for RequestBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, service: &SharedService) -> Result<Self, ApiError> {
        let format = request.extensions().get::<BodyFormat>().copied().unwrap_or_default();
        let sender = request.extensions().get::<Proven>().cloned();
        let context = request.extensions().get::<RequestContext>().cloned();
        // The memory is charged to the authenticated caller. Routes without authentication have short bodies.
        let principal = context.as_ref().and_then(RequestContext::principal).cloned();
        let held = service.0.workshop.bodies.holding(&principal.unwrap_or_else(|| Principal::new("", "")));
        let len_max = service.0.settings.http.max_content_length;
        let (bytes, held) = read(request.into_body(), len_max, held, REQUEST_BODY_WAIT_MAX).await?;
        if let Some(context) = context {
            context.hold_body(held);
        }
        // The sender chooses when the body ends, so the sender is checked again here. The store later checks
        // native users, keys and tokens once more, but not users of other realms.
        if let Some(sender) = sender.filter(|_| !bytes.is_empty()) {
            Box::pin(sender.require(&service.0)).await?;
        }
        Ok(Self { bytes, format, received: service.0.clock.now() })
    }
}

/// Reads a body. While it grows, memory is taken for what will be made of it.
async fn read(
    body: Body,
    len_max: usize,
    held: Holding,
    wait_max: Duration,
) -> Result<(Vec<u8>, Holding), ApiError> {
    let reading = collect(body, len_max, held);
    tokio::time::timeout(wait_max, reading).await.unwrap_or_else(|_| Err(too_slow()))
}

async fn collect(mut body: Body, len_max: usize, mut held: Holding) -> Result<(Vec<u8>, Holding), ApiError> {
    if body.size_hint().lower() > len_max as u64 {
        return Err(ApiError::body_too_large(len_max));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(unreadable)?.into_data() else { continue };
        if bytes.len() + data.len() > len_max {
            return Err(ApiError::body_too_large(len_max));
        }
        if bytes.len() + data.len() > LONG_BODY_LEN {
            let needed = (bytes.len() + data.len()) * BODY_HELD_PER_BYTE;
            held.grow(needed.saturating_sub(held.len()))?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes, held))
}

/// It ended early, or is not in the encoding that its header names.
fn unreadable(_: axum::Error) -> ErrorCause {
    ErrorCause::new(
        ErrorType::Status,
        "the request body ended early or is not encoded as Content-Encoding says",
    )
}

fn too_slow() -> ApiError {
    let status = ErrorStatus::try_from(StatusCode::REQUEST_TIMEOUT).unwrap_or(ErrorStatus::BAD_REQUEST);
    ApiError::new(status, ErrorCause::new(ErrorType::Status, "the request body took too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_budget::SharedMemory;

    async fn read_body(len: usize, memory: &SharedMemory) -> Result<Holding, ApiError> {
        let held = memory.holding(&Principal::new("ann", "native"));
        read(Body::from(vec![b'x'; len]), usize::MAX, held, Duration::from_secs(60))
            .await
            .map(|(_, held)| held)
    }

    #[tokio::test]
    async fn long_bodies_share_memory_and_short_ones_need_none() {
        let needed = (LONG_BODY_LEN + 1) * BODY_HELD_PER_BYTE;
        let memory = SharedMemory::new(needed, needed);
        let short = read_body(LONG_BODY_LEN, &memory).await.unwrap();
        assert_eq!(memory.held(), 0);
        let long = read_body(LONG_BODY_LEN + 1, &memory).await.unwrap();
        assert_eq!(memory.held(), needed);
        let refusal = read_body(LONG_BODY_LEN + 1, &memory).await.unwrap_err();
        assert_eq!(refusal.status().code(), StatusCode::TOO_MANY_REQUESTS);
        drop((short, long));
        assert!(read_body(LONG_BODY_LEN + 1, &memory).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_waited_for_only_so_long() {
        let never = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let held = SharedMemory::new(0, 0).holding(&Principal::new("ann", "native"));
        let refusal = read(never, usize::MAX, held, Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(refusal.status().code(), StatusCode::REQUEST_TIMEOUT);
    }
}
