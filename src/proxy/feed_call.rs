//! Requests for the feed, over the host's HTTP client.

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType};

use super::abi;
use crate::config::KeyService;
use crate::refresh::{Answer, CallId, Poll};

const USER_AGENT: &str = concat!("latchkey-filter/", env!("CARGO_PKG_VERSION"));

/// The host would not make the call: the cluster is unknown to this thread, has no healthy host, or has too many calls already.
pub(super) struct NotSent;

/// Sends the request. Its answer comes to the root context that is current now.
pub(super) fn send(poll: &Poll, service: &KeyService) -> Result<CallId, NotSent> {
    let authorization = service.credential.header_value();
    let headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", service.authority.as_str()),
        (":path", poll.path.as_str()),
        ("accept", "application/json"),
        ("authorization", authorization.as_str()),
        ("user-agent", USER_AGENT),
    ];
    hostcalls::dispatch_http_call(&service.cluster, headers, None, Vec::new(), poll.timeout)
        .map(CallId)
        .map_err(|_| NotSent)
}

/// Reads the answer that the host has just announced, and passes it on. Without headers there is none: the call was reset, ran out of time after its
/// headers, or had a body beyond the host's limit.
pub(super) fn with_answer<T>(num_headers: usize, body_size: usize, then: impl FnOnce(Answer<'_>) -> T) -> T {
    let status = if num_headers == 0 { None } else { status() };
    match status {
        None => then(Answer::Lost),
        Some(200) => match hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body_size) {
            Ok(body) => then(Answer::Page(&body.unwrap_or_default())),
            Err(_) => then(Answer::Lost),
        },
        Some(status) => then(Answer::Refused { status }),
    }
}

fn status() -> Option<u16> {
    let headers = abi::header_pairs(MapType::HttpCallResponseHeaders).ok()?;
    std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()
}
