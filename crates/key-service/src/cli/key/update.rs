//! `latchkey key update`.
//!
//! Keys belong to whoever made them, and only they may change them. Whoever may act for somebody else
//! (`run_as`, which a super-user may for everybody) changes that one's keys on their behalf: the service then
//! goes by what the owner may do, and the audit log names both.

use std::collections::BTreeMap;

use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::confirmation::confirmed;
use crate::cli::key::KEYS;
use crate::cli::key::behalf::ask_on_behalf;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::key::hits::{Hits, names};
use crate::cli::key::invalidate::KeyChoice;
use crate::cli::key::traits::KeyTraits;
use crate::cli::report::{Report, counted, harmless, items, text};
use crate::cli::service_client::{Answer, ServiceClient, path};
use crate::cli::service_refusal::taking;
use crate::clock::{Clock as _, SystemClock};

/// Most keys in one request.
const IDS_AT_ONCE_MAX: usize = 1_000;

#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    #[command(flatten)]
    keys: KeyChoice,
    #[command(flatten)]
    traits: KeyTraits,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Also keys that may do nothing but read the feed: the edges' own.
    #[arg(long)]
    edges_too: bool,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// Keys by whose they are: those of whoever asks, or of whom that is not known, under nobody's name.
type ByOwner = BTreeMap<Option<String>, Vec<String>>;

/// What became of the keys.
#[derive(Debug, Default)]
struct Done {
    updated: Vec<String>,
    unchanged: Vec<String>,
    /// Why some were not changed.
    refused: Map<String, Value>,
    edges: Option<Value>,
}

/// Prints what was done, and then fails if that is not all that was meant, or not every edge is known to have
/// applied it.
pub(super) fn update(
    service: &ServiceClient,
    arguments: &UpdateArguments,
    acts_for_another: bool,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let body = arguments.traits.changes()?;
    let keys = chosen(service, arguments, acts_for_another)?;
    let mut done = Done::default();
    for (owner, ids) in &keys {
        for ids in ids.chunks(IDS_AT_ONCE_MAX) {
            done.ask(service, arguments, owner.as_deref(), ids, &body)?;
        }
    }
    done.finish(as_json)
}

/// The keys that are meant, by their owners.
fn chosen(
    service: &ServiceClient,
    arguments: &UpdateArguments,
    acts_for_another: bool,
) -> Result<ByOwner, CommandFailed> {
    let choice = &arguments.keys;
    let hits = if choice.ids.is_empty() {
        let hits = Hits::of(service, choice).map_err(|failed| {
            taking(
                failed,
                "the cluster privilege manage_api_key, and run_as for owners of keys that are not one's own",
            )
        })?;
        let (edges, others) = hits.split();
        let hits = if arguments.edges_too { edges.and(others) } else { others };
        confirm(arguments, &hits)?;
        hits
    } else {
        // Whoever may not see keys may have some all the same.
        Hits::named(service, &choice.ids).unwrap_or_default()
    };
    let me = if acts_for_another { None } else { myself(service) };
    let mut keys = ByOwner::new();
    let mut of_others: BTreeMap<&str, &str> = BTreeMap::new();
    for hit in hits.iter() {
        let is_mine = me.as_ref().is_none_or(|me| *me == (hit.owner.clone(), hit.realm.clone()));
        if !is_mine {
            of_others.insert(&hit.id, &hit.owner);
        }
    }
    let named =
        if choice.ids.is_empty() { hits.ids() } else { choice.ids.iter().map(String::as_str).collect() };
    for id in named {
        keys.entry(of_others.get(id).map(|&owner| owner.to_owned())).or_default().push(id.to_owned());
    }
    Ok(keys)
}

/// Who asks: username and realm. Whoever asks by an API key owns none as such; `None` when that is not known.
fn myself(service: &ServiceClient) -> Option<(String, String)> {
    let me = service.ask(Method::GET, "/_security/_authenticate", None).ok()?.json;
    if text(&me, "authentication_type") == "api_key" {
        return Some((String::new(), String::new()));
    }
    Some((text(&me, "username"), text(me.get("authentication_realm")?, "name")))
}

/// Asks, unless that was said before or one key is meant.
fn confirm(arguments: &UpdateArguments, hits: &Hits) -> Result<(), CommandFailed> {
    if hits.is_empty() {
        return Err(CommandFailed::new("nothing was changed, because this hits no key that is valid"));
    }
    if arguments.yes || hits.len() == 1 {
        return Ok(());
    }
    let told = format!("{}: {}", counted(hits.len()), names(hits.iter()));
    match confirmed(&format!("Change {told}?"))? {
        Some(true) => Ok(()),
        Some(false) => Err(CommandFailed::new("nothing was changed")),
        None => Err(CommandFailed::new(format!("this would change {told}: say --yes to do it"))),
    }
}

impl Done {
    fn ask(
        &mut self,
        service: &ServiceClient,
        arguments: &UpdateArguments,
        owner: Option<&str>,
        ids: &[String],
        body: &Map<String, Value>,
    ) -> Result<(), CommandFailed> {
        let ask = |method, place: &str, body: Value| {
            let place = arguments.edges.ask_in(place);
            match owner {
                Some(owner) => ask_on_behalf(service, owner, method, &place, Some(&body)),
                None => service.ask(method, &place, Some(&body)),
            }
        };
        let answer = match ids {
            // In the words of the request for one key, which say more.
            [id] => ask(Method::PUT, &path(&["_security", "api_key", id]), Value::Object(body.clone())),
            ids => {
                let mut body = body.clone();
                body.insert("ids".to_owned(), json!(ids));
                ask(Method::POST, &format!("{KEYS}/_bulk_update"), Value::Object(body))
            }
        };
        match (answer, owner) {
            (Ok(answer), _) => self.note(answer, ids),
            (Err(failed), None) => return Err(failed),
            (Err(failed), Some(owner)) => {
                return Err(CommandFailed::new(format!(
                    "keys belong to whoever made them, and these could not be changed on behalf of {}: {failed}",
                    harmless(owner)
                )));
            }
        }
        Ok(())
    }

    fn note(&mut self, answer: Answer, ids: &[String]) {
        let json = answer.json;
        let all = |field: &str| -> Vec<String> {
            items(&json, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        match json.get("updated") {
            Some(Value::Bool(true)) => self.updated.extend_from_slice(ids),
            Some(Value::Bool(false)) => self.unchanged.extend_from_slice(ids),
            _ => {
                self.updated.extend(all("updated"));
                self.unchanged.extend(all("noops"));
                let refused = json.pointer("/errors/details").and_then(Value::as_object);
                self.refused.extend(refused.cloned().unwrap_or_default());
            }
        }
        self.edges = json.get("edges").cloned().or(self.edges.take());
    }

    fn finish(self, as_json: bool) -> Result<(), CommandFailed> {
        let Self { updated, unchanged, refused, edges } = self;
        let mut text = match (updated.as_slice(), unchanged.as_slice()) {
            ([id], []) => format!("Updated the key {}.\n", harmless(id)),
            ([], [id]) => format!("There was nothing to change in the key {}.\n", harmless(id)),
            (updated, unchanged) => told_of_many(updated, unchanged),
        };
        let mut json = json!({"updated": updated, "noops": unchanged});
        if let (Value::Object(fields), Some(edges)) = (&mut json, edges) {
            fields.insert("edges".to_owned(), edges);
        }
        let edges = EdgesReached::of(&json);
        text.extend(edges.as_ref().map(|edges| edges.told(Before::IsOld, SystemClock.now())));
        let mut complaints: Vec<String> = refused
            .iter()
            .map(|(id, cause)| {
                format!("{} was not changed: {}", harmless(id), harmless(&self::text(cause, "reason")))
            })
            .collect();
        if let (Value::Object(fields), false) = (&mut json, refused.is_empty()) {
            fields.insert("errors".to_owned(), json!({"count": refused.len(), "details": refused}));
        }
        Report { text, json: json.to_string() }.print(as_json)?;
        complaints.extend(edges.and_then(|edges| edges.require_all().err()).map(|failed| failed.to_string()));
        if complaints.is_empty() { Ok(()) } else { Err(CommandFailed::new(complaints.join("; "))) }
    }
}

fn told_of_many(updated: &[String], unchanged: &[String]) -> String {
    let mut text = format!("Updated {}.\n", counted(updated.len()));
    for id in updated {
        text.push_str(&format!("  {}\n", harmless(id)));
    }
    if !unchanged.is_empty() {
        text.push_str(&format!("There was nothing to change in {}.\n", counted(unchanged.len())));
    }
    text
}
