//! Usernames with passwords.

use latchkey_key_feed::UnixMillis;

use super::{Authentication, AuthenticationFailure, Authenticator, Means, Subject};
use crate::model::source::Source;
use crate::security::credential::BasicCredential;
use crate::security::login_throttle::attempts::{LoginAttempt, LoginRefusal};

impl Authenticator {
    /// The user with this username and this password. No password is checked while too many from the same
    /// source were wrong, or could turn out to be wrong.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when nobody has.
    pub(crate) async fn password(
        &self,
        credential: BasicCredential,
        source: Option<Source>,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        let attempt = self.attempt(&credential, source, now).await?;
        let outcome = self.realms.authenticate(credential, source).await;
        let was_wrong = matches!(outcome, Err(AuthenticationFailure::RejectedUser { .. }));
        if let Some(attempt) = attempt.filter(|_| !was_wrong) {
            attempt.give_back();
        }
        Ok(Authentication::of(Subject::User(outcome?), Means::Own))
    }

    /// Counts the login before its password is checked; `None` where nothing is counted.
    async fn attempt(
        &self,
        credential: &BasicCredential,
        source: Option<Source>,
        now: UnixMillis,
    ) -> Result<Option<LoginAttempt<'_>>, AuthenticationFailure> {
        let Some(attempts) = &self.attempts else { return Ok(None) };
        match attempts.begin(source, now).await {
            Ok(attempt) => Ok(Some(attempt)),
            Err(LoginRefusal::TooManyWaiting) => Err(AuthenticationFailure::Saturated),
            Err(LoginRefusal::Throttled(refusal)) => {
                let username = credential.username.clone();
                Err(AuthenticationFailure::Throttled { username, retry_after: refusal.retry_after })
            }
        }
    }
}
