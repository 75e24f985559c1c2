//! What is asked of the audit log.

use std::collections::BTreeSet;

use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::UnixMillis;

use crate::api::parameters::Parameters;
use crate::audit::actions::checked;
use crate::limits::audit_limits::{
    AUDIT_ACTIONS_ASKED_MAX, AUDIT_EVENTS_SHOWN_DEFAULT, AUDIT_EVENTS_SHOWN_MAX,
};
use crate::model::moment::Moment;
use crate::store::audit_trail::{EventFilter, Place};

/// What is asked. Blank texts count as absent.
#[derive(Debug)]
pub(super) struct AuditRequest {
    filter: EventFilter,
    since: Option<Moment>,
    until: Option<Moment>,
    /// Where to begin.
    pub(super) place: Place,
    /// How many events at most.
    pub(super) size: usize,
}

impl AuditRequest {
    /// Reads all parameters, and lists every mistake.
    pub(super) fn read(mut parameters: Parameters) -> Result<Self, ErrorCause> {
        let mut problems = ValidationProblems::new();
        let actions = actions(&parameters.non_blank("action").unwrap_or_default());
        if actions.len() > AUDIT_ACTIONS_ASKED_MAX {
            problems.add(format!("[action] must not have more than {AUDIT_ACTIONS_ASKED_MAX} names"));
        } else {
            let unknown = actions.iter().filter_map(|name| checked(name).err());
            unknown.for_each(|problem| problems.add(format!("[action] {problem}")));
        }
        let (since, until) = (
            moment(&mut parameters, "since", &mut problems),
            moment(&mut parameters, "until", &mut problems),
        );
        let after = number(&mut parameters, "after", &mut problems);
        let before = number(&mut parameters, "before", &mut problems);
        problems.add_if(after.is_some() && before.is_some(), "only one of [after] and [before] can be given");
        let size = number(&mut parameters, "size", &mut problems).unwrap_or(AUDIT_EVENTS_SHOWN_DEFAULT);
        if !(1..=AUDIT_EVENTS_SHOWN_MAX).contains(&size) {
            problems.add(format!("[size] must be between 1 and {AUDIT_EVENTS_SHOWN_MAX}"));
        }
        let filter = EventFilter {
            key: parameters.non_blank("key"),
            actor: parameters.non_blank("actor"),
            actions,
            ..EventFilter::default()
        };
        parameters.finish()?;
        problems.into_result()?;
        let place = match (after, before) {
            (Some(after), _) => Place::After(signed(after)),
            (None, before) => Place::Before(before.map_or(i64::MAX, signed)),
        };
        Ok(Self { filter, since, until, place, size: usize::try_from(size).unwrap_or(usize::MAX) })
    }

    /// The key that is asked about.
    pub(super) fn key(&self) -> Option<&str> {
        self.filter.key.as_deref()
    }

    /// What the events must be, for who asks at this moment.
    pub(super) fn filter(&self, now: UnixMillis) -> EventFilter {
        let at = |moment: Option<Moment>| moment.map(|moment| moment.at(now));
        EventFilter { since: at(self.since), until: at(self.until), ..self.filter.clone() }
    }
}

/// Names between commas, each once.
fn actions(listed: &str) -> Vec<String> {
    let names: BTreeSet<&str> = listed.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Milliseconds since 1970, or what [`Moment::parse`] reads.
fn moment(
    parameters: &mut Parameters,
    name: &'static str,
    problems: &mut ValidationProblems,
) -> Option<Moment> {
    let text = parameters.non_blank(name)?;
    if let Ok(unix_ms) = text.parse() {
        return Some(Moment::At(UnixMillis(unix_ms)));
    }
    let read = Moment::parse(&text);
    read.map_err(|problem| problems.add(format!("[{name}] {problem}, or milliseconds since 1970"))).ok()
}

fn number(parameters: &mut Parameters, name: &'static str, problems: &mut ValidationProblems) -> Option<u64> {
    let read = parameters.whole_number(name);
    read.map_err(|problem| problems.add(problem.reason())).ok().flatten()
}

/// No event has a larger number.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<AuditRequest, ErrorCause> {
        AuditRequest::read(Parameters::new("/_latchkey/audit", query))
    }

    #[test]
    fn reads_what_is_wanted_and_where_to_begin() {
        let now = UnixMillis(1_767_225_600_000);
        let request =
            read("key=k&actor=alice&action=put_user,put_role,%20put_role&since=1h&until=7&size=3").unwrap();
        let filter = EventFilter {
            key: Some("k".to_owned()),
            actor: Some("alice".to_owned()),
            actions: vec!["put_role".to_owned(), "put_user".to_owned()],
            since: Some(UnixMillis(1_767_222_000_000)),
            until: Some(UnixMillis(7)),
        };
        assert_eq!((request.filter(now), request.size), (filter, 3));
        for (query, place, size) in [
            ("", Place::Before(i64::MAX), 50),
            ("after=0&size=1000", Place::After(0), 1_000),
            ("before=12&size=1", Place::Before(12), 1),
            ("after=18446744073709551615", Place::After(i64::MAX), 50),
        ] {
            let request = read(query).unwrap();
            assert_eq!((request.place, request.size), (place, size), "{query}");
        }
    }

    #[test]
    fn lists_every_mistake() {
        let query = "size=0&since=yesterday&until=x&after=1&before=2&action=revoke,put_role,put_rolle";
        let reason = read(query).unwrap_err().reason().to_owned();
        for mistake in [
            "1: [action] there is no action [put_rolle] -> did you mean [put_role]?;",
            "2: [action] there is no action [revoke] -> did you mean [invalidate_api_keys]?;",
            "3: [since] must be a time ago, such as 12h or 30d,",
            "4: [until] must be a time ago",
            "5: only one of [after] and [before] can be given;",
            "6: [size] must be between 1 and 1000;",
        ] {
            assert!(reason.contains(mistake), "{mistake}: {reason}");
        }
        for query in ["size=1001", "size=-1", "after=x"] {
            assert!(read(query).is_err(), "{query}");
        }
    }

    #[test]
    fn as_many_actions_may_be_named_as_the_limit_says() {
        let query = |count: usize| {
            let names: Vec<String> = (0..count).map(|number| format!("a{number}")).collect();
            format!("action={}", names.join(","))
        };
        // There are fewer, so that many are none; but each is looked at.
        let reason = read(&query(AUDIT_ACTIONS_ASKED_MAX)).unwrap_err().reason().to_owned();
        assert!(reason.contains("no action [a63]") && !reason.contains("must not have more"), "{reason}");
        let reason = read(&query(AUDIT_ACTIONS_ASKED_MAX + 1)).unwrap_err().reason().to_owned();
        assert!(reason.contains("[action] must not have more than 64 names"), "{reason}");
    }
}
