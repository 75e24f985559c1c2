//! The body of a refusal in each of its forms.
//!
//! Whoever floods the proxy with bad keys gets one of these each time, so it is put together from its parts
//! and not from a tree.

use std::fmt::Write as _;

use super::{BodyFormat, DenyStatus};

/// What a body tells.
pub(super) struct Told<'a> {
    /// Why the request was refused.
    pub(super) status: DenyStatus,
    /// The status that is sent.
    pub(super) code: u32,
    /// The words for the client.
    pub(super) reason: &'a str,
    /// The challenges of a 401, as [`challenges_in_body`] writes them.
    pub(super) challenges: &'a str,
}

impl BodyFormat {
    /// The media type.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Elasticsearch => "application/json",
            Self::ProblemJson => "application/problem+json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }

    pub(super) fn body(self, told: &Told<'_>) -> String {
        match self {
            Self::Elasticsearch => envelope(told),
            Self::ProblemJson => problem(told),
            Self::Text => told.reason.to_owned(),
        }
    }
}

/// Elasticsearch's error body. Its Python client reads the message from the first root cause.
fn envelope(told: &Told<'_>) -> String {
    let (kind, header) = match told.status {
        DenyStatus::BadRequest400 => ("illegal_argument_exception", ""),
        DenyStatus::Forbidden403 => ("security_exception", ""),
        DenyStatus::Unauthorized401 => ("security_exception", told.challenges),
        DenyStatus::Unavailable503 => ("status_exception", ""),
    };
    let cause = ["\"type\":\"", kind, "\",\"reason\":", &json(told.reason), header].concat();
    ["{\"error\":{\"root_cause\":[{", &cause, "}],", &cause, "},\"status\":", &told.code.to_string(), "}"]
        .concat()
}

/// Elasticsearch tells the challenge in the body too: several as a list, one as a text.
pub(super) fn challenges_in_body(challenges: &[String]) -> String {
    let mut list = String::new();
    for challenge in challenges {
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(&json(challenge));
    }
    let (before, after) = if challenges.len() == 1 { ("", "") } else { ("[", "]") };
    [",\"header\":{\"WWW-Authenticate\":", before, &list, after, "}"].concat()
}

/// Problem details of no type of their own: the title says what the status means (RFC 9457, section 4.2.1).
fn problem(told: &Told<'_>) -> String {
    let (code, title, detail) = (told.code.to_string(), title(told.code), json(told.reason));
    let title = ["{\"type\":\"about:blank\",\"title\":\"", title, "\",\"status\":"].concat();
    [&title, code.as_str(), ",\"detail\":", &detail, "}"].concat()
}

/// What HTTP calls a status (RFC 9110, section 15; RFC 6585, section 4).
const fn title(code: u32) -> &'static str {
    match code {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "Service Unavailable",
    }
}

/// A text as JSON (RFC 8259, section 7).
fn json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                json.push('\\');
                json.push(char);
            }
            // Writing to a text does not fail.
            '\0'..' ' => drop(write!(json, "\\u{:04x}", u32::from(char))),
            _ => json.push(char),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::json;

    proptest! {
        #[test]
        fn a_text_as_json_is_read_as_that_text(text in "[\\x00-\\x7f\\PC]*") {
            prop_assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), text);
        }
    }
}
