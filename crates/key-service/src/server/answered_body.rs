//! The body of an answer, which tells when it is written: until then its connection is busy, as long as the
//! client takes something of it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::server::connection_permits::Busy;

/// A body whose connection is busy for as long as it lives.
pub(super) struct AnsweredBody {
    body: Body,
    busy: Busy,
}

impl AnsweredBody {
    pub(super) fn new(body: Body, mut busy: Busy) -> Self {
        busy.begin_sending();
        Self { body, busy }
    }
}

impl HttpBody for AnsweredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_ready() {
            self.busy.note_progress();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
