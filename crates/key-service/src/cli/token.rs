//! `latchkey token`: access tokens of a running service.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::connection::ConnectionArguments;
use crate::cli::report::{Fields, Report, date, number, text};
use crate::cli::secret_input::secret;
use crate::cli::service_client::{Answer, ServiceClient};
use crate::clock::{Clock as _, SystemClock};

/// Where tokens are.
const TOKENS: &str = "/_security/oauth2/token";

#[derive(Debug, Args)]
pub(super) struct TokenArguments {
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Get an access token: for whoever asks, for somebody whose password is asked for, or for a refresh
    /// token.
    Get(GetArguments),
    /// End tokens.
    #[command(visible_aliases = ["revoke", "delete"])]
    Invalidate(InvalidateArguments),
}

#[derive(Debug, Args)]
struct GetArguments {
    /// For whom, by their password. Comes with a refresh token.
    #[arg(long = "for", value_name = "USER", conflicts_with = "refresh_token_file")]
    grantee: Option<String>,
    /// A file with the password of that user; otherwise it is asked for, or is a line of stdin.
    #[arg(long, value_name = "FILE", requires = "grantee")]
    grantee_password_file: Option<PathBuf>,
    /// A file with a refresh token, which is spent; - asks for it. Comes with a new one.
    #[arg(long, value_name = "FILE")]
    refresh_token_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct InvalidateArguments {
    /// A file with an access token; - asks for it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["refresh_token_file", "username", "realm"])]
    access_token_file: Option<PathBuf>,
    /// A file with a refresh token; - asks for it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["username", "realm"])]
    refresh_token_file: Option<PathBuf>,
    /// All tokens of this user.
    #[arg(long, value_name = "USER")]
    username: Option<String>,
    /// All tokens of the users of this realm.
    #[arg(long)]
    realm: Option<String>,
}

pub(super) fn run(arguments: TokenArguments) -> Result<(), CommandFailed> {
    let service = arguments.connection.open()?;
    let report = match arguments.command {
        TokenCommand::Get(arguments) => get(&service, &arguments)?,
        TokenCommand::Invalidate(arguments) => invalidate(&service, &arguments)?,
    };
    report.print(arguments.connection.json)
}

fn get(service: &ServiceClient, arguments: &GetArguments) -> Result<Report, CommandFailed> {
    let body = match (&arguments.grantee, arguments.refresh_token_file.as_deref()) {
        (Some(user), _) => {
            let what = format!("password of {user}");
            let password = secret(arguments.grantee_password_file.as_deref(), None, &what)?;
            json!({"grant_type": "password", "username": user, "password": password.expose()})
        }
        (None, Some(file)) => {
            let token = secret(Some(file), None, "refresh token")?;
            json!({"grant_type": "refresh_token", "refresh_token": token.expose()})
        }
        (None, None) => json!({"grant_type": "client_credentials"}),
    };
    Ok(created(service.ask(Method::POST, TOKENS, Some(&body))?, SystemClock.now().0))
}

fn invalidate(service: &ServiceClient, arguments: &InvalidateArguments) -> Result<Report, CommandFailed> {
    let mut body = Map::new();
    for (field, file, what) in [
        ("token", &arguments.access_token_file, "access token"),
        ("refresh_token", &arguments.refresh_token_file, "refresh token"),
    ] {
        if let Some(file) = file {
            body.insert(field.to_owned(), json!(secret(Some(file), None, what)?.expose()));
        }
    }
    for (field, text) in [("username", &arguments.username), ("realm_name", &arguments.realm)] {
        body.extend(text.iter().map(|text| (field.to_owned(), json!(text))));
    }
    let answer = service.ask(Method::DELETE, TOKENS, Some(&Value::Object(body)))?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(CommandFailed::new("there is no such token"));
    }
    let count = |field| number(&answer.json, field);
    let (ended, before) = (count("invalidated_tokens"), count("previously_invalidated_tokens"));
    let plural = if ended == 1 { "" } else { "s" };
    let mut text = format!("Invalidated {ended} token{plural}.\n");
    if before > 0 {
        text.push_str(&format!("Invalid before: {before}.\n"));
    }
    Ok(Report { text, json: answer.text })
}

/// New tokens, for whoever asked. This is the only time that they are seen.
fn created(answer: Answer, now_ms: u64) -> Report {
    let text = |field| text(&answer.json, field);
    let user = answer.json.pointer("/authentication/username").and_then(Value::as_str).unwrap_or_default();
    let lasts_s = number(&answer.json, "expires_in");
    let mut fields = Fields::default();
    fields.add("acts for", user);
    fields.add("expires", date(now_ms.saturating_add(lasts_s.saturating_mul(1_000))));
    fields.add("access token", text("access_token"));
    fields.add("refresh token", text("refresh_token"));
    let text = format!(
        "Got a token.\n\n{}\nTokens are shown this once. The access token is presented as\n\n  Authorization: Bearer {}\n",
        fields.into_text(),
        text("access_token")
    );
    Report { text, json: answer.text }
}
