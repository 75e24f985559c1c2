//! Does what a plan says, step by step.
//!
//! A key that the service draws is made as pending, its credential goes into its file, and then it is pending no more. An
//! `apply` that ends in between leaves a pending key, which the next one takes for lost: it makes another and prunes that one.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Map, Value, json};

use super::declared::{DeclaredKey, DeclaredSecret, PENDING};
use super::plan::{Call, Plan, Request, time_until};
use super::{Applying, IMPORT};
use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::key::behalf::ask_on_behalf;
use crate::cli::replaced_file::ReplacedFile;
use crate::cli::report::{harmless, text};
use crate::cli::service_client::{Answer, path};
use crate::clock::{Clock as _, SystemClock};
use crate::limits::KEYS_IMPORTED_MAX;

/// A plan that is being carried out.
pub(super) struct Doing<'a> {
    applying: &'a Applying<'a>,
    /// How many steps are done.
    pub(super) done: usize,
    made: Vec<Made>,
}

/// A key that the service has drawn.
struct Made {
    /// Its place in the file.
    place: usize,
    id: String,
    name: String,
    owner: String,
    /// As it is presented, unless it is in a file.
    shown: Option<zeroize::Zeroizing<String>>,
    file: Option<PathBuf>,
}

impl<'a> Doing<'a> {
    pub(super) fn new(applying: &'a Applying<'a>) -> Self {
        Self { applying, done: 0, made: Vec::new() }
    }

    /// Does all steps, up to the first that fails.
    pub(super) fn all(&mut self, plan: &Plan) -> Result<(), CommandFailed> {
        while let Some(step) = plan.steps.get(self.done) {
            let about =
                |failed: CommandFailed| CommandFailed::new(format!("{}: {failed}", harmless(&step.subject)));
            let steps = match &step.call {
                Call::Ask(request) => self.ask(request).map(|_| 1).map_err(about)?,
                Call::Draw(place) => self.draw(*place).map(|()| 1).map_err(about)?,
                Call::Import(_) => {
                    let places: Vec<usize> = plan.steps.iter().skip(self.done).map_while(imported).collect();
                    let places = places.get(..KEYS_IMPORTED_MAX).unwrap_or(&places);
                    self.import(places).map(|()| places.len()).map_err(about)?
                }
            };
            self.done += steps;
        }
        Ok(())
    }

    /// The keys that were only shown are delivered.
    pub(super) fn finish_shown(&self) -> Result<(), CommandFailed> {
        let mut shown = self.made.iter().filter(|made| made.shown.is_some());
        shown.try_for_each(|made| self.finish(made.place, &made.id))
    }

    /// The credentials that were drawn, and the files where others are.
    pub(super) fn credentials_told(&self) -> String {
        let mut told = String::new();
        for Made { id, name, owner, shown, file, .. } in &self.made {
            let whose = harmless(&format!("{name} of {owner}"));
            match (shown, file) {
                (Some(credential), _) => told.push_str(&format!(
                    "\nThe credential of the key {whose} ({id}) is shown this once:\n\n  Authorization: ApiKey {}\n",
                    credential.as_str()
                )),
                (None, Some(file)) => {
                    told.push_str(&format!("The credential of the key {whose} ({id}) is in {}.\n", file.display()));
                }
                (None, None) => {}
            }
        }
        told
    }

    pub(super) fn made_as_json(&self) -> Vec<Value> {
        let made = self.made.iter().map(|Made { id, name, owner, shown, file, .. }| {
            let encoded = shown.as_ref().map(|shown| shown.as_str());
            json!({"id": id, "name": name, "owner": owner, "encoded": encoded, "credential_file": file})
        });
        made.collect()
    }

    fn ask(&self, request: &Request) -> Result<Answer, CommandFailed> {
        let Request { method, path, body, on_behalf_of } = request;
        self.ask_for(on_behalf_of.as_deref(), method.clone(), path, body.as_ref())
    }

    /// Asks on behalf of an owner, unless that is who asks.
    fn ask_for(
        &self,
        owner: Option<&str>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, CommandFailed> {
        let service = self.applying.service;
        match owner.filter(|owner| *owner != self.applying.me) {
            Some(owner) => ask_on_behalf(service, owner, method, path, body),
            None => service.ask(method, path, body),
        }
    }

    fn import(&self, places: &[usize]) -> Result<(), CommandFailed> {
        let keys = places.iter().filter_map(|place| self.key(*place));
        let keys = keys.map(|key| self.applying.import_body(key, &key.owner));
        let body = json!({
            "allow_weak_keys": self.applying.arguments.allow_weak_keys,
            "keys": keys.collect::<Result<Vec<_>, _>>()?,
        });
        self.applying.service.ask(Method::POST, IMPORT, Some(&body)).map(drop)
    }

    fn draw(&mut self, place: usize) -> Result<(), CommandFailed> {
        let Some(key) = self.key(place) else { return Ok(()) };
        let DeclaredSecret::Drawn(file) = &key.secret else { return Ok(()) };
        // Before there is a credential that has nowhere to go.
        let written = file.as_deref().map(begun).transpose()?;
        let now = SystemClock.now().0;
        let mut body = self.applying.traits(key, |moment| json!(time_until(moment, now)));
        if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
            metadata.insert(PENDING.to_owned(), json!(true));
        }
        let answer = self.ask_for(Some(&key.owner), Method::POST, KEYS, Some(&Value::Object(body)))?.json;
        let encoded = zeroize::Zeroizing::new(text(&answer, "encoded"));
        let mut made = Made {
            place,
            id: text(&answer, "id"),
            name: key.name.clone(),
            owner: key.owner.clone(),
            shown: None,
            file: file.clone(),
        };
        let kept = written.map(|written| keep(written, &encoded));
        let id = made.id.clone();
        match kept {
            Some(Ok(())) => {
                self.made.push(made);
                self.finish(place, &id)
            }
            // What cannot be written is shown, and not lost.
            Some(Err(_)) | None => {
                made.shown = Some(encoded);
                self.made.push(made);
                let path = file.as_deref().unwrap_or(Path::new(""));
                kept.unwrap_or(Ok(())).map_err(|error| CommandFailed::io("write", path, &error))
            }
        }
    }

    /// Takes away that the key is pending.
    fn finish(&self, place: usize, id: &str) -> Result<(), CommandFailed> {
        let Some(key) = self.key(place) else { return Ok(()) };
        let body: Map<String, Value> =
            [("metadata".to_owned(), Value::Object(key.marked(self.applying.set)))].into_iter().collect();
        let place = path(&["_security", "api_key", id]);
        self.ask_for(Some(&key.owner), Method::PUT, &place, Some(&Value::Object(body))).map(drop)
    }

    fn key(&self, place: usize) -> Option<&'a DeclaredKey> {
        self.applying.declared.keys.get(place)
    }
}

fn imported(step: &super::plan::Step) -> Option<usize> {
    match step.call {
        Call::Import(place) => Some(place),
        _ => None,
    }
}

fn begun(path: &Path) -> Result<ReplacedFile, CommandFailed> {
    ReplacedFile::begin(path).map_err(|error| CommandFailed::io("write", path, &error))
}

/// The credential, as `--api-key-file` and Envoy take it.
fn keep(written: ReplacedFile, encoded: &str) -> std::io::Result<()> {
    writeln!(written.file(), "{encoded}")?;
    written.commit_new()
}
