//! The rules of a configuration.
//!
//! Each mistake is noted at its place, such as `rules[2].match.paths[0]`, and the reading goes on.

use super::Problem;
use super::config_reader::{ConfigReader, below, unknown};
use super::fields::{AUTHENTICATION, MODE, RULES};
use super::json::{JsonObject, JsonValue, text_of};
use super::requirement::RequirementReader;
use crate::limits::{
    METADATA_REQUIRED_MAX, RULE_HOST_LEN_MAX, RULE_METHOD_LEN_MAX, RULE_NAME_LEN_MAX, RULE_PAIRS_MAX,
    RULE_PATTERNS_MAX, RULES_MAX,
};
use crate::rules::{Authentication, HostPattern, Matcher, Mode, PathPattern, Question, Rule};
use crate::table::{RecordShape, RecordText};

/// What could be read of the rules.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) rules: Vec<Rule>,
    /// What their requirements ask about rights.
    pub(super) questions: Vec<Question>,
}

const NAME: &str = "a name of at most 64 letters, digits, - and _";
const HOST: &str = "a host name or address without a port, or *. and a host name";
const METHOD: &str = "a method in upper case, such as GET";

/// Reads the rules, whose mode is that of the filter unless they say otherwise.
pub(super) fn read(reader: &mut ConfigReader<'_, '_>, mode: Option<Mode>) -> Listed {
    let mut listed = Listed::default();
    let Some(value) = reader.value(RULES) else { return listed };
    let Some(values) = list(reader, value, RULES, RULES_MAX) else { return listed };
    // The place in the configuration, because a rule with a mistake is not among those that were read.
    let mut places = Vec::with_capacity(values.len());
    for (place, value) in values.iter().enumerate() {
        if let Some(rule) = rule(reader, value, &nth(RULES, place), mode, &mut listed.questions) {
            listed.rules.push(rule);
            places.push(place);
        }
    }
    check_together(reader, &listed.rules, &places);
    listed
}

/// What is wrong with rules beside each other.
fn check_together(reader: &mut ConfigReader<'_, '_>, rules: &[Rule], places: &[usize]) {
    let pairs = |matcher: &Matcher| matcher.hosts.len().max(1) * matcher.paths.len().max(1);
    if rules.iter().map(|rule| pairs(&rule.matcher)).sum::<usize>() > RULE_PAIRS_MAX {
        let what = "pairs of host and path";
        // Comparing so many with each other would hold the thread for long.
        return reader.note(RULES, Problem::TooManyTogether { what, max: RULE_PAIRS_MAX });
    }
    for (number, (rule, place)) in rules.iter().zip(places).enumerate() {
        let mut earlier = rules.iter().take(number);
        if earlier.clone().any(|other| other.name == rule.name) {
            reader.note(&below(&nth(RULES, *place), "name"), Problem::Twice);
        }
        let covering = earlier.position(|other| other.matcher.covers(&rule.matcher));
        if let Some(by) = covering.and_then(|covering| places.get(covering)) {
            reader.note(&nth(RULES, *place), Problem::Unreachable { by: *by });
        }
    }
    let mut texts = Vec::new();
    for requirement in rules.iter().filter_map(|rule| rule.requirement.as_ref()) {
        requirement.add_record_texts(&mut texts);
    }
    // Each text stands there once.
    let shape = RecordShape::of(texts);
    let is_metadata = |text: &&RecordText| matches!(text, RecordText::Metadata { .. });
    if shape.texts().iter().filter(is_metadata).count() > METADATA_REQUIRED_MAX {
        let what = "metadata fields";
        reader.note(RULES, Problem::TooManyTogether { what, max: METADATA_REQUIRED_MAX });
    }
}

fn rule(
    reader: &mut ConfigReader<'_, '_>,
    value: &JsonValue<'_>,
    place: &str,
    mode: Option<Mode>,
    questions: &mut Vec<Question>,
) -> Option<Rule> {
    let fields = object(reader, value, place)?;
    let [name, matcher, authentication, require, own_mode] =
        members(reader, fields, place, ["name", "match", "authentication", "require", "mode"]);
    let name = required(reader, name, &below(place, "name"))
        .and_then(|name| text(reader, name, &below(place, "name"), RULE_NAME_LEN_MAX, NAME, is_name));
    let match_place = below(place, "match");
    let matcher = required(reader, matcher, &match_place)
        .and_then(|value| object(reader, value, &match_place))
        .and_then(|fields| read_matcher(reader, fields, &match_place));
    let authentication = reader.choice_of(authentication, &below(place, "authentication"), &AUTHENTICATION);
    let mode = match own_mode {
        Some(_) => reader.choice_of(own_mode, &below(place, "mode"), &MODE),
        None => mode,
    };
    let require_place = below(place, "require");
    let requirement = match require {
        None => Some(None),
        Some(value) => {
            let paths = matcher.as_ref().map(|matcher| matcher.paths.as_slice());
            let mut requirement = RequirementReader::new(paths, questions);
            requirement.read(reader, value, &require_place).map(Some)
        }
    };
    if require.is_some() && authentication.is_some_and(|asked| asked != Authentication::Required) {
        reader.note(&require_place, Problem::WithoutKey);
    }
    Some(Rule {
        name: name?.to_owned(),
        matcher: matcher?,
        authentication: authentication?,
        requirement: requirement?,
        mode: mode?,
    })
}

/// What a rule matches; `None` when anything was wrong.
fn read_matcher(reader: &mut ConfigReader<'_, '_>, fields: &JsonObject<'_>, place: &str) -> Option<Matcher> {
    let [hosts, paths, methods] = members(reader, fields, place, ["hosts", "paths", "methods"]);
    let mut matcher = Matcher::default();
    let hosts_are =
        each(reader, hosts, &below(place, "hosts"), RULE_PATTERNS_MAX, &mut |reader, value, place| {
            // An asterisk and a dot stand before the longest name.
            let host = text(reader, value, place, RULE_HOST_LEN_MAX + 2, HOST, |_| true)
                .and_then(|host| noted(reader, place, HostPattern::parse(host).ok_or(Problem::IsNot(HOST))));
            pushed(&mut matcher.hosts, host)
        });
    let paths_are =
        each(reader, paths, &below(place, "paths"), RULE_PATTERNS_MAX, &mut |reader, value, place| {
            let path = noted(reader, place, text_of(value).ok_or(Problem::IsNot("a path")))
                .and_then(|path| noted(reader, place, PathPattern::parse(path).map_err(Problem::BadPath)));
            pushed(&mut matcher.paths, path)
        });
    let methods_are =
        each(reader, methods, &below(place, "methods"), RULE_PATTERNS_MAX, &mut |reader, value, place| {
            let method = text(reader, value, place, RULE_METHOD_LEN_MAX, METHOD, is_method);
            pushed(&mut matcher.methods, method.map(str::to_owned))
        });
    (hosts_are && paths_are && methods_are).then_some(matcher)
}

/// Reads one value of a list, and says whether it was right.
pub(super) type ReadEntry<'r> = &'r mut dyn FnMut(&mut ConfigReader<'_, '_>, &JsonValue<'_>, &str) -> bool;

/// Reads each value of a list, and says whether all was right. What is not given is nothing at all.
pub(super) fn each(
    reader: &mut ConfigReader<'_, '_>,
    value: Option<&JsonValue<'_>>,
    place: &str,
    max: usize,
    read: ReadEntry<'_>,
) -> bool {
    let Some(value) = value else { return true };
    let Some(values) = list(reader, value, place, max) else { return false };
    if values.is_empty() {
        // Left out it matches everything, so an empty list is more likely a mistake.
        reader.note(place, Problem::IsNot("a list with at least one entry"));
        return false;
    }
    let mut is_right = true;
    for (number, value) in values.iter().enumerate() {
        is_right &= read(reader, value, &nth(place, number));
    }
    is_right
}

/// Adds an entry if it was right, and says whether it was.
pub(super) fn pushed<T>(entries: &mut Vec<T>, entry: Option<T>) -> bool {
    match entry {
        Some(entry) => {
            entries.push(entry);
            true
        }
        None => false,
    }
}

/// The values of the fields of these names. Other names, and names that come twice, are noted.
pub(super) fn members<'j, const N: usize>(
    reader: &mut ConfigReader<'_, '_>,
    fields: &'j JsonObject<'j>,
    place: &str,
    names: [&'static str; N],
) -> [Option<&'j JsonValue<'j>>; N] {
    let mut found = [None; N];
    find_members(reader, fields, place, &names, &mut found);
    found
}

/// The same for any number of names, so that the module holds it once.
fn find_members<'j>(
    reader: &mut ConfigReader<'_, '_>,
    fields: &'j JsonObject<'j>,
    place: &str,
    names: &[&'static str],
    found: &mut [Option<&'j JsonValue<'j>>],
) {
    for (name, value) in fields {
        match names.iter().zip(&mut *found).find(|(known, _)| **known == name) {
            None => reader.note(&below(place, name), unknown(name, names)),
            Some((_, found)) => {
                if found.replace(value).is_some() {
                    reader.note(&below(place, name), Problem::Twice);
                }
            }
        }
    }
}

pub(super) fn required<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: Option<&'j JsonValue<'j>>,
    place: &str,
) -> Option<&'j JsonValue<'j>> {
    noted(reader, place, value.ok_or(Problem::Missing))
}

pub(super) fn object<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: &'j JsonValue<'j>,
    place: &str,
) -> Option<&'j JsonObject<'j>> {
    match value {
        JsonValue::Object(fields) => Some(fields),
        _ => noted(reader, place, Err(Problem::IsNot("an object"))),
    }
}

fn list<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: &'j JsonValue<'j>,
    place: &str,
    max: usize,
) -> Option<&'j [JsonValue<'j>]> {
    let values = match value {
        JsonValue::Array(values) if values.len() <= max => Ok(values.as_slice()),
        JsonValue::Array(_) => Err(Problem::TooMany { max }),
        _ => Err(Problem::IsNot("a list")),
    };
    noted(reader, place, values)
}

pub(super) fn text<'j>(
    reader: &mut ConfigReader<'_, '_>,
    value: &'j JsonValue<'_>,
    place: &str,
    bytes_max: usize,
    words: &'static str,
    is_allowed: fn(&str) -> bool,
) -> Option<&'j str> {
    let text = match text_of(value) {
        Some(text) if text.len() > bytes_max => Err(Problem::TooLong { bytes_max }),
        Some(text) if !text.is_empty() && is_allowed(text) => Ok(text),
        _ => Err(Problem::IsNot(words)),
    };
    noted(reader, place, text)
}

/// What was read, unless there is a problem, which is noted.
pub(super) fn noted<T>(
    reader: &mut ConfigReader<'_, '_>,
    place: &str,
    read: Result<T, Problem>,
) -> Option<T> {
    read.map_err(|problem| reader.note(place, problem)).ok()
}

/// The path of an entry of a list.
pub(super) fn nth(place: &str, number: usize) -> String {
    [place, "[", &number.to_string(), "]"].concat()
}

/// What may stand in the name of a metric and in response-code details, and ends no label there.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A method (RFC 9110, section 9.1) in upper case, as all registered ones are. Methods are compared as they
/// are, so one in lower case would match nothing.
fn is_method(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
