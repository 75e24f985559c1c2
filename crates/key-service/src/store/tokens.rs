//! The tokens of the store: made, found by digest, exchanged, ended, and removed once they are dead.
//!
//! As with keys, a change is one transaction with its audit event, and runs to its end even when the caller
//! goes away.

use latchkey_budget::Principal;
use latchkey_key_feed::UnixMillis;
use tracing::Instrument as _;

use crate::audit::Actor;
use crate::audit::token_events::{AuditedTokens, TokenAction, TokenEvent, record_token_change};
use crate::limits::authentication_limits::{REFRESH_TOKEN_LIFE, TOKEN_REMOVAL_INTERVAL, TOKENS_REMOVED_MAX};
use crate::model::password_stamp::PasswordStamp;
use crate::model::stored_key::KeyOwner;
use crate::model::stored_token::{StoredToken, TokenClient, TokenId, TokenSubject};
use crate::model::token::{Access, Refresh, SuccessorSeed, TokenDigest};
use crate::store::sql::token_rows;
use crate::store::{KeyStore, StoreError};
use crate::telemetry;

/// Tokens to be stored.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The digest of the access token.
    pub access: TokenDigest<Access>,
    /// The digest of the refresh token, if there is one.
    pub refresh: Option<TokenDigest<Refresh>>,
    /// When they are made.
    pub creation: UnixMillis,
    /// When the access token ends.
    pub access_expiration: UnixMillis,
    /// On whose behalf they act.
    pub subject: TokenSubject,
    /// Who asked for them.
    pub client: TokenClient,
    /// The stamp of the client's password, where the client runs as the subject.
    pub runner_stamp: Option<PasswordStamp>,
    /// The pair whose access token asked for these, if an access token did. An exchanged pair inherits this
    /// from the pair before it.
    pub parent: Option<TokenId>,
}

/// Which tokens an invalidation is about.
#[derive(Clone, Debug)]
pub enum TokenSelection {
    /// One access token.
    Access(TokenDigest<Access>),
    /// All that live and descend from the same grant as these.
    Family(TokenId),
    /// All living tokens that act for an account or that the account asked for.
    HeldBy {
        /// The account's username.
        username: String,
        /// The account's realm.
        realm: String,
        /// Which of the tokens that it asked for on behalf of others.
        asked_for: AskedFor,
    },
    /// All living tokens that act for, or were asked for by, accounts of this realm, except for these
    /// accounts.
    HeldByOthers {
        /// The realm.
        realm: String,
        /// The usernames of those whose tokens stay.
        usernames: Vec<String>,
    },
    /// All that live and act for such users: those that pass every condition that is set.
    Of {
        /// The username.
        username: Option<String>,
        /// The realm.
        realm: Option<String>,
    },
    /// One refresh token.
    Refresh(TokenDigest<Refresh>),
}

/// Which of the tokens that an account asked for on behalf of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedFor {
    /// All of them: the account is shut out.
    All,
    /// Those that its own password alone gave, by run-as: the account has another password now.
    ByItsPassword,
}

/// What an invalidation did. An access token and its refresh token are two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenInvalidation {
    /// How many tokens it ended.
    pub invalidated: u64,
    /// How many of the selected ones had been invalidated before.
    pub previously_invalidated: u64,
}

/// The tokens of a store.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a>(pub(super) &'a KeyStore);

impl Tokens<'_> {
    /// Adds tokens. `false`, and nothing is added, when the access token by which they were asked for has
    /// been invalidated.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they were not stored.
    pub async fn create(self, token: NewToken, actor: Actor) -> Result<bool, StoreError> {
        let principal = actor.principal();
        let event = event_of(&token, TokenAction::CreateToken, actor);
        let database = self.0.database.clone();
        self.to_its_end(principal, async move {
            let is_made = token_rows::create_token(&database, &token, &event).await?;
            if is_made {
                record(&event);
            }
            Ok(is_made)
        })
        .await
    }

    /// The pair that this is the access token of.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find_access(self, digest: &TokenDigest<Access>) -> Result<Option<StoredToken>, StoreError> {
        token_rows::find_token(&self.0.database, "access_digest", digest.as_bytes()).await
    }

    /// The pair that this is the refresh token of.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn find_refresh(
        self,
        digest: &TokenDigest<Refresh>,
    ) -> Result<Option<StoredToken>, StoreError> {
        token_rows::find_token(&self.0.database, "refresh_digest", digest.as_bytes()).await
    }

    /// Exchanges the refresh token of the pair `old` for `token`, which was made from `seed`. `false`, and
    /// nothing is changed, when it was exchanged or invalidated since it was read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when nothing was changed.
    pub async fn exchange(
        self,
        old: TokenId,
        seed: SuccessorSeed,
        token: NewToken,
        actor: Actor,
    ) -> Result<bool, StoreError> {
        let principal = actor.principal();
        let event = event_of(&token, TokenAction::RefreshToken, actor);
        let database = self.0.database.clone();
        self.to_its_end(principal, async move {
            let exchanged = token_rows::exchange_token(&database, old, &seed, &token, &event).await?;
            if exchanged {
                record(&event);
            }
            Ok(exchanged)
        })
        .await
    }

    /// Ends, for ever, all tokens that descend from the same grant as these, whose refresh token came back
    /// after it was exchanged.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when none was ended.
    pub async fn end_family(
        self,
        reused: &StoredToken,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let KeyOwner { username, realm, .. } = reused.subject.user.clone();
        let tokens = AuditedTokens { username: Some(username), realm: Some(realm), count: 0 };
        let event = TokenEvent { at: now, action: TokenAction::EndTokenFamily, actor, tokens };
        self.end_tokens(TokenSelection::Family(reused.id), event).await.map(|_| ())
    }

    /// Ends the selected tokens, for ever.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when none was ended.
    pub async fn invalidate(
        self,
        selection: TokenSelection,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<TokenInvalidation, StoreError> {
        let tokens = match &selection {
            TokenSelection::HeldByOthers { realm, .. } => {
                AuditedTokens { username: None, realm: Some(realm.clone()), count: 0 }
            }
            TokenSelection::Of { username, realm } => {
                AuditedTokens { username: username.clone(), realm: realm.clone(), count: 0 }
            }
            _ => AuditedTokens::default(),
        };
        let event = TokenEvent { at: now, action: TokenAction::InvalidateTokens, actor, tokens };
        self.end_tokens(selection, event).await
    }

    async fn end_tokens(
        self,
        selection: TokenSelection,
        mut event: TokenEvent,
    ) -> Result<TokenInvalidation, StoreError> {
        let principal = event.actor.principal();
        let database = self.0.database.clone();
        self.to_its_end(principal, async move {
            let done = token_rows::invalidate_tokens(&database, &selection, &mut event).await?;
            if done.invalidated > 0 {
                record(&event);
            }
            Ok(done)
        })
        .await
    }

    /// Once the principal has a permit, and in a task of its own: a caller that hangs up must not lose the
    /// audit line of a durable change.
    async fn to_its_end<T: Send + 'static>(
        self,
        principal: Principal,
        change: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permits = self.0.token_permits.clone();
        let change = async move {
            let _permit = permits.take(&principal).await.map_err(|_| StoreError::TooManyChanges)?;
            change.await
        };
        tokio::spawn(change.in_current_span()).await.map_err(|error| StoreError::Unavailable(error.into()))?
    }

    /// Whether a token was ever made in this store.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot tell.
    pub async fn has_had_any(self) -> Result<bool, StoreError> {
        token_rows::has_had_tokens(&self.0.database).await
    }

    /// Removes dead tokens, some at a time, unless a removal ran a short while ago; returns how many were
    /// removed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when some may be left; the next search finds them.
    pub async fn remove_dead(self, now: UnixMillis) -> Result<u64, StoreError> {
        let before = |age| now.minus(age);
        if !token_rows::begin_token_removal(&self.0.database, now, before(TOKEN_REMOVAL_INTERVAL)).await? {
            return Ok(0);
        }
        let mut removed = 0;
        loop {
            let some = token_rows::remove_tokens_made_by(
                &self.0.database,
                before(REFRESH_TOKEN_LIFE),
                TOKENS_REMOVED_MAX,
            )
            .await?;
            removed += some;
            if some < u64::from(TOKENS_REMOVED_MAX) {
                return Ok(removed);
            }
        }
    }
}

impl TokenInvalidation {
    /// Whether there was a token to end.
    #[must_use]
    pub fn found_any(self) -> bool {
        self.invalidated + self.previously_invalidated > 0
    }
}

fn event_of(token: &NewToken, action: TokenAction, actor: Actor) -> TokenEvent {
    let KeyOwner { username, realm, .. } = token.subject.user.clone();
    let count = 1 + u64::from(token.refresh.is_some());
    let tokens = AuditedTokens { username: Some(username), realm: Some(realm), count };
    TokenEvent { at: token.creation, action, actor, tokens }
}

/// Logs a change that is durable.
pub(in crate::store) fn record(event: &TokenEvent) {
    record_token_change(event);
    telemetry::tokens_changed(event.action, event.tokens.count);
}

#[cfg(test)]
pub(crate) mod tests;
