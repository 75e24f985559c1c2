//! Bearer credentials: access tokens of this service, and JSON Web Tokens of issuers elsewhere.

use std::sync::Arc;

use latchkey_key_feed::UnixMillis;

use super::{Authentication, AuthenticationFailure, Authenticator, Means, Subject};
use crate::model::stored_token::StoredToken;
use crate::model::token::{self, Access, Token, TokenDigest, TokenRejection};
use crate::security::credential::bearer::BearerCredential;
use crate::security::jwt::VouchedUser;

impl Authenticator {
    /// Authenticates an access token in the body of a grant. The proof of the client in `credential` counts
    /// for tokens of realms that require it, and is refused with other tokens.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when the token is not valid.
    pub(crate) async fn access_token(
        &self,
        credential: BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        if credential.client_secret.is_some() && !self.jwt_realms.knows_the_form_of(&credential) {
            return Err(AuthenticationFailure::ClientProofUnsupported);
        }
        match self.bearer(credential, now).await {
            Err(AuthenticationFailure::Missing) => {
                Err(AuthenticationFailure::RejectedToken(TokenRejection::Unknown))
            }
            outcome => outcome,
        }
    }

    pub(super) async fn bearer(
        &self,
        credential: BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        if self.schemes.tokens {
            match self.token(&credential, now).await {
                Err(AuthenticationFailure::RejectedToken(TokenRejection::Unknown)) => {}
                outcome => return outcome,
            }
        }
        match self.jwt_realms.authenticate(&credential, now).await? {
            Some(VouchedUser { user, expiration }) => {
                Ok(Authentication::of(Subject::User(Arc::new(user)), Means::Jwt { expiration }))
            }
            None if self.schemes.tokens => Err(TokenRejection::Unknown.into()),
            None => Err(AuthenticationFailure::Missing),
        }
    }

    async fn token(
        &self,
        credential: &BearerCredential,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let token = Token::<Access>::parse(credential.token.expose()).ok_or(TokenRejection::Unknown)?;
        let digest = token.digest();
        let subject = self.subject_of_access_token(&digest, now).await?;
        Ok(Authentication::of(subject, Means::Token(digest)))
    }

    /// On whose behalf an access token acts, if it has not ended and its subject and client are still valid.
    ///
    /// # Errors
    ///
    /// As of [`Self::living_token`] and [`Self::subject_of`].
    pub(crate) async fn subject_of_access_token(
        &self,
        digest: &TokenDigest<Access>,
        now: UnixMillis,
    ) -> Result<Subject, AuthenticationFailure> {
        self.subject_of(&self.living_token(digest, now).await?, now).await
    }

    /// What is stored of an access token that has not ended.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when there is none, or it has ended, or the store cannot tell.
    pub(crate) async fn living_token(
        &self,
        digest: &TokenDigest<Access>,
        now: UnixMillis,
    ) -> Result<StoredToken, AuthenticationFailure> {
        let token = self.store.tokens().find_access(digest).await?.ok_or(TokenRejection::Unknown)?;
        token::refuse_ended(&token, now)?;
        Ok(token)
    }
}
