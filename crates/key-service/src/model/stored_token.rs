//! A pair of tokens as it is stored.

use latchkey_key_feed::{KeyId, UnixMillis};

use crate::model::password_stamp::PasswordStamp;
use crate::model::stored_key::KeyOwner;
use crate::model::token::SuccessorSeed;

/// An access token, and the refresh token made with it, if any.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredToken {
    /// The id of the pair.
    pub id: TokenId,
    /// When they were made.
    pub creation: UnixMillis,
    /// When the access token ends.
    pub access_expiration: UnixMillis,
    /// When the access token was invalidated; `None` while it was not.
    pub access_invalidation: Option<UnixMillis>,
    /// When the refresh token was invalidated; `None` while it was not.
    pub refresh_invalidation: Option<UnixMillis>,
    /// When the refresh token was exchanged, and what its successors come from; `None` while it was not.
    pub exchanged: Option<(UnixMillis, SuccessorSeed)>,
    /// On whose behalf they act.
    pub subject: TokenSubject,
    /// Who asked for them.
    pub client: TokenClient,
    /// The stamp of the client's password, where the client runs as the subject.
    pub runner_stamp: Option<PasswordStamp>,
}

/// On whose behalf tokens act, as it was when they were first made.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenSubject {
    /// The user; of an API key, its owner, in the realm of API keys.
    pub user: KeyOwner,
    /// The names of the user's roles.
    pub roles: Vec<String>,
    /// The API key, when they act as one.
    pub api_key: Option<KeyId>,
    /// The stamp of the user's password, where there is one.
    pub stamp: Option<PasswordStamp>,
}

/// Who asked for tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenClient {
    /// The username; of an API key, its owner's.
    pub username: String,
    /// The realm; of an API key, that of API keys.
    pub realm: String,
    /// The API key, if it was one.
    pub api_key: Option<KeyId>,
}

/// The id of a pair of tokens. Not secret, and never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenId(pub(crate) i64);
