//! What a verified key must have besides: a tree of any-of and all-of over facts.
//!
//! A fact is a right, or a text of the key's record that somebody vouches for. A claim, which the maker of a
//! key chooses, can be no requirement; the configuration refuses it.

use latchkey_key_feed::header_value;

use super::questions::{Held, QuestionId};
use crate::table::RecordText;

/// What a key must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// All of these.
    AllOf(Vec<Self>),
    /// One of these at least.
    AnyOf(Vec<Self>),
    /// A right.
    Right(QuestionId),
    /// A text of the record that is this item, or a list with it.
    Text {
        /// Which text.
        text: RecordText,
        /// The item, encoded as it stands in a record.
        item: String,
    },
}

impl Requirement {
    /// A text of the record that is this item, or a list with it.
    #[must_use]
    pub fn text(text: RecordText, item: &str) -> Self {
        Self::Text { text, item: header_value::encode(item) }
    }

    /// Whether a key has it. `text` gives the texts of its record, and `right` answers about its rights. They
    /// are asked in order, until it is decided.
    pub fn holds<'t>(
        &self,
        text: &impl Fn(&RecordText) -> Option<&'t str>,
        right: &impl Fn(QuestionId) -> Held,
    ) -> Held {
        match self {
            Self::AllOf(parts) => {
                decided_by(Held::No, Held::Yes, parts.iter().map(|part| part.holds(text, right)))
            }
            Self::AnyOf(parts) => {
                decided_by(Held::Yes, Held::No, parts.iter().map(|part| part.holds(text, right)))
            }
            Self::Right(question) => right(*question),
            Self::Text { text: wanted, item } => match text(wanted) {
                // The comma separates items and nothing else, because items are encoded.
                Some(items) if items.split(',').any(|other| other == item) => Held::Yes,
                Some(_) => Held::No,
                // A record always has the texts that requirements need; this one was written otherwise.
                None => Held::Unknown,
            },
        }
    }

    /// Adds the texts of the record that decide it.
    pub fn add_record_texts(&self, texts: &mut Vec<RecordText>) {
        match self {
            Self::AllOf(parts) | Self::AnyOf(parts) => {
                parts.iter().for_each(|part| part.add_record_texts(texts));
            }
            Self::Right(_) => {}
            Self::Text { text, .. } => texts.push(text.clone()),
        }
    }
}

/// What all parts come to: one that is `deciding` decides, whatever others nobody can tell; without one and
/// with nothing unknown it is `otherwise`.
fn decided_by(deciding: Held, otherwise: Held, parts: impl Iterator<Item = Held>) -> Held {
    let mut outcome = otherwise;
    for held in parts {
        if held == deciding {
            return deciding;
        }
        if matches!(held, Held::Unknown | Held::TooCostly) {
            outcome = held;
        }
    }
    outcome
}
