//! `latchkey key apply`: what a file declares is made so at the service: roles, application privileges, owners, the roles of
//! users, and keys.
//!
//! It is planned first. A plan is made of the file and of what the service has, and nothing is done as long as one mistake
//! is known. What a set of declarations makes carries its name, so a later `apply` knows what to change and what to prune.

mod declared;
mod doing;
mod existing;
mod plan;
mod reading;
mod waiting;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use http::Method;
use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::confirmation::confirmed;
use crate::cli::key::apply::declared::{Declared, DeclaredKey, DeclaredSecret, End};
use crate::cli::key::apply::doing::Doing;
use crate::cli::key::apply::existing::Existing;
use crate::cli::key::apply::plan::{Action, Basis, Plan, lines};
use crate::cli::key::apply::waiting::wait_for_edges;
use crate::cli::key::edge_wait::EdgeWaitArguments;
use crate::cli::key::import::contents;
use crate::cli::key::import::draft::Mistake;
use crate::cli::report::{Report, harmless, items, number, text};
use crate::cli::service_client::ServiceClient;
use crate::cli::service_refusal::taking;
use crate::limits::KEYS_IMPORTED_MAX;
use crate::randomness::{Randomness as _, SystemRandomness};

/// Where keys are brought along.
const IMPORT: &str = "/_latchkey/api_key/_import";

/// The bytes of a SHA-256.
const DIGEST_LEN: usize = 32;

#[derive(Debug, Args)]
pub(super) struct ApplyArguments {
    /// The file of declarations, in YAML or JSON.
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    file: PathBuf,
    /// The name of the set that the file declares, where the file does not say it (set: NAME). What was made for the set
    /// and is not in the file any more is pruned.
    #[arg(long, value_name = "NAME")]
    set: Option<String>,
    /// Take over what is declared and there already, and what no set owns.
    #[arg(long)]
    adopt: bool,
    /// Take keys, too, that somebody could guess.
    #[arg(long)]
    allow_weak_keys: bool,
    /// Print the plan, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before something is pruned.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    edges: EdgeWaitArguments,
}

/// What is applied, and by whom.
struct Applying<'a> {
    service: &'a ServiceClient,
    arguments: &'a ApplyArguments,
    declared: &'a Declared,
    set: &'a str,
    /// Who asks.
    me: String,
    now: UnixMillis,
}

pub(super) fn apply(
    service: &ServiceClient,
    arguments: &ApplyArguments,
    now: UnixMillis,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let file = &arguments.file;
    let mut mistakes = Vec::new();
    let directory = file.parent().unwrap_or(Path::new("."));
    let declared = reading::read(&contents(file)?, directory, &mut mistakes);
    let set = set(arguments, &declared, &mut mistakes);
    refuse(file, mistakes)?;
    let me = service.ask(Method::GET, "/_security/_authenticate", None)?.json;
    let applying =
        Applying { service, arguments, declared: &declared, set: &set, me: text(&me, "username"), now };
    let plan = applying.plan()?;
    if arguments.dry_run {
        return told(&plan, &set, true).print(as_json);
    }
    if plan.steps.is_empty() {
        told(&plan, &set, false).print(as_json)?;
        // What an earlier one has changed may still be on its way.
        return wait_for_edges(service, &arguments.edges, now, as_json);
    }
    applying.confirm(&plan)?;
    applying.carry_out(&plan, as_json)
}

/// The name of the set, which must be said once.
fn set(arguments: &ApplyArguments, declared: &Declared, mistakes: &mut Vec<Mistake>) -> String {
    let (said, written) = (arguments.set.as_ref(), declared.set.as_ref());
    let problem = match (said, written) {
        (Some(said), Some(written)) if *said != written.value => {
            Some(format!("the file declares the set {}, and --set says {said}", written.value))
        }
        (None, None) => Some("the file does not say which set it declares: set: NAME, or --set".to_owned()),
        (Some(said), _) => reading::problem_of_set(said),
        (None, Some(_)) => None,
    };
    let line = written.map_or(1, |written| written.line);
    mistakes.extend(problem.map(|problem| Mistake { line, problem }));
    said.or(written.map(|written| &written.value)).cloned().unwrap_or_default()
}

/// Fails with every mistake by its line, if there is one. No secret is among what is repeated.
fn refuse(file: &Path, mut mistakes: Vec<Mistake>) -> Result<(), CommandFailed> {
    if mistakes.is_empty() {
        return Ok(());
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    let mut message = format!("{} has mistakes, and nothing was done:", file.display());
    for Mistake { line, problem } in &mistakes {
        message.push_str(&format!("\n  line {line}: {}", harmless(problem)));
    }
    Err(CommandFailed::new(message))
}

impl Applying<'_> {
    /// What there is to do. Nothing is changed.
    fn plan(&self) -> Result<Plan, CommandFailed> {
        let Self { service, arguments, declared, set, now, .. } = *self;
        let mut existing = Existing::ask(service, set).map_err(|failed| {
            taking(failed, "manage_security, and run_as for owners whose keys are drawn or changed")
        })?;
        let mut mistakes = Vec::new();
        let found = self.look_at_keys(&existing, &mut mistakes)?;
        existing.ask_for_keys(service, found.iter().flatten().cloned())?;
        let basis =
            Basis { declared, existing: &existing, found: &found, set, adopts: arguments.adopt, now: now.0 };
        let mut plan = Plan::of(&basis);
        mistakes.append(&mut plan.mistakes);
        for step in &plan.steps {
            if let plan::Call::Draw(place) = step.call
                && let Some(DeclaredKey { line, secret: DeclaredSecret::Drawn(Some(path)), .. }) =
                    declared.keys.get(place)
                && path.symlink_metadata().is_ok()
            {
                let problem = format!(
                    "{} is there already, and nothing is overwritten. If an apply that broke off has written it, move it away",
                    path.display()
                );
                mistakes.push(Mistake { line: *line, problem });
            }
        }
        refuse(&arguments.file, mistakes)?;
        Ok(plan)
    }

    /// Has the service look at every key as if it were to be brought along. Tells the ids of those whose secret is there.
    fn look_at_keys(
        &self,
        existing: &Existing,
        mistakes: &mut Vec<Mistake>,
    ) -> Result<Vec<Option<String>>, CommandFailed> {
        let keys = &self.declared.keys;
        let mut found = vec![None; keys.len()];
        let looked_at: Vec<usize> = (0..keys.len())
            .filter(|place| keys.get(*place).is_some_and(|key| self.is_looked_at(key, existing)))
            .collect();
        for part in looked_at.chunks(KEYS_IMPORTED_MAX) {
            let declared: Vec<&DeclaredKey> = part.iter().filter_map(|place| keys.get(*place)).collect();
            let bodies = declared.iter().map(|key| {
                let is_new = self.is_new_owner(key, existing);
                let owner = if is_new { &self.me } else { &key.owner };
                self.import_body(key, owner)
            });
            let body = json!({
                "allow_weak_keys": self.arguments.allow_weak_keys,
                "keys": bodies.collect::<Result<Vec<_>, _>>()?,
            });
            let answer = self.service.ask(Method::POST, &format!("{IMPORT}?dry_run=true"), Some(&body))?.json;
            let mut wrong = BTreeSet::new();
            for mistake in items(&answer, "mistakes") {
                let place = usize::try_from(number(mistake, "key")).unwrap_or(usize::MAX);
                wrong.insert(place);
                let Some(key) = declared.get(place) else { continue };
                // Where the owner is still to be made, the key was shown as one of whoever asks, who may be of a realm that
                // only logins know.
                let problem = text(mistake, "problem");
                if !self.is_new_owner(key, existing) || !problem.starts_with("there is no user [") {
                    mistakes.push(Mistake { line: key.line, problem });
                }
            }
            // The answer names those that are right, in their order.
            let right = (0..declared.len()).filter(|place| !wrong.contains(place));
            for (place, answered) in right.zip(items(&answer, "keys")) {
                let (Some(key), Some(whole)) = (declared.get(place), part.get(place)) else { continue };
                let id = Some(text(answered, "id")).filter(|_| text(answered, "result") == "already_there");
                if id.is_some() && self.is_new_owner(key, existing) {
                    let problem = "the key is there, and has another owner".to_owned();
                    mistakes.push(Mistake { line: key.line, problem });
                }
                if let Some(slot) = found.get_mut(*whole) {
                    *slot = id;
                }
            }
        }
        Ok(found)
    }

    fn is_looked_at(&self, key: &DeclaredKey, existing: &Existing) -> bool {
        !key.end.has_passed(self.now.0) && !existing.is_disabled(&key.owner)
    }

    /// Whether the owner is to be made before the key.
    fn is_new_owner(&self, key: &DeclaredKey, existing: &Existing) -> bool {
        self.declared.owners.contains_key(&key.owner) && !existing.users.contains_key(&key.owner)
    }

    /// The key as it is brought along. One that is to be drawn is looked at with a digest that nobody has.
    fn import_body(&self, key: &DeclaredKey, owner: &str) -> Result<Value, CommandFailed> {
        let mut body = Map::new();
        match &key.secret {
            DeclaredSecret::Known(text) => {
                let field = if text.starts_with("sha256:") { "digest" } else { "key" };
                body.insert(field.to_owned(), json!(text.as_str()));
            }
            DeclaredSecret::Drawn(_) => {
                let mut drawn = [0; DIGEST_LEN];
                SystemRandomness
                    .fill(&mut drawn)
                    .map_err(|error| CommandFailed::new(format!("no random numbers: {error}")))?;
                let digits: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
                body.insert("digest".to_owned(), json!(format!("sha256:{digits}")));
            }
        }
        body.insert("owner".to_owned(), json!(owner));
        body.extend(self.traits(key, |moment| json!(moment)));
        Ok(Value::Object(body))
    }

    /// What a key is besides its owner and its secret. How a moment is said depends on the request.
    fn traits(&self, key: &DeclaredKey, moment: impl Fn(u64) -> Value) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("name".to_owned(), json!(key.name));
        body.insert("metadata".to_owned(), Value::Object(key.marked(self.set)));
        let end = match key.end {
            End::Unsaid => None,
            End::Never => Some(Value::Null),
            End::After(seconds) => Some(json!(format!("{seconds}s"))),
            End::At(at) => Some(moment(at)),
        };
        body.extend(end.map(|end| ("expiration".to_owned(), end)));
        if !key.role_descriptors.is_empty() {
            body.insert("role_descriptors".to_owned(), json!(key.role_descriptors));
        }
        body
    }

    fn confirm(&self, plan: &Plan) -> Result<(), CommandFailed> {
        let pruned = plan.count(Action::Prune);
        if pruned == 0 || self.arguments.yes {
            return Ok(());
        }
        let told = told(plan, self.set, true).text;
        match confirmed(&format!("{told}Do it?"))? {
            Some(true) => Ok(()),
            Some(false) => Err(CommandFailed::new("nothing was done")),
            None => {
                Err(CommandFailed::new(format!("{told}this prunes what ends for ever: say --yes to do it")))
            }
        }
    }

    /// Does it, and tells what was done also when something fails.
    fn carry_out(&self, plan: &Plan, as_json: bool) -> Result<(), CommandFailed> {
        let mut doing = Doing::new(self);
        let failed = doing.all(plan).err();
        let done = doing.done;
        let what_was_done = Plan {
            steps: plan.steps.iter().take(done).cloned().collect(),
            notes: plan.notes.clone(),
            ..Plan::default()
        };
        let Report { mut text, json } = told(&what_was_done, self.set, false);
        if done == 0 && failed.is_some() {
            text.clear();
        }
        text.push_str(&doing.credentials_told());
        let mut json: Value = serde_json::from_str(&json).unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            object.insert("keys".to_owned(), Value::Array(doing.made_as_json()));
        }
        if !text.is_empty() {
            Report { text, json: json.to_string() }.print(as_json)?;
        }
        // What was only shown counts as delivered from here on.
        let failed = failed.or_else(|| doing.finish_shown().err());
        let Some(failed) = failed else {
            return wait_for_edges(self.service, &self.arguments.edges, self.now, as_json);
        };
        let rest: Vec<&str> = plan.steps.iter().skip(done).map(|step| step.subject.as_str()).collect();
        let rest = if rest.is_empty() { "nothing".to_owned() } else { rest.join("; ") };
        Err(CommandFailed::new(format!(
            "{failed}\n{done} of {} steps were done. Not done: {}. The same command goes on from there.",
            plan.steps.len(),
            harmless(&rest)
        )))
    }
}

/// The plan, for a person and for a program.
fn told(plan: &Plan, set: &str, is_dry_run: bool) -> Report {
    let counts = [Action::Create, Action::Change, Action::Prune].map(|action| plan.count(action));
    let [create, change, prune] = counts;
    let mut text = if plan.steps.is_empty() {
        format!("Nothing to do: the set {set} is as it is declared.\n")
    } else if is_dry_run {
        format!("The set {set}: {create} to create, {change} to change, {prune} to prune.\n")
    } else {
        format!("The set {set}: {create} created, {change} changed, {prune} pruned.\n")
    };
    text.push_str(&harmless(&lines(plan)));
    for note in &plan.notes {
        text.push_str(&format!("Note: {}.\n", harmless(note)));
    }
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| json!({"action": step.action.name(), "subject": step.subject, "fields": step.fields}))
        .collect();
    let json = json!({"set": set, "dry_run": is_dry_run, "steps": steps, "notes": plan.notes});
    Report { text, json: json.to_string() }
}
