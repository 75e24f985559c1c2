//! What is told to whoever runs a command, who may stop listening at any time: `local-stack demo | head -1`.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Somewhere to tell things. When nobody listens any more, its errors say so ([`is_closed`]).
#[derive(Debug)]
pub struct Output<W>(pub W);

/// Nobody listens any more.
#[derive(Clone, Copy, Debug)]
struct OutputClosed;

/// Whether it failed because nobody listens any more. Other connections break too, and are another matter.
#[must_use]
pub fn is_closed(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.is_some_and(|inner| inner.is::<OutputClosed>())
    })
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe {
        io::Error::new(ErrorKind::BrokenPipe, OutputClosed)
    } else {
        error
    }
}

impl fmt::Display for OutputClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for OutputClosed {}
