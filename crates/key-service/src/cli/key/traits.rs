//! What a key is besides its name, as the command line has it said.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use latchkey_elastic::TimeValue;
use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::json_input;

/// The word for a key that does not end.
const NEVER: &str = "never";

/// What a key is besides a name. What is not said stays as it is.
#[derive(Debug, Args)]
pub(super) struct KeyTraits {
    /// When the key ends: after a time from now, such as 30d, 12h or 90m, or never. Without, a new key ends
    /// as the service's settings say, and one that is updated as before.
    #[arg(long, visible_alias = "expires-in", value_name = "DURATION|never", value_parser = duration_or_never)]
    expires: Option<String>,
    /// A JSON file of role descriptors by name: what the key may do. - is stdin.
    #[arg(long, value_name = "FILE")]
    role_descriptors: Option<PathBuf>,
    /// A role of the key that is a name and gives no right: a label, for whoever is behind the gate. May be
    /// given several times.
    #[arg(
        long = "role",
        value_name = "LABEL",
        conflicts_with = "role_descriptors",
        value_parser = NonEmptyStringValueParser::new()
    )]
    labels: Vec<String>,
    /// A text to keep with the key. May be given several times.
    #[arg(long, value_name = "NAME=TEXT", value_parser = named_text)]
    metadata: Vec<(String, String)>,
}

/// The same of a new key, of which what it may do has to be said.
#[derive(Debug, Args)]
pub(super) struct NewKeyTraits {
    #[command(flatten)]
    traits: KeyTraits,
    /// The key may do all that its owner may do at this moment.
    #[arg(long, conflicts_with_all = ["role_descriptors", "labels"])]
    all_my_rights: bool,
}

impl KeyTraits {
    /// The fields of a change of a key.
    pub(super) fn changes(&self) -> Result<Map<String, Value>, CommandFailed> {
        if self.expires.as_deref() == Some(NEVER) {
            return Err(CommandFailed::new(
                "a key that has an end keeps one: --expires takes a duration here, such as 30d",
            ));
        }
        self.body()
    }

    /// The fields of a request's body.
    fn body(&self) -> Result<Map<String, Value>, CommandFailed> {
        let mut body = Map::new();
        match self.expires.as_deref() {
            None => {}
            Some(NEVER) => drop(body.insert("expiration".to_owned(), Value::Null)),
            Some(duration) => drop(body.insert("expiration".to_owned(), json!(duration))),
        }
        if let Some(file) = &self.role_descriptors {
            body.insert("role_descriptors".to_owned(), Value::Object(json_input::object(file)?));
        } else if !self.labels.is_empty() {
            let labels = self.labels.iter().map(|label| (label.clone(), json!({})));
            body.insert("role_descriptors".to_owned(), Value::Object(labels.collect()));
        }
        if !self.metadata.is_empty() {
            let texts = self.metadata.iter().map(|(name, text)| (name.clone(), json!(text)));
            body.insert("metadata".to_owned(), Value::Object(texts.collect()));
        }
        Ok(body)
    }
}

impl NewKeyTraits {
    /// Refuses a key of which nobody has said what it may do: without a word it could do everything that its
    /// owner can.
    ///
    /// # Errors
    ///
    /// How to say it.
    pub(super) fn require_rights(&self) -> Result<(), CommandFailed> {
        let KeyTraits { role_descriptors, labels, .. } = &self.traits;
        if role_descriptors.is_some() || !labels.is_empty() || self.all_my_rights {
            return Ok(());
        }
        Err(CommandFailed::new(
            "say what the key may do here: --role LABEL for a name without a right, --role-descriptors FILE for the \
             rights in a file, or --all-my-rights for everything that its owner may do",
        ))
    }

    /// The fields of a new key besides its name. Empty role descriptors, too, would give it everything.
    pub(super) fn body(&self) -> Result<Map<String, Value>, CommandFailed> {
        let body = self.traits.body()?;
        let descriptors = body.get("role_descriptors").and_then(Value::as_object);
        if descriptors.is_some_and(Map::is_empty) {
            return Err(CommandFailed::new(
                "the file has no role descriptor, which would give the key everything that its owner may do: say \
                 --all-my-rights instead, if that is meant",
            ));
        }
        Ok(body)
    }

    /// Says loudly what a key can do that was just made, and for how long.
    pub(super) fn warn(&self, ends: bool) {
        if self.all_my_rights {
            tracing::warn!(
                "the key may do everything that its owner may do at this service; --role LABEL makes one that opens the gate \
                 and may do nothing here"
            );
        }
        if !ends {
            tracing::warn!("the key never ends: --expires 30d makes one that does");
        }
    }
}

/// The service would refuse it too, in Elasticsearch's words, which do not name the units.
fn duration_or_never(argument: &str) -> Result<String, String> {
    match TimeValue::parse(argument, "expiration") {
        Err(_) if argument != NEVER => {
            Err("must be a whole number and one of the units s, m, h and d, such as 30d, or the word never"
                .to_owned())
        }
        _ => Ok(argument.to_owned()),
    }
}

fn named_text(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((name, text)) if !name.is_empty() => Ok((name.to_owned(), text.to_owned())),
        _ => Err("must be NAME=TEXT".to_owned()),
    }
}
