//! `latchkey edges`: which edges follow a running service, and how far each has come; and forgetting those
//! that are gone.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::report::{Report, Table, date, harmless, items, number, text};
use crate::cli::service_client::{ServiceClient, path};

#[derive(Debug, Args)]
pub(super) struct EdgesArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: Option<EdgesCommand>,
}

#[derive(Debug, Subcommand)]
enum EdgesCommand {
    /// Say that an edge is gone, so that nobody waits for it and revocations do not name it. It is your word
    /// that none of it runs.
    Forget(ForgetArguments),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ForgetArguments {
    /// The name of the edge, as `latchkey edges` shows it.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: Option<String>,
    /// The id of a key: every edge that asks with it is gone.
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
}

pub(super) fn run(arguments: &EdgesArguments) -> Result<(), CommandFailed> {
    let service = arguments.connection.open()?;
    let as_json = arguments.connection.json;
    if let Some(EdgesCommand::Forget(forget)) = &arguments.command {
        return forget_edges(&service, forget, as_json);
    }
    let answer = service.ask(Method::GET, &path(&["_latchkey", "edges"]), None)?;
    Report { text: told(&answer.json), json: answer.text }.print(as_json)
}

/// Prints what was forgotten, and then fails if some of it still asks: it is not gone.
fn forget_edges(
    service: &ServiceClient,
    arguments: &ForgetArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let asked = match (&arguments.name, &arguments.key) {
        (Some(name), _) => path(&["_latchkey", "edges", name]),
        (None, key) => path(&["_latchkey", "edges", "_api_key", key.as_deref().unwrap_or_default()]),
    };
    let answer = service.ask(Method::DELETE, &asked, None)?;
    let (forgotten, live) = (number(&answer.json, "forgotten"), number(&answer.json, "live"));
    if let (Some(name), 0, 0) = (&arguments.name, forgotten, live) {
        require_known(service, name)?;
    }
    let text = format!("Forgot {forgotten} instance{}.\n", if forgotten == 1 { "" } else { "s" });
    Report { text, json: answer.text }.print(as_json)?;
    if live > 0 {
        let (who, whose) = if live == 1 {
            ("instance still asks, and is", "it is gone, stop its proxy, or end its")
        } else {
            ("instances still ask, and are", "they are gone, stop their proxies, or end their")
        };
        return Err(CommandFailed::new(format!("{live} {who} kept: before you say that {whose} key")));
    }
    Ok(())
}

/// Fails if no edge of this name is listed, not even as gone: then it is probably misspelt.
fn require_known(service: &ServiceClient, name: &str) -> Result<(), CommandFailed> {
    let fleet = service.ask(Method::GET, &path(&["_latchkey", "edges"]), None)?.json;
    if items(&fleet, "edges").iter().any(|edge| text(edge, "name") == *name) {
        return Ok(());
    }
    Err(CommandFailed::new(format!(
        "the service knows no edge {}: `latchkey edges` lists those that it knows",
        harmless(name)
    )))
}

fn told(fleet: &Value) -> String {
    let mut table = Table::new(&["NAME", "INSTANCE", "CURSOR", "LAG", "LAST SEEN", "STATE"]);
    for edge in items(fleet, "edges") {
        let text = |field| text(edge, field);
        let until = edge.get("until").and_then(Value::as_u64);
        table.row([
            text("name"),
            text("instance"),
            number(edge, "cursor").to_string(),
            number(edge, "lag").to_string(),
            date(number(edge, "last_seen")),
            until.map_or_else(|| text("state"), |until| format!("{} until {}", text("state"), date(until))),
        ]);
    }
    let (live, current, silent) = (number(fleet, "live"), number(fleet, "current"), number(fleet, "silent"));
    let mut text = table.into_text();
    text.push_str(&format!("\n{current} of {live} live edges have applied every change.\n"));
    if silent > 0 {
        let verb = if silent == 1 {
            "edge is silent and may admit by what it has"
        } else {
            "edges are silent and may admit by what they have"
        };
        text.push_str(&format!("{silent} {verb}.\n"));
    }
    if fleet.get("complete") == Some(&Value::Bool(false)) {
        text.push_str("There may be edges of which the service does not know.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tells_of_each_edge_and_of_those_that_may_be_unknown() {
        let fleet = json!({
            "epoch": "e", "cursor": 7, "complete": false, "total": 3, "live": 1, "current": 1, "silent": 1,
            "edges": [
                {"name": "a\u{1b}", "instance": "0000000a", "cursor": 7, "lag": 0, "last_seen": 1_767_225_600_000_u64, "live": true, "state": "live"},
                {"name": "b", "instance": "b", "cursor": 4, "lag": 3, "last_seen": 1_767_225_500_000_u64, "live": false,
                 "state": "silent", "until": 1_767_229_100_000_u64},
                {"name": "c", "instance": "0000000c", "cursor": 4, "lag": 3, "last_seen": 1_767_225_500_000_u64, "live": false, "state": "gone"},
            ],
        });
        assert_eq!(
            told(&fleet).lines().collect::<Vec<_>>(),
            [
                "NAME     INSTANCE  CURSOR  LAG  LAST SEEN             STATE",
                "a\\u{1b}  0000000a  7       0    2026-01-01T00:00:00Z  live",
                "b        b         4       3    2025-12-31T23:58:20Z  silent until 2026-01-01T00:58:20Z",
                "c        0000000c  4       3    2025-12-31T23:58:20Z  gone",
                "",
                "1 of 1 live edges have applied every change.",
                "1 edge is silent and may admit by what it has.",
                "There may be edges of which the service does not know.",
            ]
        );
    }
}
