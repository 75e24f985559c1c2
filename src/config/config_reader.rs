//! Takes fields out of a JSON object and notes what is wrong with them.
//!
//! A mistake is noted and reading goes on, so that an operator sees all mistakes at once. The caller must
//! refuse the configuration when anything was noted.

use std::time::Duration;

use latchkey_key_feed::header_value;

use super::Problem;
use super::duration;
use super::fields::{
    CREDENTIAL, CREDENTIAL_FILE, CREDENTIAL_INLINE, CREDENTIAL_VARIABLE, ChoiceField, DurationField, FIELDS,
    FlagField, HeaderField, METADATA_CLAIMS, METADATA_HEADERS, METADATA_PATH, PRIVILEGES_APPLICATION,
    TextField,
};
use super::json::{JsonObject, JsonValue, text_of, value_of};
use crate::identity::{CLAIMED_ID, FilterState, IdentityField, RULE};
use crate::limits::{METADATA_HEADERS_MAX, METADATA_PATH_LEN_MAX};

/// What is being read, and what was wrong so far.
pub(super) struct ConfigReader<'v, 'a> {
    root: &'v JsonObject<'a>,
    problems: Vec<(String, Problem)>,
}

/// A header that tells a metadata field.
pub(super) struct MetadataHeader {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) claims: bool,
    /// Where in the configuration it stands.
    pub(super) place: String,
}

/// Most characters that are repeated of a name which is not ours.
const SHOWN_LEN_MAX: usize = 64;

impl<'v, 'a> ConfigReader<'v, 'a> {
    /// Begins with the names: whatever is not a field is wrong, however well the rest reads.
    pub(super) fn of(root: &'v JsonObject<'a>) -> Self {
        let mut reader = Self { root, problems: Vec::new() };
        reader.check_names(root, "");
        reader
    }

    pub(super) fn note(&mut self, path: &str, problem: Problem) {
        self.problems.push((path.to_owned(), problem));
    }

    /// All that is wrong, in the order in which it was found.
    pub(super) fn into_problems(self) -> Vec<(String, Problem)> {
        self.problems
    }

    /// What was chosen, or the default; `None` when it was none of the words.
    pub(super) fn choice<T: Copy>(&mut self, field: &ChoiceField<T>) -> Option<T> {
        self.choice_of(self.value(field.field.path), field.field.path, field)
    }

    /// The same of a value that stands at that place.
    pub(super) fn choice_of<T: Copy>(
        &mut self,
        value: Option<&JsonValue<'_>>,
        place: &str,
        field: &ChoiceField<T>,
    ) -> Option<T> {
        let word = value.map_or(Some(field.field.default), text_of);
        let chosen = field.choices.iter().find(|(choice, _)| Some(*choice) == word).map(|(_, means)| *means);
        if chosen.is_none() {
            self.note(place, Problem::IsNot(field.field.words));
        }
        chosen
    }

    pub(super) fn flag(&mut self, field: &FlagField) -> bool {
        match self.value(field.path) {
            None => field.default,
            Some(JsonValue::Bool(flag)) => *flag,
            Some(_) => {
                self.note(field.path, Problem::IsNot("true or false"));
                field.default
            }
        }
    }

    /// The duration; `None` when it was wrong.
    pub(super) fn duration(&mut self, field: &DurationField) -> Option<Duration> {
        let Some(value) = self.value(field.path) else { return Some(field.default) };
        let problem = match text_of(value).and_then(duration::parse) {
            Some(span) if (field.min..=field.max).contains(&span) => return Some(span),
            Some(_) => Problem::OutOfRange { min: field.min, max: field.max },
            None => Problem::IsNot(duration::WORDS),
        };
        self.note(field.path, problem);
        None
    }

    /// The text, or its default when it is not given; `None` when there is neither, or when it was wrong.
    pub(super) fn text(&mut self, field: &TextField) -> Option<String> {
        let Some(value) = self.value(field.path) else { return field.default.map(str::to_owned) };
        let problem = match text_of(value) {
            Some(text) if text.len() > field.len_max => Problem::TooLong { bytes_max: field.len_max },
            Some(text) if !text.is_empty() && (field.is_allowed)(text) => return Some(text.to_owned()),
            _ => Problem::IsNot(field.words),
        };
        self.note(field.path, problem);
        None
    }

    /// Like [`Self::text`], for a field that has to be given.
    pub(super) fn required_text(&mut self, field: &TextField) -> Option<String> {
        if !self.has(field) {
            self.note(field.path, Problem::Missing);
        }
        self.text(field)
    }

    pub(super) fn has(&self, field: &TextField) -> bool {
        self.value(field.path).is_some()
    }

    pub(super) fn has_duration(&self, field: &DurationField) -> bool {
        self.value(field.path).is_some()
    }

    /// The name of a header; `None` when it is switched off.
    pub(super) fn header(&mut self, field: &HeaderField) -> Option<String> {
        match self.value(field.path) {
            None => {
                let tells = field.tells;
                // Whose privileges they are has to be said; then they are told.
                let is_told = tells.is_told_by_default()
                    || (tells == IdentityField::Privileges && self.has(&PRIVILEGES_APPLICATION));
                is_told.then(|| tells.default_header().to_owned())
            }
            Some(JsonValue::Null) => None,
            Some(JsonValue::String(name)) => Some(name.clone().into_owned()),
            Some(_) => {
                self.note(field.path, Problem::IsNot("the name of a header, or null"));
                None
            }
        }
    }

    /// What filter state tells; what is told by default when it is not given.
    pub(super) fn filter_state(&mut self, path: &str) -> FilterState {
        let told = match self.value(path) {
            None | Some(JsonValue::Bool(true)) => Some(FilterState::default()),
            Some(JsonValue::Bool(false)) => {
                Some(FilterState { fields: Vec::new(), claimed_id: false, rule: false })
            }
            Some(JsonValue::Array(values)) => named_in(values),
            Some(_) => None,
        };
        told.unwrap_or_else(|| {
            self.note(path, Problem::IsNot("true, false, or a list of identity fields"));
            FilterState::default()
        })
    }

    /// The headers that tell metadata fields.
    pub(super) fn metadata_headers(&mut self) -> Vec<MetadataHeader> {
        let headers = match self.value(METADATA_HEADERS) {
            None => return Vec::new(),
            Some(JsonValue::Object(headers)) => headers,
            Some(_) => {
                self.note(METADATA_HEADERS, Problem::IsNot("an object"));
                return Vec::new();
            }
        };
        if headers.len() > METADATA_HEADERS_MAX {
            self.note(METADATA_HEADERS, Problem::TooMany { max: METADATA_HEADERS_MAX });
        }
        let mut told = Vec::with_capacity(headers.len().min(METADATA_HEADERS_MAX));
        for (name, value) in headers {
            let place = below(METADATA_HEADERS, name);
            let (path, claims) = match value {
                JsonValue::Object(fields) => self.metadata_header(fields, &place),
                path => (Some(path), false),
            };
            match path.and_then(text_of) {
                Some(path) if path.len() > METADATA_PATH_LEN_MAX => {
                    self.note(&place, Problem::TooLong { bytes_max: METADATA_PATH_LEN_MAX });
                }
                Some(path) if path.split('.').all(|step| !step.is_empty()) => {
                    let (name, path) = (name.clone().into_owned(), path.to_owned());
                    told.push(MetadataHeader { name, path, claims, place });
                }
                _ => self.note(&place, Problem::IsNot("the names of nested metadata fields, joined by dots")),
            }
        }
        told
    }

    /// The path of a metadata header that is an object, and whether it tells claims.
    fn metadata_header(
        &mut self,
        fields: &'v JsonObject<'a>,
        place: &str,
    ) -> (Option<&'v JsonValue<'a>>, bool) {
        let (mut path, mut claims) = (None, None);
        for (name, value) in fields {
            let is_twice = match &**name {
                METADATA_PATH => path.replace(value).is_some(),
                METADATA_CLAIMS => claims.replace(value).is_some(),
                _ => {
                    self.note(&below(place, name), Problem::Unknown);
                    false
                }
            };
            if is_twice {
                self.note(&below(place, name), Problem::Twice);
            }
        }
        let claims = match claims {
            None => false,
            Some(JsonValue::Bool(claims)) => *claims,
            Some(_) => {
                self.note(&below(place, METADATA_CLAIMS), Problem::IsNot("true or false"));
                false
            }
        };
        (path, claims)
    }

    pub(super) fn value(&self, path: &str) -> Option<&'v JsonValue<'a>> {
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", path));
        let mut object = self.root;
        for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
            let JsonValue::Object(fields) = value_of(object, parent)? else { return None };
            object = fields;
        }
        value_of(object, name)
    }

    fn check_names(&mut self, object: &JsonObject<'_>, prefix: &str) {
        for (position, (name, value)) in object.iter().enumerate() {
            let path = below(prefix, name);
            let is_field = FIELDS.iter().any(|field| field.path() == path);
            let is_parent = FIELDS.iter().any(|field| is_below(field.path(), &path));
            // A dot inside a name would make a path that looks like another field's.
            if name.contains('.') || !(is_field || is_parent) {
                let known: Vec<_> =
                    FIELDS.iter().filter_map(|field| name_below(field.path(), prefix)).collect();
                self.note(&path, unknown(name, &known));
            } else if object.iter().take(position).any(|(earlier, _)| earlier == name) {
                self.note(&path, Problem::Twice);
            } else if is_parent {
                match value {
                    JsonValue::Object(fields) => self.check_names(fields, &path),
                    _ => self.note(&path, Problem::IsNot("an object")),
                }
            }
        }
    }
}

/// The identity fields of these names; `None` when a name is none, or is given twice.
fn named_in(values: &[JsonValue<'_>]) -> Option<FilterState> {
    let is_named = |name| values.iter().any(|value| text_of(value) == Some(name));
    let fields: Vec<_> = IdentityField::ALL.into_iter().filter(|field| is_named(field.name())).collect();
    let (claimed_id, rule) = (is_named(CLAIMED_ID), is_named(RULE));
    // As many as were named; so none was named twice, nor anything else.
    let named = fields.len() + usize::from(claimed_id) + usize::from(rule);
    (named == values.len()).then_some(FilterState { fields, claimed_id, rule })
}

/// That a name is unknown, and which one was meant if one resembles it.
pub(super) fn unknown(name: &str, known: &[&'static str]) -> Problem {
    // One number does not stand for another.
    if name.len() > SHOWN_LEN_MAX || !name.contains(|letter: char| letter.is_ascii_alphabetic()) {
        return Problem::Unknown;
    }
    let near = known.iter().map(|other| (strsim::osa_distance(name, other), *other));
    // Less than half of the characters are others, as Elasticsearch suggests names. Two that have changed
    // places are one mistake.
    let near = near.filter(|(edits, other)| 2 * edits < name.len().max(other.len()));
    near.min().map_or(Problem::Unknown, |(_, meant)| Problem::UnknownLike(meant))
}

/// The name that a field's path has next below an object, which has no path at the root.
fn name_below(path: &'static str, parent: &str) -> Option<&'static str> {
    let rest = if parent.is_empty() { path } else { path.strip_prefix(parent)?.strip_prefix('.')? };
    rest.split('.').next()
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('.'))
}

/// The path of a field inside an object. Names may be anything, so they are made fit to be printed; where a
/// secret is due, one may stand in place of a name.
pub(super) fn below(prefix: &str, name: &str) -> String {
    let encoded = header_value::encode(name);
    // What is encoded is ASCII.
    let name = encoded.get(..SHOWN_LEN_MAX).unwrap_or(&encoded);
    let dot = if prefix.is_empty() { "" } else { "." };
    let path = [prefix, dot, name].concat();
    if prefix == CREDENTIAL
        && ![CREDENTIAL_VARIABLE.path, CREDENTIAL_INLINE.path, CREDENTIAL_FILE.path].contains(&path.as_str())
    {
        return [CREDENTIAL, ".?"].concat();
    }
    path
}
