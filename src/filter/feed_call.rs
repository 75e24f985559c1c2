//! Requests for the feed, and their answers.

use latchkey_build_info::FILTER;
use latchkey_key_feed::{FEED_VERSION_HEADER, FeedVersion};

use crate::config::{CredentialPlace, FeedCredential, KeyService};
use crate::headers::Headers as _;
use crate::host::{Host, HostAnswer, HostFailed, HttpCall, LogLevel};
use crate::refresh::{Answer, CallId, Poll};

/// How the media type of the service's answers begins.
const JSON: &[u8] = b"application/json";

pub(super) fn send(host: &impl Host, poll: &Poll, service: &KeyService) -> Result<CallId, HostFailed> {
    let authorization = authorization(host, service)?;
    let mut headers = vec![
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", service.authority.as_str()),
        (":path", poll.path.as_str()),
        ("accept", "application/json"),
        ("authorization", authorization.as_str()),
        ("user-agent", FILTER),
    ];
    headers.extend(poll.version.map(|version| (FEED_VERSION_HEADER, FeedVersion::as_str(version))));
    host.send(&HttpCall { cluster: &service.cluster, headers: &headers, body: &[], timeout: poll.timeout })
}

/// The value of the header `authorization`. A file that cannot be read now is told, and tried again with the next
/// request.
pub(super) fn authorization(host: &impl Host, service: &KeyService) -> Result<String, HostFailed> {
    match &service.credential {
        CredentialPlace::Here(credential) => Ok(credential.header_value()),
        CredentialPlace::File(path) => {
            let credential = host.read_file(path).ok().and_then(|content| FeedCredential::of_file(&content));
            let header = credential.map(|credential| credential.header_value());
            header.ok_or_else(|| {
                host.log(
                    LogLevel::Error,
                    format_args!("{path} cannot be read, or holds no credential (the Base64 of id:secret)"),
                );
                HostFailed
            })
        }
    }
}

/// Reads an answer where it is, and passes it on. Without headers there is none.
pub(super) fn with_answer<T>(answer: &impl HostAnswer, then: impl FnOnce(Answer<'_>) -> T) -> T {
    match status(answer) {
        None => then(Answer::Lost),
        Some((200, _)) => match answer.body() {
            Ok(body) => then(Answer::Page(body.as_ref())),
            Err(HostFailed) => then(Answer::Lost),
        },
        Some((status, is_of_service)) => then(Answer::Refused { status, is_of_service }),
    }
}

/// The status, and whether the service itself said it, in JSON: a proxy that cannot reach the service answers
/// in its place, in plain text.
pub(super) fn status(answer: &impl HostAnswer) -> Option<(u16, bool)> {
    let headers = answer.headers().ok()?;
    let status = std::str::from_utf8(headers.first(":status")?).ok()?.parse().ok()?;
    Some((status, headers.first("content-type").is_some_and(|media_type| media_type.starts_with(JSON))))
}
