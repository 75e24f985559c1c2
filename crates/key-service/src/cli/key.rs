//! `latchkey key`: making, listing and ending API keys of a running service.

mod edge_wait;
mod list;

use std::path::PathBuf;

use axum::http::Method;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::json_input;
use crate::cli::key::edge_wait::{EdgeWaitArguments, EdgesReached};
use crate::cli::report::{Fields, Report, date, harmless};
use crate::cli::secret_input::secret;
use crate::cli::service_client::{Answer, ServiceClient, path};
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
    /// Make a key. Its credential is shown this once.
    Create(CreateArguments),
    /// Make a key for somebody else, whose password or access token is asked for.
    Grant(GrantArguments),
    /// End keys for ever.
    Invalidate(InvalidateArguments),
    /// List keys.
    List(list::ListArguments),
    /// Show everything about a key but its secret.
    Show(list::ShowArguments),
    /// Change what a key may do, its metadata or its end. Keys belong to whoever made them, and only they may.
    Update(UpdateArguments),
}

#[derive(Debug, Args)]
struct CreateArguments {
    /// The key's name.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    name: String,
    #[command(flatten)]
    traits: KeyTraits,
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
    /// Another user, as whom that one may run: then the key is that user's.
    #[arg(long, value_name = "USER")]
    run_as: Option<String>,
    #[command(flatten)]
    traits: KeyTraits,
}

#[derive(Debug, Args)]
struct UpdateArguments {
    /// The key's id.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    #[command(flatten)]
    traits: KeyTraits,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// What a key is besides a name.
#[derive(Debug, Args)]
struct KeyTraits {
    /// After what time from now the key ends, such as 30d, 12h or 90m.
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<String>,
    /// A JSON file of role descriptors by name: what the key may do. Without, it may do what its owner may. - is stdin.
    #[arg(long, value_name = "FILE")]
    role_descriptors: Option<PathBuf>,
    /// A text to keep with the key. May be given several times.
    #[arg(long, value_name = "NAME=TEXT", value_parser = named_text)]
    metadata: Vec<(String, String)>,
}

#[derive(Debug, Args)]
struct InvalidateArguments {
    #[command(flatten)]
    keys: KeyChoice,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// Which keys are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct KeyChoice {
    /// Ids of keys.
    #[arg(conflicts_with_all = ["name", "username", "realm"], value_parser = NonEmptyStringValueParser::new())]
    ids: Vec<String>,
    /// Keys of this name; * stands for any text.
    #[arg(long, conflicts_with_all = ["username", "realm"])]
    name: Option<String>,
    /// Keys of this user.
    #[arg(long, value_name = "USER", conflicts_with = "mine")]
    username: Option<String>,
    /// Keys of the users of this realm.
    #[arg(long, conflicts_with = "mine")]
    realm: Option<String>,
    /// Keys of whoever asks.
    #[arg(long)]
    mine: bool,
}

pub(super) fn run(arguments: KeyArguments) -> Result<(), CommandFailed> {
    let service = arguments.connection.open()?;
    let now = SystemClock.now();
    let as_json = arguments.connection.json;
    let report = match arguments.command {
        KeyCommand::Create(arguments) => create(&service, &arguments)?,
        KeyCommand::Grant(arguments) => grant(&service, &arguments)?,
        KeyCommand::Invalidate(arguments) => return invalidate(&service, &arguments, as_json),
        KeyCommand::List(arguments) => list::list(&service, &arguments, now)?,
        KeyCommand::Show(arguments) => list::show(&service, &arguments, now)?,
        KeyCommand::Update(arguments) => return update(&service, &arguments, as_json),
    };
    report.print(as_json)
}

fn create(service: &ServiceClient, arguments: &CreateArguments) -> Result<Report, CommandFailed> {
    let mut body = arguments.traits.body()?;
    body.insert("name".to_owned(), json!(arguments.name));
    service.ask(Method::POST, KEYS, Some(&Value::Object(body))).map(created)
}

fn grant(service: &ServiceClient, arguments: &GrantArguments) -> Result<Report, CommandFailed> {
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
        fields.extend(arguments.run_as.iter().map(|user| ("run_as".to_owned(), json!(user))));
    }
    service.ask(Method::POST, &format!("{KEYS}/grant"), Some(&body)).map(created)
}

/// Prints what was done, and then fails if not every edge is known to have applied it.
fn update(service: &ServiceClient, arguments: &UpdateArguments, as_json: bool) -> Result<(), CommandFailed> {
    let id = &arguments.id;
    let body = Value::Object(arguments.traits.body()?);
    let path = arguments.edges.ask_in(&path(&["_security", "api_key", id]));
    let answer = service.ask(Method::PUT, &path, Some(&body))?;
    let is_changed = answer.json.get("updated") == Some(&Value::Bool(true));
    let told = if is_changed { "Updated the key" } else { "There was nothing to change in the key" };
    let edges = EdgesReached::of(&answer.json);
    let reached = edges.as_ref().map(EdgesReached::told).unwrap_or_default();
    Report { text: format!("{told} {}.\n{reached}", harmless(id)), json: answer.text }.print(as_json)?;
    edges.map_or(Ok(()), |edges| edges.require_all())
}

/// Prints what was ended, and then fails if that is not all that was named, or not every edge is known to have applied it.
fn invalidate(
    service: &ServiceClient,
    arguments: &InvalidateArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let body = arguments.keys.body();
    let answer = service.ask(Method::DELETE, &arguments.edges.ask_in(KEYS), Some(&body))?;
    let ended: Vec<&str> = answer
        .json
        .get("invalidated_api_keys")
        .and_then(Value::as_array)
        .map(|ids| ids.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let plural = if ended.len() == 1 { "" } else { "s" };
    let mut text = format!("Invalidated {} key{plural}.\n", ended.len());
    for id in &ended {
        text.push_str(&format!("  {}\n", harmless(id)));
    }
    let missed: Vec<&str> =
        arguments.keys.ids.iter().map(String::as_str).filter(|id| !ended.contains(id)).collect();
    let edges = EdgesReached::of(&answer.json);
    text.extend(edges.as_ref().map(EdgesReached::told));
    Report { text, json: answer.text.clone() }.print(as_json)?;
    let mut complaints = Vec::new();
    if !missed.is_empty() {
        complaints.push(format!(
            "not invalidated, because there is no such key or it is invalid already: {}",
            missed.join(", ")
        ));
    }
    complaints.extend(edges.and_then(|edges| edges.require_all().err()).map(|failed| failed.to_string()));
    if complaints.is_empty() { Ok(()) } else { Err(CommandFailed::new(complaints.join("; "))) }
}

/// A new key, for whoever made it. This is the only time that its secret is seen.
fn created(answer: Answer) -> Report {
    let text = |field: &str| answer.json.get(field).and_then(Value::as_str).unwrap_or_default();
    let expiration = answer.json.get("expiration").and_then(Value::as_u64);
    let mut fields = Fields::default();
    fields.add("id", text("id"));
    fields.add("name", text("name"));
    fields.add("expires", expiration.map_or_else(|| "never".to_owned(), date));
    fields.add("credential", text("encoded"));
    let text = format!(
        "Made a key.\n\n{}\nThe credential is shown this once. It is presented as\n\n  Authorization: ApiKey {}\n",
        fields.into_text(),
        text("encoded")
    );
    Report { text, json: answer.text }
}

impl KeyChoice {
    /// The body of an invalidation.
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut add =
            |name: &str, value: Option<Value>| body.extend(value.map(|value| (name.to_owned(), value)));
        add("ids", (!self.ids.is_empty()).then(|| json!(self.ids)));
        add("name", self.name.as_ref().map(|name| json!(name)));
        add("username", self.username.as_ref().map(|name| json!(name)));
        add("realm_name", self.realm.as_ref().map(|name| json!(name)));
        add("owner", self.mine.then_some(Value::Bool(true)));
        Value::Object(body)
    }
}

impl KeyTraits {
    /// The fields of a request's body.
    fn body(&self) -> Result<Map<String, Value>, CommandFailed> {
        let mut body = Map::new();
        if let Some(duration) = &self.expires_in {
            body.insert("expiration".to_owned(), json!(duration));
        }
        if let Some(file) = &self.role_descriptors {
            body.insert("role_descriptors".to_owned(), Value::Object(json_input::object(file)?));
        }
        if !self.metadata.is_empty() {
            let texts = self.metadata.iter().map(|(name, text)| (name.clone(), json!(text)));
            body.insert("metadata".to_owned(), Value::Object(texts.collect()));
        }
        Ok(body)
    }
}

fn named_text(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.to_owned(), text.to_owned())),
        _ => Err("must be NAME=TEXT".to_owned()),
    }
}
