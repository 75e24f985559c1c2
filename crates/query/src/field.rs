//! The fields of a search, and their values in a key.
//!
//! | Name | Holds |
//! |---|---|
//! | `name`, `username`, `realm_name`, `type` | one text |
//! | `creation`, `expiration`, `invalidation` | a moment; the last two may be absent |
//! | `rotation`, `previous_secret_expiration` | a moment of a key that was rotated; Elasticsearch has neither |
//! | `invalidated` | whether there is an invalidation |
//! | `metadata.<path>` | the values at that path, each as a text; names of nested objects are joined by dots |
//! | `metadata` | all values of the metadata, wherever they are |
//!
//! An array counts as each of its elements, `null` is no value, and an object is not a value of its own path
//! (Elasticsearch, the flattened field type). Ids can only be searched with the query `ids`.

use std::collections::BTreeSet;
use std::fmt;

use latchkey_budget::{Allowance, Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;
use serde_json::{Map, Value};

use super::SearchableKey;
use super::search_limits::FIELD_NAME_LEN_MAX;

/// The prefix of the names of metadata fields.
const METADATA_PREFIX: &str = "metadata.";

/// All fields but those inside of the metadata, by their names.
const NAMED: [(&str, Field); 11] = [
    ("creation", Field::Date(DateField::Creation)),
    ("expiration", Field::Date(DateField::Expiration)),
    ("invalidated", Field::Invalidated),
    ("invalidation", Field::Date(DateField::Invalidation)),
    ("metadata", Field::Text(TextField::AllMetadata)),
    ("name", Field::Text(TextField::Name)),
    ("previous_secret_expiration", Field::Date(DateField::PreviousSecretExpiration)),
    ("realm_name", Field::Text(TextField::RealmName)),
    ("rotation", Field::Date(DateField::Rotation)),
    ("type", Field::Text(TextField::Type)),
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
    /// Whether the key was invalidated.
    Invalidated,
    /// Texts, compared byte by byte.
    Text(TextField),
}

/// A field that holds a moment or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateField {
    Creation,
    Expiration,
    Invalidation,
    PreviousSecretExpiration,
    Rotation,
}

/// A field that holds texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TextField {
    /// Every value of the metadata.
    AllMetadata,
    /// The values of the metadata at this path.
    Metadata(String),
    Name,
    RealmName,
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
    pub(super) fn named(name: &str) -> Result<Self, ErrorCause> {
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
        if let Some((_, field)) = NAMED.iter().find(|(named, _)| *named == name) {
            return Ok(field.clone());
        }
        match name.strip_prefix(METADATA_PREFIX) {
            Some(path) => Ok(Self::Text(TextField::Metadata(path.to_owned()))),
            None => Err(ErrorCause::illegal_argument(format!(
                "Field [{name}] is not allowed for querying or aggregation"
            ))),
        }
    }

    /// The fields whose names match a pattern in which `*` stands for anything. Fields inside of the metadata
    /// are not enumerated: a name without `*` finds them.
    pub(super) fn matching(pattern: &str) -> Vec<Self> {
        if !pattern.contains('*') {
            return Self::named(pattern).into_iter().collect();
        }
        let pattern = super::wildcard::WildcardPattern::of_names(pattern);
        // The names are short and few.
        let mut budget = Budget::alone(Allowance { steps: u64::MAX, bytes: 0 });
        let mut is_meant = |name: &str| pattern.matches(name, &mut budget).unwrap_or(false);
        NAMED.iter().filter(|(name, _)| is_meant(name)).map(|(_, field)| field.clone()).collect()
    }

    /// The distinct values of a key, in ascending order.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading all of them takes more than the budget.
    pub(super) fn terms<K: SearchableKey + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<BTreeSet<Term>, BudgetExceeded> {
        budget.spend(1)?;
        let mut terms = BTreeSet::new();
        match self {
            Self::Date(field) => terms.extend(field.of(key).map(Term::Number)),
            Self::Invalidated => {
                terms.insert(Term::Boolean(key.invalidation().is_some()));
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
    pub(super) fn exists<K: SearchableKey + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
    ) -> Result<bool, BudgetExceeded> {
        match self {
            Self::Date(field) => Ok(field.of(key).is_some()),
            Self::Invalidated => Ok(true),
            Self::Text(field) => field.any(key, budget, &mut |_, _| Ok(true)),
        }
    }

    /// The type, as error messages call it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Date(_) => "date",
            Self::Invalidated => "boolean",
            Self::Text(TextField::AllMetadata | TextField::Metadata(_)) => "flattened",
            Self::Text(_) => "keyword",
        }
    }
}

impl DateField {
    /// The moment, in milliseconds since 1970.
    pub(super) fn of<K: SearchableKey + ?Sized>(self, key: &K) -> Option<i64> {
        let moment = match self {
            Self::Creation => Some(key.creation()),
            Self::Expiration => key.expiration(),
            Self::Invalidation => key.invalidation(),
            Self::PreviousSecretExpiration => key.previous_secret_expiration(),
            Self::Rotation => key.rotation(),
        };
        moment.map(|moment| i64::try_from(moment.0).unwrap_or(i64::MAX))
    }
}

impl TextField {
    /// Whether some value of a key passes the test.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when reading the values, or the test, takes more than the budget.
    pub(super) fn any<K: SearchableKey + ?Sized>(
        &self,
        key: &K,
        budget: &mut Budget,
        test: &mut TestOfText<'_>,
    ) -> Result<bool, BudgetExceeded> {
        match self {
            Self::AllMetadata => any_value(key.metadata(), budget, test),
            Self::Metadata(path) => any_at(key.metadata(), path, budget, test),
            Self::Name => test(key.name(), budget),
            Self::RealmName => test(key.realm_name(), budget),
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
        let named = NAMED.iter().find(|(_, field)| field == self);
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

/// The values at all depths of an object. Its depth is limited by the limit of bodies.
fn any_value(
    object: &Map<String, Value>,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    any_of(object.values(), budget, &mut |value, budget| any_below(value, budget, test))
}

fn any_below(value: &Value, budget: &mut Budget, test: &mut TestOfText<'_>) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_below(element, budget, test))
        }
        Value::Object(object) => any_value(object, budget, test),
        leaf => passes(leaf, budget, test),
    }
}

/// The values at a path. A name may itself contain dots, so every way to split the path is followed.
fn any_at(
    object: &Map<String, Value>,
    path: &str,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    budget.read(path.len())?;
    if let Some(value) = object.get(path)
        && any_element(value, budget, test)?
    {
        return Ok(true);
    }
    for (dot, _) in path.match_indices('.') {
        budget.read(dot)?;
        let (name, rest) = (path.get(..dot).unwrap_or_default(), path.get(dot + 1..).unwrap_or_default());
        if let Some(value) = object.get(name)
            && any_inside(value, rest, budget, test)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The values at a path inside an object, or inside the objects of an array.
fn any_inside(
    value: &Value,
    path: &str,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Object(object) => any_at(object, path, budget, test),
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_inside(element, path, budget, test))
        }
        _ => Ok(false),
    }
}

/// A value, or the elements of an array, but nothing inside of objects.
fn any_element(
    value: &Value,
    budget: &mut Budget,
    test: &mut TestOfText<'_>,
) -> Result<bool, BudgetExceeded> {
    match value {
        Value::Array(elements) => {
            any_of(elements.iter(), budget, &mut |element, budget| any_element(element, budget, test))
        }
        Value::Object(_) => Ok(false),
        leaf => passes(leaf, budget, test),
    }
}

/// Whether one of the values passes; each is charged.
fn any_of<'a>(
    values: impl Iterator<Item = &'a Value>,
    budget: &mut Budget,
    test: &mut dyn FnMut(&'a Value, &mut Budget) -> Result<bool, BudgetExceeded>,
) -> Result<bool, BudgetExceeded> {
    for value in values {
        budget.spend(1)?;
        if test(value, budget)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn passes(leaf: &Value, budget: &mut Budget, test: &mut TestOfText<'_>) -> Result<bool, BudgetExceeded> {
    match leaf {
        Value::String(text) => test(text, budget),
        Value::Bool(value) => test(if *value { "true" } else { "false" }, budget),
        Value::Number(number) => test(&number.to_string(), budget),
        Value::Null | Value::Array(_) | Value::Object(_) => Ok(false),
    }
}
