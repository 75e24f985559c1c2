//! The credential of a key, as an `Authorization` header carries it.
//!
//! ```abnf
//! authorization = scheme SP encoded  ; surrounding white space is not part of it (RFC 9110, section 5.5)
//! scheme        = "ApiKey"                    ; in any case (RFC 9110, section 11.1)
//! encoded       = 1*( ALPHA / DIGIT / "+" / "/" ) *2"="
//!                                             ; Base64 (RFC 4648, section 4) of `credential`
//! credential    = id ":" secret               ; split at the first colon
//! id            = 1*( any octet but ":" )
//! secret        = *OCTET
//! ```
//!
//! Exactly one space follows the scheme. These are the rules of Elasticsearch
//! (`ApiKeyService#getCredentialsFromHeader`), so that what its clients send means here what it means there.
//! The scheme is a token (RFC 9110, section 5.6.2): it ends before the first character that no token has.
//!
//! `Basic` (RFC 7617) carries the very same Base64, with the id as the user and the secret as the password,
//! and `Bearer` (RFC 6750) can carry it too. These two schemes also carry what is no key. A credential of
//! theirs has *the shape of a key* when it decodes to a text as RFC 7617 wants it: UTF-8 without control
//! characters, an id, a colon and a secret. A JSON Web Token has not, because no Base64 has a dot.
//!
//! This is the only parser of that header. It says what stands there, and each side decides what that means.
//! The edge refuses a scheme without a credential. Elasticsearch takes it for no credential, and so does the
//! key service.

use zeroize::Zeroize as _;

use crate::KeySecret;

mod java_base64;

pub use java_base64::{Base64Refusal, decode as decode_base64};

/// Name of the header, in lower case.
pub const HEADER: &str = "authorization";

/// Name of the scheme, as a challenge spells it.
pub const SCHEME: &str = "ApiKey";

/// A scheme that can carry the credential of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// That of keys. Whatever is sent with it is meant as the credential of a key.
    ApiKey,
    /// The Base64 of a user and a password (RFC 7617), or of an id and a secret.
    Basic,
    /// Any token (RFC 6750).
    Bearer,
}

/// What one value of the header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// What follows the scheme and its space. It is not empty.
    Encoded(&'a [u8]),
    /// Another scheme, or none.
    OtherScheme,
    /// The scheme and nothing after it.
    SchemeAlone,
    /// The scheme, and something else than a space after it, such as a tab.
    SpaceMissing,
}

/// An id and a secret, as sent.
#[derive(Debug)]
pub struct DecodedCredential {
    /// The id: not empty, without a colon. Nothing else is known of it.
    pub id: Vec<u8>,
    /// The secret.
    pub secret: KeySecret,
}

/// Why a text is no encoded credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndecodableCredential {
    /// Nothing separates id and secret.
    ColonMissing,
    /// The colon comes first.
    IdEmpty,
    /// It is not Base64.
    NotBase64,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ApiKey, Self::Bearer, Self::Basic];

    /// Its name, as a challenge spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => SCHEME,
            Self::Basic => "Basic",
            Self::Bearer => "Bearer",
        }
    }

    /// Whether it begins any of the values that a proxy may have joined by commas. No Base64 has a comma.
    #[must_use]
    pub fn is_named_in(self, value: &[u8]) -> bool {
        let mut parts = value.split(|byte| *byte == b',');
        parts.any(|part| Authorization::read_as(self, part) != Authorization::OtherScheme)
    }
}

impl<'a> Authorization<'a> {
    /// Reads one value of the header as one of the scheme of keys.
    #[must_use]
    pub fn read(value: &'a [u8]) -> Self {
        Self::read_as(Scheme::ApiKey, value)
    }

    /// Reads one value of the header as one of that scheme.
    #[must_use]
    pub fn read_as(scheme: Scheme, value: &'a [u8]) -> Self {
        match after_scheme(scheme.name(), trimmed(value)) {
            None => Self::OtherScheme,
            Some([]) => Self::SchemeAlone,
            Some([b' ', encoded @ ..]) => Self::Encoded(encoded),
            Some(_) => Self::SpaceMissing,
        }
    }
}

impl DecodedCredential {
    /// Decodes what follows the scheme. The work is linear in its length, which the caller has to limit.
    ///
    /// # Errors
    ///
    /// [`UndecodableCredential`].
    pub fn decode(encoded: &[u8]) -> Result<Self, UndecodableCredential> {
        Self::of(decode_base64(encoded).ok_or(UndecodableCredential::NotBase64)?)
    }

    /// Takes the one token apart that holds an id and a secret; `None` when the text is none.
    #[must_use]
    pub fn of_token(text: &[u8]) -> Option<Self> {
        let (id, secret) = crate::of_token(text)?;
        Some(Self { id: id.as_bytes().to_vec(), secret: KeySecret::presented(secret.as_bytes().to_vec()) })
    }

    /// Takes id and secret apart, where they are sent as they are.
    ///
    /// # Errors
    ///
    /// [`UndecodableCredential`].
    pub fn of(mut id: Vec<u8>) -> Result<Self, UndecodableCredential> {
        let colon = id.iter().position(|byte| *byte == b':').ok_or(UndecodableCredential::ColonMissing)?;
        if colon == 0 {
            return Err(UndecodableCredential::IdEmpty);
        }
        let secret = KeySecret::presented(id.get(colon + 1..).unwrap_or_default().to_vec());
        // The id keeps this buffer, and with it what stands behind the id.
        if let Some(behind) = id.get_mut(colon..) {
            behind.zeroize();
        }
        id.truncate(colon);
        Ok(Self { id, secret })
    }

    /// Whether id and secret are texts without control characters, as a user and a password are (RFC 7617,
    /// section 2). Those of every key that was made by a key service are. What else a scheme for other
    /// credentials carries is not, even where it happens to be Base64 with a colon in it.
    #[must_use]
    pub fn is_text(&self) -> bool {
        [self.id.as_slice(), self.secret.expose()]
            .into_iter()
            .all(|part| std::str::from_utf8(part).is_ok_and(|text| !text.contains(char::is_control)))
    }
}

/// What follows the scheme; `None` under any other scheme.
fn after_scheme<'a>(name: &str, value: &'a [u8]) -> Option<&'a [u8]> {
    let (scheme, rest) = value.split_at_checked(name.len())?;
    let ends = !rest.first().is_some_and(|byte| is_of_token(*byte));
    (scheme.eq_ignore_ascii_case(name.as_bytes()) && ends).then_some(rest)
}

/// Whether a token may hold this (RFC 9110, section 5.6.2, `tchar`).
const fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Without the white space around it, as RFC 9110 (section 5.6.3) means it: not all that Rust would call
/// white space.
#[must_use]
pub fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_scheme_is_a_token_and_one_space_follows_it() {
        for (value, read) in [
            ("ApiKey YTpi", Authorization::Encoded(b"YTpi")),
            (" \tapikey YTpi\t ", Authorization::Encoded(b"YTpi")),
            ("ApiKey  YTpi", Authorization::Encoded(b" YTpi")),
            ("APIKEY", Authorization::SchemeAlone),
            ("ApiKey \t", Authorization::SchemeAlone),
            ("ApiKey\tYTpi", Authorization::SpaceMissing),
            ("ApiKey=YTpi", Authorization::SpaceMissing),
            ("ApiKey,YTpi", Authorization::SpaceMissing),
            ("ApiKey-v2 YTpi", Authorization::OtherScheme),
            ("ApiKeys", Authorization::OtherScheme),
            ("Bearer ApiKey", Authorization::OtherScheme),
            ("", Authorization::OtherScheme),
        ] {
            assert_eq!(Authorization::read(value.as_bytes()), read, "{value}");
        }
    }

    #[test]
    fn the_scheme_is_found_among_joined_values() {
        for value in ["ApiKey x", "apikey", "Basic YTpi,ApiKey\tx", "Bearer t , apikey , Basic YTpi"] {
            assert!(Scheme::ApiKey.is_named_in(value.as_bytes()), "{value}");
        }
        for value in ["", ",", "Basic YTpi", "Bearer ApiKey", "ApiKeys x, ApiKey-v2 y"] {
            assert!(!Scheme::ApiKey.is_named_in(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn every_scheme_follows_the_same_grammar() {
        for scheme in Scheme::ALL {
            let name = scheme.name();
            let read = |rest: &str| match Authorization::read_as(scheme, format!("{name}{rest}").as_bytes()) {
                Authorization::Encoded(encoded) => Some(String::from_utf8(encoded.to_vec()).unwrap()),
                _ => None,
            };
            assert_eq!(read(" YTpi"), Some("YTpi".to_owned()));
            assert_eq!([read("\tYTpi"), read("s YTpi"), read("")], [None, None, None]);
            for other in Scheme::ALL.into_iter().filter(|other| *other != scheme) {
                let value = format!("{} YTpi", other.name());
                assert_eq!(Authorization::read_as(scheme, value.as_bytes()), Authorization::OtherScheme);
            }
        }
    }

    #[test]
    fn a_text_has_no_control_characters_in_id_and_secret() {
        let is_text = |credential: &[u8]| DecodedCredential::of(credential.to_vec()).unwrap().is_text();
        for text in ["id:secret", "id:", "\u{e4}:\u{fc}", "id:a:b"] {
            assert!(is_text(text.as_bytes()), "{text}");
        }
        for other in [&b"id:\xff"[..], b"\xff:secret", b"i\nd:secret", b"id:sec\0ret", b"id:\x7f"] {
            assert!(!is_text(other), "{other:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_credential_is_refused_and_says_why() {
        let refusal = |credential: &[u8]| DecodedCredential::decode(credential).unwrap_err();
        assert_eq!(refusal(b"id:secret"), UndecodableCredential::NotBase64);
        assert_eq!(refusal(b""), UndecodableCredential::ColonMissing);
        assert_eq!(refusal(STANDARD.encode("idsecret").as_bytes()), UndecodableCredential::ColonMissing);
        assert_eq!(refusal(STANDARD.encode(":secret").as_bytes()), UndecodableCredential::IdEmpty);
        assert_eq!(refusal(STANDARD.encode("::").as_bytes()), UndecodableCredential::IdEmpty);
    }

    proptest! {
        #[test]
        fn what_a_client_encodes_is_read_back(
            id in "[^:]{1,100}",
            secret in any::<Vec<u8>>(),
            is_padded in any::<bool>(),
        ) {
            let credential = [id.as_bytes(), b":", &secret].concat();
            let engine = if is_padded { STANDARD } else { STANDARD_NO_PAD };
            let value = format!("ApiKey {}", engine.encode(&credential));
            let Authorization::Encoded(encoded) = Authorization::read(value.as_bytes()) else { panic!("{value}") };
            let found = DecodedCredential::decode(encoded).unwrap();
            prop_assert_eq!((found.id.as_slice(), found.secret.expose()), (id.as_bytes(), secret.as_slice()));
        }

        #[test]
        fn any_bytes_can_be_read(value: Vec<u8>) {
            if let Authorization::Encoded(encoded) = Authorization::read(&value) {
                prop_assert!(!encoded.is_empty() && Scheme::ApiKey.is_named_in(&value));
            }
            if let Ok(found) = DecodedCredential::decode(&value) {
                prop_assert!(!found.id.is_empty() && !found.id.contains(&b':'));
            }
        }
    }
}
