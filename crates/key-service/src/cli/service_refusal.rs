//! What a service refuses, in the words of whoever asked by the command line.

use http::StatusCode;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::report::harmless;

/// How the service says that a name or its password is wrong; a name in brackets follows.
const WRONG_LOGIN: &str = "unable to authenticate user [";

/// What the service writes behind the name of a privilege that there is not, before it lists all that there
/// are.
const PRIVILEGE_LIST: &str = ". a privilege must be either one of the ";

/// What the list of privileges ends with.
const PRIVILEGE_LIST_END: &str = " actions";

/// How like a name must be to be meant, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// An error of the service on one line: its status, its type and its reason. They come as an object, as a
/// text, or in the form of RFC 6749, section 5.2.
pub(super) fn refusal(status: StatusCode, json: &Value) -> CommandFailed {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let error = json.get("error").unwrap_or(&Value::Null);
    let (kind, reason) = match error {
        Value::String(code) => match text(json, "error_description") {
            Some(description) => (Some(code.clone()), Some(description)),
            None => (None, Some(code.clone())),
        },
        error => (text(error, "type"), text(error, "reason")),
    };
    if status == StatusCode::UNAUTHORIZED && error.is_object() {
        return not_let_in(reason.as_deref().unwrap_or_default());
    }
    let mut line = format!("the service answers {status}");
    if let Some(kind) = kind {
        line.push_str(&format!(", {kind}"));
    }
    if let Some(reason) = reason {
        line.push_str(&format!(": {}", with_likeliest_privilege(&reason)));
    }
    if let Some(cause) = error.get("caused_by").and_then(|cause| text(cause, "reason")) {
        line.push_str(&format!(" ({})", with_likeliest_privilege(&cause)));
    }
    CommandFailed::new(harmless(&line).replace('\n', " "))
}

fn not_let_in(reason: &str) -> CommandFailed {
    let name = reason.strip_prefix(WRONG_LOGIN).and_then(|rest| rest.split_once(']'));
    CommandFailed::new(match name {
        Some((name, _)) => {
            let name = harmless(name).replace('\n', " ");
            format!("wrong name or password: the service does not let {name} in, or the user is disabled")
        }
        None => "the service does not take the credential: it is revoked, expired, or of another service"
            .to_owned(),
    })
}

/// The text without the lists of all privileges, and in the place of each the one that may have been meant.
fn with_likeliest_privilege(reason: &str) -> String {
    let mut told = String::new();
    let mut rest = reason;
    while let Some((before, list)) = rest.split_once(PRIVILEGE_LIST) {
        let Some((list, after)) = list.split_once(PRIVILEGE_LIST_END) else { break };
        told.push_str(before);
        let named = before.rsplit_once('[').map_or("", |(_, name)| name.trim_end_matches(']'));
        let known =
            list.split_once('[').and_then(|(_, names)| names.split_once(']')).map_or("", |(names, _)| names);
        let likeness = |name: &&str| strsim::jaro_winkler(name, named);
        let likeliest = known.split(',').max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        if let Some(name) = likeliest.filter(|name| likeness(name) >= LIKENESS_MIN) {
            told.push_str(&format!("; did you mean {name}?"));
        }
        rest = after;
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(status: StatusCode, kind: &str, reason: &str) -> String {
        refusal(status, &json!({"error": {"type": kind, "reason": reason}})).to_string()
    }

    #[test]
    fn whoever_is_not_let_in_is_told_what_is_wrong_and_not_how_the_service_calls_it() {
        for (reason, expected) in [
            (
                "unable to authenticate user [al\u{1b}ice] for REST request [/_security/api_key]",
                "wrong name or password: the service does not let al\\u{1b}ice in, or the user is disabled",
            ),
            (
                "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
                "the service does not take the credential: it is revoked, expired, or of another service",
            ),
        ] {
            assert_eq!(told(StatusCode::UNAUTHORIZED, "security_exception", reason), expected);
        }
    }

    #[test]
    fn a_privilege_that_is_misspelt_is_told_with_the_one_that_is_like_it() {
        let unknown = |name: &str| {
            format!(
                "unknown cluster privilege [{name}]. a privilege must be either one of the predefined cluster privilege \
                 names [all,manage_security,monitor,none] or a pattern over one of the available cluster actions"
            )
        };
        let reason = format!("Validation Failed: 1: {};2: {};", unknown("monitr"), unknown("zzz"));
        assert_eq!(
            told(StatusCode::BAD_REQUEST, "action_request_validation_exception", &reason),
            "the service answers 400 Bad Request, action_request_validation_exception: Validation Failed: \
             1: unknown cluster privilege [monitr]; did you mean monitor?;2: unknown cluster privilege [zzz];"
        );
    }
}
