//! Long answers: written piece by piece, each within the memory that all answers share, and sent piece by
//! piece.
//!
//! A piece holds its memory until it has been handed to the connection. So the memory of what clients do not
//! read is bounded for all of them together. An answer that its client does not read for long is dropped.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Frame, SizeHint};
use latchkey_budget::{Budget, Holding};
use serde::Serialize;

use crate::api::error::ApiError;
use crate::limits::work_limits::{ANSWER_PIECE_LEN, ANSWER_READ_WAIT_MAX};
use crate::telemetry;

/// Length of the first piece: most answers have no other.
const FIRST_PIECE_LEN: usize = 4 * 1024;

/// An answer that is being written.
pub(in crate::api) struct AnswerText<'e> {
    budget: &'e mut Budget,
    pieces: VecDeque<Bytes>,
    open: Piece,
}

/// An answer that is written.
#[derive(Debug)]
pub(in crate::api) struct WrittenAnswer(VecDeque<Bytes>);

/// A part of an answer, with the memory that was taken for it.
#[derive(Default)]
struct Piece {
    bytes: Vec<u8>,
    _held: Option<Holding>,
}

/// An answer on its way.
struct SentAnswer {
    rest: Arc<Mutex<Rest>>,
    /// Whether other tasks on the same thread were able to run since the last piece.
    has_yielded: bool,
}

/// What is not sent yet.
struct Rest {
    pieces: VecDeque<Bytes>,
    len: u64,
    is_dropped: bool,
}

impl<'e> AnswerText<'e> {
    pub(in crate::api) fn new(budget: &'e mut Budget) -> Self {
        Self { budget, pieces: VecDeque::new(), open: Piece::default() }
    }

    /// Adds text as it is.
    pub(in crate::api) fn push(&mut self, text: &str) -> Result<(), ApiError> {
        let written = self.write_all(text.as_bytes());
        written.map_err(|error| self.failure(error))
    }

    /// Adds a value as JSON.
    pub(in crate::api) fn push_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ApiError> {
        let written = serde_json::to_writer(&mut *self, value);
        written.map_err(|error| self.failure(error))
    }

    pub(in crate::api) fn finish(mut self) -> WrittenAnswer {
        self.close_piece();
        WrittenAnswer(self.pieces)
    }

    fn failure(&self, error: impl std::error::Error + Send + Sync + 'static) -> ApiError {
        self.budget.exceeded().map_or_else(|| ApiError::internal(error), ApiError::from)
    }

    fn close_piece(&mut self) {
        let piece = std::mem::take(&mut self.open);
        if !piece.bytes.is_empty() {
            self.pieces.push_back(Bytes::from_owner(piece));
        }
    }
}

impl Write for AnswerText<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.bytes.len() == self.open.bytes.capacity() {
            self.close_piece();
            let len = if self.pieces.is_empty() { FIRST_PIECE_LEN } else { ANSWER_PIECE_LEN };
            let held = self.budget.keep(len).map_err(io::Error::other)?;
            self.open = Piece { bytes: Vec::with_capacity(len), _held: held };
        }
        let room = self.open.bytes.capacity() - self.open.bytes.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.budget.read(taken.len()).map_err(io::Error::other)?;
        self.open.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl WrittenAnswer {
    /// The whole answer, with a status of the caller's choice.
    pub(in crate::api) fn with_status(self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(self.into_body());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn into_body(mut self) -> Body {
        if self.0.len() <= 1 {
            return Body::from(self.0.pop_front().unwrap_or_default());
        }
        let len = self.0.iter().map(|piece| piece.len() as u64).sum();
        let rest = Arc::new(Mutex::new(Rest { pieces: self.0, len, is_dropped: false }));
        tokio::spawn(drop_when_unread(Arc::downgrade(&rest), len));
        Body::new(UnsyncBoxBody::new(SentAnswer { rest, has_yielded: false }))
    }
}

/// Looks at intervals whether the client has read anything, and drops the rest if it has not.
async fn drop_when_unread(rest: Weak<Mutex<Rest>>, mut len: u64) {
    loop {
        tokio::time::sleep(ANSWER_READ_WAIT_MAX).await;
        match look(&rest, len) {
            Some(left) => len = left,
            None => return,
        }
    }
}

/// How many bytes are left, if fewer than `len` were left before; `None` when there is nothing to watch any
/// more.
fn look(rest: &Weak<Mutex<Rest>>, len: u64) -> Option<u64> {
    let rest = rest.upgrade()?;
    let mut rest = lock(&rest);
    if rest.len < len {
        return Some(rest.len);
    }
    rest.pieces = VecDeque::new();
    rest.is_dropped = true;
    telemetry::work_metrics::answer_dropped();
    None
}

fn lock(rest: &Mutex<Rest>) -> MutexGuard<'_, Rest> {
    rest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl HttpBody for SentAnswer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !std::mem::replace(&mut self.has_yielded, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        let mut rest = lock(&self.rest);
        if rest.is_dropped {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        let piece = rest.pieces.pop_front();
        rest.len -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        let rest = lock(&self.rest);
        rest.pieces.is_empty() && !rest.is_dropped
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(lock(&self.rest).len)
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
impl WrittenAnswer {
    /// All of it.
    pub(in crate::api) fn to_text(&self) -> String {
        let bytes = self.0.iter().flat_map(|piece| piece.iter().copied()).collect();
        String::from_utf8(bytes).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use latchkey_budget::{Allowance, Cancellation, Principal, SharedMemory};

    const PIECES: usize = 5;

    fn written(memory: &SharedMemory) -> Result<WrittenAnswer, ApiError> {
        let allowance = Allowance { steps: 1_000_000, bytes: 0 };
        let mut budget =
            Budget::new(allowance, Cancellation::default(), memory.holding(&Principal::new("a", "r")));
        let mut text = AnswerText::new(&mut budget);
        text.push("[")?;
        text.push_json(&"x".repeat(PIECES * ANSWER_PIECE_LEN))?;
        text.push("]")?;
        Ok(text.finish())
    }

    #[tokio::test]
    async fn memory_is_taken_before_an_answer_is_written_and_given_back_as_it_is_read() {
        let memory = SharedMemory::new(8 * ANSWER_PIECE_LEN, 8 * ANSWER_PIECE_LEN);
        let answer = written(&memory).unwrap();
        let held = memory.held();
        assert!(held > PIECES * ANSWER_PIECE_LEN, "{held}");
        let refusal = written(&memory).unwrap_err();
        assert_eq!(refusal.status().code(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(memory.held(), held, "what was written of the second is given back");
        let body = answer.with_status(StatusCode::OK).into_body();
        assert_eq!(body.size_hint().exact(), Some((PIECES * ANSWER_PIECE_LEN + 4) as u64));
        let text = to_bytes(body, usize::MAX).await.unwrap();
        assert!(text.starts_with(b"[\"x") && text.ends_with(b"x\"]"));
        assert_eq!(memory.held(), 0);
    }

    #[tokio::test]
    async fn what_nobody_reads_is_dropped() {
        let memory = SharedMemory::new(8 * ANSWER_PIECE_LEN, 8 * ANSWER_PIECE_LEN);
        let pieces = written(&memory).unwrap().0;
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        let rest = Arc::new(Mutex::new(Rest { pieces, len, is_dropped: false }));
        let weak = Arc::downgrade(&rest);
        let mut body = Body::new(SentAnswer { rest, has_yielded: true });
        let first = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let first = first.unwrap().unwrap().into_data().unwrap();
        let left = look(&weak, len);
        assert_eq!(left, Some(len - first.len() as u64), "something was read meanwhile");
        drop(first);
        assert_eq!(look(&weak, left.unwrap()), None);
        assert_eq!(memory.held(), 0);
        assert!(to_bytes(body, usize::MAX).await.is_err(), "an answer cut short must not look complete");
        assert_eq!(look(&weak, 1), None, "nobody needs to look any more");
    }
}
