//! `latchkey user`: the users of a running service, or with `--file` those of a users file. Every verb works
//! on both.
//!
//! A service that runs reads its users file when it starts.

pub(super) mod native;
mod users_file;
mod users_file_edit;

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::key::edge_wait::EdgeWaitArguments;
use crate::cli::report::{Fields, Report, Table, harmless, text, texts};

#[derive(Debug, Args)]
pub(super) struct UserArguments {
    /// Work on the users in this file, and ask no service.
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Add a user. The password is asked for, or is a line of stdin.
    #[command(visible_alias = "add")]
    Create(CreateArguments),
    /// Remove a user. The user's tokens end; keys stay, unless --with-keys says otherwise.
    #[command(visible_alias = "remove")]
    Delete(ShutOutArguments),
    /// Let a user in no more. The user's tokens end; keys stay, unless --with-keys says otherwise.
    Disable(ShutOutArguments),
    /// Let a user in again.
    Enable(NameArguments),
    /// List the users.
    List,
    /// Change a user's password. The new one is asked for, or is a line of stdin.
    Passwd(NameArguments),
    /// Show a user.
    Show(NameArguments),
}

#[derive(Debug, Args)]
struct CreateArguments {
    /// The user's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// A role of the user. May be given several times.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// The user's full name.
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,
    /// The user's email address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

#[derive(Debug, Args)]
struct NameArguments {
    /// The user's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
}

/// Who is let in no more, and what ends with that.
#[derive(Debug, Args)]
struct ShutOutArguments {
    /// The user's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Also invalidate the user's keys, and those that these made.
    #[arg(long)]
    with_keys: bool,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

pub(super) fn run(arguments: UserArguments) -> Result<(), CommandFailed> {
    let as_json = arguments.connection.json;
    match &arguments.file {
        Some(path) => users_file::run(path, &arguments.command)?.print(as_json),
        None => native::run(&arguments.connection.open()?, &arguments.command, as_json),
    }
}

/// Users by name, each as the service shows a user.
pub(super) fn listed(users: &Map<String, Value>, json: String) -> Report {
    let mut table = Table::new(&["NAME", "ROLES", "FULL NAME", "EMAIL", "STATUS"]);
    for (name, user) in users {
        table.row([
            name.clone(),
            texts(user, "roles"),
            text(user, "full_name"),
            text(user, "email"),
            standing(user),
        ]);
    }
    Report { text: table.into_text(), json }
}

/// One of these users.
pub(super) fn shown(users: &Map<String, Value>, name: &str, json: String) -> Result<Report, CommandFailed> {
    let user = users.get(name).ok_or_else(|| CommandFailed::new(format!("there is no user {name}")))?;
    let mut fields = Fields::default();
    fields.add("name", name);
    fields.add("roles", texts(user, "roles"));
    fields.add("full name", text(user, "full_name"));
    fields.add("email", text(user, "email"));
    fields.add("status", standing(user));
    let metadata =
        user.get("metadata").filter(|metadata| metadata.as_object().is_some_and(|it| !it.is_empty()));
    fields.add("metadata", metadata.and_then(|it| serde_json::to_string_pretty(it).ok()).unwrap_or_default());
    Ok(Report { text: format!("User {}\n\n{}", harmless(name), fields.into_text()), json })
}

/// What was done to a user.
fn done(what: &str, name: &str, json: String) -> Report {
    Report { text: format!("{what} the user {}.\n", harmless(name)), json }
}

fn standing(user: &Value) -> String {
    let is_enabled = user.get("enabled") != Some(&Value::Bool(false));
    let mut standing = if is_enabled { "enabled" } else { "disabled" }.to_owned();
    if says(user, "_keys_suspended") {
        standing.push_str(" with its keys");
    }
    if is_service_account(user) {
        standing.push_str(" (service account)");
    }
    standing
}

/// Whether this is a user without a password, who owns keys.
pub(super) fn is_service_account(user: &Value) -> bool {
    says(user, "_service_account")
}

/// Whether the service says so of a user.
fn says(user: &Value, what: &str) -> bool {
    user.get("metadata").and_then(|metadata| metadata.get(what)) == Some(&Value::Bool(true))
}
