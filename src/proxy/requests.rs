//! The request that is current, and the answer that has just come.

use super::abi::{self, Buffer, Map};
use crate::headers::HeaderPairs;
use crate::host::{HostAnswer, HostFailed, HostRequest};
use crate::reply::Reply;

/// The request of the context that is current.
pub(super) struct EnvoyRequest;

/// The answer that the host has just announced.
pub(super) struct EnvoyAnswer {
    pub(super) num_headers: usize,
    pub(super) body_size: usize,
}

impl HostRequest for EnvoyRequest {
    type Headers<'a> = HeaderPairs;

    fn headers(&self) -> Result<HeaderPairs, HostFailed> {
        abi::header_pairs(Map::RequestHeaders)
    }

    fn trailers(&self) -> Result<HeaderPairs, HostFailed> {
        abi::header_pairs(Map::RequestTrailers)
    }

    fn route_metadata(&self) -> Result<Vec<u8>, HostFailed> {
        abi::property("xds\0route_metadata")
    }

    fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        abi::add_header(Map::RequestHeaders, name, value)
    }

    fn set_header(&mut self, name: &str, value: &[u8]) -> Result<(), HostFailed> {
        abi::set_header(Map::RequestHeaders, name, value)
    }

    fn remove_header(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        abi::remove_header(Map::RequestHeaders, name)
    }

    fn remove_trailer(&mut self, name: &[u8]) -> Result<(), HostFailed> {
        abi::remove_header(Map::RequestTrailers, name)
    }

    fn set_filter_state(&mut self, name: &str, value: &str) -> Result<(), HostFailed> {
        abi::set_property(name, value)
    }

    fn reply(&mut self, reply: Reply) -> Result<(), HostFailed> {
        let headers: HeaderPairs = reply.headers.iter().map(|(name, value)| (name, value)).collect();
        abi::send_local_response(reply.status, &reply.details, &reply.body, &headers, reply.grpc_status)
    }

    fn resume(&mut self) -> Result<(), HostFailed> {
        abi::continue_request()
    }
}

impl HostAnswer for EnvoyAnswer {
    type Headers<'a> = HeaderPairs;
    type Body<'a> = Vec<u8>;

    fn headers(&self) -> Result<HeaderPairs, HostFailed> {
        if self.num_headers == 0 { Err(HostFailed) } else { abi::header_pairs(Map::CallResponseHeaders) }
    }

    fn body(&self) -> Result<Vec<u8>, HostFailed> {
        abi::buffer(Buffer::CallResponseBody, self.body_size)
    }
}
