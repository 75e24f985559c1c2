//! What a stop is sent: by wrk over HTTP/1.1, or by h2load over HTTP/2.

use std::time::Duration;

use anyhow::Result;

use crate::load::h2load::Http2Load;
use crate::load::{Load, LoadResult};

/// What is sent.
#[derive(Clone, Debug)]
pub enum Traffic {
    /// Each request with a credential of its own.
    Http1(Load),
    /// All requests with one credential.
    Http2(Http2Load),
}

impl Traffic {
    /// The same with other requests, where they differ at all.
    #[must_use]
    pub fn with_seed(self, seed: u32) -> Self {
        match self {
            Self::Http1(load) => Self::Http1(Load { seed, ..load }),
            Self::Http2(load) => Self::Http2(load),
        }
    }

    /// The same with one request at a time.
    #[must_use]
    pub fn one_at_a_time(self) -> Self {
        match self {
            Self::Http1(load) => Self::Http1(Load { connections: 1, ..load }),
            Self::Http2(load) => Self::Http2(Http2Load { connections: 1, streams: 1, ..load }),
        }
    }

    /// How many requests are under way at a time.
    #[must_use]
    pub fn under_way(&self) -> u32 {
        match self {
            Self::Http1(load) => load.connections,
            Self::Http2(load) => load.connections * load.streams,
        }
    }

    /// Sends it for so long.
    ///
    /// # Errors
    ///
    /// When there is no load generator, or a request gets no answer.
    pub fn run(&self, time: Duration) -> Result<LoadResult> {
        match self {
            Self::Http1(load) => load.run(time),
            Self::Http2(load) => load.run(time),
        }
    }
}

impl From<Load> for Traffic {
    fn from(load: Load) -> Self {
        Self::Http1(load)
    }
}
