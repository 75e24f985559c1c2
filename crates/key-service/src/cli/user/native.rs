//! The users that a running service manages itself.

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::report::Report;
use crate::cli::secret_input::new_password;
use crate::cli::service_client::{Answer, ServiceClient, path};
use crate::cli::user::{CreateArguments, UserCommand, done, listed, shown};
use crate::security::password::Password;

pub(super) fn run(service: &ServiceClient, command: &UserCommand) -> Result<Report, CommandFailed> {
    match command {
        UserCommand::Create(arguments) => create(service, arguments),
        UserCommand::Delete(user) => delete(service, &user.name),
        UserCommand::Disable(user) => {
            let answer = service.ask(Method::PUT, &place_of(&user.name, &["_disable"]), None)?;
            Ok(done("Disabled", &user.name, answer.text))
        }
        UserCommand::Enable(user) => {
            let answer = service.ask(Method::PUT, &place_of(&user.name, &["_enable"]), None)?;
            Ok(done("Enabled", &user.name, answer.text))
        }
        UserCommand::List => {
            let answer = service.ask(Method::GET, "/_security/user", None)?;
            Ok(listed(&users(&answer), answer.text))
        }
        UserCommand::Passwd(user) => {
            let body = json!({"password": text_of(&new_password(&user.name)?)});
            let answer = service.ask(Method::PUT, &place_of(&user.name, &["_password"]), Some(&body))?;
            Ok(done("Changed the password of", &user.name, answer.text))
        }
        UserCommand::Show(user) => {
            let answer = service.ask(Method::GET, &place_of(&user.name, &[]), None)?;
            shown(&users(&answer), &user.name, answer.text)
        }
    }
}

/// The service would replace a user of that name, so it is asked first whether there is one.
fn create(service: &ServiceClient, arguments: &CreateArguments) -> Result<Report, CommandFailed> {
    let place = place_of(&arguments.name, &[]);
    if service.ask(Method::GET, &place, None)?.status != StatusCode::NOT_FOUND {
        return Err(CommandFailed::new(format!("there is a user {} already", arguments.name)));
    }
    let body = json!({
        "password": text_of(&new_password(&arguments.name)?),
        "roles": arguments.roles,
        "full_name": arguments.full_name,
        "email": arguments.email,
    });
    let answer = service.ask(Method::PUT, &place, Some(&body))?;
    Ok(done("Added", &arguments.name, answer.text))
}

fn delete(service: &ServiceClient, name: &str) -> Result<Report, CommandFailed> {
    let answer = service.ask(Method::DELETE, &place_of(name, &[]), None)?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(CommandFailed::new(format!("there is no user {name}")));
    }
    Ok(done("Removed", name, answer.text))
}

fn place_of(name: &str, rest: &[&str]) -> String {
    path(&[&["_security", "user", name], rest].concat())
}

fn users(answer: &Answer) -> Map<String, Value> {
    answer.json.as_object().cloned().unwrap_or_default()
}

/// A chosen password is text.
fn text_of(password: &Password) -> &str {
    std::str::from_utf8(password.expose()).unwrap_or_default()
}
