//! The credential in the `authorization` header.
//!
//! Envoy joins several of these headers with a comma before the filter runs, so a comma in a value that names
//! one of our schemes is a duplicate too; no Base64 has one.

use latchkey_key_feed::credential::{Authorization, DecodedCredential, HEADER, Scheme};

use super::sources::{Bearer, Carried, Schemes, SourceFormat, only};
use super::{Credential, MalformedCredential, Presented, decode};
use crate::headers::Headers;
use crate::limits::CREDENTIAL_LEN_MAX;

/// What the request carries with one of these schemes.
pub(super) fn carried(schemes: &Schemes, headers: &impl Headers) -> Option<Carried> {
    let value = match only(headers.all(HEADER))? {
        Ok(value) => value,
        Err(malformed) => return Some(Err(malformed)),
    };
    if value.contains(&b',') && schemes.list.iter().any(|scheme| scheme.is_named_in(value)) {
        return Some(Err(MalformedCredential::Duplicate));
    }
    schemes.list.iter().find_map(|scheme| read(*scheme, schemes.bearer, value))
}

/// Whether a value holds a credential of one of these schemes, well-formed or not: what must not reach the
/// upstream.
pub(super) fn is_ours(schemes: &Schemes, value: &[u8]) -> bool {
    schemes.list.iter().any(|scheme| {
        if is_only_for_keys(*scheme, schemes.bearer) {
            // Whatever is sent with it is meant as a credential, so it need not be decoded again.
            return scheme.is_named_in(value);
        }
        value.split(|byte| *byte == b',').any(|part| read(*scheme, schemes.bearer, part).is_some())
    })
}

fn read(scheme: Scheme, bearer: Bearer, value: &[u8]) -> Option<Carried> {
    let is_only_for_keys = is_only_for_keys(scheme, bearer);
    match Authorization::read_as(scheme, value) {
        Authorization::OtherScheme => None,
        Authorization::Encoded(encoded) => match scheme {
            Scheme::ApiKey => Some(decode(encoded).map(Presented::Key)),
            Scheme::Bearer if is_only_for_keys => Some(SourceFormat::Encoded.read(encoded)),
            Scheme::Basic | Scheme::Bearer => shaped(scheme, encoded).map(Presented::Key).map(Ok),
        },
        Authorization::SchemeAlone if is_only_for_keys => Some(Err(MalformedCredential::Empty)),
        Authorization::SpaceMissing if is_only_for_keys => Some(Err(MalformedCredential::SpaceMissing)),
        Authorization::SchemeAlone | Authorization::SpaceMissing => None,
    }
}

fn is_only_for_keys(scheme: Scheme, bearer: Bearer) -> bool {
    match scheme {
        Scheme::ApiKey => true,
        Scheme::Bearer => bearer == Bearer::OnlyKeys,
        Scheme::Basic => false,
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
