//! `latchkey audit`: the changes that a store keeps for the audit log, for people or as lines of JSON.
//!
//! It reads the store itself, beside a service that may use it, so whoever may read it needs no right at the
//! service.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit;
use crate::cli::CommandFailed;
use crate::cli::report::{date, harmless};
use crate::cli::store_arguments::{StoreArguments, block_on};
use crate::clock::{Clock as _, SystemClock};
use crate::model::moment::Moment;
use crate::store::StoreError;
use crate::store::audit_trail::{EventFilter, KeptEvent, events_after, latest_number};
use crate::store::transfer::StoreReader;

/// How often the store is asked for what is new.
const FOLLOW_INTERVAL: Duration = Duration::from_secs(1);

/// How many of the last numbers are looked at again. In PostgreSQL a change of tokens and one of keys may be
/// committed in another order than they took their numbers.
const NUMBERS_LOOKED_AT_AGAIN: i64 = 256;

#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Show changes, the oldest first.
    List(ListArguments),
    /// Show each change as it is made, until Ctrl-C.
    Follow(FollowArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    wanted: Wanted,
    /// Changes from then on: a time ago, such as 12h, or a moment, such as 2026-01-31T12:00:00Z or 2026-01-31.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Changes before then, said in the same way.
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
}

#[derive(Debug, Args)]
struct FollowArguments {
    #[command(flatten)]
    store: StoreArguments,
    #[command(flatten)]
    wanted: Wanted,
}

/// Which changes are shown, and how.
#[derive(Debug, Args)]
struct Wanted {
    /// What was done to this API key, and what was done by it.
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// What this user did, or another on this user's behalf.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// What is called so, such as `create_api_key`. May be given several times.
    #[arg(long, value_name = "ACTION", value_parser = action)]
    action: Vec<String>,
    /// Print each change as a line of JSON, with the names that the service's log has.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &AuditArguments) -> Result<(), CommandFailed> {
    match &arguments.command {
        AuditCommand::List(arguments) => list(arguments),
        AuditCommand::Follow(arguments) => follow(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<(), CommandFailed> {
    let ListArguments { wanted, since, until, .. } = arguments;
    let now = SystemClock.now();
    let (since, until) = (since.map(|since| since.at(now)), until.map(|until| until.at(now)));
    let filter = EventFilter { since, until, ..wanted.filter() };
    with_store(&arguments.store, async |store: &StoreReader| {
        let mut last = 0;
        loop {
            let events = events_after(store, last).await?;
            let Some(latest) = events.last() else { return Ok(()) };
            last = latest.number;
            let shown = events.iter().filter(|event| filter.matches(event));
            if wanted.show(shown) == Reader::Gone {
                return Ok(());
            }
        }
    })
}

fn follow(arguments: &FollowArguments) -> Result<(), CommandFailed> {
    let wanted = &arguments.wanted;
    let filter = wanted.filter();
    with_store(&arguments.store, async |store: &StoreReader| {
        let begun = latest_number(store).await?;
        let (mut last, mut seen) = (begun, BTreeSet::new());
        loop {
            let events = events_after(store, last.saturating_sub(NUMBERS_LOOKED_AT_AGAIN).max(begun)).await?;
            let new: Vec<&KeptEvent> = events.iter().filter(|event| seen.insert(event.number)).collect();
            if wanted.show(new.into_iter().filter(|event| filter.matches(event))) == Reader::Gone {
                return Ok(());
            }
            last = events.last().map_or(last, |event| event.number).max(last);
            seen = seen.split_off(&last.saturating_sub(NUMBERS_LOOKED_AT_AGAIN));
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
    })
}

fn action(name: &str) -> Result<String, String> {
    audit::actions::checked(name).map(str::to_owned)
}

/// Whether somebody reads what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Gone,
    There,
}

fn with_store(
    arguments: &StoreArguments,
    read: impl AsyncFnOnce(&StoreReader) -> Result<(), StoreError>,
) -> Result<(), CommandFailed> {
    let location = arguments.location()?;
    block_on(async {
        let store =
            StoreReader::open(&location).await.map_err(|error| CommandFailed::store(&location, &error))?;
        read(&store).await.map_err(|error| CommandFailed::in_store("read", &location, &error))?;
        store.close().await;
        Ok(())
    })
}

impl Wanted {
    fn filter(&self) -> EventFilter {
        let Self { key, actor, action, .. } = self;
        EventFilter {
            key: key.clone(),
            actor: actor.clone(),
            actions: action.clone(),
            ..EventFilter::default()
        }
    }

    /// That nobody reads to the end, as in `latchkey audit list | head`, is no failure.
    fn show<'a>(&self, events: impl Iterator<Item = &'a KeptEvent>) -> Reader {
        let mut text = String::new();
        for event in events {
            text.push_str(&if self.json { as_json(event).to_string() } else { as_text(event) });
            text.push('\n');
        }
        let mut stdout = io::stdout();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Reader::There,
            Err(_) => Reader::Gone,
        }
    }
}

/// One line for people: when, what, by whom, to what, from where.
fn as_text(event: &KeptEvent) -> String {
    let mut line =
        format!("{}  {:<20}  {} ({})", date(event.at.0), event.action, event.username, event.realm);
    let said =
        [("by key", &event.api_key), ("for", &event.run_as), ("from", &event.source), ("via", &event.via)];
    for (word, value) in said {
        if let Some(value) = value {
            line.push_str(&format!(" {word} {value}"));
        }
    }
    if let Some(tokens) = &event.tokens {
        line.push_str(&format!("  tokens {tokens}"));
    }
    for named in [&event.key_ids, &event.subjects] {
        if !named.is_empty() {
            line.push_str(&format!("  {}", named.join(",")));
        }
    }
    harmless(&line).replace('\n', " ")
}

/// The same with the names that a line of the log has.
fn as_json(event: &KeptEvent) -> Value {
    let mut fields = event.fields();
    fields.insert("target".to_owned(), json!(audit::TARGET));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit_trail::event;

    #[test]
    fn a_change_is_one_line_for_people_and_one_of_json() {
        assert_eq!(
            as_text(&event()),
            "2026-01-01T00:00:00Z  update_api_keys       admin (file) for alice from 192.0.2.1:5 via console  a,b"
        );
        assert_eq!(
            as_json(&event()),
            json!({"target": "audit", "timestamp": "2026-01-01T00:00:00Z", "at_ms": 1_767_225_600_000_u64,
                   "action": "update_api_keys", "outcome": "success", "username": "admin", "realm": "file",
                   "run_as": "alice", "source": "192.0.2.1:5", "via": "console", "key_ids": "a,b"})
        );
    }
}
