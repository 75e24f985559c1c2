//! The audit log: who changed what.

use std::collections::BTreeSet;
use std::time::Duration;

use askama::Template;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::Value;

use crate::Console;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::frame::{Frame, Section, ok, page};
use crate::limits::{AUDIT_EVENTS_AT_ONCE, AUDIT_EVENTS_EXPORTED_MAX, AUDIT_EVENTS_PER_PAGE, SEARCH_LEN_MAX};
use crate::live::{self, LivePage, Look};
use crate::rest::{Person, RestFailure, path_with_query};
use crate::signed_in::{LooksOn, SignedIn};
use crate::watch::part;
use crate::words::When;

/// How many of the last numbers are looked at again. In PostgreSQL changes may become visible in another order than
/// that of their numbers.
const NUMBERS_LOOKED_AT_AGAIN: i64 = 256;

/// Lines of a key's page.
const HISTORY_LEN: usize = 20;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    filter: AuditFilter,
    /// Why there are no lines, if the filter is none.
    problem: Option<String>,
    lines: Vec<AuditLine>,
    events: Option<String>,
    export: String,
    /// Older lines than these, and the newest.
    older: Option<String>,
    newest: Option<String>,
}

/// One change.
#[derive(Clone, Debug, Template)]
#[template(path = "audit_line.html")]
pub(crate) struct AuditLine {
    pub(crate) number: i64,
    pub(crate) at: When,
    pub(crate) action: String,
    pub(crate) username: String,
    /// By which key, on whose behalf, from where, by the console.
    pub(crate) how: Vec<String>,
    /// To which keys.
    pub(crate) keys: Vec<AuditedKey>,
    /// To what else.
    pub(crate) subjects: String,
}

#[derive(Clone, Debug)]
pub(crate) struct AuditedKey {
    pub(crate) id: String,
    pub(crate) path: String,
}

/// What `GET /_latchkey/audit` answers.
#[derive(Deserialize)]
struct Answer {
    /// The number of the last change that there is.
    latest: i64,
    events: Vec<Value>,
    /// Where to go on, if there may be more.
    next: Option<i64>,
}

/// Which lines are shown. Names are those of the interface's parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct AuditFilter {
    key: String,
    actor: String,
    action: String,
    since: String,
    until: String,
    /// Lines with a smaller number.
    before: Option<i64>,
}

/// What follows the log from a line on.
struct Following {
    filter: AuditFilter,
    /// The number of the last line that the page had when it was loaded.
    begun: i64,
    /// The largest number since.
    last: i64,
    /// Which of the last numbers were seen.
    seen: BTreeSet<i64>,
}

/// An export on its way.
struct Exporting {
    console: Console,
    person: Person,
    session_name: String,
    filter: AuditFilter,
    /// Lines that were not sent yet.
    answer: Option<Answer>,
    /// How many lines there were.
    count: usize,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    if !signed_in.rights.sees_audit() {
        return Err(Failure::forbidden());
    }
    let filter = AuditFilter::read(&signed_in.query);
    let before = filter.before.map(|n| ("before", n));
    let answer = match filter.ask(&signed_in.person, AUDIT_EVENTS_PER_PAGE, before).await {
        Ok(answer) => answer,
        Err(RestFailure::Refused { status: StatusCode::BAD_REQUEST, reason }) => {
            let refused = AuditPage {
                frame: signed_in.frame("Audit log", Section::Audit),
                export: filter.path("/console/audit/export", None),
                filter,
                problem: Some(reason),
                lines: Vec::new(),
                events: None,
                older: None,
                newest: None,
            };
            return Ok(page(StatusCode::BAD_REQUEST, &refused));
        }
        Err(failure) => return Err(failure.into()),
    };
    let now = console.surroundings.now();
    let lines = answer.events.iter().map(|event| AuditLine::of(event, now)).collect();
    let older = answer.next.map(|last| filter.path("/console/audit", Some(("before", last))));
    let is_newest = filter.before.is_none() && filter.until.is_empty();
    let events = || filter.path("/console/audit/events", Some(("after", answer.latest)));
    Ok(ok(&AuditPage {
        frame: signed_in.frame("Audit log", Section::Audit),
        events: is_newest.then(events),
        export: filter.path("/console/audit/export", None),
        older,
        newest: filter.before.is_some().then(|| filter.path("/console/audit", None)),
        problem: None,
        lines,
        filter,
    }))
}

pub(crate) async fn follow(
    State(console): State<Console>,
    LooksOn(signed_in): LooksOn,
) -> Result<Response, Failure> {
    if !signed_in.rights.sees_audit() {
        return Err(Failure::forbidden());
    }
    let filter = AuditFilter::read(&signed_in.query);
    let begun = signed_in.query.get("after").parse().unwrap_or(i64::MAX);
    live::follow(&console, signed_in, Following { filter, begun, last: begun, seen: BTreeSet::new() })
}

/// All lines that the filter lets through, oldest first, as lines of JSON.
pub(crate) async fn export(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    let filter = AuditFilter::read(&signed_in.query);
    // What is refused is refused before the first byte is sent.
    let first = filter.ask(&signed_in.person, AUDIT_EVENTS_AT_ONCE, Some(("after", 0))).await?;
    let SignedIn { person, session_name, .. } = signed_in;
    let exporting = Exporting { console, person, session_name, filter, answer: Some(first), count: 0 };
    let lines = stream::try_unfold(exporting, Exporting::next);
    let headers = [
        (CONTENT_TYPE, "application/x-ndjson"),
        (CONTENT_DISPOSITION, "attachment; filename=\"latchkey-audit.ndjson\""),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

impl Exporting {
    /// The next lines, and what comes after them. It ends with the session.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, RestFailure> {
        let Some(answer) = self.answer.take() else { return Ok(None) };
        let lines: String = answer.events.iter().map(|event| format!("{event}\n")).collect();
        self.count += answer.events.len();
        let now = self.console.surroundings.steady();
        let lives = self.console.sessions().alive(&self.session_name, now).is_some();
        if let Some(after) = answer.next.filter(|_| lives && self.count < AUDIT_EVENTS_EXPORTED_MAX) {
            let place = Some(("after", after));
            self.answer = Some(self.filter.ask(&self.person, AUDIT_EVENTS_AT_ONCE, place).await?);
        }
        Ok(Some((Bytes::from(lines), self)))
    }
}

/// What was done to a key and with it, newest first; `None` for whom the audit log is not.
pub(crate) async fn history(
    signed_in: &SignedIn,
    key: &str,
    now: UnixMillis,
) -> Result<Option<Vec<AuditLine>>, Failure> {
    let filter = AuditFilter { key: key.to_owned(), ..AuditFilter::default() };
    match filter.ask(&signed_in.person, HISTORY_LEN, None).await {
        Ok(answer) => Ok(Some(answer.events.iter().map(|event| AuditLine::of(event, now)).collect())),
        Err(RestFailure::Refused { .. } | RestFailure::Unknown) => Ok(None),
        Err(failure @ RestFailure::Unauthenticated(_)) => Err(failure.into()),
    }
}

impl LivePage for Following {
    async fn look(&mut self, person: &Person, now: UnixMillis, _: Duration) -> Result<Look, RestFailure> {
        let after = self.last.saturating_sub(NUMBERS_LOOKED_AT_AGAIN).max(self.begun);
        let answer = self.filter.ask(person, AUDIT_EVENTS_AT_ONCE, Some(("after", after))).await?;
        let mut parts = Vec::new();
        for event in &answer.events {
            let line = AuditLine::of(event, now);
            self.last = self.last.max(line.number);
            if self.seen.insert(line.number) {
                parts.extend(part(format!("event-{}", line.number), &line));
            }
        }
        // What the filter left out is looked at as well.
        self.last = self.last.max(answer.next.unwrap_or(self.last));
        self.seen = self.seen.split_off(&self.last.saturating_sub(NUMBERS_LOOKED_AT_AGAIN));
        Ok(Look { parts, is_over: false })
    }
}

impl AuditFilter {
    fn read(query: &Fields) -> Self {
        let text = |name: &str| {
            query.text(name).filter(|text| text.len() <= SEARCH_LEN_MAX).unwrap_or_default().to_owned()
        };
        Self {
            key: text("key"),
            actor: text("actor"),
            // As lines say it.
            action: text("action")
                .split(',')
                .map(|name| name.trim().replace(' ', "_"))
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>()
                .join(","),
            since: text("since"),
            until: text("until"),
            before: query.get("before").parse().ok(),
        }
    }

    fn path(&self, page: &str, place: Option<(&str, i64)>) -> String {
        let place = place.map(|(name, number)| (name, number.to_string()));
        let place = place.iter().map(|(name, number)| (*name, number.as_str()));
        let fields = [
            ("key", self.key.as_str()),
            ("actor", &self.actor),
            ("action", &self.action),
            ("since", &self.since),
            ("until", &self.until),
        ];
        path_with_query(page, fields.into_iter().chain(place).filter(|(_, value)| !value.is_empty()))
    }

    async fn ask(
        &self,
        person: &Person,
        size: usize,
        place: Option<(&str, i64)>,
    ) -> Result<Answer, RestFailure> {
        let path = self.path("/_latchkey/audit", place);
        let separator = if path.contains('?') { '&' } else { '?' };
        person.get(&format!("{path}{separator}size={size}")).await
    }
}

impl AuditLine {
    fn of(event: &Value, now: UnixMillis) -> Self {
        let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default();
        let at = event.get("at_ms").and_then(Value::as_u64).unwrap_or_default();
        let how = [("by key", "api_key"), ("for", "run_as"), ("from", "source"), ("by", "via")];
        let ids = text("key_ids").split(',').filter(|id| !id.is_empty());
        let key =
            |id: &str| AuditedKey { id: id.to_owned(), path: path_with_query("/console/key", [("id", id)]) };
        Self {
            number: number(event).unwrap_or_default(),
            at: When::of(UnixMillis(at), now),
            action: text("action").replace('_', " "),
            username: text("username").to_owned(),
            how: how
                .into_iter()
                .filter(|(_, name)| !text(name).is_empty())
                .map(|(word, name)| format!("{word} {}", text(name)))
                .collect(),
            keys: ids.map(key).collect(),
            subjects: text("subjects").replace(',', ", "),
        }
    }
}

fn number(event: &Value) -> Option<i64> {
    event.get("number").and_then(Value::as_i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_tells_who_did_what_how_and_to_which_keys() {
        let event = json!({"number": 7, "at_ms": 1_000, "action": "update_api_keys", "username": "admin", "realm": "file",
                           "run_as": "alice", "source": "192.0.2.1:5", "via": "console", "key_ids": "a,b/c"});
        let line = AuditLine::of(&event, UnixMillis(61_000));
        assert_eq!(
            (line.number, line.action.as_str(), line.at.relative.as_str()),
            (7, "update api keys", "1 minute ago")
        );
        assert_eq!(line.how, ["for alice", "from 192.0.2.1:5", "by console"]);
        let paths: Vec<_> = line.keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["/console/key?id=a", "/console/key?id=b%2Fc"]);
    }

    #[test]
    fn actions_may_be_said_as_lines_say_them() {
        let query = Fields::parse(b"action=create+api+key,+put_role").unwrap();
        assert_eq!(AuditFilter::read(&query).action, "create_api_key,put_role");
    }

    #[test]
    fn a_filter_is_the_interface_s() {
        let query = Fields::parse(b"key=a%2Fb&action=create_api_key&before=9&since=12h&other=1").unwrap();
        let filter = AuditFilter::read(&query);
        assert_eq!(
            filter.path("/_latchkey/audit", filter.before.map(|before| ("before", before))),
            "/_latchkey/audit?key=a%2Fb&action=create_api_key&since=12h&before=9"
        );
    }
}
