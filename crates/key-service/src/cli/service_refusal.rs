//! What a service refuses, in the words of whoever asked by the command line.

use http::StatusCode;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::report::harmless;

/// How the service says that a name or its password is wrong; a name in brackets follows.
const WRONG_LOGIN: &str = "unable to authenticate user [";

/// What a person reads of that.
const WRONG_LOGIN_TOLD: &str = "wrong name or password";

/// What the service writes behind the name of a privilege that there is not, before it lists all that there
/// are.
const PRIVILEGE_LIST: &str = ". a privilege must be either one of the ";

/// What the list of privileges ends with.
const PRIVILEGE_LIST_END: &str = " actions";

/// How like a name must be to be meant, from 0 to 1.
const LIKENESS_MIN: f64 = 0.7;

/// How the service says that somebody may not do something: who it is stands before this.
const UNAUTHORIZED_FOR: &str = "is unauthorized for ";

/// What follows whoever may not, before the list of privileges that are enough.
const GRANTED_BY: &str = ", this action is granted by the cluster privileges [";

/// What follows whoever may not act for somebody else.
const MAY_NOT_ACT_FOR: &str = " is unauthorized to run as [";

/// What stands before the privileges that are enough for a request, where a person reads them.
const ENOUGH: &str = " may not do this; one of these cluster privileges is enough: ";

/// How the service begins when a request as a whole makes no sense. Numbered mistakes follow.
const VALIDATION_FAILED: &str = "Validation Failed: ";

/// What the service says of somebody or something that is not there, and what that is to whoever named it.
const NOT_THERE: [(&str, &str); 3] = [
    ("only existing users can be ", "there is no such user"),
    ("user must exist in order to change password", "there is no such user"),
    ("no API key owned by requesting user found for ID [", "whoever asks has no such key"),
];

/// An error of the service, as it comes: as an object, as a text, or in the form of RFC 6749, section 5.2.
struct Told {
    kind: Option<String>,
    reason: Option<String>,
    /// The innermost cause.
    cause: Option<String>,
}

/// An error of the service on one line, in the words of whoever asked where they are known.
pub(super) fn refusal(status: StatusCode, json: &Value) -> CommandFailed {
    let told = Told::of(json);
    let line = told.in_words(status).unwrap_or_else(|| told.as_it_is(status));
    CommandFailed::new(harmless(&line).replace('\n', " "))
}

impl Told {
    fn of(json: &Value) -> Self {
        let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        match json.get("error").unwrap_or(&Value::Null) {
            Value::String(code) => match text(json, "error_description") {
                Some(description) => {
                    Self { kind: Some(code.clone()), reason: Some(description), cause: None }
                }
                None => Self { kind: None, reason: Some(code.clone()), cause: None },
            },
            error => {
                let mut cause = error.get("caused_by");
                while let Some(deeper) = cause.and_then(|cause| cause.get("caused_by")) {
                    cause = Some(deeper);
                }
                let cause = cause.and_then(|cause| text(cause, "reason"));
                Self { kind: text(error, "type"), reason: text(error, "reason"), cause }
            }
        }
    }

    fn in_words(&self, status: StatusCode) -> Option<String> {
        let reason = self.reason.as_deref()?;
        if let Some(name) = [Some(reason), self.cause.as_deref()].into_iter().flatten().find_map(wrong_login)
        {
            return Some(format!(
                "{WRONG_LOGIN_TOLD}: the service does not let {name} in, or the user is disabled"
            ));
        }
        self.kind.as_ref()?;
        match status {
            StatusCode::UNAUTHORIZED => Some(
                "the service does not take the credential: it is revoked, expired, or of another service"
                    .to_owned(),
            ),
            StatusCode::FORBIDDEN => may_not(reason),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                let told = self.cause.as_deref().unwrap_or(reason);
                let not_there = NOT_THERE.iter().find(|(said, _)| told.contains(said));
                Some(match not_there {
                    Some((_, in_words)) => (*in_words).to_owned(),
                    None => format!("the service refuses this: {}", with_likeliest_privilege(&plain(told))),
                })
            }
            _ => None,
        }
    }

    fn as_it_is(&self, status: StatusCode) -> String {
        let mut line = format!("the service answers {status}");
        for (before, text) in [(", ", &self.kind), (": ", &self.reason)] {
            line.extend(text.iter().map(|text| format!("{before}{text}")));
        }
        line.extend(self.cause.iter().map(|cause| format!(" ({cause})")));
        line
    }
}

/// Who was not let in by a name and a password.
fn wrong_login(reason: &str) -> Option<&str> {
    Some(reason.strip_prefix(WRONG_LOGIN)?.split_once(']')?.0)
}

/// Whether a request failed because somebody was not let in.
pub(super) fn is_wrong_login(failed: &CommandFailed) -> bool {
    failed.to_string().starts_with(WRONG_LOGIN_TOLD)
}

/// Who may not, and what would be enough.
fn may_not(reason: &str) -> Option<String> {
    let rest = reason.split_once(UNAUTHORIZED_FOR)?.1;
    let named = |who: &str| who.replace("[]", "none").replace(['[', ']'], "");
    if let Some((who, (_, whom))) =
        rest.split_once(", because ").and_then(|(who, why)| Some((who, why.split_once(MAY_NOT_ACT_FOR)?)))
    {
        let whom = whom.trim_end_matches(']');
        return Some(format!("{} may not act for {whom}: that takes a role with run_as", named(who)));
    }
    let (who, privileges) = rest.split_once(GRANTED_BY)?;
    let privileges = privileges.split_once(']')?.0.replace(',', ", ");
    Some(format!("{}{ENOUGH}{privileges}", named(who)))
}

/// The refusal of the first request of a command that makes several. What is enough to look is not enough to do, so it
/// names what the whole command takes.
pub(super) fn taking(failed: CommandFailed, needed: &str) -> CommandFailed {
    match failed.to_string().split_once(ENOUGH) {
        Some((who, _)) => CommandFailed::new(format!("{who} may not do this; it takes {needed}")),
        None => failed,
    }
}

/// A mistake without what nobody at a terminal has seen: where in the request's body it is, which reader found it, and the numbers of
/// several mistakes.
pub(super) fn plain(reason: &str) -> String {
    if let Some(mistakes) = reason.strip_prefix(VALIDATION_FAILED) {
        let mistakes = mistakes.trim_end_matches(';').split(';');
        let texts = mistakes.map(|mistake| mistake.split_once(": ").map_or(mistake, |(_, text)| text));
        return texts.collect::<Vec<_>>().join("; ");
    }
    let Some((place, text)) = reason.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        return reason.to_owned();
    };
    if place.is_empty() || !place.chars().all(|letter| letter.is_ascii_digit() || letter == ':') {
        return reason.to_owned();
    }
    match text.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((_, text)) => text.to_owned(),
        None => text.to_owned(),
    }
}

/// The text without the lists of all privileges, and in the place of each the one that may have been meant.
pub(super) fn with_likeliest_privilege(reason: &str) -> String {
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
            "the service refuses this: unknown cluster privilege [monitr]; did you mean monitor?; \
             unknown cluster privilege [zzz]"
        );
    }

    #[test]
    fn a_mistake_is_told_without_the_place_in_a_body_that_nobody_has_seen() {
        for (error, expected) in [
            (
                json!({"type": "x_content_parse_exception", "reason": "[1:20] [api_key_request] failed to parse field [role_descriptors]",
                    "caused_by": {"type": "parse_exception", "reason": "[1:30] [roles] failed to parse field [r]",
                        "caused_by": {"reason": "failed to parse role [r]. unexpected field [clutser]"}}}),
                "failed to parse role [r]. unexpected field [clutser]",
            ),
            (
                json!({"type": "x_content_parse_exception", "reason": "[1:14] [role] unknown field [a]"}),
                "unknown field [a]",
            ),
            (
                json!({"type": "illegal_argument_exception", "reason": "[username] is required"}),
                "[username] is required",
            ),
            (json!({"type": "illegal_argument_exception", "reason": "[1:2] x"}), "x"),
        ] {
            let told = refusal(StatusCode::BAD_REQUEST, &json!({"error": error})).to_string();
            assert_eq!(told, format!("the service refuses this: {expected}"));
        }
    }

    #[test]
    fn of_several_requests_the_first_refusal_names_what_all_of_them_take() {
        let looking = CommandFailed::new(
            "user a may not do this; one of these cluster privileges is enough: read_security",
        );
        assert_eq!(
            taking(looking, "manage_security").to_string(),
            "user a may not do this; it takes manage_security"
        );
        assert_eq!(taking(CommandFailed::new("lost"), "manage_security").to_string(), "lost");
    }

    #[test]
    fn whoever_may_not_is_told_what_would_be_enough() {
        let reason = "action [cluster:admin/x] is unauthorized for user [alice] with effective roles [a,b], this action is \
                      granted by the cluster privileges [manage_own_api_key,all]";
        assert_eq!(
            told(StatusCode::FORBIDDEN, "security_exception", reason),
            "user alice with effective roles a,b may not do this; one of these cluster privileges is enough: \
             manage_own_api_key, all"
        );
        let acting = "action [cluster:admin/x] is unauthorized for user [alice] with effective roles [] (assigned roles [b] were not found), \
                      because user [alice] is unauthorized to run as [team]";
        assert_eq!(
            told(StatusCode::FORBIDDEN, "security_exception", acting),
            "user alice with effective roles none (assigned roles b were not found) may not act for team: that takes a role with run_as"
        );
        let grant = json!({"error": {"type": "security_exception", "reason": "Failed to authenticate api key grant",
            "caused_by": {"reason": "unable to authenticate user [alice] for action [cluster:admin/y]"}}});
        assert_eq!(
            refusal(StatusCode::FORBIDDEN, &grant).to_string(),
            "wrong name or password: the service does not let alice in, or the user is disabled"
        );
    }
}
