//! A connection whose client must begin to speak within a time.
//!
//! Which version of HTTP a client speaks shows in its first bytes, and until they are there no other limit
//! runs: clients that say nothing could hold all permits for ever.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes after which a client has begun to speak: the preface of HTTP/2 (RFC 9113, section 3.4). No request
/// of HTTP/1.1 is shorter.
const FIRST_BYTES_LEN: usize = 24;

/// A stream whose reading fails when its first bytes are not there in time.
pub(super) struct FirstBytes<S> {
    stream: S,
    missing: usize,
    deadline: Pin<Box<Sleep>>,
}

impl<S> FirstBytes<S> {
    /// From now on, the client has this long.
    pub(super) fn within(wait_max: Duration, stream: S) -> Self {
        Self { stream, missing: FIRST_BYTES_LEN, deadline: Box::pin(tokio::time::sleep(wait_max)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FirstBytes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.missing > 0 && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client said nothing")));
        }
        let filled = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.missing = self.missing.saturating_sub(buffer.filled().len() - filled);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FirstBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_begin_is_given_up() {
        for said in [&b""[..], b"PRI * HTTP/2.0"] {
            let (mut client, server) = duplex(64);
            client.write_all(said).await.unwrap();
            let mut read = Vec::new();
            let failed = FirstBytes::within(Duration::from_millis(1), server).read_to_end(&mut read).await;
            assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut, "{said:?}");
        }
    }

    #[tokio::test]
    async fn a_client_that_has_begun_may_be_silent() {
        const FIRST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (mut client, server) = duplex(64);
        client.write_all(FIRST).await.unwrap();
        let mut server = FirstBytes::within(Duration::from_secs(3_600), server);
        server.read_exact(&mut [0; FIRST.len()]).await.unwrap();
        // Whatever time goes by from here on.
        server.deadline = Box::pin(tokio::time::sleep(Duration::ZERO));
        client.write_all(b"more").await.unwrap();
        let mut more = [0; 4];
        server.read_exact(&mut more).await.unwrap();
        assert_eq!(&more, b"more");
    }
}
