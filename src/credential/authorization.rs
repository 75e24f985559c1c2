//! The credential in the `authorization` header.
//!
//! Envoy joins several of these headers with a comma before the filter runs, so a comma in a value that names
//! one of our schemes is a duplicate too; no Base64 has one.

use latchkey_key_feed::credential::{Authorization, DecodedCredential, HEADER, Scheme};

use super::sources::{Carried, only};
use super::{Credential, MalformedCredential, decode};
use crate::headers::Headers;
use crate::limits::CREDENTIAL_LEN_MAX;

/// What the request carries with one of these schemes.
pub(super) fn carried(schemes: &[Scheme], headers: &impl Headers) -> Option<Carried> {
    let value = match only(headers.all(HEADER))? {
        Ok(value) => value,
        Err(malformed) => return Some(Err(malformed)),
    };
    if value.contains(&b',') && schemes.iter().any(|scheme| scheme.is_named_in(value)) {
        return Some(Err(MalformedCredential::Duplicate));
    }
    schemes.iter().find_map(|scheme| read(*scheme, value))
}

/// Whether a value holds a credential of one of these schemes, well-formed or not: what must not reach the
/// upstream.
pub(super) fn is_ours(schemes: &[Scheme], value: &[u8]) -> bool {
    schemes.iter().any(|scheme| match scheme {
        // Whatever is sent with it is meant as a credential, so it need not be decoded again.
        Scheme::ApiKey => scheme.is_named_in(value),
        Scheme::Basic | Scheme::Bearer => {
            value.split(|byte| *byte == b',').any(|part| read(*scheme, part).is_some())
        }
    })
}

fn read(scheme: Scheme, value: &[u8]) -> Option<Carried> {
    match (scheme, Authorization::read_as(scheme, value)) {
        (_, Authorization::OtherScheme) => None,
        (Scheme::ApiKey, Authorization::Encoded(encoded)) => Some(decode(encoded)),
        (Scheme::ApiKey, Authorization::SchemeAlone) => Some(Err(MalformedCredential::Empty)),
        (Scheme::ApiKey, Authorization::SpaceMissing) => Some(Err(MalformedCredential::SpaceMissing)),
        (Scheme::Basic | Scheme::Bearer, Authorization::Encoded(encoded)) => shaped(scheme, encoded).map(Ok),
        (Scheme::Basic | Scheme::Bearer, _) => None,
    }
}

/// The credential, if the text has the shape of one. The one token of a key is for bearers.
fn shaped(scheme: Scheme, encoded: &[u8]) -> Option<Credential> {
    if encoded.len() > CREDENTIAL_LEN_MAX {
        return None;
    }
    if scheme == Scheme::Bearer
        && let Some(token) = DecodedCredential::of_token(encoded)
    {
        return Credential::try_from(token).ok();
    }
    let decoded = DecodedCredential::decode(encoded).ok().filter(DecodedCredential::is_text)?;
    Credential::try_from(decoded).ok()
}
