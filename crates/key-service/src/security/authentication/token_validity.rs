//! On whose behalf a token acts, and whether its subject and its client are still valid.
//!
//! A token depends on two: the subject, for whom it acts, and the client, who asked for it. Both are looked
//! up whenever it is used, in the store and in the users file and never in a cache. So a user who was
//! disabled or deleted is shut out at every replica from the moment of the change on, and a token whose user
//! has another password has ended.
//!
//! | who | is let in while |
//! |---|---|
//! | a user of the realm `reserved`, `native` or `file` | the realm has the user, who is enabled and has the password of that time |
//! | the anonymous user | there is anonymous access under that name |
//! | a user of a realm for JSON Web Tokens | there is that realm; of its users this service knows nothing |
//! | an API key | the key can be used |

use std::sync::Arc;

use latchkey_key_feed::{KeyId, UnixMillis};

use super::{AuthenticationFailure, Authenticator, Subject};
use crate::model::password_stamp::PasswordStamp;
use crate::model::stored_token::{StoredToken, TokenClient};
use crate::model::token::TokenRejection;
use crate::security::api_key::{self, VerifiedKey};
use crate::security::realm::User;

/// A user whom a token names.
struct Named<'a> {
    realm: &'a str,
    username: &'a str,
    /// The stamp of the password at that time, if the token keeps it.
    stamp: Option<PasswordStamp>,
}

impl Authenticator {
    /// On whose behalf a token acts: a user or an API key as it is now; a user of a JWT realm as it was when
    /// the token was made.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when the subject or the client is no longer valid, or the store cannot tell.
    pub(crate) async fn subject_of(
        &self,
        token: &StoredToken,
        now: UnixMillis,
    ) -> Result<Subject, AuthenticationFailure> {
        let subject = &token.subject;
        if let Some(id) = &subject.api_key {
            let key = self.living_key(id, now).await?;
            self.require_client(token, now).await?;
            return Ok(Subject::ApiKey(Box::new(key)));
        }
        self.require_client(token, now).await?;
        let user = &subject.user;
        if self.jwt_realms.has(&user.realm) {
            return Ok(Subject::User(Arc::new(User::vouched(user.clone(), subject.roles.clone()))));
        }
        let named = Named { realm: &user.realm, username: &user.username, stamp: subject.stamp };
        // A user who comes with a token has not shown a password.
        let user = User { password: None, ..self.let_in(&named).await? };
        Ok(Subject::User(Arc::new(user)))
    }

    /// Refuses a token whose client is no longer valid.
    async fn require_client(
        &self,
        token: &StoredToken,
        now: UnixMillis,
    ) -> Result<(), AuthenticationFailure> {
        let TokenClient { username, realm, api_key } = &token.client;
        let subject = &token.subject;
        let is_subject = match api_key {
            Some(_) => subject.api_key == *api_key,
            None => subject.user.username == *username && subject.user.realm == *realm,
        };
        if is_subject || (api_key.is_none() && self.jwt_realms.has(realm)) {
            return Ok(());
        }
        match api_key {
            Some(id) => self.living_key(id, now).await.map(|_| ()),
            None => self.let_in(&Named { realm, username, stamp: token.runner_stamp }).await.map(|_| ()),
        }
    }

    async fn living_key(&self, id: &KeyId, now: UnixMillis) -> Result<VerifiedKey, AuthenticationFailure> {
        let found = self.store.find_entry(id.as_str()).await?;
        Ok(api_key::of_token(id.as_str(), found, now).map_err(|_| TokenRejection::Ended)?)
    }

    /// The user, if it exists, is enabled and has the password of that time.
    async fn let_in(&self, named: &Named<'_>) -> Result<User, AuthenticationFailure> {
        let found = self.realms.find_in(named.realm, named.username).await?;
        let found = found.filter(|user| {
            let has_the_password = named.stamp.is_none_or(|stamp| {
                user.password.as_ref().is_some_and(|hash| PasswordStamp::of(hash) == stamp)
            });
            user.enabled && has_the_password
        });
        Ok(found.ok_or(TokenRejection::SubjectOrClientInvalid)?)
    }
}
