//! What a request presents in its `Authorization` header.
//!
//! ```text
//! authorization = "ApiKey" SP base64(id ":" secret)
//!               / "Basic" SP base64(username ":" password)
//!               / "Bearer" SP token
//! ```
//!
//! The scheme is case-insensitive (RFC 9110, section 11.1) and exactly one space follows it; what follows an
//! `ApiKey` or `Bearer` scheme is taken verbatim, what follows a `Basic` scheme is trimmed. `ApiKey` is read
//! by [`latchkey_key_feed::credential`], as at the edge. Base64 is the standard alphabet with optional
//! padding, read as Java's basic decoder reads it, because its texts are part of the answer a client sees.
//! There are three outcomes, absent, present and malformed: an unknown scheme, or a scheme without a space
//! and a credential after it, is absent, as in Elasticsearch
//! (`Authenticator#extractCredentialFromHeaderValue`). Such a request gets 401, or is the anonymous user's
//! where there is one.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use latchkey_key_feed::KeySecret;
use latchkey_key_feed::credential::{
    Authorization, Base64Refusal, DecodedCredential, UndecodableCredential, decode_base64,
};

use crate::model::password::Password;

pub mod bearer;

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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedCredential {
    /// What follows `ApiKey` is not Base64. The text is that of Java's decoder.
    #[error("{0}")]
    ApiKeyEncoding(Base64Refusal),
    /// What follows `ApiKey` holds no colon, or begins with one.
    #[error("invalid ApiKey value")]
    ApiKeyValue,
    /// What follows `Basic` is not Base64.
    #[error("invalid basic authentication header encoding")]
    BasicEncoding,
    /// What follows `Basic` holds no colon.
    #[error("invalid basic authentication header value")]
    BasicValue,
    /// More than one `Authorization` header. To choose one would be a guess, and a proxy in front may choose
    /// another.
    #[error("several Authorization headers are not supported")]
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
    // A scheme without a space or without a credential is absent here, and malformed at the edge.
    if let Authorization::Encoded(encoded) = Authorization::read(value)
        && api_keys
    {
        return api_key(encoded).map(|credential| Some(Presented::ApiKey(credential)));
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

fn api_key(encoded: &[u8]) -> Result<ApiKeyCredential, MalformedCredential> {
    let DecodedCredential { id, secret } =
        DecodedCredential::decode(encoded).map_err(|undecodable| match undecodable {
            UndecodableCredential::NotBase64 => {
                MalformedCredential::ApiKeyEncoding(Base64Refusal::of(encoded))
            }
            UndecodableCredential::ColonMissing | UndecodableCredential::IdEmpty => {
                MalformedCredential::ApiKeyValue
            }
        })?;
    // Java replaces what is not UTF-8, and such an id is an unknown one.
    Ok(ApiKeyCredential { id: String::from_utf8_lossy(&id).into_owned(), secret })
}

fn basic(base64: &[u8]) -> Result<BasicCredential, MalformedCredential> {
    let bytes = decode_base64(base64).ok_or(MalformedCredential::BasicEncoding)?;
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

#[cfg(test)]
mod tests;
