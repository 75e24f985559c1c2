//! `latchkey key rotate`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use http::Method;
use latchkey_elastic::TimeValue;
use serde_json::{Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::key::behalf::ask_on_behalf;
use crate::cli::key::check::{presented_token, token};
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::key::hits::Hits;
use crate::cli::report::{Fields, Report, date, harmless, items, text};
use crate::cli::service_client::{Answer, ServiceClient, path, with_query};
use crate::clock::{Clock as _, SystemClock};

#[derive(Debug, Args)]
pub(super) struct RotateArguments {
    /// The key's id.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// How long the secret that it has works on, such as 24h or 7d; 0 ends it at once.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = overlap)]
    overlap: String,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// Before a password is typed in vain.
fn overlap(argument: &str) -> Result<String, String> {
    match TimeValue::parse(argument, "overlap") {
        Ok(_) if !argument.starts_with('-') => Ok(argument.to_owned()),
        _ => Err("must be 0, or a whole number and one of the units d, h, m and s, such as 24h".to_owned()),
    }
}

/// Prints the new credential, the only time that it is seen, and then fails if not every edge is known to have
/// it.
pub(super) fn rotate(
    service: &ServiceClient,
    arguments: &RotateArguments,
    acts_for_another: bool,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let place = arguments.edges.ask_in(&path(&["_security", "api_key", &arguments.id, "_rotate"]));
    let body = json!({"overlap": arguments.overlap});
    let shown = shown(service, &arguments.id);
    if let Some(ended) = shown.as_ref().and_then(|key| ended(key, SystemClock.now().0)) {
        return Err(CommandFailed::new(format!(
            "the key {} {ended}, and only a key that works gets another secret",
            harmless(&arguments.id)
        )));
    }
    let owner = if acts_for_another { None } else { other_owner(service, &arguments.id) };
    let answer = match owner {
        None => service.ask(Method::POST, &place, Some(&body))?,
        Some(owner) => ask_on_behalf(service, &owner, Method::POST, &place, Some(&body)).map_err(|failed| {
            CommandFailed::new(format!(
                "a key belongs to whoever made it, and this one could not be rotated on behalf of {}: {failed}",
                harmless(&owner)
            ))
        })?,
    };
    print(answer, as_json)
}

/// The key, if whoever asks may see it.
fn shown(service: &ServiceClient, id: &str) -> Option<Value> {
    let answer = service.ask(Method::GET, &with_query(KEYS, &[("id", Some(id))]), None).ok()?;
    items(&answer.json, "api_keys").first().cloned()
}

/// What has become of a key that works no more. Its owner may be gone, and nobody could be asked on its behalf.
fn ended(key: &Value, now: u64) -> Option<String> {
    let moment = |field: &str| key.get(field).and_then(Value::as_u64);
    if key.get("invalidated") == Some(&Value::Bool(true)) {
        let when = moment("invalidation").map(|at| format!(" at {}", date(at))).unwrap_or_default();
        return Some(format!("was invalidated{when}"));
    }
    moment("expiration").filter(|end| *end <= now).map(|end| format!("has expired at {}", date(end)))
}

/// Whose key it is, if it is that of another user.
fn other_owner(service: &ServiceClient, id: &str) -> Option<String> {
    let me = service.ask(Method::GET, "/_security/_authenticate", None).ok()?.json;
    if me.pointer("/api_key/id").and_then(Value::as_str) == Some(id) {
        return None;
    }
    let hits = Hits::named(service, &[id.to_owned()]).ok()?;
    let hit = hits.iter().next()?;
    let is_mine =
        hit.owner == text(&me, "username") && hit.realm == text(me.get("authentication_realm")?, "name");
    (!is_mine).then(|| hit.owner.clone())
}

fn print(answer: Answer, as_json: bool) -> Result<(), CommandFailed> {
    let json = &answer.json;
    let until = json.get("previous_secret_expiration").and_then(Value::as_u64);
    let mut fields = Fields::default();
    fields.add("id", text(json, "id"));
    fields.add("name", text(json, "name"));
    fields.add("credential", text(json, "encoded"));
    fields.add("token", token(&text(json, "id"), &text(json, "api_key")));
    fields.add(
        "secret before",
        until.map_or_else(|| "has ended".to_owned(), |end| format!("works until {}", date(end))),
    );
    let edges = EdgesReached::of(json);
    let reached = edges.as_ref().map(|edges| edges.told(Before::IsOld, SystemClock.now()));
    let told = format!(
        "Gave the key another secret.\n\n{}\nThe credential is shown this once. It is presented as\n\n  Authorization: ApiKey {}\n{}{}",
        fields.into_text(),
        text(json, "encoded"),
        presented_token(&text(json, "id"), &text(json, "api_key")),
        reached.map_or_else(String::new, |reached| format!("\n{reached}"))
    );
    Report { text: told, json: answer.text }.print(as_json)?;
    edges.map_or(Ok(()), |edges| edges.require_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_number_with_a_unit_or_nothing() {
        for good in ["24h", "7d", "90m", "0"] {
            assert_eq!(overlap(good), Ok(good.to_owned()));
        }
        for bad in ["24", "-1", "-5d", "soon", ""] {
            let refusal = overlap(bad).unwrap_err();
            assert!(refusal.contains("such as 24h"), "{bad}: {refusal}");
        }
    }
}
