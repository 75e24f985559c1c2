//! The rules of OAuth2 tokens: how they are made and stored, and when a refresh token may be exchanged.
//!
//! A token is 192 random bits, shown as standard Base64. Only its SHA-256 is stored, with a label that
//! differs between access and refresh tokens, so that neither can be used as the other.
//!
//! A refresh token is exchanged once. A client whose answer was lost may ask again within
//! [`REFRESH_GRACE_MAX`] and gets the very same pair: the new tokens are SHA-256 of a stored random seed and
//! the presented refresh token. So they cannot be made from the store alone, nor from an old refresh token
//! alone.
//!
//! A refresh token that comes back later than that was copied: one of its two holders is a thief, and it is
//! unknown which. Then the whole family ends, that is all tokens that descend from the same grant (RFC 9700,
//! section 4.14.2).

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::UnixMillis;
use sha2::Digest as _;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::limits::authentication_limits::{REFRESH_GRACE_MAX, REFRESH_TOKEN_LIFE, TOKEN_RANDOM_LEN};
use crate::model::stored_token::{StoredToken, TokenClient};
use crate::randomness::{NoRandomness, Randomness, draw};

/// Bytes of a digest: SHA-256.
pub(crate) const TOKEN_DIGEST_LEN: usize = 32;

/// Bytes of a seed.
pub(crate) const SUCCESSOR_SEED_LEN: usize = 32;

/// A token in the clear. Its memory is wiped when it is dropped.
#[derive(derive_more::Debug)]
#[debug("Token")]
pub(crate) struct Token<K> {
    bytes: Zeroizing<[u8; TOKEN_RANDOM_LEN]>,
    kind: PhantomData<K>,
}

/// The digest of a token, as it is stored.
#[derive(Clone, Copy, PartialEq, Eq, derive_more::Debug)]
#[debug("TokenDigest")]
pub struct TokenDigest<K> {
    bytes: [u8; TOKEN_DIGEST_LEN],
    kind: PhantomData<K>,
}

/// The kind of a token.
pub(crate) trait TokenKind {
    /// What is hashed before the token.
    const DIGEST_LABEL: &'static [u8];
    /// What is hashed before seed and refresh token to make a successor of this kind.
    const SUCCESSOR_LABEL: &'static [u8];
}

/// The kind of token that authenticates requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {}

/// The kind of token that is exchanged for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresh {}

/// Random bytes that, with a refresh token, make the tokens it is exchanged for.
#[derive(Clone, Copy, PartialEq, Eq, derive_more::Debug)]
#[debug("SuccessorSeed")]
pub struct SuccessorSeed([u8; SUCCESSOR_SEED_LEN]);

/// Tokens at the only moment when they may be shown.
#[derive(Debug)]
pub(crate) struct IssuedTokens {
    /// Authenticates requests.
    pub access: Token<Access>,
    /// The token that is exchanged for the next pair; absent for a client that can authenticate again.
    pub refresh: Option<Token<Refresh>>,
}

/// How a refresh token is to be exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// For the first time.
    First,
    /// Again: for the very same tokens, which come from this seed.
    Again(SuccessorSeed),
}

/// Why a refresh token is not exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshRefusal {
    /// It was exchanged before, and not just now.
    #[error("token has already been refreshed more than 30 seconds in the past")]
    AlreadyRefreshed,
    /// It is too old.
    #[error("token document has expired")]
    Expired,
    /// It was invalidated.
    #[error("token has been invalidated")]
    Invalidated,
    /// Another client asked for it.
    #[error("tokens must be refreshed by the creating client")]
    OtherClient,
    /// There is no such token.
    #[error("could not refresh the requested token")]
    Unknown,
}

/// Why an access token is refused. Its name, in snake case, is in the metrics and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "token_")]
pub enum TokenRejection {
    /// It has expired or was invalidated, or the API key that it acts as has ended.
    Ended,
    /// Its subject or its client is no longer valid or has another password. Clients get the same answer as
    /// for a token that has ended.
    #[strum(serialize = "user_shut_out")]
    SubjectOrClientInvalid,
    /// There is no such token.
    Unknown,
}

impl<K: TokenKind> Token<K> {
    /// Draws a new token.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub(crate) fn draw(randomness: &dyn Randomness) -> Result<Self, NoRandomness> {
        Ok(Self { bytes: Zeroizing::new(draw(randomness)?), kind: PhantomData })
    }

    /// The token that a client presents; `None` for a text that is not a token of this service.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
        Some(Self { bytes: Zeroizing::new(bytes.as_slice().try_into().ok()?), kind: PhantomData })
    }

    /// The text for the one answer that shows it.
    #[must_use]
    pub(crate) fn expose(&self) -> String {
        STANDARD.encode(*self.bytes)
    }

    /// Its digest.
    #[must_use]
    pub(crate) fn digest(&self) -> TokenDigest<K> {
        let hash = Sha256::new().chain_update(K::DIGEST_LABEL).chain_update(*self.bytes).finalize();
        TokenDigest { bytes: hash.into(), kind: PhantomData }
    }
}

impl Token<Refresh> {
    /// The tokens that this one is exchanged for.
    #[must_use]
    pub(crate) fn successors(&self, seed: &SuccessorSeed) -> IssuedTokens {
        IssuedTokens { access: self.successor(seed), refresh: Some(self.successor(seed)) }
    }

    /// Label, seed and token are of fixed lengths, so no two inputs are the same bytes.
    fn successor<K: TokenKind>(&self, seed: &SuccessorSeed) -> Token<K> {
        let hash: [u8; TOKEN_DIGEST_LEN] = Sha256::new()
            .chain_update(K::SUCCESSOR_LABEL)
            .chain_update(seed.0)
            .chain_update(*self.bytes)
            .finalize()
            .into();
        let mut bytes = Zeroizing::new([0; TOKEN_RANDOM_LEN]);
        for (byte, hashed) in bytes.iter_mut().zip(hash) {
            *byte = hashed;
        }
        Token { bytes, kind: PhantomData }
    }
}

impl<K> TokenDigest<K> {
    /// A digest as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; TOKEN_DIGEST_LEN]) -> Self {
        Self { bytes, kind: PhantomData }
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl TokenKind for Access {
    const DIGEST_LABEL: &'static [u8] = b"latchkey access token";
    const SUCCESSOR_LABEL: &'static [u8] = b"latchkey next access token";
}

impl TokenKind for Refresh {
    const DIGEST_LABEL: &'static [u8] = b"latchkey refresh token";
    const SUCCESSOR_LABEL: &'static [u8] = b"latchkey next refresh token";
}

impl SuccessorSeed {
    /// Draws a seed.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub fn draw(randomness: &dyn Randomness) -> Result<Self, NoRandomness> {
        draw(randomness).map(Self)
    }

    /// A seed as it was stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; SUCCESSOR_SEED_LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl IssuedTokens {
    /// Draws new tokens.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] when the source has none.
    pub(crate) fn draw(randomness: &dyn Randomness, with_refresh: bool) -> Result<Self, NoRandomness> {
        let refresh = with_refresh.then(|| Token::draw(randomness)).transpose()?;
        Ok(Self { access: Token::draw(randomness)?, refresh })
    }
}

/// How a refresh token is to be exchanged for this client, in Elasticsearch's order of checks
/// (`TokenService`).
///
/// # Errors
///
/// [`RefreshRefusal`], the first check that fails.
pub(crate) fn exchange(
    token: &StoredToken,
    client: &TokenClient,
    now: UnixMillis,
) -> Result<Exchange, RefreshRefusal> {
    if now >= token.creation.plus(REFRESH_TOKEN_LIFE) {
        return Err(RefreshRefusal::Expired);
    }
    if token.refresh_invalidation.is_some() {
        return Err(RefreshRefusal::Invalidated);
    }
    if token.client != *client {
        return Err(RefreshRefusal::OtherClient);
    }
    match token.exchanged {
        None => Ok(Exchange::First),
        Some((at, seed)) if now <= at.plus(REFRESH_GRACE_MAX) => Ok(Exchange::Again(seed)),
        Some(_) => Err(RefreshRefusal::AlreadyRefreshed),
    }
}

/// Whether a refresh token was copied: it was exchanged before, and this is not the same client that asks
/// again because it did not get the answer (RFC 9700, section 4.14.2).
#[must_use]
pub(crate) fn was_copied(token: &StoredToken, client: &TokenClient, now: UnixMillis) -> bool {
    let lives = now < token.creation.plus(REFRESH_TOKEN_LIFE) && token.refresh_invalidation.is_none();
    let is_asked_again = |at: UnixMillis| token.client == *client && now <= at.plus(REFRESH_GRACE_MAX);
    lives && token.exchanged.is_some_and(|(at, _)| !is_asked_again(at))
}

/// Refuses an access token that has ended.
///
/// # Errors
///
/// [`TokenRejection::Ended`].
pub(crate) fn refuse_ended(token: &StoredToken, now: UnixMillis) -> Result<(), TokenRejection> {
    if token.access_invalidation.is_some() || now.0 >= token.access_expiration.0 {
        return Err(TokenRejection::Ended);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
