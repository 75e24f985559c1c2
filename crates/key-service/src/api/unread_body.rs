//! Connections of HTTP/1 whose request was answered before all of its body had come, as it is refused. The server cannot
//! read another request there, and says so: a client that sends the next one all the same would get no answer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::media_type::has_body;

/// Whether the body of a request has come to its end; `None` where that does not matter.
pub(super) struct BodyEnd(Option<Arc<AtomicBool>>);

/// A body that notes its end.
struct Watched {
    body: Body,
    has_ended: Arc<AtomicBool>,
}

impl BodyEnd {
    /// Watches the body of a request.
    pub(super) fn of(request: Request) -> (Self, Request) {
        if request.version() > Version::HTTP_11 || !has_body(&request) {
            return (Self(None), request);
        }
        let has_ended = Arc::new(AtomicBool::new(false));
        let end = Self(Some(Arc::clone(&has_ended)));
        (end, request.map(|body| Body::new(Watched { body, has_ended })))
    }

    /// Says in the answer that the connection ends, if it does.
    pub(super) fn tell(self, response: &mut Response) {
        if self.0.is_some_and(|has_ended| !has_ended.load(Ordering::Relaxed)) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.has_ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
