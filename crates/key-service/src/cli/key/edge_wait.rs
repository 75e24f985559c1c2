//! Waiting, after a change of keys, until the edges have applied it.

use std::collections::BTreeMap;

use clap::Args;
use latchkey_elastic::TimeValue;
use latchkey_key_feed::UnixMillis;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::report::{harmless, items, number, text, time_of_day};
use crate::cli::service_client::with_query;
use crate::limits::edge_limits::EDGE_WAIT_MAX;

#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct EdgeWaitArguments {
    /// Wait until every edge that is connected has applied the change, for at most this long, such as 5s.
    /// Fails when some edge may not have, and says which, and until when.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait_for_edges: Option<String>,
}

/// What an edge does by what was before the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Before {
    /// It may admit a key that has ended.
    Admits,
    /// It may go by what the key was.
    IsOld,
    /// It does not know the key.
    Lacks,
    /// It may go by keys, roles and privileges that are not as they are declared.
    IsUndeclared,
}

/// How far a change has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct EdgesReached {
    total: u64,
    applied: u64,
    /// Those that may go by what was before, as far as they are named.
    missing: Vec<Missing>,
    /// The last moment at which one of them may.
    until: Option<u64>,
    is_complete: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Missing {
    name: String,
    instance: String,
    last_seen: u64,
    until: u64,
}

/// The service would refuse it too, in Elasticsearch's words, which do not name the units.
fn duration(argument: &str) -> Result<String, String> {
    match TimeValue::parse(argument, "wait_for_edges") {
        Err(_) => Err("must be a whole number and one of the units ms, s and m, such as 5s".to_owned()),
        Ok(wait) if wait.to_duration() > EDGE_WAIT_MAX => {
            Err(format!("the service waits at most {}s", EDGE_WAIT_MAX.as_secs()))
        }
        Ok(_) => Ok(argument.to_owned()),
    }
}

impl EdgeWaitArguments {
    /// Whether to wait.
    pub(in crate::cli) fn is_asked(&self) -> bool {
        self.wait_for_edges.is_some()
    }

    /// The path with the wait, if there is one.
    pub(in crate::cli) fn ask_in(&self, path: &str) -> String {
        with_query(path, &[("wait_for_edges", self.wait_for_edges.as_deref())])
    }
}

impl Before {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Admits => "may admit the key until",
            Self::IsOld => "may go by the key as it was until",
            Self::IsUndeclared => "may go by what was before until",
            Self::Lacks => "may refuse the key until it asks again, or until",
        }
    }
}

impl EdgesReached {
    /// What an answer says, if it was asked.
    pub(in crate::cli) fn of(answer: &Value) -> Option<Self> {
        let edges = answer.get("edges")?;
        let number = |field: &str| edges.get(field).and_then(Value::as_u64);
        let missing = items(edges, "may_admit").iter();
        Some(Self {
            total: number("total").unwrap_or_default(),
            applied: number("applied").unwrap_or_default(),
            missing: missing.map(Missing::of).collect(),
            until: number("may_admit_until"),
            is_complete: edges.get("complete") == Some(&Value::Bool(true)),
        })
    }

    /// A line for people; a few when several edges are missing.
    pub(in crate::cli) fn told(&self, before: Before, now: UnixMillis) -> String {
        if self.total == 0 && self.is_complete {
            return "No edge follows this service.\n".to_owned();
        }
        let plural = if self.applied == 1 { "" } else { "s" };
        let mut text = format!("Applied by {} edge{plural}.", self.applied);
        let named = self.named();
        let between = if named.len() > 1 { "\n" } else { " " };
        for (edge, missing) in named.iter().zip(&self.missing) {
            let (seen, until) = (time_of_day(missing.last_seen, now), time_of_day(missing.until, now));
            text.push_str(&format!("{between}{edge}, last seen {seen}, {} {until}.", before.as_str()));
        }
        let unnamed = self.missing_count().saturating_sub(named.len() as u64);
        if let (true, Some(until)) = (unnamed > 0, self.until) {
            let (more, plural) = if named.is_empty() { ("", "s") } else { (" more", "s") };
            let plural = if unnamed == 1 { "" } else { plural };
            let until = time_of_day(until, now);
            text.push_str(&format!("{between}{unnamed}{more} edge{plural} {} {until}.", before.as_str()));
        }
        text.push('\n');
        text
    }

    /// Nothing, if it is certain that no edge goes by what was before the change.
    ///
    /// # Errors
    ///
    /// Which may, or that the service may not know of all.
    pub(in crate::cli) fn require_all(&self) -> Result<(), CommandFailed> {
        let missing = self.missing_count();
        if missing > 0 {
            let (named, more) = (self.named(), if self.missing.len() as u64 == missing { "" } else { ", …" });
            let named =
                if named.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) };
            return Err(CommandFailed::new(format!(
                "not yet applied by {missing} of {} edges{named}",
                self.total
            )));
        }
        if !self.is_complete {
            return Err(CommandFailed::new(
                "there may be edges of which the service does not know: it was updated, restored, or cut off from its database not long ago",
            ));
        }
        Ok(())
    }

    fn missing_count(&self) -> u64 {
        self.total.saturating_sub(self.applied)
    }

    /// The missing edges, each with its instance if there are several of its name.
    fn named(&self) -> Vec<String> {
        let mut of_name: BTreeMap<&str, usize> = BTreeMap::new();
        for missing in &self.missing {
            *of_name.entry(&missing.name).or_default() += 1;
        }
        let named = self.missing.iter().map(|Missing { name, instance, .. }| {
            let is_one = of_name.get(name.as_str()).is_none_or(|count| *count == 1);
            if is_one { name.clone() } else { format!("{name} ({instance})") }
        });
        named.collect()
    }
}

impl Missing {
    fn of(edge: &Value) -> Self {
        let text = |field| harmless(&text(edge, field)).replace('\n', " ");
        Self {
            name: text("name"),
            instance: text("instance"),
            last_seen: number(edge, "last_seen"),
            until: number(edge, "until"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOON: u64 = 1_767_268_800_000;

    fn read(edges: Value) -> EdgesReached {
        EdgesReached::of(&json!({ "edges": edges })).unwrap()
    }

    fn may_admit(edges: &[(&str, &str)]) -> Value {
        let edges = edges.iter().map(|(name, instance)| {
            json!({"name": name, "instance": instance, "last_seen": NOON - 60_000, "until": NOON + 3_540_000})
        });
        edges.collect()
    }

    #[test]
    fn only_all_of_all_is_enough() {
        let unknown = "there may be edges of which the service does not know: it was updated, restored, or cut off from its \
                       database not long ago";
        for (edges, expected) in [
            (json!({"total": 2, "applied": 2, "missing": [], "complete": true}), None),
            (json!({"total": 0, "applied": 0, "missing": [], "complete": true}), None),
            (
                json!({
                    "total": 3, "applied": 1, "complete": false,
                    "may_admit": may_admit(&[("a", "1"), ("b\n\u{1b}", "2")]),
                }),
                Some("not yet applied by 2 of 3 edges: a, b \\u{1b}"),
            ),
            (
                json!({"total": 3, "applied": 0, "complete": false, "may_admit": may_admit(&[("a", "1"), ("a", "2")])}),
                Some("not yet applied by 3 of 3 edges: a (1), a (2), …"),
            ),
            (json!({"total": 1, "applied": 0, "complete": false}), Some("not yet applied by 1 of 1 edges")),
            (json!({"total": 1, "applied": 1, "missing": [], "complete": false}), Some(unknown)),
        ] {
            let complaint = read(edges.clone()).require_all().err().map(|failed| failed.to_string());
            assert_eq!(complaint.as_deref(), expected, "{edges}");
        }
        assert_eq!(EdgesReached::of(&json!({"invalidated_api_keys": []})), None);
    }

    #[test]
    fn says_which_edge_may_admit_and_until_when() {
        for (edges, expected) in [
            (json!({"total": 0, "applied": 0, "complete": true}), "No edge follows this service.\n"),
            (json!({"total": 2, "applied": 2, "complete": true}), "Applied by 2 edges.\n"),
            (
                json!({"total": 2, "applied": 1, "complete": false, "may_admit": may_admit(&[("edge-b", "b")])}),
                "Applied by 1 edge. edge-b, last seen 11:59:00Z, may admit the key until 12:59:00Z.\n",
            ),
            (
                json!({
                    "total": 4, "applied": 0, "complete": false, "may_admit_until": NOON + 86_400_000,
                    "may_admit": may_admit(&[("a", "1"), ("a", "2")]),
                }),
                "Applied by 0 edges.\n\
                 a (1), last seen 11:59:00Z, may admit the key until 12:59:00Z.\n\
                 a (2), last seen 11:59:00Z, may admit the key until 12:59:00Z.\n\
                 2 more edges may admit the key until 2026-01-02T12:00:00Z.\n",
            ),
            (
                json!({"total": 1, "applied": 0, "complete": false, "may_admit_until": NOON}),
                "Applied by 0 edges. 1 edge may admit the key until 12:00:00Z.\n",
            ),
        ] {
            assert_eq!(read(edges).told(Before::Admits, UnixMillis(NOON)), expected);
        }
    }
}
