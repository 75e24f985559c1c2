//! Reads where a credential may come from.

use latchkey_key_feed::credential::Scheme;

use super::Problem;
use super::config_reader::{ConfigReader, below};
use super::fields::CREDENTIAL_SOURCES;
use super::json::{JsonObject, JsonValue, text_of};
use super::rules::{members, noted, nth, text};
use crate::credential::{Bearer, CredentialSource, CredentialSources, Place, Schemes, SourceFormat};
use crate::identity::IdentityHeaders;
use crate::limits::{CREDENTIAL_PLACE_LEN_MAX, CREDENTIAL_SOURCES_MAX};

/// The fields of a source.
const NAMES: [&str; 6] = ["authorization", "header", "query", "cookie", "format", "bearer"];

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
        let at = nth(CREDENTIAL_SOURCES, index);
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
    let [authorization, header, query, cookie, format, bearer] = members(reader, fields, at, NAMES);
    let (format_at, bearer_at) = (below(at, "format"), below(at, "bearer"));
    if bearer.is_some() && authorization.is_none() {
        reader.note(&bearer_at, Problem::Unknown);
    }
    let (place, value, field) = match (authorization, header, query, cookie) {
        (Some(value), None, None, None) => {
            if format.is_some() {
                // With a scheme there is one format only.
                reader.note(&format_at, Problem::Unknown);
            }
            let list = schemes(reader, value, &below(at, "authorization"));
            let bearer = bearer.map_or(Ok(Bearer::Any), |value| bearer_of(value, list.as_deref()));
            let bearer = noted(reader, &bearer_at, bearer);
            return Some(CredentialSource::Authorization(Schemes { list: list?, bearer: bearer? }));
        }
        (None, Some(value), None, None) => (Place::Header, value, "header"),
        (None, None, Some(value), None) => (Place::Query, value, "query"),
        (None, None, None, Some(value)) => (Place::Cookie, value, "cookie"),
        _ => return noted(reader, at, Err(Problem::IsNot(SOURCE))),
    };
    let name_at = below(at, field);
    let name = match place {
        // Checked later, with the identity headers.
        Place::Header => {
            noted(reader, &name_at, text_of(value).ok_or(Problem::IsNot("the name of a header")))
        }
        Place::Cookie | Place::Query => {
            text(reader, value, &name_at, CREDENTIAL_PLACE_LEN_MAX, NAME, is_name)
        }
    };
    let format = match format.map_or(Some("encoded"), text_of) {
        Some("encoded") => Ok(SourceFormat::Encoded),
        Some("id:secret") => Ok(SourceFormat::IdSecret),
        _ => Err(Problem::IsNot("encoded or id:secret")),
    };
    let format = noted(reader, &format_at, format);
    Some(CredentialSource::Named { place, name: name?.to_owned(), format: format? })
}

fn schemes(reader: &mut ConfigReader<'_, '_>, value: &JsonValue<'_>, path: &str) -> Option<Vec<Scheme>> {
    let schemes = named_in(value).filter(|schemes| !schemes.is_empty());
    if schemes.is_none() {
        reader.note(path, Problem::IsNot(SCHEMES));
    }
    schemes
}

/// What follows `Bearer`, which must be one of the schemes, where those are right.
fn bearer_of(value: &JsonValue<'_>, schemes: Option<&[Scheme]>) -> Result<Bearer, Problem> {
    let bearer = match text_of(value) {
        Some("any") => Bearer::Any,
        Some("keys") => Bearer::OnlyKeys,
        _ => return Err(Problem::IsNot("any or keys")),
    };
    if schemes.is_some_and(|schemes| !schemes.contains(&Scheme::Bearer)) {
        return Err(Problem::Unknown);
    }
    Ok(bearer)
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

/// What stands in a query and in a cookie as it is.
fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}
