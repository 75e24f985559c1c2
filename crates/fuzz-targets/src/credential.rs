//! The credential of a request: in every place where one may be.
//!
//! The first byte says which places are looked at; each line after it is a header.

use latchkey_filter::credential::{CredentialSource, CredentialSources, Place, SourceFormat, Stripped};
use latchkey_filter::headers::HeaderPairs;
use latchkey_filter::limits::CREDENTIAL_LEN_MAX;
use latchkey_key_feed::credential::Scheme;
use latchkey_key_feed::format_limits::KEY_ID_LEN_MAX;

use crate::input::Input;

type Header = (Vec<u8>, Vec<u8>);

/// * By default a request has a credential exactly where a decoder of our own finds one.
/// * What is passed on to the upstream after the credential was taken out has none any more.
pub fn credential(data: &[u8]) {
    let mut input = Input::of(data);
    let by_default = input.flag();
    let mut headers = Vec::new();
    while !input.is_empty() {
        headers.extend(header(input.line()));
    }
    let pairs = pairs(&headers);
    let sources = if by_default { CredentialSources::default() } else { every_source() };
    let found = sources.extract(&pairs);
    if by_default {
        let found = found.as_ref().ok().and_then(Option::as_ref);
        let found = found.and_then(|it| it.clone().without_opaque_keys().ok());
        let found = found.map(|it| (it.id.as_str().as_bytes().to_vec(), it.secret.expose().to_vec()));
        assert_eq!(found, decoded_by_hand(&headers));
    }
    let stripped = sources.strip(&pairs);
    let is_found = matches!(found, Ok(Some(_)));
    assert!(!is_found || !stripped.is_empty(), "a credential is passed on");
    let left = self::pairs(&without(headers, &stripped));
    match sources.extract(&left) {
        Ok(None) => {}
        Ok(Some(_)) => panic!("there is another credential behind {found:?}"),
        Err(malformed) => assert!(found.is_err(), "what is left is {malformed}"),
    }
    assert_eq!(sources.strip(&left), [], "something of a credential is left");
}

/// Every kind of place, in every format.
fn every_source() -> CredentialSources {
    let named = |place, name: &str, format| CredentialSource::Named { place, name: name.to_owned(), format };
    CredentialSources::new(vec![
        CredentialSource::Authorization(Scheme::ALL.to_vec().into()),
        named(Place::Header, "x-api-key", SourceFormat::Encoded),
        named(Place::Header, "x-key", SourceFormat::IdSecret),
        named(Place::Cookie, "key", SourceFormat::Encoded),
        named(Place::Cookie, "plain", SourceFormat::IdSecret),
        named(Place::Query, "api_key", SourceFormat::Encoded),
        named(Place::Query, "k", SourceFormat::IdSecret),
    ])
}

fn header(line: &[u8]) -> Option<Header> {
    // The name of a pseudo-header begins with a colon.
    let colon = line.iter().skip(1).position(|byte| *byte == b':')? + 1;
    let value = line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..]);
    Some((line[..colon].to_vec(), value.to_vec()))
}

fn pairs(headers: &[Header]) -> HeaderPairs {
    headers.iter().map(|(name, value)| (name, value)).collect()
}

/// As a host does what it is told: the first of that name is replaced, and the others go.
fn without(headers: Vec<Header>, stripped: &[Stripped<'_>]) -> Vec<Header> {
    let mut left = headers;
    for Stripped { name, rest } in stripped {
        left.retain(|(other, _)| !other.eq_ignore_ascii_case(name.as_bytes()));
        left.extend(rest.iter().map(|rest| (name.as_bytes().to_vec(), rest.clone())));
    }
    left
}

/// Id and secret of the only `authorization` header, if that is one of ours and well-formed.
fn decoded_by_hand(headers: &[Header]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut values = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"authorization"));
    let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = value.iter().position(|byte| !is_space(byte))?;
    let end = value.iter().rposition(|byte| !is_space(byte))? + 1;
    let (scheme, encoded) = value[begin..end].split_at_checked(b"apikey ".len())?;
    if !scheme.eq_ignore_ascii_case(b"apikey ") || encoded.len() > CREDENTIAL_LEN_MAX {
        return None;
    }
    let decoded = base64_by_hand(encoded)?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (id, secret) = (&decoded[..colon], &decoded[colon + 1..]);
    let is_id = !id.is_empty() && id.len() <= KEY_ID_LEN_MAX && std::str::from_utf8(id).is_ok();
    is_id.then(|| (id.to_vec(), secret.to_vec()))
}

/// Base64 bit by bit. Padding is whole or absent, and bits that are left over do not matter.
fn base64_by_hand(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = text.iter().position(|byte| *byte == b'=').unwrap_or(text.len());
    let (letters, padding) = text.split_at(letters);
    let fits = match letters.len() % 4 {
        0 => padding.is_empty(),
        2 => matches!(padding, b"" | b"=="),
        3 => matches!(padding, b"" | b"="),
        _ => false,
    };
    if !fits {
        return None;
    }
    let (mut bits, mut count, mut decoded) = (0_u32, 0, Vec::new());
    for letter in letters {
        bits = (bits << 6) | ALPHABET.iter().position(|other| other == letter)? as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            decoded.push((bits >> count) as u8);
        }
    }
    Some(decoded)
}
