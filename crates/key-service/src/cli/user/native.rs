//! The users that a running service manages itself.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::edge_wait::{Before, EdgesReached};
use crate::cli::report::{Report, counted, harmless, items};
use crate::cli::secret_input::new_password;
use crate::cli::service_client::{Answer, ServiceClient, path, with_query};
use crate::cli::service_refusal::taking;
use crate::cli::user::{CreateArguments, ShutOutArguments, UserCommand, done, listed, shown};
use crate::clock::Clock as _;
use crate::clock::SystemClock;
use crate::model::password::Password;

pub(super) fn run(
    service: &ServiceClient,
    command: &UserCommand,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let report = match command {
        UserCommand::Create(arguments) => create(service, arguments)?,
        UserCommand::Delete(user) => {
            return shut_out(service, user, ("Removed", Method::DELETE, &place_of(&user.name, &[])), as_json);
        }
        UserCommand::Disable(user) => {
            let place = place_of(&user.name, &["_disable"]);
            return shut_out(service, user, ("Disabled", Method::PUT, &place), as_json);
        }
        UserCommand::Enable(user) => {
            let answer = service.ask(Method::PUT, &place_of(&user.name, &["_enable"]), None)?;
            done("Enabled", &user.name, answer.text)
        }
        UserCommand::List => {
            let answer = service.ask(Method::GET, "/_security/user", None)?;
            listed(&users(&answer), answer.text)
        }
        UserCommand::Passwd(user) => {
            let body = json!({"password": text_of(&new_password(&user.name)?)});
            let answer = service.ask(Method::PUT, &place_of(&user.name, &["_password"]), Some(&body))?;
            done("Changed the password of", &user.name, answer.text)
        }
        UserCommand::Show(user) => {
            let answer = service.ask(Method::GET, &place_of(&user.name, &[]), None)?;
            shown(&users(&answer), &user.name, answer.text)?
        }
    };
    report.print(as_json)
}

/// The service would replace a user of that name, so it is asked first whether there is one.
fn create(service: &ServiceClient, arguments: &CreateArguments) -> Result<Report, CommandFailed> {
    let place = place_of(&arguments.name, &[]);
    let looked = service
        .ask(Method::GET, &place, None)
        .map_err(|failed| taking(failed, "the cluster privilege manage_security"))?;
    if looked.status != StatusCode::NOT_FOUND {
        return Err(CommandFailed::new(format!("there is a user {} already", arguments.name)));
    }
    let body = json!({
        "password": text_of(&new_password(&arguments.name)?),
        "roles": arguments.roles,
        "full_name": arguments.full_name,
        "email": arguments.email,
    });
    let answer = service.ask(Method::PUT, &place, Some(&body))?;
    warn_of_missing_roles(service, "user", &arguments.roles);
    Ok(done("Added", &arguments.name, answer.text))
}

/// Complains of roles that the service does not show: a name that is misspelt would grant nothing, without a
/// word. Whoever may add users may see roles.
pub(in crate::cli) fn warn_of_missing_roles(service: &ServiceClient, whose: &str, roles: &[String]) {
    if roles.is_empty() {
        tracing::warn!("the {whose} has no role, and may do nothing: --role NAME gives one");
        return;
    }
    let Ok(known) = service.ask(Method::GET, "/_security/role", None) else { return };
    for role in roles.iter().filter(|role| known.json.get(role.as_str()).is_none()) {
        tracing::warn!(
            "there is no role {}: unless the users file has it, it grants nothing until `latchkey role put` makes it",
            harmless(role)
        );
    }
}

/// Says what was done and what becomes of the user's keys, and then fails if not every edge is known to
/// refuse those that ended.
fn shut_out(
    service: &ServiceClient,
    user: &ShutOutArguments,
    (what, method, place): (&str, Method, &str),
    as_json: bool,
) -> Result<(), CommandFailed> {
    let place = with_query(place, &[("with_keys", user.with_keys.then_some("true"))]);
    let answer = service.ask(method, &user.edges.ask_in(&place), None)?;
    if answer.status == StatusCode::NOT_FOUND {
        return Err(CommandFailed::new(format!("there is no user {}", user.name)));
    }
    let mut report = done(what, &user.name, answer.text);
    let ended = items(&answer.json, "invalidated_api_keys").len();
    if ended > 0 {
        report.text.push_str(&format!("Invalidated {} of this user.\n", counted(ended)));
    }
    tell_warnings(&mut report, &answer.warnings, as_json);
    let edges = EdgesReached::of(&answer.json);
    report.text.extend(edges.as_ref().map(|edges| edges.told(Before::Admits, SystemClock.now())));
    report.print(as_json)?;
    edges.map_or(Ok(()), |edges| edges.require_all())
}

/// Says what the service warns of, by the flag by which this command says it.
pub(in crate::cli) fn tell_warnings(report: &mut Report, warnings: &[String], as_json: bool) {
    for warning in warnings {
        let warning = warning.replace("with_keys=true", "--with-keys");
        if as_json {
            tracing::warn!("{warning}");
        } else {
            report.text.push_str(&format!("{warning}.\n"));
        }
    }
}

pub(in crate::cli) fn place_of(name: &str, rest: &[&str]) -> String {
    path(&[&["_security", "user", name], rest].concat())
}

pub(in crate::cli) fn users(answer: &Answer) -> Map<String, Value> {
    answer.json.as_object().cloned().unwrap_or_default()
}

/// A chosen password is text.
fn text_of(password: &Password) -> &str {
    std::str::from_utf8(password.expose()).unwrap_or_default()
}
