//! A rate limit service for Envoy: it speaks `envoy.service.ratelimit.v3.RateLimitService` over gRPC, and
//! allows each descriptor so many requests for as long as it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Incoming};
use prost::Message as _;

use crate::http_server::HttpServer;

/// The code of an answer that lets the request pass.
const OK: i32 = 1;

/// The code of an answer that does not.
const OVER_LIMIT: i32 = 2;

/// How many bytes stand before a message of gRPC: whether it is compressed, and its length.
const PREFIX_LEN: usize = 5;

/// What a request is counted by: the entries of a descriptor, each a key and a value.
pub type Descriptor = Vec<(String, String)>;

/// A running service; dropping it stops it.
#[derive(Debug)]
pub struct RateLimitService {
    server: HttpServer,
    counts: Counts,
}

type Counts = Arc<Mutex<BTreeMap<Descriptor, u32>>>;

/// `RateLimitRequest`, as far as it is used here.
#[derive(Clone, PartialEq, prost::Message)]
struct RateLimitRequest {
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<RateLimitDescriptor>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RateLimitDescriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `RateLimitResponse`, as far as it is used here.
#[derive(Clone, PartialEq, prost::Message)]
struct RateLimitResponse {
    #[prost(int32, tag = "1")]
    overall_code: i32,
}

impl RateLimitService {
    /// Starts a service at a port of the system's choice. It allows each descriptor what `allowed` says of it.
    ///
    /// # Errors
    ///
    /// When it cannot listen.
    pub fn start(allowed: fn(&Descriptor) -> u32) -> Result<Self> {
        let counts = Counts::default();
        let counted = Arc::clone(&counts);
        let server = HttpServer::start("rate-limit", ([127, 0, 0, 1], 0).into(), move |request| {
            answer(request, Arc::clone(&counted), allowed)
        })?;
        Ok(Self { server, counts })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often it was asked about each descriptor.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Descriptor, u32> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    counts: Counts,
    allowed: fn(&Descriptor) -> u32,
) -> hyper::Response<impl Body<Data = Bytes, Error = std::convert::Infallible>> {
    let asked = match request.into_body().collect().await {
        Ok(body) => {
            body.to_bytes().get(PREFIX_LEN..).and_then(|message| RateLimitRequest::decode(message).ok())
        }
        Err(_) => None,
    };
    // 3: INVALID_ARGUMENT.
    let status = HeaderValue::from_static(if asked.is_some() { "0" } else { "3" });
    let body = asked.map(|asked| message(&decided(&asked, &counts, allowed))).unwrap_or_default();
    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), status)]);
    let mut response =
        hyper::Response::new(Full::new(Bytes::from(body)).with_trailers(async move { Some(Ok(trailers)) }));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn decided(asked: &RateLimitRequest, counts: &Counts, allowed: fn(&Descriptor) -> u32) -> RateLimitResponse {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut is_over = false;
    for descriptor in &asked.descriptors {
        let entries = descriptor.entries.iter();
        let descriptor: Descriptor = entries.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
        let limit = allowed(&descriptor);
        let count = counts.entry(descriptor).or_default();
        *count += 1;
        is_over |= *count > limit;
    }
    RateLimitResponse { overall_code: if is_over { OVER_LIMIT } else { OK } }
}

/// The message as gRPC sends it, not compressed.
fn message(response: &RateLimitResponse) -> Vec<u8> {
    let encoded = response.encode_to_vec();
    let len = u32::try_from(encoded.len()).unwrap_or(u32::MAX);
    [&[0], len.to_be_bytes().as_slice(), &encoded].concat()
}
