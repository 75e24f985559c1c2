//! What a route asks in its metadata: `require` in the namespace `latchkey`, in the words of a rule.
//!
//! The host hands the metadata of a route over as `envoy.config.core.v3.Metadata`, in the wire format of
//! Protocol Buffers. Whatever is not as it should be is a problem and never nothing: a requirement that is not
//! understood is none that is met.

use std::borrow::Cow;

use latchkey_key_feed::format_limits::JSON_DEPTH_MAX;

use super::config_reader::{ConfigReader, below};
use super::json::JsonValue;
use super::problem::InvalidRoute;
use super::requirement::RequirementReader;
use super::rules::{members, noted, required};
use super::{Config, Problem};
use crate::limits::ROUTE_METADATA_LEN_MAX;
use crate::rules::{Requirement, RouteAsks};

/// The namespace of the filter in the metadata of a route.
const NAMESPACE: &str = "latchkey";

/// The only field in it.
const REQUIRE: &str = "require";

type Field<'a> = (Cow<'a, str>, JsonValue<'a>);

/// One field of a message: its number, and what it holds.
type Part<'a> = (u64, Wire<'a>);

/// What a field holds, as far as the kinds differ on the wire.
enum Wire<'a> {
    Number(u64),
    /// A number in eight or four bytes, which nobody here reads.
    Fixed,
    Bytes(&'a [u8]),
}

/// The bytes are no such message.
struct Malformed;

impl Config {
    /// What a route with that metadata asks. Rights and metadata fields can only be required where a rule
    /// requires them as well, since no others are at hand.
    ///
    /// # Errors
    ///
    /// [`InvalidRoute`] when the metadata cannot be read, or is no requirement.
    pub fn route_asks(&self, metadata: &[u8]) -> Result<RouteAsks, InvalidRoute> {
        let whole = |problem| InvalidRoute(vec![(NAMESPACE.to_owned(), problem)]);
        if metadata.len() > ROUTE_METADATA_LEN_MAX {
            return Err(whole(Problem::TooLong { bytes_max: ROUTE_METADATA_LEN_MAX }));
        }
        let fields = namespace(metadata).map_err(|Malformed| whole(Problem::IsNot("metadata of a route")))?;
        let Some(fields) = fields else { return Ok(RouteAsks::Nothing) };
        let mut reader = ConfigReader::of(&[]);
        // Without it the namespace asks nothing, and whoever wrote it wanted something.
        let [require] = members(&mut reader, &fields, NAMESPACE, [REQUIRE]);
        let place = below(NAMESPACE, REQUIRE);
        let requirement = required(&mut reader, require, &place)
            .and_then(|value| self.route_requirement(&mut reader, value, &place));
        match (requirement, reader.into_problems()) {
            (Some(requirement), problems) if problems.is_empty() => Ok(RouteAsks::Requires(requirement)),
            (_, problems) => Err(InvalidRoute(problems)),
        }
    }

    fn route_requirement(
        &self,
        reader: &mut ConfigReader<'_, '_>,
        value: &JsonValue<'_>,
        place: &str,
    ) -> Option<Requirement> {
        let known = self.rules.questions();
        let mut questions = known.to_vec();
        // A route has no path whose names could stand in a resource.
        let requirement = RequirementReader::new(Some(&[]), &mut questions).read(reader, value, place)?;
        let held = self.record_texts();
        let mut needed = Vec::new();
        requirement.add_record_texts(&mut needed);
        let is_at_hand = questions.len() == known.len() && needed.iter().all(|text| held.contains(text));
        noted(reader, place, if is_at_hand { Ok(requirement) } else { Err(Problem::NotAskedByRules) })
    }
}

/// The fields of our namespace, if there is one.
fn namespace(metadata: &[u8]) -> Result<Option<Vec<Field<'_>>>, Malformed> {
    let mut found = None;
    for part in parts(metadata) {
        // 1: `filter_metadata`, a map of texts to `Struct`.
        if let (1, Wire::Bytes(entry)) = part?
            && let (NAMESPACE, fields) = entry_of(entry)?
        {
            found = Some(fields_of(fields, 0)?);
        }
    }
    Ok(found)
}

/// The fields of a `google.protobuf.Struct`.
fn fields_of(message: &[u8], depth: usize) -> Result<Vec<Field<'_>>, Malformed> {
    let mut fields = Vec::new();
    for part in parts(message) {
        if let (1, Wire::Bytes(entry)) = part? {
            let (name, value) = entry_of(entry)?;
            fields.push((Cow::Borrowed(name), value_of(value, depth)?));
        }
    }
    Ok(fields)
}

/// A `google.protobuf.Value`. Numbers are read as null: no requirement takes either.
fn value_of(message: &[u8], depth: usize) -> Result<JsonValue<'_>, Malformed> {
    if depth > JSON_DEPTH_MAX {
        return Err(Malformed);
    }
    let mut value = JsonValue::Null;
    for part in parts(message) {
        value = match part? {
            (3, Wire::Bytes(text)) => JsonValue::String(Cow::Borrowed(text_of(text)?)),
            (4, Wire::Number(flag)) => JsonValue::Bool(flag != 0),
            (5, Wire::Bytes(fields)) => JsonValue::Object(fields_of(fields, depth + 1)?),
            (6, Wire::Bytes(list)) => {
                let mut values = Vec::new();
                for part in parts(list) {
                    if let (1, Wire::Bytes(value)) = part? {
                        values.push(value_of(value, depth + 1)?);
                    }
                }
                JsonValue::Array(values)
            }
            _ => JsonValue::Null,
        };
    }
    Ok(value)
}

/// Name and value of an entry of a map.
fn entry_of(message: &[u8]) -> Result<(&str, &[u8]), Malformed> {
    let (mut name, mut value) = ("", &[][..]);
    for part in parts(message) {
        match part? {
            (1, Wire::Bytes(bytes)) => name = text_of(bytes)?,
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    Ok((name, value))
}

fn text_of(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

/// The fields of a message, in order. After bytes that are none comes [`Malformed`] and nothing more.
fn parts(message: &[u8]) -> impl Iterator<Item = Result<Part<'_>, Malformed>> {
    let mut rest = message;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let part = part(&mut rest).ok_or(Malformed);
        if part.is_err() {
            rest = &[];
        }
        Some(part)
    })
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<Part<'a>> {
    let tag = number(rest)?;
    let wire = match tag & 7 {
        0 => Wire::Number(number(rest)?),
        1 => take(rest, 8).map(|_| Wire::Fixed)?,
        2 => {
            let len = usize::try_from(number(rest)?).ok()?;
            Wire::Bytes(take(rest, len)?)
        }
        5 => take(rest, 4).map(|_| Wire::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, wire))
}

/// A number of seven bits a byte, the lowest first.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let [byte] = take(rest, 1)? else { return None };
        number |= u64::from(byte & 0x7F).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests;
