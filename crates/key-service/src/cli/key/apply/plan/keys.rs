//! Keys. A key is known by its owner and its name, and by its secret where the file knows that.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use super::super::declared::{DeclaredKey, DeclaredSecret, End, PENDING};
use super::super::existing::ExistingKey;
use super::owners;
use super::{Action, Basis, Call, Ownership, Planner, Request, Step, time_until};
use crate::cli::report::date;
use crate::cli::service_client::path;

/// How far an end may be from the one that is declared, in milliseconds. An update counts from when it arrives, in whole
/// seconds.
const END_SLACK_MS: u64 = 60_000;

/// The field of metadata of a role that the service has of itself.
const RESERVED: &str = "_reserved";

/// What becomes of a declared key.
enum Fate<'a> {
    /// The key that is there is the one that is declared.
    Kept(&'a ExistingKey),
    New,
    /// Nothing is to be done, or a mistake was told.
    Nothing,
}

pub(super) fn keys(planner: &mut Planner<'_>) {
    let Basis { declared, existing, found, now, .. } = *planner.basis;
    let (mut kept, mut disabled) = (BTreeSet::new(), BTreeSet::new());
    for (place, key) in declared.keys.iter().enumerate() {
        let subject = subject(&key.owner, &key.name);
        if key.end.has_passed(now) {
            planner.plan.notes.push(format!("the {subject} has ended, as line {} says", key.line));
            continue;
        }
        if existing.is_disabled(&key.owner) {
            let same = |there: &&ExistingKey| (&there.owner, &there.name) == (&key.owner, &key.name);
            kept.extend(existing.keys.iter().filter(same).map(|there| &there.id));
            disabled.insert(&key.owner);
            continue;
        }
        refuse_pruned_owner(planner, key);
        let fate = match &key.secret {
            DeclaredSecret::Known(_) => known(planner, key, found.get(place).and_then(Option::as_deref)),
            DeclaredSecret::Drawn(_) => drawn(planner, key),
        };
        match fate {
            Fate::Kept(there) => {
                kept.insert(&there.id);
                change(planner, key, there, subject);
            }
            Fate::New => {
                let call = match &key.secret {
                    DeclaredSecret::Known(_) => Call::Import(place),
                    DeclaredSecret::Drawn(_) => Call::Draw(place),
                };
                let step = Step { action: Action::Create, subject, fields: Vec::new(), call };
                planner.plan.steps.push(step);
            }
            Fate::Nothing => {}
        }
    }
    for owner in disabled {
        let note = format!("{owner} is disabled, so its keys stay as they are until it is enabled");
        planner.plan.notes.push(note);
    }
    for key in &existing.keys {
        let is_ours = planner.ownership(&key.metadata) == Ownership::Ours;
        if is_ours && key.is_live(now) && !kept.contains(&key.id) {
            let body = json!({"ids": [key.id]});
            let request = Request::new(Method::DELETE, path(&["_security", "api_key"]), Some(body));
            let subject = format!("{} ({})", subject(&key.owner, &key.name), key.id);
            planner.prune.push(Step::new(Action::Prune, subject, Vec::new(), request));
        }
    }
}

/// A key whose secret the file knows: the one that has it, or a new one.
fn known<'a>(planner: &mut Planner<'a>, key: &DeclaredKey, found: Option<&str>) -> Fate<'a> {
    let Basis { existing, now, .. } = *planner.basis;
    let Some(there) = existing.keys.iter().find(|there| Some(there.id.as_str()) == found) else {
        return Fate::New;
    };
    let subject = subject(&key.owner, &key.name);
    if (&there.owner, &there.name) != (&key.owner, &key.name) {
        let problem = format!(
            "the {subject} has the secret of the key {} of {} ({}): a key keeps its name and its owner",
            there.name, there.owner, there.id
        );
        planner.complain(key.line, problem);
        return Fate::Nothing;
    }
    if !there.is_live(now) {
        let problem =
            format!("the {subject} is there and has expired ({}): a key that has expired stays so", there.id);
        planner.plan.notes.push(problem);
        return Fate::Nothing;
    }
    if !planner.may_have(key.line, &subject, &there.metadata) {
        return Fate::Nothing;
    }
    Fate::Kept(there)
}

/// A key whose secret the service draws: the last one of the set that has the name, or a new one.
fn drawn<'a>(planner: &mut Planner<'a>, key: &DeclaredKey) -> Fate<'a> {
    let Basis { existing, now, .. } = *planner.basis;
    let candidates = existing.keys.iter().filter(|there| {
        (&there.owner, &there.name) == (&key.owner, &key.name)
            && there.is_live(now)
            && planner.ownership(&there.metadata) == Ownership::Ours
            // Nobody may have got its credential.
            && !there.metadata.contains_key(PENDING)
    });
    match candidates.max_by_key(|there| there.creation) {
        Some(there) => Fate::Kept(there),
        None => Fate::New,
    }
}

fn change(planner: &mut Planner<'_>, key: &DeclaredKey, there: &ExistingKey, subject: String) {
    let Basis { set, now, .. } = *planner.basis;
    let (mut fields, mut body) = (Vec::new(), Map::new());
    if there.role_descriptors != key.role_descriptors {
        fields.push("role_descriptors");
        body.insert("role_descriptors".to_owned(), json!(key.role_descriptors));
    }
    let metadata = key.marked(set);
    if there.metadata != metadata {
        fields.push("metadata");
        body.insert("metadata".to_owned(), Value::Object(metadata));
    }
    match (key.end.of_key_made(there.creation), there.expiration) {
        (Some(end), there) if there.is_none_or(|there| there.abs_diff(end) > END_SLACK_MS) => {
            if end <= now {
                let problem =
                    format!("the {subject} would have ended at {}: take it out of the file", date(end));
                return planner.complain(key.line, problem);
            }
            fields.push("expiration");
            // The request takes a time from now.
            body.insert("expiration".to_owned(), json!(time_until(end, now)));
        }
        (None, Some(there)) if key.end == End::Never => {
            let problem = format!("the {subject} ends at {}: a key that has an end keeps one", date(there));
            return planner.complain(key.line, problem);
        }
        _ => {}
    }
    if limits_are_stale(planner, there) {
        fields.push("limits");
    }
    if fields.is_empty() {
        return;
    }
    let place = path(&["_security", "api_key", &there.id]);
    let mut request = Request::new(Method::PUT, place, Some(Value::Object(body)));
    request.on_behalf_of = Some(key.owner.clone());
    planner.plan.steps.push(Step::new(Action::Change, subject, fields, request));
}

/// Whether the key is limited by roles as its owner had them, and has them no more. An update writes them anew.
fn limits_are_stale(planner: &Planner<'_>, key: &ExistingKey) -> bool {
    let Basis { declared, existing, set, .. } = planner.basis;
    if owners::roles_change(planner, &key.owner) {
        return true;
    }
    let roles = owners::roles_of(planner, &key.owner).unwrap_or_default();
    roles.iter().any(|name| {
        let limit = key.limited_by.get(name);
        match (declared.roles.get(name), existing.roles.get(name)) {
            (Some(role), _) => {
                let mut role = role.value.clone();
                role.metadata = super::marked(&role.metadata, set);
                limit != Some(&role)
            }
            (None, Some(role)) if !role.metadata.contains_key(RESERVED) => limit != Some(role),
            // A role of the service or of the users file, or none: nobody here changes what it holds.
            (None, _) => false,
        }
    })
}

/// Keys end with their owner.
fn refuse_pruned_owner(planner: &mut Planner<'_>, key: &DeclaredKey) {
    let Basis { declared, existing, .. } = *planner.basis;
    let there = existing.users.get(&key.owner);
    let is_ours = there.is_some_and(|there| planner.ownership(&there.metadata) == Ownership::Ours);
    if is_ours && !declared.owners.contains_key(&key.owner) {
        planner.complain(
            key.line,
            format!("the owner {} is of this set, and not in the file any more", key.owner),
        );
    }
}
pub(super) fn subject(owner: &str, name: &str) -> String {
    format!("key {name} of {owner}")
}
