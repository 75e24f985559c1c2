//! Waiting, after a change of keys, until the edges have applied it.

use clap::Args;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::report::harmless;
use crate::cli::service_client::with_query;

#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct EdgeWaitArguments {
    /// Wait until every live edge has applied the change, for at most this long, such as 5s. Fails when some have not.
    #[arg(long, value_name = "DURATION")]
    wait_for_edges: Option<String>,
}

/// How far a change has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct EdgesReached {
    total: u64,
    applied: u64,
    missing: Vec<String>,
    is_complete: bool,
}

impl EdgeWaitArguments {
    /// The path with the wait, if there is one.
    pub(in crate::cli) fn ask_in(&self, path: &str) -> String {
        with_query(path, &[("wait_for_edges", self.wait_for_edges.as_deref())])
    }
}

impl EdgesReached {
    /// What an answer says, if it was asked.
    pub(in crate::cli) fn of(answer: &Value) -> Option<Self> {
        let edges = answer.get("edges")?;
        let number = |field: &str| edges.get(field).and_then(Value::as_u64).unwrap_or_default();
        let missing = edges.get("missing").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            total: number("total"),
            applied: number("applied"),
            missing: missing
                .filter_map(Value::as_str)
                .map(|name| harmless(name).replace('\n', " "))
                .collect(),
            is_complete: edges.get("complete") == Some(&Value::Bool(true)),
        })
    }

    /// One line for people.
    pub(in crate::cli) fn told(&self) -> String {
        format!("Applied by {} of {} live edges.\n", self.applied, self.total)
    }

    /// Nothing, if it is certain that every live edge has applied the change.
    ///
    /// # Errors
    ///
    /// Which have not, or that the service may not know of all.
    pub(in crate::cli) fn require_all(&self) -> Result<(), CommandFailed> {
        let missing = self.total.saturating_sub(self.applied);
        if missing > 0 {
            let named = if self.missing.is_empty() { "" } else { ": " };
            let more =
                if (self.missing.len() as u64) < missing && !self.missing.is_empty() { ", …" } else { "" };
            return Err(CommandFailed::new(format!(
                "not yet applied by {missing} of {} live edges{named}{}{more}",
                self.total,
                self.missing.join(", ")
            )));
        }
        if !self.is_complete {
            return Err(CommandFailed::new(
                "the service has not run for long: there may be edges that it has not heard of yet",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaint(edges: &Value) -> Option<String> {
        let reached = EdgesReached::of(&json!({ "edges": edges })).unwrap();
        reached.require_all().err().map(|failed| failed.to_string())
    }

    #[test]
    fn only_all_of_all_is_enough() {
        for (edges, expected) in [
            (json!({"total": 2, "applied": 2, "missing": [], "complete": true}), None),
            (json!({"total": 0, "applied": 0, "missing": [], "complete": true}), None),
            (
                json!({"total": 3, "applied": 1, "missing": ["a", "b\n\u{1b}"], "complete": true}),
                Some("not yet applied by 2 of 3 live edges: a, b \\u{1b}"),
            ),
            (
                json!({"total": 3, "applied": 0, "missing": ["a"], "complete": true}),
                Some("not yet applied by 3 of 3 live edges: a, …"),
            ),
            (
                json!({"total": 1, "applied": 0, "complete": true}),
                Some("not yet applied by 1 of 1 live edges"),
            ),
            (
                json!({"total": 1, "applied": 1, "missing": [], "complete": false}),
                Some("the service has not run for long: there may be edges that it has not heard of yet"),
            ),
        ] {
            assert_eq!(complaint(&edges).as_deref(), expected, "{edges}");
        }
        assert_eq!(EdgesReached::of(&json!({"invalidated_api_keys": []})), None);
    }
}
