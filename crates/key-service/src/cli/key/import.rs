//! `latchkey key import`: keys that were made elsewhere, from a list or from Kong's declarative configuration.
//!
//! The file is read whole, and the service looks at every key of it, before the first one is written: so all
//! mistakes are told at once, each with its line, and nothing is done. A long file goes in parts. Should a part fail
//! then, the same command goes on: keys that are there already stay as they are.

mod csv;
pub(super) mod draft;
mod json_lines;
mod kong;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::import::draft::{Draft, Mistake};
use crate::cli::report::{Report, counted, harmless, items, number, text, write_err};
use crate::cli::service_client::ServiceClient;
use crate::limits::{KEY_FILE_LEN_MAX, KEYS_IMPORTED_MAX};

const IMPORT: &str = "/_latchkey/api_key/_import";

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    /// The file: a list in CSV or JSON lines, or Kong's declarative configuration.
    file: PathBuf,
    /// What the file is; otherwise its name says it: .csv, .jsonl, or .yaml, .yml and .json for Kong's.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Whose the keys are of which the file does not say it. Of Kong's file it is the owner of all keys; without, each
    /// is that of the user who is called as its consumer.
    #[arg(long, value_name = "USER", value_parser = NonEmptyStringValueParser::new())]
    owner: Option<String>,
    /// A role of the keys of which the file says none: a name that gives no right, a label, for whoever is behind the
    /// gate. May be given several times.
    #[arg(long = "role", value_name = "LABEL", value_parser = NonEmptyStringValueParser::new())]
    roles: Vec<String>,
    /// Keys of which the file says no role may do all that their owners may do at this moment.
    #[arg(long, conflicts_with = "roles")]
    all_owner_rights: bool,
    /// The groups of Kong's consumers are roles of their keys.
    #[arg(long)]
    roles_from_groups: bool,
    /// Take keys, too, that somebody could guess.
    #[arg(long)]
    allow_weak_keys: bool,
    /// Say what would be done and what is wrong, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// What a file of keys is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Comma-separated values, with the names of the columns in the first line.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Kong's declarative configuration, in YAML or JSON.
    Kong,
}

/// A key as the service is told of it.
#[derive(Debug)]
struct Line {
    number: u64,
    body: Value,
}

/// What the service has said of all parts.
#[derive(Debug, Default)]
struct Done {
    imported: u64,
    already_there: u64,
    keys: Vec<Value>,
}

pub(super) fn import(
    service: &ServiceClient,
    arguments: &ImportArguments,
    as_json: bool,
) -> Result<(), CommandFailed> {
    let lines = read(arguments)?;
    let mut mistakes = Vec::new();
    let mut done = Done::default();
    for (part, checked) in lines.chunks(KEYS_IMPORTED_MAX).enumerate() {
        let answer = arguments.ask(service, checked, true)?;
        mistakes.extend(items(&answer, "mistakes").iter().map(|mistake| {
            let place = usize::try_from(number(mistake, "key")).ok();
            let line = place.and_then(|place| checked.get(place)).map_or(0, |line| line.number);
            Mistake { line, problem: text(mistake, "problem") }
        }));
        done.add(&answer);
        progress("checked", part, checked.len(), lines.len());
    }
    if !mistakes.is_empty() {
        return Err(refused(&arguments.file, mistakes));
    }
    if arguments.dry_run {
        return done.report(true).print(as_json);
    }
    done = Done::default();
    for (part, written) in lines.chunks(KEYS_IMPORTED_MAX).enumerate() {
        let answer = arguments.ask(service, written, false).map_err(|failed| {
            let begun = written.first().map_or(0, |line| line.number);
            let before = if part == 0 { "no key was imported" } else { "all keys before are imported" };
            CommandFailed::new(format!(
                "{failed}\nAt line {begun}: {before}. The same command goes on from there."
            ))
        })?;
        done.add(&answer);
        progress("imported", part, written.len(), lines.len());
    }
    done.report(false).print(as_json)
}

impl ImportArguments {
    fn ask(&self, service: &ServiceClient, lines: &[Line], dry_run: bool) -> Result<Value, CommandFailed> {
        let keys: Vec<&Value> = lines.iter().map(|line| &line.body).collect();
        let body = json!({"allow_weak_keys": self.allow_weak_keys, "keys": keys});
        let path = if dry_run { format!("{IMPORT}?dry_run=true") } else { IMPORT.to_owned() };
        Ok(service.ask(Method::POST, &path, Some(&body))?.json)
    }

    fn format(&self) -> Result<Format, CommandFailed> {
        let extension = self.file.extension().and_then(|extension| extension.to_str());
        let by_name = match extension {
            Some("csv") => Some(Format::Csv),
            Some("jsonl" | "ndjson") => Some(Format::Jsonl),
            Some("yaml" | "yml" | "json") => Some(Format::Kong),
            _ => None,
        };
        self.format.or(by_name).ok_or_else(|| {
            CommandFailed::new(format!(
                "the name {} does not say what it is: say --format csv, jsonl or kong",
                self.file.display()
            ))
        })
    }

    /// What the service is told of a key.
    fn body(&self, draft: Draft) -> Result<Value, String> {
        let Draft { key, owner, name, roles, role_descriptors, expiration, metadata, .. } = draft;
        let owner =
            owner.or_else(|| self.owner.clone()).ok_or("says no owner: say it there or by --owner")?;
        let name = name.ok_or("says no name")?;
        let roles = if roles.is_empty() { &self.roles } else { &roles };
        let descriptors = match role_descriptors {
            Some(_) if !roles.is_empty() => return Err("says roles and role_descriptors".to_owned()),
            Some(descriptors) if descriptors.is_empty() => return Err("has no role descriptor".to_owned()),
            Some(descriptors) => descriptors,
            None if roles.is_empty() && !self.all_owner_rights => {
                return Err(
                    "says no roles: say them there, by --role LABEL for all such keys, or --all-owner-rights"
                        .to_owned(),
                );
            }
            None => roles.iter().map(|role| (role.clone(), json!({}))).collect(),
        };
        let what = if key.starts_with("sha256:") { "digest" } else { "key" };
        let mut body = Map::new();
        body.insert(what.to_owned(), json!(*key));
        body.insert("owner".to_owned(), json!(owner));
        body.insert("name".to_owned(), json!(name));
        body.extend(expiration.map(|expiration| ("expiration".to_owned(), expiration)));
        body.extend(metadata.map(|metadata| ("metadata".to_owned(), Value::Object(metadata))));
        if !descriptors.is_empty() {
            body.insert("role_descriptors".to_owned(), Value::Object(descriptors));
        }
        Ok(Value::Object(body))
    }
}

/// The keys of the file.
fn read(arguments: &ImportArguments) -> Result<Vec<Line>, CommandFailed> {
    let (format, text) = (arguments.format()?, contents(&arguments.file)?);
    let mut mistakes = Vec::new();
    let drafts = match format {
        Format::Csv => csv::read(&text, &mut mistakes),
        Format::Jsonl => json_lines::read(&text, &mut mistakes),
        Format::Kong => {
            kong::read(&text, arguments.owner.as_deref(), arguments.roles_from_groups, &mut mistakes)
        }
    };
    if drafts.is_empty() && mistakes.is_empty() {
        return Err(CommandFailed::new(format!("{} has no key", arguments.file.display())));
    }
    let mut seen = HashMap::new();
    let mut lines = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let number = draft.line;
        if !draft.key.is_empty()
            && let Some(first) = seen.insert(draft.key.to_string(), number)
        {
            mistakes.push(Mistake { line: number, problem: format!("has the key of line {first}") });
        }
        match arguments.body(draft) {
            Ok(body) => lines.push(Line { number, body }),
            Err(problem) => mistakes.push(Mistake { line: number, problem }),
        }
    }
    if mistakes.is_empty() { Ok(lines) } else { Err(refused(&arguments.file, mistakes)) }
}

pub(super) fn contents(path: &Path) -> Result<String, CommandFailed> {
    let failed = |error| CommandFailed::io("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(KEY_FILE_LEN_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > KEY_FILE_LEN_MAX {
        let mebibytes = KEY_FILE_LEN_MAX / (1024 * 1024);
        return Err(CommandFailed::new(format!("{} is longer than {mebibytes} MiB", path.display())));
    }
    Ok(text)
}

/// Every mistake, by its line. What a file holds may be a secret, so nothing of it is repeated but names.
fn refused(path: &Path, mut mistakes: Vec<Mistake>) -> CommandFailed {
    mistakes.sort_by_key(|mistake| mistake.line);
    let mut message = format!("{} has mistakes, and nothing was imported:", path.display());
    for Mistake { line, problem } in &mistakes {
        message.push_str(&format!("\n  line {line}: {}", harmless(problem)));
    }
    CommandFailed::new(message)
}

/// Says how far a long file has come.
fn progress(what: &str, part: usize, keys: usize, all: usize) {
    if all > KEYS_IMPORTED_MAX {
        write_err(&format!("{what} {} of {all} keys\n", part * KEYS_IMPORTED_MAX + keys));
    }
}

impl Done {
    fn add(&mut self, answer: &Value) {
        self.imported += number(answer, "imported");
        self.already_there += number(answer, "already_there");
        self.keys.extend_from_slice(items(answer, "keys"));
    }

    fn report(&self, dry_run: bool) -> Report {
        let Self { imported, already_there, keys } = self;
        let counted = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX));
        let mut text = match dry_run {
            true => format!("Would import {}.\n", counted(*imported)),
            false => format!("Imported {}.\n", counted(*imported)),
        };
        if *already_there > 0 {
            text.push_str(&format!("There already: {}.\n", counted(*already_there)));
        }
        let json =
            json!({"dry_run": dry_run, "imported": imported, "already_there": already_there, "keys": keys});
        Report { text, json: json.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(KEY_FILE_LEN_MAX).unwrap();
        assert!(contents(file.path()).is_ok());
        file.as_file().set_len(KEY_FILE_LEN_MAX + 1).unwrap();
        let refused = contents(file.path()).unwrap_err().to_string();
        assert!(refused.ends_with("is longer than 64 MiB"), "{refused}");
    }
}
