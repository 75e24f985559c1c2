//! `latchkey owner`: owners of keys that are no people, such as a team or a program. To the service they are users without
//! a password: service accounts.
//!
//! Their keys are made, listed, changed and ended by `latchkey key`, on their behalf.

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::report::{Report, counted, harmless, items};
use crate::cli::service_client::{Answer, ServiceClient, with_query};
use crate::cli::service_refusal::taking;
use crate::cli::user::native::{place_of, tell_warnings, users, warn_of_missing_roles};
use crate::cli::user::{is_service_account, listed, shown};
use crate::clock::{Clock as _, SystemClock};

/// What it takes to change owners.
const CHANGING: &str = "the cluster privilege manage_security";

#[derive(Debug, Args)]
pub(super) struct OwnerArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: OwnerCommand,
}

#[derive(Debug, Subcommand)]
enum OwnerCommand {
    /// Make an owner. It has no password, and nobody logs in as one; its roles limit its keys.
    #[command(visible_alias = "add")]
    Create(CreateArguments),
    /// Remove an owner. Its keys, and those that these made, end for ever.
    #[command(visible_alias = "remove")]
    Delete(ChangeArguments),
    /// Disable an owner. Its keys stop at every edge until it is enabled again, unless the service's settings say otherwise.
    Disable(DisableArguments),
    /// Enable an owner. Keys that were only stopped work again.
    Enable(ChangeArguments),
    /// Show an owner.
    #[command(visible_alias = "show")]
    Get(NameArguments),
    /// List the owners.
    List,
    /// Change the roles, the full name or the email address of an owner. Keys that it has keep their limits until they are
    /// updated.
    Update(UpdateArguments),
}

#[derive(Debug, Args)]
struct NameArguments {
    /// The owner's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
}

#[derive(Debug, Args)]
struct DescriptionArguments {
    /// What to call it in full.
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,
    /// The email address of whoever answers for it.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

#[derive(Debug, Args)]
struct CreateArguments {
    #[command(flatten)]
    owner: NameArguments,
    /// A role of the owner: no key of it may do more. May be given several times.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    #[command(flatten)]
    description: DescriptionArguments,
}

#[derive(Debug, Args)]
struct UpdateArguments {
    #[command(flatten)]
    owner: NameArguments,
    /// A role of the owner, in place of those that it has. May be given several times.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    #[command(flatten)]
    description: DescriptionArguments,
}

#[derive(Debug, Args)]
struct ChangeArguments {
    #[command(flatten)]
    owner: NameArguments,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

#[derive(Debug, Args)]
struct DisableArguments {
    #[command(flatten)]
    owner: NameArguments,
    /// Invalidate the keys, and those that these made, for ever.
    #[arg(long)]
    with_keys: bool,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

pub(super) fn run(arguments: &OwnerArguments) -> Result<(), CommandFailed> {
    // Before a password is typed in vain.
    if let OwnerCommand::Update(UpdateArguments { roles, description, .. }) = &arguments.command
        && roles.is_empty()
        && description.full_name.is_none()
        && description.email.is_none()
    {
        return Err(CommandFailed::new(
            "say what is to change: --role NAME, --full-name TEXT or --email ADDRESS",
        ));
    }
    let service = arguments.connection.open()?;
    let as_json = arguments.connection.json;
    let report = match &arguments.command {
        OwnerCommand::Create(arguments) => create(&service, arguments)?,
        OwnerCommand::Delete(ChangeArguments { owner, edges }) => {
            known_to_change(&service, &owner.name)?;
            let place = edges.ask_in(&place_of(&owner.name, &[]));
            return changed(service.ask(Method::DELETE, &place, None)?, "Removed", &owner.name, as_json);
        }
        OwnerCommand::Disable(DisableArguments { owner, with_keys, edges }) => {
            known_to_change(&service, &owner.name)?;
            let place = place_of(&owner.name, &["_disable"]);
            let place = with_query(&place, &[("with_keys", with_keys.then_some("true"))]);
            let answer = service.ask(Method::PUT, &edges.ask_in(&place), None)?;
            return changed(answer, "Disabled", &owner.name, as_json);
        }
        OwnerCommand::Enable(ChangeArguments { owner, edges }) => {
            known_to_change(&service, &owner.name)?;
            let place = edges.ask_in(&place_of(&owner.name, &["_enable"]));
            return changed(service.ask(Method::PUT, &place, None)?, "Enabled", &owner.name, as_json);
        }
        OwnerCommand::Get(owner) => {
            known(&service, &owner.name)?;
            let answer = service.ask(Method::GET, &place_of(&owner.name, &[]), None)?;
            shown(&users(&answer), &owner.name, answer.text)?
        }
        OwnerCommand::List => list(&service)?,
        OwnerCommand::Update(arguments) => update(&service, arguments)?,
    };
    report.print(as_json)
}

fn create(service: &ServiceClient, arguments: &CreateArguments) -> Result<Report, CommandFailed> {
    let CreateArguments { owner: NameArguments { name }, roles, description } = arguments;
    let place = place_of(name, &[]);
    // The service would replace an account of that name.
    let looked = service.ask(Method::GET, &place, None).map_err(|failed| taking(failed, CHANGING))?;
    if looked.status != StatusCode::NOT_FOUND {
        return Err(CommandFailed::new(format!("there is a user or an owner {name} already")));
    }
    let DescriptionArguments { full_name, email } = description;
    let body = json!({"service_account": true, "roles": roles, "full_name": full_name, "email": email});
    let answer = service.ask(Method::PUT, &place, Some(&body))?;
    warn_of_missing_roles(service, "owner", roles);
    Ok(done("Made", name, answer.text))
}

/// Writes the owner as it is but for what was said. The service keeps nothing that a request leaves out.
fn update(service: &ServiceClient, arguments: &UpdateArguments) -> Result<Report, CommandFailed> {
    let UpdateArguments { owner: NameArguments { name }, roles, description } = arguments;
    let mut body = known_to_change(service, name)?;
    body.remove("username");
    // Of an owner that somebody disables meanwhile the service leaves it so, where nothing is said of it.
    body.remove("enabled");
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        // What the service says itself.
        metadata.retain(|name, _| !name.starts_with('_'));
    }
    let said = [
        ("roles", (!roles.is_empty()).then(|| json!(roles))),
        ("full_name", description.full_name.as_ref().map(|text| json!(text))),
        ("email", description.email.as_ref().map(|text| json!(text))),
        ("service_account", Some(Value::Bool(true))),
    ];
    for (field, value) in said {
        body.extend(value.map(|value| (field.to_owned(), value)));
    }
    let answer = service.ask(Method::PUT, &place_of(name, &[]), Some(&Value::Object(body)))?;
    if !roles.is_empty() {
        warn_of_missing_roles(service, "owner", roles);
    }
    Ok(done("Changed", name, answer.text))
}

fn list(service: &ServiceClient) -> Result<Report, CommandFailed> {
    let answer = service.ask(Method::GET, "/_security/user", None)?;
    let owners: Map<String, Value> =
        users(&answer).into_iter().filter(|(_, user)| is_service_account(user)).collect();
    let json = Value::Object(owners.clone()).to_string();
    Ok(listed(&owners, json))
}

/// The owner as the service shows it. Whoever means a person has another command for that.
fn known(service: &ServiceClient, name: &str) -> Result<Map<String, Value>, CommandFailed> {
    let answer = service.ask(Method::GET, &place_of(name, &[]), None)?;
    match users(&answer).remove(name) {
        Some(Value::Object(user)) if is_service_account(&Value::Object(user.clone())) => Ok(user),
        Some(_) => Err(CommandFailed::new(format!(
            "{name} is a user with a password, not a service account: see latchkey user"
        ))),
        None => Err(CommandFailed::new(format!("there is no owner {name}"))),
    }
}

/// The same before a change, which takes more than to look.
fn known_to_change(service: &ServiceClient, name: &str) -> Result<Map<String, Value>, CommandFailed> {
    known(service, name).map_err(|failed| taking(failed, CHANGING))
}

/// Says what was done and what becomes of the keys, and then fails if not every edge is known to have heard.
fn changed(answer: Answer, what: &str, name: &str, as_json: bool) -> Result<(), CommandFailed> {
    let mut report = done(what, name, answer.text);
    let keys = |field: &str| items(&answer.json, field).len();
    for (count, told) in [
        (keys("invalidated_api_keys"), "ended for ever"),
        (keys("suspended_api_keys"), "stopped, until the owner is enabled again"),
        (keys("resumed_api_keys"), "work again"),
    ] {
        if count > 0 {
            report.text.push_str(&format!("Its keys {told}: {}.\n", counted(count)));
        }
    }
    tell_warnings(&mut report, &answer.warnings, as_json);
    let edges = EdgesReached::of(&answer.json);
    let before = if what == "Enabled" { Before::Lacks } else { Before::Admits };
    report.text.extend(edges.as_ref().map(|edges| edges.told(before, SystemClock.now())));
    report.print(as_json)?;
    edges.map_or(Ok(()), |edges| edges.require_all())
}

fn done(what: &str, name: &str, json: String) -> Report {
    Report { text: format!("{what} the owner {}.\n", harmless(name)), json }
}
