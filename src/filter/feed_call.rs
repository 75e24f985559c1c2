//! Requests for the feed, and their answers.

use latchkey_key_feed::{FEED_VERSION_HEADER, FeedVersion};

use crate::config::KeyService;
use crate::headers::Headers as _;
use crate::host::{Host, HostAnswer, HostFailed, HttpCall};
use crate::refresh::{Answer, CallId, Poll};

const USER_AGENT: &str = concat!("latchkey-filter/", env!("CARGO_PKG_VERSION"));

pub(super) fn send(host: &impl Host, poll: &Poll, service: &KeyService) -> Result<CallId, HostFailed> {
    let authorization = service.credential.header_value();
    let mut headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", service.authority.as_str()),
        (":path", poll.path.as_str()),
        ("accept", "application/json"),
        ("authorization", authorization.as_str()),
        ("user-agent", USER_AGENT),
    ];
    headers.extend(poll.version.map(|version| (FEED_VERSION_HEADER, FeedVersion::as_str(version))));
    host.send(&HttpCall { cluster: &service.cluster, headers: &headers, timeout: poll.timeout })
}

/// Reads an answer where it is, and passes it on. Without headers there is none.
pub(super) fn with_answer<T>(answer: &impl HostAnswer, then: impl FnOnce(Answer<'_>) -> T) -> T {
    match status(answer) {
        None => then(Answer::Lost),
        Some(200) => match answer.body() {
            Ok(body) => then(Answer::Page(body.as_ref())),
            Err(HostFailed) => then(Answer::Lost),
        },
        Some(status) => then(Answer::Refused { status }),
    }
}

fn status(answer: &impl HostAnswer) -> Option<u16> {
    let headers = answer.headers().ok()?;
    std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()
}
