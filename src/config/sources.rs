//! Reads where a credential may come from.

use latchkey_key_feed::credential::Scheme;

use super::Problem;
use super::config_reader::{ConfigReader, below};
use super::fields::CREDENTIAL_SOURCES;
use super::json::{JsonObject, JsonValue, text_of};
use crate::credential::{CredentialSource, CredentialSources, Place, SourceFormat};
use crate::identity::IdentityHeaders;
use crate::limits::{CREDENTIAL_PLACE_LEN_MAX, CREDENTIAL_SOURCES_MAX};

/// The kinds of places, by the name of the field that holds their name.
const PLACES: [(&str, Place); 3] =
    [("header", Place::Header), ("query", Place::Query), ("cookie", Place::Cookie)];

const AUTHORIZATION: &str = "authorization";
const FORMAT: &str = "format";

/// The formats; the first is the default.
const FORMATS: [(&str, SourceFormat); 2] =
    [("encoded", SourceFormat::Encoded), ("id:secret", SourceFormat::IdSecret)];

const LIST: &str = "a list of one to eight sources";
const SCHEMES: &str = "a list of ApiKey, Bearer and Basic, each at most once";
const SOURCE: &str = "an object with exactly one of authorization, header, query and cookie";
const NAME: &str = "a name of letters, digits and - . _ ~";

/// The places; where something is wrong, those that are right. `identity` is absent where it is wrong itself.
pub(super) fn read(
    reader: &mut ConfigReader<'_, '_>,
    identity: Option<&IdentityHeaders>,
) -> CredentialSources {
    let items = match reader.value(CREDENTIAL_SOURCES) {
        None => return CredentialSources::default(),
        Some(JsonValue::Array(items)) if (1..=CREDENTIAL_SOURCES_MAX).contains(&items.len()) => items,
        Some(_) => {
            reader.note(CREDENTIAL_SOURCES, Problem::IsNot(LIST));
            return CredentialSources::default();
        }
    };
    let mut sources: Vec<CredentialSource> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = [CREDENTIAL_SOURCES, "[", &index.to_string(), "]"].concat();
        let JsonValue::Object(fields) = item else {
            reader.note(&at, Problem::IsNot(SOURCE));
            continue;
        };
        let Some(source) = source(reader, fields, &at) else { continue };
        if let CredentialSource::Named { place: Place::Header, name, .. } = &source
            && let Some(Err(invalid)) = identity.map(|identity| identity.check_source(name))
        {
            reader.note(&below(&at, "header"), Problem::BadHeaderName(invalid));
        }
        if sources.iter().any(|other| other.is_the_place_of(&source)) {
            reader.note(&at, Problem::Twice);
        }
        sources.push(source);
    }
    CredentialSources::new(sources)
}

/// One source; `None` when something is wrong with it.
fn source(reader: &mut ConfigReader<'_, '_>, fields: &JsonObject<'_>, at: &str) -> Option<CredentialSource> {
    let mut places = Vec::new();
    let mut format = None;
    for (position, (name, value)) in fields.iter().enumerate() {
        let place = PLACES.iter().find(|(field, _)| field == name).map(|(_, place)| *place);
        if fields.iter().take(position).any(|(earlier, _)| earlier == name) {
            reader.note(&below(at, name), Problem::Twice);
        } else if name == AUTHORIZATION || place.is_some() {
            places.push((place, value, below(at, name)));
        } else if name == FORMAT {
            format = Some(value);
        } else {
            reader.note(&below(at, name), Problem::Unknown);
        }
    }
    let [(place, value, path)] = places.as_slice() else {
        reader.note(at, Problem::IsNot(SOURCE));
        return None;
    };
    let Some(place) = *place else {
        if format.is_some() {
            // With a scheme there is one format only.
            reader.note(&below(at, FORMAT), Problem::Unknown);
        }
        return schemes(reader, value, path).map(CredentialSource::Authorization);
    };
    let name = name(reader, place, value, path);
    let format = self::format(reader, format, &below(at, FORMAT));
    Some(CredentialSource::Named { place, name: name?, format: format? })
}

fn schemes(reader: &mut ConfigReader<'_, '_>, value: &JsonValue<'_>, path: &str) -> Option<Vec<Scheme>> {
    let schemes = named_in(value).filter(|schemes| !schemes.is_empty());
    if schemes.is_none() {
        reader.note(path, Problem::IsNot(SCHEMES));
    }
    schemes
}

/// The schemes of these names; `None` when a name is none, or is given twice.
fn named_in(value: &JsonValue<'_>) -> Option<Vec<Scheme>> {
    let JsonValue::Array(words) = value else { return None };
    let mut schemes = Vec::new();
    for word in words {
        let scheme = match text_of(word)? {
            "ApiKey" => Scheme::ApiKey,
            "Basic" => Scheme::Basic,
            "Bearer" => Scheme::Bearer,
            _ => return None,
        };
        if schemes.contains(&scheme) {
            return None;
        }
        schemes.push(scheme);
    }
    Some(schemes)
}

/// The name of a place. That of a header is checked later, with the identity headers.
fn name(
    reader: &mut ConfigReader<'_, '_>,
    place: Place,
    value: &JsonValue<'_>,
    path: &str,
) -> Option<String> {
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    let problem = match (place, text_of(value)) {
        (Place::Header, Some(text)) => return Some(text.to_owned()),
        (Place::Header, None) => Problem::IsNot("the name of a header"),
        (_, Some(text)) if text.len() > CREDENTIAL_PLACE_LEN_MAX => {
            Problem::TooLong { bytes_max: CREDENTIAL_PLACE_LEN_MAX }
        }
        (_, Some(text)) if is_name(text) => return Some(text.to_owned()),
        _ => Problem::IsNot(NAME),
    };
    reader.note(path, problem);
    None
}

fn format(
    reader: &mut ConfigReader<'_, '_>,
    value: Option<&JsonValue<'_>>,
    path: &str,
) -> Option<SourceFormat> {
    let [(default, _), _] = FORMATS;
    let word = value.map_or(Some(default), text_of);
    let format = FORMATS.iter().find(|(name, _)| Some(*name) == word).map(|(_, format)| *format);
    if format.is_none() {
        reader.note(path, Problem::IsNot("encoded or id:secret"));
    }
    format
}
