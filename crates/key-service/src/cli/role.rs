//! `latchkey role`: the roles of a running service.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::json_input;
use crate::cli::report::{Report, Table, harmless, text, texts};
use crate::cli::service_client::{ServiceClient, path};

#[derive(Debug, Args)]
pub(super) struct RoleArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: RoleCommand,
}

#[derive(Debug, Subcommand)]
enum RoleCommand {
    /// Remove a role. Users who have it lose what it grants; their keys keep what they were made with.
    #[command(visible_alias = "remove")]
    Delete(NameArguments),
    /// List the roles.
    List,
    /// Make or replace a role.
    #[command(visible_alias = "create")]
    Put(PutArguments),
    /// Show a role as JSON.
    Show(NameArguments),
}

#[derive(Debug, Args)]
struct NameArguments {
    /// The role's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
}

#[derive(Debug, Args)]
struct PutArguments {
    /// The role's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// A cluster privilege that the role grants. May be given several times.
    #[arg(long, value_name = "PRIVILEGE", required_unless_present = "from", conflicts_with = "from")]
    cluster: Vec<String>,
    /// A JSON file with the whole role; - is stdin.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

pub(super) fn run(arguments: RoleArguments) -> Result<(), CommandFailed> {
    let service = arguments.connection.open()?;
    let report = match arguments.command {
        RoleCommand::Delete(arguments) => delete(&service, &arguments.name)?,
        RoleCommand::List => list(&service)?,
        RoleCommand::Put(arguments) => put(&service, &arguments)?,
        RoleCommand::Show(arguments) => show(&service, &arguments.name)?,
    };
    report.print(arguments.connection.json)
}

fn list(service: &ServiceClient) -> Result<Report, CommandFailed> {
    let answer = service.ask(Method::GET, "/_security/role", None)?;
    let mut table = Table::new(&["NAME", "CLUSTER PRIVILEGES", "DESCRIPTION"]);
    for (name, role) in answer.json.as_object().into_iter().flatten() {
        table.row([name.clone(), texts(role, "cluster"), text(role, "description")]);
    }
    Ok(Report { text: table.into_text(), json: answer.text })
}

fn show(service: &ServiceClient, name: &str) -> Result<Report, CommandFailed> {
    let answer = service.ask(Method::GET, &path(&["_security", "role", name]), None)?;
    let role = answer.json.get(name).ok_or_else(|| unknown(name))?;
    let text = serde_json::to_string_pretty(role).map_err(|error| CommandFailed::new(error.to_string()))?;
    Ok(Report { text: harmless(&text), json: answer.text })
}

fn put(service: &ServiceClient, arguments: &PutArguments) -> Result<Report, CommandFailed> {
    let name = &arguments.name;
    let role = match &arguments.from {
        Some(file) => Value::Object(json_input::object(file)?),
        None => json!({"cluster": arguments.cluster}),
    };
    let answer = service.ask(Method::PUT, &path(&["_security", "role", name]), Some(&role))?;
    let is_new = answer.json.pointer("/role/created") == Some(&Value::Bool(true));
    let done = if is_new { "Made" } else { "Replaced" };
    Ok(Report { text: format!("{done} the role {}.\n", harmless(name)), json: answer.text })
}

fn delete(service: &ServiceClient, name: &str) -> Result<Report, CommandFailed> {
    let answer = service.ask(Method::DELETE, &path(&["_security", "role", name]), None)?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(unknown(name));
    }
    Ok(Report { text: format!("Removed the role {}.\n", harmless(name)), json: answer.text })
}

fn unknown(name: &str) -> CommandFailed {
    CommandFailed::new(format!("there is no role {name}"))
}
