//! The fields of a search, and their values in what is searched.
//!
//! | Of | Name | Holds |
//! |---|---|---|
//! | keys | `name`, `username`, `realm_name`, `type` | one text |
//! | keys | `creation`, `expiration`, `invalidation` | a moment; the last two may be absent |
//! | keys | `rotation`, `previous_secret_expiration` | a moment of a key that was rotated; Elasticsearch has neither |
//! | keys | `last_used`, `last_wrong_secret` | a moment of a key that was used, or with a wrong secret; Elasticsearch has neither |
//! | keys | `invalidated` | whether there is an invalidation |
//! | keys | `roles` | the names of the key's own role descriptors; Elasticsearch has no such field |
//! | users | `username`, `roles` | texts |
//! | users | `full_name`, `email` | words |
//! | users | `enabled` | whether the user is |
//! | roles | `name`, `applications.application`, `applications.privileges`, `applications.resources` | texts |
//! | roles | `description` | words |
//! | keys, roles | `metadata.<path>` | the values at that path, each as a text; names of nested objects are joined by dots |
//! | keys, roles | `metadata` | all values of the metadata, wherever they are |
//!
//! An array counts as each of its elements, `null` is no value, and an object is not a value of its own path
//! (Elasticsearch, the flattened field type). Ids can only be searched with the query `ids`. Which fields there are
//! is what Elasticsearch's `FieldNameTranslators` (9.1) say.

mod values;

use std::collections::BTreeSet;
use std::fmt;

use latchkey_budget::{Allowance, Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use serde_json::Value;

use super::search_limits::FIELD_NAME_LEN_MAX;
use super::words::Words;
use super::{ApplicationPart, Searchable, Searched, SortColumn};
use values::{any_at, any_text, any_value, any_word};

/// The prefix of the names of metadata fields.
const METADATA_PREFIX: &str = "metadata.";

/// All fields of keys but those inside of the metadata, by their names.
const OF_KEYS: [(&str, Field); 14] = [
    ("creation", Field::Date(DateField::Creation)),
    ("expiration", Field::Date(DateField::Expiration)),
    ("invalidated", Field::Flag(FlagField::Invalidated)),
    ("invalidation", Field::Date(DateField::Invalidation)),
    ("last_used", Field::Date(DateField::LastUsed)),
    ("last_wrong_secret", Field::Date(DateField::LastWrongSecret)),
    ("metadata", Field::Text(TextField::AllMetadata)),
    ("name", Field::Text(TextField::Name)),
    ("previous_secret_expiration", Field::Date(DateField::PreviousSecretExpiration)),
    ("realm_name", Field::Text(TextField::RealmName)),
    ("roles", Field::Text(TextField::Roles)),
    ("rotation", Field::Date(DateField::Rotation)),
    ("type", Field::Text(TextField::Type)),
    ("username", Field::Text(TextField::Username)),
];

/// The same of roles.
const OF_ROLES: [(&str, Field); 6] = [
    ("applications.application", Field::Text(TextField::Applications(ApplicationPart::Application))),
    ("applications.privileges", Field::Text(TextField::Applications(ApplicationPart::Privileges))),
    ("applications.resources", Field::Text(TextField::Applications(ApplicationPart::Resources))),
    ("description", Field::Text(TextField::Description)),
    ("metadata", Field::Text(TextField::AllMetadata)),
    ("name", Field::Text(TextField::Name)),
];

/// The same of users, whose metadata is not searched.
const OF_USERS: [(&str, Field); 5] = [
    ("email", Field::Text(TextField::Email)),
    ("enabled", Field::Flag(FlagField::Enabled)),
    ("full_name", Field::Text(TextField::FullName)),
    ("roles", Field::Text(TextField::Roles)),
    ("username", Field::Text(TextField::Username)),
];

/// The cost of each value that is kept for a while.
const STEPS_PER_TERM: usize = 8;

/// A test of a text.
pub(super) type TestOfText<'a> = dyn FnMut(&str, &mut Budget) -> Result<bool, BudgetExceeded> + 'a;

/// A field, by the type of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// Moments, in milliseconds since 1970.
    Date(DateField),
    /// Whether something is so.
    Flag(FlagField),
    /// Texts, compared byte by byte.
    Text(TextField),
}

/// A field that holds a truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagField {
    Enabled,
    Invalidated,
}

/// A field that holds a moment or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateField {
    Creation,
    Expiration,
    Invalidation,
    LastUsed,
    LastWrongSecret,
    PreviousSecretExpiration,
    Rotation,
}

/// A field that holds texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextField {
    /// Every value of the metadata.
    AllMetadata,
    Applications(ApplicationPart),
    Description,
    Email,
    FullName,
    /// The values of the metadata at this path.
    Metadata(String),
    Name,
    RealmName,
    Roles,
    Type,
    Username,
}

/// A value of a field. All values of a field are of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Term {
    Boolean(bool),
    /// A moment in milliseconds since 1970, or a position.
    Number(i64),
    Text(String),
}

impl Field {
    /// The field with this name.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when it may not be used in a search.
    pub(super) fn named(name: &str, searched: Searched) -> Result<Self, ErrorCause> {
        if name.len() > FIELD_NAME_LEN_MAX {
            return Err(ErrorCause::illegal_argument(format!(
                "A field name of more than [{FIELD_NAME_LEN_MAX}] bytes is not allowed for querying or aggregation"
            )));
        }
        if name.contains('*') {
            return Err(ErrorCause::illegal_argument(format!(
                "Field name pattern [{name}] is not allowed for querying or aggregation"
            )));
        }
        if let Some((_, field)) = fields(searched).iter().find(|(named, _)| *named == name) {
            return Ok(field.clone());
        }
        match name.strip_prefix(METADATA_PREFIX) {
            Some(path) if searched != Searched::Users => Ok(Self::Text(TextField::Metadata(path.to_owned()))),
            _ => Err(ErrorCause::illegal_argument(format!(
                "Field [{name}] is not allowed for querying or aggregation"
            ))),
        }
    }

    /// The fields whose names match a pattern in which `*` stands for anything. Fields inside of the metadata
    /// are not enumerated, nor are roles of keys, which Elasticsearch does not search: a name without `*` finds them.
    pub(super) fn matching(pattern: &str, searched: Searched) -> Vec<Self> {
        if !pattern.contains('*') {
            return Self::named(pattern, searched).into_iter().collect();
        }
        let pattern = super::wildcard::WildcardPattern::of_names(pattern);
        // The names are short and few.
        let mut budget = Budget::alone(Allowance { steps: u64::MAX, bytes: 0 });
        let mut is_meant = |name: &str| pattern.matches(name, &mut budget).unwrap_or(false);
        let is_ours = |field: &Self| searched == Searched::Keys && field.is_roles();
        let named = fields(searched).iter().filter(|(name, field)| is_meant(name) && !is_ours(field));
        named.map(|(_, field)| field.clone()).collect()
    }

    /// The distinct values of a key, in ascending order.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading all of them takes more than the budget.
    pub(super) fn terms<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<BTreeSet<Term>, BudgetExceeded> {
        budget.spend(1)?;
        let mut terms = BTreeSet::new();
        match self {
            Self::Date(field) => terms.extend(field.of(key).map(Term::Number)),
            Self::Flag(field) => {
                terms.insert(Term::Boolean(field.of(key)));
            }
            Self::Text(field) => {
                field.any(key, budget, &mut |text, budget| {
                    budget.spend(STEPS_PER_TERM)?;
                    budget.read(text.len())?;
                    terms.insert(Term::Text(text.to_owned()));
                    Ok(false)
                })?;
            }
        }
        Ok(terms)
    }

    /// Whether a key has a value.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when the search for one takes more than the budget.
    pub(super) fn exists<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<bool, BudgetExceeded> {
        match self {
            Self::Date(field) => Ok(field.of(key).is_some()),
            Self::Flag(_) => Ok(true),
            Self::Text(field) => field.any(key, budget, &mut |_, _| Ok(true)),
        }
    }

    /// The type, as error messages call it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Date(_) => "date",
            Self::Flag(_) => "boolean",
            Self::Text(TextField::AllMetadata | TextField::Metadata(_)) => "flattened",
            Self::Text(field) if field.words().is_some() => "text",
            Self::Text(_) => "keyword",
        }
    }

    /// The column that a store has for it.
    pub(super) fn column(&self) -> Option<SortColumn> {
        Some(match self {
            Self::Date(DateField::Creation) => SortColumn::Creation,
            Self::Date(DateField::Expiration) => SortColumn::Expiration,
            Self::Date(DateField::Invalidation) => SortColumn::Invalidation,
            Self::Date(DateField::LastUsed) => SortColumn::LastUsed,
            Self::Date(DateField::LastWrongSecret) => SortColumn::LastWrongSecret,
            Self::Date(DateField::PreviousSecretExpiration) => SortColumn::PreviousSecretExpiration,
            Self::Date(DateField::Rotation) => SortColumn::Rotation,
            Self::Flag(FlagField::Invalidated) => SortColumn::Invalidated,
            Self::Text(TextField::Name) => SortColumn::Name,
            Self::Text(TextField::RealmName) => SortColumn::RealmName,
            Self::Text(TextField::Username) => SortColumn::Username,
            Self::Flag(FlagField::Enabled) | Self::Text(_) => return None,
        })
    }

    /// Whether it is the metadata, or inside of it.
    pub(super) fn is_metadata(&self) -> bool {
        matches!(self, Self::Text(TextField::AllMetadata | TextField::Metadata(_)))
    }

    /// Whether it is the names of roles.
    pub(super) fn is_roles(&self) -> bool {
        matches!(self, Self::Text(TextField::Roles))
    }

    /// Whether it tells of uses.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Date(DateField::LastUsed | DateField::LastWrongSecret))
    }

    /// Whether it holds words of texts.
    pub(super) fn has_words(&self) -> bool {
        matches!(self, Self::Text(field) if field.words().is_some())
    }
}

fn fields(searched: Searched) -> &'static [(&'static str, Field)] {
    match searched {
        Searched::Keys => &OF_KEYS,
        Searched::Roles => &OF_ROLES,
        Searched::Users => &OF_USERS,
    }
}

impl FlagField {
    /// Whether it is so.
    pub(super) fn of<K: Searchable + ?Sized>(self, key: &K) -> bool {
        match self {
            Self::Enabled => key.is_enabled(),
            Self::Invalidated => key.invalidation().is_some(),
        }
    }
}

impl DateField {
    /// The moment, in milliseconds since 1970.
    pub(super) fn of<K: Searchable + ?Sized>(self, key: &K) -> Option<i64> {
        let moment = match self {
            Self::Creation => Some(key.creation()),
            Self::Expiration => key.expiration(),
            Self::Invalidation => key.invalidation(),
            Self::LastUsed => key.last_used(),
            Self::LastWrongSecret => key.last_wrong_secret(),
            Self::PreviousSecretExpiration => key.previous_secret_expiration(),
            Self::Rotation => key.rotation(),
        };
        moment.map(|moment| i64::try_from(moment.0).unwrap_or(i64::MAX))
    }
}

impl TextField {
    /// How its texts are taken apart; `None` when they are compared as they are.
    pub(super) fn words(&self) -> Option<Words> {
        match self {
            Self::Description | Self::FullName => Some(Words::Plain),
            Self::Email => Some(Words::OfAddresses),
            _ => None,
        }
    }

    /// Whether some value of a key passes the test.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading the values, or the test, takes more than the budget.
    pub(super) fn any<K: Searchable + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
        test: &mut TestOfText<'_>,
    ) -> Result<bool, BudgetExceeded> {
        match self {
            Self::AllMetadata => any_value(key.metadata(), budget, test),
            Self::Metadata(path) => any_at(key.metadata(), path, budget, test),
            Self::Applications(part) => any_text(key.applications(*part).into_iter(), budget, test),
            Self::Description => any_word(key.description(), Words::Plain, budget, test),
            Self::Email => any_word(key.email(), Words::OfAddresses, budget, test),
            Self::FullName => any_word(key.full_name(), Words::Plain, budget, test),
            Self::Name => test(key.name(), budget),
            Self::RealmName => test(key.realm_name(), budget),
            Self::Roles => any_text(key.roles().iter().map(String::as_str), budget, test),
            Self::Type => test(key.key_type(), budget),
            Self::Username => test(key.username(), budget),
        }
    }
}

impl Term {
    /// The bytes it takes in memory.
    pub(super) fn held_len(&self) -> usize {
        let text = match self {
            Self::Boolean(_) | Self::Number(_) => 0,
            Self::Text(text) => text.len(),
        };
        size_of::<Self>() + text
    }

    /// The value in an answer, when it is not written in a format.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Boolean(value) => Value::from(*value),
            Self::Number(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_str()),
        }
    }
}

/// The name in a search.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Text(TextField::Metadata(path)) = self {
            return write!(f, "{METADATA_PREFIX}{path}");
        }
        let named = OF_KEYS.iter().chain(&OF_ROLES).chain(&OF_USERS).find(|(_, field)| field == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

/// A value of a boolean field, from a request: `true` or `false`; an empty text is false (Elasticsearch,
/// `BooleanFieldMapper`).
pub(super) fn truth(text: &str) -> Result<bool, ErrorCause> {
    match text {
        "true" => Ok(true),
        "false" | "" => Ok(false),
        other => Err(ErrorCause::illegal_argument(format!(
            "Can't parse boolean value [{other}], expected [true] or [false]"
        ))),
    }
}
