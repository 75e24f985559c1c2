//! `latchkey edges`: which edges follow a running service, and how far each has come.

use axum::http::Method;
use clap::Args;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::report::{Report, Table, date};
use crate::cli::service_client::path;

#[derive(Debug, Args)]
pub(super) struct EdgesArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(super) fn run(arguments: &EdgesArguments) -> Result<(), CommandFailed> {
    let service = arguments.connection.open()?;
    let answer = service.ask(Method::GET, &path(&["_latchkey", "edges"]), None)?;
    Report { text: told(&answer.json), json: answer.text }.print(arguments.connection.json)
}

fn told(fleet: &Value) -> String {
    let mut table = Table::new(&["NAME", "CURSOR", "LAG", "LAST SEEN", "LIVE"]);
    for edge in fleet.get("edges").and_then(Value::as_array).into_iter().flatten() {
        table.row([
            edge.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            number(edge, "cursor").to_string(),
            number(edge, "lag").to_string(),
            date(number(edge, "last_seen")),
            if edge.get("live") == Some(&Value::Bool(true)) { "yes" } else { "no" }.to_owned(),
        ]);
    }
    let (live, current) = (number(fleet, "live"), number(fleet, "current"));
    let mut text = table.into_text();
    text.push_str(&format!("\n{current} of {live} live edges have applied every change.\n"));
    if fleet.get("complete") == Some(&Value::Bool(false)) {
        text.push_str("The service has not run for long: there may be edges that it has not heard of yet.\n");
    }
    text
}

fn number(object: &Value, field: &str) -> u64 {
    object.get(field).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_of_each_edge_and_of_those_that_may_be_unknown() {
        let fleet = json!({
            "epoch": "e", "cursor": 7, "complete": false, "total": 2, "live": 1, "current": 1,
            "edges": [
                {"name": "a\u{1b}", "cursor": 7, "lag": 0, "last_seen": 1_767_225_600_000_u64, "live": true},
                {"name": "b", "cursor": 4, "lag": 3, "last_seen": 1_767_225_500_000_u64, "live": false},
            ],
        });
        assert_eq!(
            told(&fleet).lines().collect::<Vec<_>>(),
            [
                "NAME     CURSOR  LAG  LAST SEEN             LIVE",
                "a\\u{1b}  7       0    2026-01-01T00:00:00Z  yes",
                "b        4       3    2025-12-31T23:58:20Z  no",
                "",
                "1 of 1 live edges have applied every change.",
                "The service has not run for long: there may be edges that it has not heard of yet.",
            ]
        );
    }
}
