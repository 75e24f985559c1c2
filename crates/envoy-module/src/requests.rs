//! The request that a hook is about, and the answer to a call.

use std::borrow::Cow;

use latchkey_filter::headers::Headers;
use latchkey_filter::host::{HostAnswer, HostFailed, HostRequest};
use latchkey_filter::reply::{self, Reply};

use crate::abi::{Map, Refused, Stream, StreamHeaders};
use crate::panics::caught_quietly;

/// The request of the hook that runs. What would end or resume it is kept until the hook has let go of it:
/// Envoy may destroy it before such a call returns.
pub(crate) struct EnvoyRequest {
    stream: Stream,
    end: Option<End>,
}

/// What a hook ends in.
pub(crate) enum End {
    /// The request is answered.
    Reply(Reply),
    /// The request moves on.
    Resume,
    /// A hook has panicked.
    Panic,
}

const GRPC_STATUS: &str = "grpc-status";

/// What the log of Envoy shows of a request whose hook has panicked.
const PANIC_DETAILS: &str = "latchkey_panic";

/// What a call brought.
pub(crate) struct EnvoyAnswer<'a> {
    /// None where no answer came.
    pub(crate) headers: Vec<(&'a [u8], &'a [u8])>,
    pub(crate) body: Cow<'a, [u8]>,
}

/// Headers of an answer.
pub(crate) struct AnswerHeaders<'a>(&'a [(&'a [u8], &'a [u8])]);

impl EnvoyRequest {
    pub(crate) fn of(stream: Stream) -> Self {
        Self { stream, end: None }
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// A hook of it has panicked before.
    pub(crate) fn refuse_after_panic(&mut self) {
        self.end = Some(End::Panic);
    }

    /// What is left to do, when nothing of the request is borrowed any more.
    pub(crate) fn into_end(self) -> Option<(Stream, End)> {
        Some((self.stream, self.end?))
    }
}

impl End {
    pub(crate) fn carry_out(self, stream: Stream) {
        match self {
            Self::Resume => stream.resume(),
            Self::Panic => {
                // Where that cannot be told, a client of gRPC must not read that all went well.
                let is_grpc = caught_quietly(|| {
                    let headers = stream.headers(Map::RequestHeaders).ok();
                    headers.is_none() || reply::is_grpc(headers.as_ref())
                });
                // 14 is UNAVAILABLE.
                let grpc_status = is_grpc.unwrap_or(true).then_some((GRPC_STATUS, "14"));
                stream.respond(503, grpc_status.into_iter(), "", PANIC_DETAILS);
            }
            Self::Reply(reply) => {
                // Without it Envoy tells a gRPC client that all went well.
                let grpc_status = reply.is_grpc.then(|| reply.grpc_status.to_string());
                let grpc_status = grpc_status.iter().map(|status| (GRPC_STATUS, status.as_str()));
                let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
                stream.respond(reply.status, headers.chain(grpc_status), &reply.body, &reply.details);
            }
        }
    }
}

impl Headers for StreamHeaders<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        StreamHeaders::iter(self)
    }
}

impl HostRequest for EnvoyRequest {
    type Headers<'a> = StreamHeaders<'a>;

    const KEEPS_ROUTE: bool = true;

    fn rechoose_route(&mut self) {
        self.stream.clear_route_cache();
    }

    fn headers(&self) -> Result<StreamHeaders<'_>, HostFailed> {
        self.stream.headers(Map::RequestHeaders).map_err(|Refused| HostFailed)
    }

    fn trailers(&self) -> Result<StreamHeaders<'_>, HostFailed> {
        self.stream.headers(Map::RequestTrailers).map_err(|Refused| HostFailed)
    }

    /// The ABI shows single values of it and no value within a value, so no configuration that asks for it is
    /// accepted.
    fn route_metadata(&self) -> Result<Vec<u8>, HostFailed> {
        Err(HostFailed)
    }

    fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        let added = self.stream.add_header(Map::RequestHeaders, name.as_bytes(), value);
        added.map_err(|Refused| HostFailed)
    }

    fn set_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        let set = self.stream.set_header(Map::RequestHeaders, name.as_bytes(), value);
        set.map_err(|Refused| HostFailed)
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        self.stream.remove_header(Map::RequestHeaders, name).map_err(|Refused| HostFailed)
    }

    fn remove_trailer(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        self.stream.remove_header(Map::RequestTrailers, name).map_err(|Refused| HostFailed)
    }

    fn set_filter_state(&mut self, name: &str, value: &str) -> Result<(), HostFailed> {
        self.stream.set_filter_state(name, value).map_err(|Refused| HostFailed)
    }

    fn reply(&mut self, reply: Reply) -> Result<(), HostFailed> {
        self.end = Some(End::Reply(reply));
        Ok(())
    }

    fn resume(&mut self) -> Result<(), HostFailed> {
        self.end = Some(End::Resume);
        Ok(())
    }
}

impl Headers for AnswerHeaders<'_> {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().copied()
    }
}

impl HostAnswer for EnvoyAnswer<'_> {
    type Headers<'a>
        = AnswerHeaders<'a>
    where
        Self: 'a;
    type Body<'a>
        = &'a [u8]
    where
        Self: 'a;

    fn headers(&self) -> Result<AnswerHeaders<'_>, HostFailed> {
        if self.headers.is_empty() { Err(HostFailed) } else { Ok(AnswerHeaders(&self.headers)) }
    }

    fn body(&self) -> Result<&[u8], HostFailed> {
        Ok(&self.body)
    }
}
