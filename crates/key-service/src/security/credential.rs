//! What a request presents in its `Authorization` header.
//!
//! ```text
//! authorization = "ApiKey" SP base64(id ":" secret) / "Basic" SP base64(username ":" password) / "Bearer" SP token
//! ```
//!
//! The scheme is case-insensitive (RFC 9110, section 11.1) and exactly one space follows it; what follows an
//! `ApiKey` or `Bearer` scheme is taken verbatim, what follows a `Basic` scheme is trimmed. Base64 is the
//! standard alphabet with optional padding, read as Java's basic decoder reads it, because its texts are part
//! of the answer a client sees. There are three outcomes, absent, present and malformed: an unknown scheme,
//! or a scheme without a space and a credential after it, is absent, as in Elasticsearch
//! (`Authenticator#extractCredentialFromHeaderValue`). Such a request gets 401, or is the anonymous user's
//! where there is one.

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use latchkey_key_feed::KeySecret;

use crate::model::password::Password;

pub mod bearer;
mod java_base64;

use bearer::{BearerCredential, BearerText};

/// A credential of a scheme the service knows.
#[derive(Debug)]
pub enum Presented {
    /// `ApiKey`.
    ApiKey(ApiKeyCredential),
    /// `Basic`.
    Basic(BasicCredential),
    /// `Bearer`.
    Bearer(BearerCredential),
}

/// The id and the secret of a key.
#[derive(Debug)]
pub struct ApiKeyCredential {
    /// The id, as sent: any text without a colon, not empty.
    pub id: String,
    /// The secret, as sent.
    pub secret: KeySecret,
}

/// A username and a password.
#[derive(Debug)]
pub struct BasicCredential {
    /// The username, as sent.
    pub username: String,
    /// The password, as sent.
    pub password: Password,
}

/// Why a header is not a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MalformedCredential {
    /// What follows `ApiKey` is not Base64. The text is that of Java's decoder.
    ApiKeyEncoding(String),
    /// What follows `ApiKey` holds no colon, or begins with one.
    ApiKeyValue,
    /// What follows `Basic` is not Base64.
    BasicEncoding,
    /// What follows `Basic` holds no colon.
    BasicValue,
    /// More than one `Authorization` header. To choose one would be a guess, and a proxy in front may choose
    /// another.
    SeveralHeaders,
}

/// The credential of a request. `api_keys` is whether the service takes API keys at all; when not, the scheme
/// is unknown.
///
/// # Errors
///
/// [`MalformedCredential`] when there is one and it is malformed.
pub fn presented(headers: &HeaderMap, api_keys: bool) -> Result<Option<Presented>, MalformedCredential> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(MalformedCredential::SeveralHeaders);
    }
    let value = value.as_bytes();
    if let Some(credential) = after_scheme(value, b"ApiKey ")
        && api_keys
        && !credential.is_empty()
    {
        return api_key(credential).map(|credential| Some(Presented::ApiKey(credential)));
    }
    if let Some(credential) = after_scheme(value, b"Bearer ")
        && !credential.is_empty()
    {
        let token = BearerText::presented(&String::from_utf8_lossy(credential));
        let client_secret = bearer::client_secret(headers);
        return Ok(Some(Presented::Bearer(BearerCredential { token, client_secret })));
    }
    if let Some(credential) = after_scheme(value, b"Basic ") {
        return basic(credential.trim_ascii()).map(|credential| Some(Presented::Basic(credential)));
    }
    Ok(None)
}

/// Decodes the Base64 of an id and a secret, from a header or a body.
///
/// # Errors
///
/// [`MalformedCredential`] when it is malformed.
pub fn encoded_api_key(encoded: &str) -> Result<ApiKeyCredential, MalformedCredential> {
    api_key(encoded.as_bytes())
}

fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn api_key(base64: &[u8]) -> Result<ApiKeyCredential, MalformedCredential> {
    let bytes = java_base64::decode(base64)
        .map_err(|refusal| MalformedCredential::ApiKeyEncoding(refusal.to_string()))?;
    match split(&bytes) {
        Some((id, secret)) if !id.is_empty() => Ok(ApiKeyCredential {
            id: String::from_utf8_lossy(id).into_owned(),
            secret: KeySecret::presented(secret.to_vec()),
        }),
        _ => Err(MalformedCredential::ApiKeyValue),
    }
}

fn basic(base64: &[u8]) -> Result<BasicCredential, MalformedCredential> {
    let bytes = java_base64::decode(base64).map_err(|_| MalformedCredential::BasicEncoding)?;
    let (username, password) = split(&bytes).ok_or(MalformedCredential::BasicValue)?;
    Ok(BasicCredential {
        username: String::from_utf8_lossy(username).into_owned(),
        password: Password::presented(password.to_vec()),
    })
}

/// Splits at the first colon.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let (left, right) = bytes.split_at_checked(colon)?;
    Some((left, right.get(1..)?))
}

impl fmt::Display for MalformedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKeyEncoding(refusal) => f.write_str(refusal),
            Self::ApiKeyValue => f.write_str("invalid ApiKey value"),
            Self::BasicEncoding => f.write_str("invalid basic authentication header encoding"),
            Self::BasicValue => f.write_str("invalid basic authentication header value"),
            Self::SeveralHeaders => f.write_str("several Authorization headers are not supported"),
        }
    }
}

impl std::error::Error for MalformedCredential {}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

    use super::*;

    fn read(value: &str) -> Result<Option<Presented>, MalformedCredential> {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        presented(&headers, true)
    }

    #[test]
    fn reads_every_spelling_of_a_key() {
        for (scheme, base64) in [
            ("ApiKey", STANDARD.encode("id:se:cret")),
            ("apikey", STANDARD.encode("id:se:cret")),
            ("APIKEY", STANDARD_NO_PAD.encode("id:se:cret")),
        ] {
            let Ok(Some(Presented::ApiKey(credential))) = read(&format!("{scheme} {base64}")) else {
                panic!("{scheme} {base64}");
            };
            assert_eq!(credential.id, "id");
            assert_eq!(credential.secret.expose(), b"se:cret", "split at the first colon");
        }
    }

    // The texts are those of Java's `Base64.Decoder`, which Elasticsearch shows to clients.
    #[test]
    fn tells_each_way_a_key_is_malformed() {
        for (value, words) in [
            ("ApiKey id:secret".to_owned(), "Illegal base64 character 3a"),
            ("ApiKey a_b:c".to_owned(), "Illegal base64 character 5f"),
            ("ApiKey  aWQ6cw==".to_owned(), "Illegal base64 character 20"),
            ("ApiKey aWQ6c".to_owned(), "Last unit does not have enough valid bits"),
            ("ApiKey aWQ6cw=".to_owned(), "Input byte array has wrong 4-byte ending unit"),
            (format!("ApiKey {}", STANDARD.encode("idsecret")), "invalid ApiKey value"),
            (format!("ApiKey {}", STANDARD.encode(":secret")), "invalid ApiKey value"),
        ] {
            assert_eq!(read(&value).map(|_| ()).unwrap_err().to_string(), words, "{value}");
        }
    }

    #[test]
    fn an_empty_secret_is_for_the_store_to_refuse() {
        assert!(matches!(read("ApiKey aWQ6"), Ok(Some(Presented::ApiKey(_)))));
    }

    #[test]
    fn what_is_no_credential_is_absent() {
        for value in [
            "ApiKey",
            "ApiKey ",
            "ApiKey\taWQ6cw==",
            "ApiKey=aWQ6cw==",
            "Foo bar",
            "Basic",
            "Bearer",
            "Bearer ",
            "BearerX",
            "ApiKeyaWQ6cw==",
        ] {
            assert!(matches!(read(value), Ok(None)), "{value}");
        }
        assert!(matches!(presented(&HeaderMap::new(), true), Ok(None)));
    }

    #[test]
    fn without_the_key_service_the_scheme_is_unknown() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
        assert!(matches!(presented(&headers, false), Ok(None)));
    }

    #[test]
    fn a_basic_credential_is_trimmed_and_split_at_the_first_colon() {
        let Ok(Some(Presented::Basic(credential))) = read("basic   YTpiOmM=  ") else {
            panic!("a credential");
        };
        assert_eq!((credential.username.as_str(), credential.password.expose()), ("a", b"b:c".as_slice()));
        assert_eq!(read("Basic YQ==").map(|_| ()), Err(MalformedCredential::BasicValue));
        assert_eq!(read("Basic *").map(|_| ()), Err(MalformedCredential::BasicEncoding));
    }

    #[test]
    fn refuses_two_authorization_headers() {
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
        headers.append(AUTHORIZATION, HeaderValue::from_static("ApiKey aWQ6cw=="));
        assert_eq!(presented(&headers, true).map(|_| ()), Err(MalformedCredential::SeveralHeaders));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let printed = format!("{:?} {:?}", read("ApiKey aWQ6aHVudGVyMg=="), read("Basic YTpodW50ZXIy"));
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
