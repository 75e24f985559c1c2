//! Keys. A key is known by its owner and its name, and by its secret where the file knows that.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use super::super::declared::{DeclaredKey, DeclaredSecret, End, PENDING};
use super::super::existing::ExistingKey;
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

impl<'a> Planner<'a> {
    pub(super) fn keys(&mut self) {
        let Basis { declared, existing, found, now, .. } = *self.basis;
        let mut kept = BTreeSet::new();
        for (place, key) in declared.keys.iter().enumerate() {
            let subject = subject(&key.owner, &key.name);
            if key.end.has_passed(now) {
                self.plan.notes.push(format!("the {subject} has ended, as line {} says", key.line));
                continue;
            }
            self.refuse_pruned_owner(key);
            let fate = match &key.secret {
                DeclaredSecret::Known(_) => self.known(key, found.get(place).and_then(Option::as_deref)),
                DeclaredSecret::Drawn(_) => self.drawn(key),
            };
            match fate {
                Fate::Kept(there) => {
                    kept.insert(&there.id);
                    self.change(key, there, subject);
                }
                Fate::New => {
                    let call = match &key.secret {
                        DeclaredSecret::Known(_) => Call::Import(place),
                        DeclaredSecret::Drawn(_) => Call::Draw(place),
                    };
                    let step = Step { action: Action::Create, subject, fields: Vec::new(), call };
                    self.plan.steps.push(step);
                }
                Fate::Nothing => {}
            }
        }
        for key in &existing.keys {
            let is_ours = self.ownership(&key.metadata) == Ownership::Ours;
            if is_ours && key.is_live(now) && !kept.contains(&key.id) {
                let body = json!({"ids": [key.id]});
                let request = Request::new(Method::DELETE, path(&["_security", "api_key"]), Some(body));
                let subject = format!("{} ({})", subject(&key.owner, &key.name), key.id);
                self.prune.push(Step::new(Action::Prune, subject, Vec::new(), request));
            }
        }
    }

    /// A key whose secret the file knows: the one that has it, or a new one.
    fn known(&mut self, key: &DeclaredKey, found: Option<&str>) -> Fate<'a> {
        let Basis { existing, now, .. } = *self.basis;
        let Some(there) = existing.keys.iter().find(|there| Some(there.id.as_str()) == found) else {
            return Fate::New;
        };
        let subject = subject(&key.owner, &key.name);
        if (&there.owner, &there.name) != (&key.owner, &key.name) {
            let problem = format!(
                "the {subject} has the secret of the key {} of {} ({}): a key keeps its name and its owner",
                there.name, there.owner, there.id
            );
            self.complain(key.line, problem);
            return Fate::Nothing;
        }
        if !there.is_live(now) {
            let problem = format!(
                "the {subject} is there and has expired ({}): a key that has expired stays so",
                there.id
            );
            self.plan.notes.push(problem);
            return Fate::Nothing;
        }
        if !self.may_have(key.line, &subject, &there.metadata) {
            return Fate::Nothing;
        }
        Fate::Kept(there)
    }

    /// A key whose secret the service draws: the last one of the set that has the name, or a new one.
    fn drawn(&mut self, key: &DeclaredKey) -> Fate<'a> {
        let Basis { existing, now, .. } = *self.basis;
        let candidates = existing.keys.iter().filter(|there| {
            (&there.owner, &there.name) == (&key.owner, &key.name)
                && there.is_live(now)
                && self.ownership(&there.metadata) == Ownership::Ours
                // Nobody may have got its credential.
                && !there.metadata.contains_key(PENDING)
        });
        match candidates.max_by_key(|there| there.creation) {
            Some(there) => Fate::Kept(there),
            None => Fate::New,
        }
    }

    fn change(&mut self, key: &DeclaredKey, there: &ExistingKey, subject: String) {
        let Basis { set, now, .. } = *self.basis;
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
                    return self.complain(key.line, problem);
                }
                fields.push("expiration");
                // The request takes a time from now.
                body.insert("expiration".to_owned(), json!(time_until(end, now)));
            }
            (None, Some(there)) if key.end == End::Never => {
                let problem =
                    format!("the {subject} ends at {}: a key that has an end keeps one", date(there));
                return self.complain(key.line, problem);
            }
            _ => {}
        }
        if self.limits_are_stale(there) {
            fields.push("limits");
        }
        if fields.is_empty() {
            return;
        }
        let place = path(&["_security", "api_key", &there.id]);
        let mut request = Request::new(Method::PUT, place, Some(Value::Object(body)));
        request.on_behalf_of = Some(key.owner.clone());
        self.plan.steps.push(Step::new(Action::Change, subject, fields, request));
    }

    /// Whether the key is limited by roles as its owner had them, and has them no more. An update writes them anew.
    fn limits_are_stale(&self, key: &ExistingKey) -> bool {
        let Basis { declared, existing, set, .. } = self.basis;
        if self.roles_change(&key.owner) {
            return true;
        }
        let roles = self.roles_of(&key.owner).unwrap_or_default();
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
    fn refuse_pruned_owner(&mut self, key: &DeclaredKey) {
        let Basis { declared, existing, .. } = *self.basis;
        let there = existing.users.get(&key.owner);
        let is_ours = there.is_some_and(|there| self.ownership(&there.metadata) == Ownership::Ours);
        if is_ours && !declared.owners.contains_key(&key.owner) {
            self.complain(
                key.line,
                format!("the owner {} is of this set, and not in the file any more", key.owner),
            );
        }
    }
}

pub(super) fn subject(owner: &str, name: &str) -> String {
    format!("key {name} of {owner}")
}
