//! `latchkey key`: making, listing and ending API keys of a running service.

mod apply;
mod behalf;
mod check;
pub(super) mod edge_wait;
mod hits;
mod import;
mod invalidate;
mod list;
mod rotate;
mod traits;
mod update;

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::key::behalf::ask_on_behalf;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::key::invalidate::{InvalidateArguments, invalidate};
use crate::cli::key::rotate::{RotateArguments, rotate};
use crate::cli::key::traits::NewKeyTraits;
use crate::cli::key::update::{UpdateArguments, update};
use crate::cli::report::{Fields, Report, date, harmless};
use crate::cli::secret_input::secret;
use crate::cli::service_client::{Answer, ServiceClient};
use crate::clock::{Clock as _, SystemClock};

/// Where keys are.
const KEYS: &str = "/_security/api_key";

#[derive(Debug, Args)]
pub(super) struct KeyArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Say whether a secret, `id:secret`, its Base64 or a token is well-formed. No service is asked. Type it, or give it as a
    /// line of stdin; it is not shown.
    Check,
    #[command(flatten)]
    Asking(Box<AskingCommand>),
}

/// What is asked of a service.
#[derive(Debug, Subcommand)]
enum AskingCommand {
    /// Make it so as a file declares: roles, application privileges, owners, keys. What the file declared before and does
    /// not any more is pruned.
    Apply(apply::ApplyArguments),
    /// Make a key. Its credential is shown this once.
    Create(CreateArguments),
    /// Make a key for somebody else, whose password or access token is asked for.
    Grant(GrantArguments),
    /// Bring keys along that were made elsewhere: from a list, or of Kong's consumers.
    Import(import::ImportArguments),
    /// End keys for ever.
    #[command(visible_aliases = ["revoke", "delete"])]
    Invalidate(InvalidateArguments),
    /// List keys.
    List(list::ListArguments),
    /// Give a key another secret, beside which the one it has works for a while. The new credential is shown this
    /// once.
    Rotate(RotateArguments),
    /// Show everything about a key but its secret.
    Show(list::ShowArguments),
    /// Change what keys may do, their metadata or their end: one's own, or those of somebody for whom one may
    /// act.
    ///
    /// Keys belong to whoever made them. A super-user, or another who may act for the owner (`run_as`), changes
    /// them on the owner's behalf: they can then do no more than the owner can, and the audit log names both.
    Update(UpdateArguments),
}

#[derive(Debug, Args)]
struct CreateArguments {
    /// The key's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Whose key it is to be, such as a service account of `latchkey owner`. It takes the right to act for that one
    /// (`run_as`), and no password of it.
    #[arg(long, value_name = "NAME", conflicts_with = "acting_for")]
    owner: Option<String>,
    #[command(flatten)]
    traits: NewKeyTraits,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

#[derive(Debug, Args)]
struct GrantArguments {
    /// The key's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// Whose key it is to be.
    #[arg(long = "for", value_name = "USER", required_unless_present = "access_token_file")]
    grantee: Option<String>,
    /// A file with the password of that user; otherwise it is asked for, or is a line of stdin.
    #[arg(long, value_name = "FILE", requires = "grantee")]
    grantee_password_file: Option<PathBuf>,
    /// A file with an access token of whose key it is to be; - asks for it.
    #[arg(long, value_name = "FILE", conflicts_with = "grantee")]
    access_token_file: Option<PathBuf>,
    /// Another user, for whom that one may act: then the key is that user's.
    #[arg(long, value_name = "USER")]
    grantee_run_as: Option<String>,
    #[command(flatten)]
    traits: NewKeyTraits,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

pub(super) fn run(arguments: KeyArguments) -> Result<(), CommandFailed> {
    let as_json = arguments.connection.json;
    let command = match arguments.command {
        KeyCommand::Check => return check::check(as_json),
        KeyCommand::Asking(command) => *command,
    };
    command.check()?;
    let service = arguments.connection.open()?;
    let now = SystemClock.now();
    let acts_for_another = arguments.connection.acts_for_another();
    let report = match command {
        AskingCommand::Apply(arguments) => return apply::apply(&service, &arguments, now, as_json),
        AskingCommand::Create(arguments) => return create(&service, &arguments, as_json),
        AskingCommand::Grant(arguments) => return grant(&service, &arguments, as_json),
        AskingCommand::Import(arguments) => return import::import(&service, &arguments, as_json),
        AskingCommand::Invalidate(arguments) => return invalidate(&service, &arguments, as_json),
        AskingCommand::List(arguments) => list::list(&service, &arguments, now)?,
        AskingCommand::Rotate(arguments) => return rotate(&service, &arguments, acts_for_another, as_json),
        AskingCommand::Show(arguments) => list::show(&service, &arguments, now)?,
        AskingCommand::Update(arguments) => return update(&service, &arguments, acts_for_another, as_json),
    };
    report.print(as_json)
}

impl AskingCommand {
    /// Refuses what is refused whoever asks, before a password is typed in vain.
    fn check(&self) -> Result<(), CommandFailed> {
        match self {
            Self::Create(CreateArguments { traits, .. }) | Self::Grant(GrantArguments { traits, .. }) => {
                traits.require_rights()
            }
            _ => Ok(()),
        }
    }
}

fn create(service: &ServiceClient, arguments: &CreateArguments, as_json: bool) -> Result<(), CommandFailed> {
    let mut body = arguments.traits.body()?;
    body.insert("name".to_owned(), json!(arguments.name));
    let path = arguments.edges.ask_in(KEYS);
    let body = Value::Object(body);
    let answer = match &arguments.owner {
        Some(owner) => ask_on_behalf(service, owner, Method::POST, &path, Some(&body)).map_err(|failed| {
            CommandFailed::new(format!("no key was made on behalf of {}: {failed}", harmless(owner)))
        })?,
        None => service.ask(Method::POST, &path, Some(&body))?,
    };
    created(answer, &arguments.traits, as_json)
}

fn grant(service: &ServiceClient, arguments: &GrantArguments, as_json: bool) -> Result<(), CommandFailed> {
    let mut body = match (&arguments.grantee, arguments.access_token_file.as_deref()) {
        (Some(user), _) => {
            let what = format!("password of {user}");
            let password = secret(arguments.grantee_password_file.as_deref(), None, &what)?;
            json!({"grant_type": "password", "username": user, "password": password.expose()})
        }
        (None, file) => {
            let token = secret(file, None, "access token")?;
            json!({"grant_type": "access_token", "access_token": token.expose()})
        }
    };
    let mut key = arguments.traits.body()?;
    key.insert("name".to_owned(), json!(arguments.name));
    if let Value::Object(fields) = &mut body {
        fields.insert("api_key".to_owned(), Value::Object(key));
        fields.extend(arguments.grantee_run_as.iter().map(|user| ("run_as".to_owned(), json!(user))));
    }
    let path = arguments.edges.ask_in(&format!("{KEYS}/grant"));
    created(service.ask(Method::POST, &path, Some(&body))?, &arguments.traits, as_json)
}

/// Prints a new key for whoever made it, the only time that its secret is seen; and then fails if not every
/// live edge is known to have it.
fn created(answer: Answer, traits: &NewKeyTraits, as_json: bool) -> Result<(), CommandFailed> {
    let text = |field: &str| answer.json.get(field).and_then(Value::as_str).unwrap_or_default();
    let expiration = answer.json.get("expiration").and_then(Value::as_u64);
    traits.warn(expiration.is_some());
    let mut fields = Fields::default();
    fields.add("id", text("id"));
    fields.add("name", text("name"));
    fields.add("expires", expiration.map_or_else(|| "never".to_owned(), date));
    fields.add("credential", text("encoded"));
    fields.add("token", check::token(text("id"), text("api_key")));
    let edges = EdgesReached::of(&answer.json);
    let reached = edges.as_ref().map(|edges| edges.told(Before::Lacks, SystemClock.now()));
    let text = format!(
        "Made a key.\n\n{}\nThe credential is shown this once. It is presented as\n\n  Authorization: ApiKey {}\n{}{}",
        fields.into_text(),
        text("encoded"),
        check::presented_token(text("id"), text("api_key")),
        reached.map_or_else(String::new, |reached| format!("\n{reached}"))
    );
    Report { text, json: answer.text }.print(as_json)?;
    edges.map_or(Ok(()), |edges| edges.require_all())
}
