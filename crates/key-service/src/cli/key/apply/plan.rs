//! What has to be done, so that the service has what a file declares: a pure function of the two.
//!
//! What a set makes carries the set's name in its metadata. Only that is changed, and only that is pruned. What an
//! `apply` begins in several steps is marked as pending until its last step, so that the next one can tell.

mod keys;
mod owners;

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value, json};

use super::declared::{Declared, MARK, marked};
use super::existing::Existing;
use crate::cli::key::import::draft::Mistake;
use crate::cli::service_client::path;

/// What is done to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Create,
    Change,
    Prune,
}

impl Action {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Prune => "prune",
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Create => '+',
            Self::Change => '~',
            Self::Prune => '-',
        }
    }
}

/// One step, and its request.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    /// `key checkout of team-orders`.
    pub(super) subject: String,
    /// What changes.
    pub(super) fields: Vec<&'static str>,
    pub(super) call: Call,
}

/// How a step is done.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Ask(Request),
    /// The service draws a key, which takes several requests: the key of this place in the file.
    Draw(usize),
    /// The key of this place in the file is brought along, with those that follow it.
    Import(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Option<Value>,
    pub(super) on_behalf_of: Option<String>,
}

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// What is worth a word and no step.
    pub(super) notes: Vec<String>,
    pub(super) mistakes: Vec<Mistake>,
}

/// What a plan depends on.
pub(super) struct Basis<'a> {
    pub(super) declared: &'a Declared,
    pub(super) existing: &'a Existing,
    /// Of each declared key, the id of the key that has its secret already.
    pub(super) found: &'a [Option<String>],
    pub(super) set: &'a str,
    /// Whether what no set owns may be taken over.
    pub(super) adopts: bool,
    /// In milliseconds since 1970.
    pub(super) now: u64,
}

/// Whose something is that is there.
#[derive(Debug, PartialEq, Eq)]
enum Ownership<'a> {
    Ours,
    Nobodys,
    Others(&'a str),
}

struct Planner<'a> {
    basis: &'a Basis<'a>,
    plan: Plan,
    /// Steps that come last, in the opposite order of what depends on what.
    prune: Vec<Step>,
}

impl Plan {
    pub(super) fn of(basis: &Basis<'_>) -> Self {
        let mut planner = Planner { basis, plan: Self::default(), prune: Vec::new() };
        planner.roles();
        planner.privileges();
        owners::owners(&mut planner);
        owners::users(&mut planner);
        keys::keys(&mut planner);
        owners::finish_owners(&mut planner);
        planner.prune_others();
        let Planner { mut plan, prune, .. } = planner;
        plan.steps.extend(prune);
        plan
    }

    pub(super) fn count(&self, action: Action) -> usize {
        self.steps.iter().filter(|step| step.action == action).count()
    }
}

impl Step {
    fn new(action: Action, subject: String, fields: Vec<&'static str>, request: Request) -> Self {
        Self { action, subject, fields, call: Call::Ask(request) }
    }
}

impl Request {
    fn new(method: Method, path: String, body: Option<Value>) -> Self {
        Self { method, path, body, on_behalf_of: None }
    }
}

impl Planner<'_> {
    fn roles(&mut self) {
        let Basis { declared, existing, set, .. } = *self.basis;
        for (name, role) in &declared.roles {
            let mut wanted = role.value.clone();
            wanted.metadata = marked(&wanted.metadata, set);
            let there = existing.roles.get(name);
            let subject = format!("role {name}");
            let fields = match there {
                Some(there) if !self.may_have(role.line, &subject, &there.metadata) => continue,
                Some(there) => differing(&json!(there), &json!(wanted), &ROLE_FIELDS),
                None => Vec::new(),
            };
            let mut body = json!(wanted);
            if let Some(body) = body.as_object_mut() {
                // What the service says itself.
                body.remove("transient_metadata");
            }
            self.put(there.is_some(), subject, fields, path(&["_security", "role", name]), body);
        }
    }

    fn privileges(&mut self) {
        let Basis { declared, existing, set, .. } = *self.basis;
        for ((application, name), privilege) in &declared.privileges {
            let mut wanted = privilege.value.clone();
            wanted.metadata = marked(&wanted.metadata, set);
            let there = existing.privileges.get(&(application.clone(), name.clone()));
            let subject = format!("privilege {name} of {application}");
            let fields = match there {
                Some(there) if !self.may_have(privilege.line, &subject, &there.metadata) => continue,
                Some(there) => {
                    let mut fields = differing(&json!(there), &json!(wanted), &["metadata"]);
                    // They have no order.
                    let actions = |it: &[String]| it.iter().cloned().collect::<BTreeSet<_>>();
                    if actions(&there.actions) != actions(&wanted.actions) {
                        fields.insert(0, "actions");
                    }
                    fields
                }
                None => Vec::new(),
            };
            let body = json!({application: {name: {"actions": wanted.actions, "metadata": wanted.metadata}}});
            self.put(there.is_some(), subject, fields, "/_security/privilege".to_owned(), body);
        }
    }

    /// A step that writes something whole, if there is something to do.
    fn put(&mut self, is_there: bool, subject: String, fields: Vec<&'static str>, path: String, body: Value) {
        if is_there && fields.is_empty() {
            return;
        }
        let action = if is_there { Action::Change } else { Action::Create };
        let request = Request::new(Method::PUT, path, Some(body));
        self.plan.steps.push(Step::new(action, subject, fields, request));
    }

    /// What the set owns and the file does not declare any more. Keys are pruned where they are looked at.
    fn prune_others(&mut self) {
        let Basis { declared, existing, .. } = *self.basis;
        let is_ours = |metadata| self.ownership(metadata) == Ownership::Ours;
        let delete = |subject: String, path: String| {
            Step::new(Action::Prune, subject, Vec::new(), Request::new(Method::DELETE, path, None))
        };
        let mut prune = Vec::new();
        for (name, user) in &existing.users {
            if is_ours(&user.metadata) && !declared.owners.contains_key(name) {
                let place = path(&["_security", "user", name]);
                prune.push(delete(format!("owner {name}, with all its keys"), place));
            }
        }
        for (both, privilege) in &existing.privileges {
            if is_ours(&privilege.metadata) && !declared.privileges.contains_key(both) {
                let (application, name) = both;
                let place = path(&["_security", "privilege", application, name]);
                prune.push(delete(format!("privilege {name} of {application}"), place));
            }
        }
        for (name, role) in &existing.roles {
            if is_ours(&role.metadata) && !declared.roles.contains_key(name) {
                prune.push(delete(format!("role {name}"), path(&["_security", "role", name])));
            }
        }
        self.prune.extend(prune);
    }

    fn ownership<'m>(&self, metadata: &'m Map<String, Value>) -> Ownership<'m> {
        match metadata.get(MARK).and_then(Value::as_str) {
            Some(set) if set == self.basis.set => Ownership::Ours,
            Some(set) => Ownership::Others(set),
            None => Ownership::Nobodys,
        }
    }

    /// Whether the set may change what is there; otherwise that is a mistake of this line.
    fn may_have(&mut self, line: u64, subject: &str, metadata: &Map<String, Value>) -> bool {
        let problem = match self.ownership(metadata) {
            Ownership::Ours => return true,
            Ownership::Nobodys if self.basis.adopts => return true,
            Ownership::Nobodys => {
                format!("the {subject} is there already, and no set owns it: --adopt takes it over")
            }
            Ownership::Others(set) => format!("the {subject} belongs to the set {set}"),
        };
        self.complain(line, problem);
        false
    }

    fn complain(&mut self, line: u64, problem: String) {
        self.plan.mistakes.push(Mistake { line, problem });
    }
}

/// The fields of a role that may be declared.
const ROLE_FIELDS: [&str; 10] = [
    "cluster",
    "global",
    "indices",
    "applications",
    "run_as",
    "metadata",
    "remote_indices",
    "remote_cluster",
    "restriction",
    "description",
];

/// The fields in which two objects differ.
fn differing(there: &Value, wanted: &Value, fields: &[&'static str]) -> Vec<&'static str> {
    fields.iter().copied().filter(|field| there.get(field) != wanted.get(field)).collect()
}

/// A moment as requests take it that count from when they arrive: whole seconds, and no more than there are.
pub(super) fn time_until(moment: u64, now: u64) -> String {
    format!("{}s", (moment.saturating_sub(now) / 1_000).max(1))
}

/// Steps by what they do, as a person reads them.
pub(super) fn lines(plan: &Plan) -> String {
    let mut text = String::new();
    for Step { action, subject, fields, .. } in &plan.steps {
        text.push_str(&format!("  {} {subject}", action.sign()));
        if !fields.is_empty() {
            text.push_str(&format!(": {}", fields.join(", ")));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
