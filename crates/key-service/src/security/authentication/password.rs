//! Usernames with passwords.

use std::sync::{MutexGuard, PoisonError};

use latchkey_key_feed::UnixMillis;

use super::{Authentication, AuthenticationFailure, Authenticator, Means, Subject};
use crate::security::credential::BasicCredential;
use crate::security::login_throttle::LoginThrottle;
use crate::security::source::Source;

impl Authenticator {
    /// Who has this username and this password. Nothing is looked at while too many from the same source were wrong.
    ///
    /// # Errors
    ///
    /// [`AuthenticationFailure`] when nobody has.
    pub async fn password(
        &self,
        credential: BasicCredential,
        source: Option<Source>,
        now: UnixMillis,
    ) -> Result<Authentication, AuthenticationFailure> {
        if let Some(Err(refusal)) = self.throttle().map(|throttle| throttle.check(source, now)) {
            let BasicCredential { username, .. } = credential;
            return Err(AuthenticationFailure::Throttled { username, retry_after: refusal.retry_after });
        }
        let outcome = self.realms.authenticate(credential).await;
        if let Err(AuthenticationFailure::RejectedUser { .. }) = &outcome
            && let Some(mut throttle) = self.throttle()
        {
            throttle.count_failure(source, now);
        }
        Ok(Authentication::of(Subject::User(outcome?), Means::Own))
    }

    /// The throttle, if there is one. What it holds is whole at every moment, so a panic elsewhere does not spoil it.
    fn throttle(&self) -> Option<MutexGuard<'_, LoginThrottle>> {
        self.throttle.as_ref().map(|throttle| throttle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
