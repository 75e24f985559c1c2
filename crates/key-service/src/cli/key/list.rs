//! `latchkey key list` and `latchkey key show`.

use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use http::Method;
use latchkey_elastic::TimeValue;
use latchkey_key_feed::UnixMillis;
use serde_json::{Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::report::{Fields, Report, Table, date, items, text};
use crate::cli::service_client::{ServiceClient, with_query};

/// Longest cell of what a key's maker may make long, in characters.
const CELL_CHARS_MAX: usize = 40;

/// What stands for the roles of a key that has none of its own.
const ALL_OF_OWNER: &str = "(all of its owner)";

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Keys of this name; * at its end stands for any text.
    #[arg(long, conflicts_with_all = ["username", "realm"])]
    name: Option<String>,
    /// Keys of this user.
    #[arg(long, visible_alias = "owner", value_name = "USER", conflicts_with = "mine")]
    username: Option<String>,
    /// Keys of the users of this realm.
    #[arg(long, conflicts_with = "mine")]
    realm: Option<String>,
    /// Keys of whoever asks.
    #[arg(long)]
    mine: bool,
    /// Only keys with a role of their own of this name.
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Only keys that work now.
    #[arg(long)]
    active: bool,
    /// Only keys that work now and end within this time, the next to end first.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    expiring: Option<Duration>,
    /// Only keys that work now and were not used for this time, the oldest use first. Uses are counted by edges that
    /// report them, and by the key service.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "expiring")]
    unused: Option<Duration>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArguments {
    /// The key's id.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    id: String,
    /// The key is one of whoever asks. Then no more than the right to one's own keys is needed.
    #[arg(long)]
    mine: bool,
    /// Show what its owner could do when the key was made or last updated, too.
    #[arg(long)]
    limited_by: bool,
}

pub(super) fn list(
    service: &ServiceClient,
    arguments: &ListArguments,
    now: UnixMillis,
) -> Result<Report, CommandFailed> {
    let path = with_query(
        KEYS,
        &[
            ("name", arguments.name.as_deref()),
            ("username", arguments.username.as_deref()),
            ("realm_name", arguments.realm.as_deref()),
            ("owner", arguments.mine.then_some("true")),
            ("active_only", arguments.are_active().then_some("true")),
        ],
    );
    let answer = service.ask(Method::GET, &path, None)?;
    let all = items(&answer.json, "api_keys");
    let mut chosen = match (arguments.expiring, arguments.unused) {
        (Some(within), _) => Some(ending_by(now.plus(within), all)),
        (None, Some(unused)) => Some(unused_since(now.minus(unused), all)),
        (None, None) => None,
    };
    if let Some(role) = &arguments.role {
        chosen.get_or_insert_with(|| all.iter().collect()).retain(|key| has_role(key, role));
    }
    let json = chosen.as_ref().map_or(answer.text, |keys| json!({"api_keys": keys}).to_string());
    let keys = chosen.unwrap_or_else(|| all.iter().collect());
    let mut table = Table::new(&[
        "ID", "NAME", "OWNER", "REALM", "ROLES", "METADATA", "CREATED", "EXPIRES", "USED", "STATUS",
    ]);
    for key in keys {
        table.row([
            text(key, "id"),
            text(key, "name"),
            text(key, "username"),
            text(key, "realm"),
            roles(key),
            metadata(key),
            moment(key, "creation"),
            expiry(key),
            moment(key, "last_used"),
            standing(key, now).to_owned(),
        ]);
    }
    Ok(Report { text: table.into_text(), json })
}

pub(super) fn show(
    service: &ServiceClient,
    arguments: &ShowArguments,
    now: UnixMillis,
) -> Result<Report, CommandFailed> {
    let path = with_query(
        KEYS,
        &[
            ("id", Some(&arguments.id)),
            ("owner", arguments.mine.then_some("true")),
            ("with_limited_by", arguments.limited_by.then_some("true")),
        ],
    );
    let answer = service.ask(Method::GET, &path, None)?;
    let [key] = items(&answer.json, "api_keys") else {
        return Err(CommandFailed::new(format!("there is no key {}", arguments.id)));
    };
    let mut fields = Fields::default();
    for name in ["id", "name", "type"] {
        fields.add(name, text(key, name));
    }
    fields.add("owner", text(key, "username"));
    fields.add("realm", text(key, "realm"));
    fields.add("status", standing(key, now));
    fields.add("created", moment(key, "creation"));
    fields.add("expires", moment(key, "expiration"));
    fields.add("invalidated", moment(key, "invalidation"));
    fields.add("rotated", moment(key, "rotation"));
    fields.add("secret before works until", moment(key, "previous_secret_expiration"));
    fields.add("uses", number(key, "uses"));
    fields.add("last used", moment(key, "last_used"));
    fields.add("last used at edge", text(key, "last_used_edge"));
    fields.add("wrong secrets", number(key, "wrong_secrets"));
    fields.add("last wrong secret", moment(key, "last_wrong_secret"));
    fields.add("uses counted since", moment(key, "uses_counted_since"));
    for (name, field) in
        [("metadata", "metadata"), ("may do", "role_descriptors"), ("limited by", "limited_by")]
    {
        fields.add(name, object(key, field));
    }
    let text = format!("Key {}\n\n{}", text(key, "id"), fields.into_text());
    Ok(Report { text, json: answer.text })
}

/// The keys that end by then, the next first.
fn ending_by(until: UnixMillis, keys: &[Value]) -> Vec<&Value> {
    let expiration = |key: &&Value| key.get("expiration").and_then(Value::as_u64);
    let mut ending: Vec<&Value> =
        keys.iter().filter(|key| expiration(key).is_some_and(|at| at <= until.0)).collect();
    ending.sort_by_key(expiration);
    ending
}

/// The keys of which no use was counted from then on, the one that was used longest ago first. A key of which uses are
/// not counted for so long is none of them.
fn unused_since(since: UnixMillis, keys: &[Value]) -> Vec<&Value> {
    let moment = |key: &Value, field| key.get(field).and_then(Value::as_u64);
    let heard = |key: &&Value| {
        ["last_used", "uses_counted_since", "creation"]
            .map(|field| moment(key, field))
            .into_iter()
            .max()
            .flatten()
    };
    let mut unused: Vec<&Value> =
        keys.iter().filter(|key| heard(key).is_some_and(|at| at < since.0)).collect();
    unused.sort_by_key(heard);
    unused
}

impl ListArguments {
    fn are_active(&self) -> bool {
        self.active || self.expiring.is_some() || self.unused.is_some()
    }
}

fn duration(argument: &str) -> Result<Duration, String> {
    match TimeValue::parse(argument, "expiring") {
        Ok(within) if !within.is_minus_one() => Ok(within.to_duration()),
        _ => Err("must be a whole number and one of the units s, m, h and d, such as 7d".to_owned()),
    }
}

/// What has become of a key.
fn standing(key: &Value, now: UnixMillis) -> &'static str {
    let is_invalidated = key.get("invalidated") == Some(&Value::Bool(true));
    let is_suspended = key.get("suspended") == Some(&Value::Bool(true));
    let expiration = key.get("expiration").and_then(Value::as_u64);
    match (is_invalidated, expiration) {
        (true, _) => "invalidated",
        (false, Some(expiration)) if expiration <= now.0 => "expired",
        (false, _) if is_suspended => "suspended with its owner",
        (false, _) => "active",
    }
}

/// Whether a key has a role of its own of this name.
fn has_role(key: &Value, name: &str) -> bool {
    key.get("role_descriptors").and_then(|roles| roles.get(name)).is_some()
}

/// The names of a key's role descriptors. Without any it may do all that its owner could.
fn roles(key: &Value) -> String {
    let descriptors = key.get("role_descriptors").and_then(Value::as_object);
    let names: Vec<&str> = descriptors.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { ALL_OF_OWNER.to_owned() } else { shortened(&names.join(",")) }
}

/// The metadata as pairs; `key show` has all of it.
fn metadata(key: &Value) -> String {
    let pairs = key.get("metadata").and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            value => format!("{name}={value}"),
        })
        .collect();
    shortened(&pairs.join(","))
}

fn shortened(text: &str) -> String {
    let one_line = text.replace('\n', " ");
    if one_line.chars().count() <= CELL_CHARS_MAX {
        return one_line;
    }
    one_line.chars().take(CELL_CHARS_MAX - 1).chain(['…']).collect()
}

fn expiry(key: &Value) -> String {
    let expires = moment(key, "expiration");
    if expires.is_empty() { "never".to_owned() } else { expires }
}

fn moment(key: &Value, field: &str) -> String {
    key.get(field).and_then(Value::as_u64).map(date).unwrap_or_default()
}

fn number(key: &Value, field: &str) -> String {
    key.get(field).and_then(Value::as_u64).map(|number| number.to_string()).unwrap_or_default()
}

/// Indented JSON, or nothing for an empty object.
fn object(key: &Value, field: &str) -> String {
    match key.get(field) {
        Some(Value::Object(object)) if object.is_empty() => String::new(),
        Some(value) => serde_json::to_string_pretty(value).unwrap_or_default(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_absent_is_said() {
        let key = json!({"role_descriptors": {"a": {}, "b": {}}, "metadata": {"team": "red", "n": 7}});
        assert_eq!((roles(&key), metadata(&key)), ("a,b".to_owned(), "n=7,team=red".to_owned()));
        assert_eq!((roles(&json!({})), metadata(&json!({}))), (ALL_OF_OWNER.to_owned(), String::new()));
        assert_eq!(expiry(&json!({})), "never");
        let long = json!({"metadata": {"text": "x".repeat(50)}});
        assert_eq!(metadata(&long), format!("text={}…", "x".repeat(34)));
    }

    #[test]
    fn of_keys_that_end_soon_the_next_comes_first() {
        let keys =
            [json!({"id": "a", "expiration": 9}), json!({"id": "b"}), json!({"id": "c", "expiration": 7})];
        let ids =
            |until| ending_by(UnixMillis(until), &keys).iter().map(|key| text(key, "id")).collect::<Vec<_>>();
        assert_eq!(
            (ids(6), ids(7), ids(9)),
            (vec![], vec!["c".to_owned()], vec!["c".to_owned(), "a".to_owned()])
        );
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 24 * 3_600)));
        assert!(duration("-1").is_err() && duration("7").is_err());
    }

    #[test]
    fn a_key_is_unused_when_its_uses_were_counted_for_as_long_and_none_came() {
        let keys = [
            json!({"id": "used lately", "creation": 1, "last_used": 9}),
            json!({"id": "used long ago", "creation": 1, "last_used": 5}),
            json!({"id": "never used", "creation": 2}),
            json!({"id": "new", "creation": 8}),
            json!({"id": "older than the counting", "creation": 1, "uses_counted_since": 8}),
        ];
        let ids = |since| {
            unused_since(UnixMillis(since), &keys).iter().map(|key| text(key, "id")).collect::<Vec<_>>()
        };
        assert_eq!(ids(8), ["never used", "used long ago"]);
        assert_eq!(ids(2), Vec::<String>::new());
    }

    #[test]
    fn a_role_is_one_of_the_keys_own() {
        let key = json!({"role_descriptors": {"a": {}}, "limited_by": [{"b": {}}]});
        assert!(has_role(&key, "a"));
        assert!(!has_role(&key, "b") && !has_role(&key, "A") && !has_role(&json!({}), "a"));
    }

    #[test]
    fn a_key_that_is_both_expired_and_invalidated_is_invalidated() {
        for (key, expected) in [
            (json!({"invalidated": false}), "active"),
            (json!({"invalidated": false, "expiration": 8}), "active"),
            (json!({"invalidated": false, "expiration": 7}), "expired"),
            (json!({"invalidated": true, "expiration": 7}), "invalidated"),
            (json!({"invalidated": false, "suspended": true}), "suspended with its owner"),
            (json!({"invalidated": true, "suspended": true}), "invalidated"),
            (json!({"invalidated": false, "suspended": true, "expiration": 7}), "expired"),
        ] {
            assert_eq!(standing(&key, UnixMillis(7)), expected, "{key}");
        }
    }
}
