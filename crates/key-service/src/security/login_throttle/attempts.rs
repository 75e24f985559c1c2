//! Logins that have begun: each is ended when it is dropped, and logins that must wait for others wait.

use std::sync::{Mutex, MutexGuard, PoisonError};

use latchkey_key_feed::UnixMillis;
use tokio::sync::Notify;

use crate::limits::authentication_limits::{LOGINS_WAITING_MAX, LOGINS_WAITING_PER_SOURCE_MAX};
use crate::model::source::{Network, Source};
use crate::quota_permits::QuotaPermits;
use crate::security::login_throttle::{LoginOutcome, LoginThrottle, NotNow, TooManyFailedLogins};

/// The throttle, as all requests share it.
#[derive(derive_more::Debug)]
#[debug("LoginAttempts {{ .. }}")]
pub struct LoginAttempts {
    throttle: Mutex<LoginThrottle>,
    /// Wakes those who wait for others.
    decided: Notify,
    waiting: QuotaPermits<Option<Network>>,
}

/// A login whose password may be checked. When it is dropped without an outcome it has failed: a client that
/// hangs up has not shown a right password.
#[derive(Debug)]
pub struct LoginAttempt<'a> {
    attempts: &'a LoginAttempts,
    source: Option<Source>,
    began: UnixMillis,
    outcome: LoginOutcome,
}

/// Why a login did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// There were too many failed logins from there.
    Throttled(TooManyFailedLogins),
    /// Too many logins wait for others already, of all or from there.
    TooManyWaiting,
}

impl LoginAttempts {
    /// Of nobody yet.
    #[must_use]
    pub fn new(throttle: LoginThrottle) -> Self {
        Self {
            throttle: Mutex::new(throttle),
            decided: Notify::new(),
            waiting: QuotaPermits::new(LOGINS_WAITING_MAX, LOGINS_WAITING_PER_SOURCE_MAX),
        }
    }

    /// Begins a login from a source, once other logins are decided that might take the last tokens.
    ///
    /// # Errors
    ///
    /// [`LoginRefusal`] when its password must not be checked.
    pub async fn begin(
        &self,
        source: Option<Source>,
        now: UnixMillis,
    ) -> Result<LoginAttempt<'_>, LoginRefusal> {
        let mut permit = None;
        loop {
            // Subscribed before the check, so that no notification in between is missed.
            let decided = self.decided.notified();
            match self.throttle().begin(source, now) {
                Ok(()) => break,
                Err(NotNow::Refused(refusal)) => return Err(LoginRefusal::Throttled(refusal)),
                Err(NotNow::Undecided) => {}
            }
            if permit.is_none() {
                let taken = self.waiting.take(&source.map(Network::of));
                permit = Some(taken.ok_or(LoginRefusal::TooManyWaiting)?);
            }
            decided.await;
        }
        Ok(LoginAttempt { attempts: self, source, began: now, outcome: LoginOutcome::Failed })
    }

    /// The value behind the lock is consistent at every moment, so a poisoned lock can be used.
    fn throttle(&self) -> MutexGuard<'_, LoginThrottle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LoginAttempt<'_> {
    /// The password was right, or was not checked.
    pub fn give_back(mut self) {
        self.outcome = LoginOutcome::Harmless;
    }
}

impl Drop for LoginAttempt<'_> {
    fn drop(&mut self) {
        self.attempts.throttle().end(self.source, self.began, self.outcome);
        self.attempts.decided.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::limits::authentication_limits::FAILED_LOGINS_BURST;
    use crate::security::login_throttle::FailedLoginRate;

    const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

    fn attempts() -> Arc<LoginAttempts> {
        Arc::new(LoginAttempts::new(LoginThrottle::new(FailedLoginRate::try_from(1).unwrap())))
    }

    fn source() -> Option<Source> {
        Some("192.0.2.1".parse().unwrap())
    }

    /// So many logins at once, each of which takes a while. Returns how many passwords were checked.
    async fn at_once(attempts: &Arc<LoginAttempts>, logins: u32, are_right: bool) -> u32 {
        let looked_at = Arc::new(AtomicU32::new(0));
        let logins = (0..logins).map(|_| {
            let (attempts, looked_at) = (Arc::clone(attempts), Arc::clone(&looked_at));
            tokio::spawn(async move {
                let Ok(attempt) = attempts.begin(source(), NOW).await else { return };
                looked_at.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                if are_right {
                    attempt.give_back();
                }
            })
        });
        for login in logins.collect::<Vec<_>>() {
            login.await.unwrap();
        }
        looked_at.load(Ordering::Relaxed)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_wrong_passwords_at_once_only_the_burst_is_looked_at() {
        let attempts = attempts();
        assert_eq!(at_once(&attempts, 400, false).await, FAILED_LOGINS_BURST);
        assert!(matches!(attempts.begin(source(), NOW).await, Err(LoginRefusal::Throttled(_))));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn right_passwords_at_once_are_all_looked_at() {
        let attempts = attempts();
        let logins = FAILED_LOGINS_BURST + u32::try_from(LOGINS_WAITING_PER_SOURCE_MAX).unwrap();
        assert_eq!(at_once(&attempts, logins, true).await, logins);
        assert_eq!(at_once(&attempts, 400, false).await, FAILED_LOGINS_BURST, "and gave nothing besides");
    }

    #[tokio::test]
    async fn whoever_does_not_wait_for_the_answer_has_failed() {
        let attempts = attempts();
        for _ in 0..FAILED_LOGINS_BURST {
            drop(attempts.begin(source(), NOW).await.unwrap());
        }
        assert!(matches!(attempts.begin(source(), NOW).await, Err(LoginRefusal::Throttled(_))));
    }

    #[tokio::test]
    async fn one_source_leaves_places_to_wait_in_to_others() {
        let attempts = attempts();
        let other = Some("192.0.2.2".parse().unwrap());
        let mut begun = Vec::new();
        for source in [source(), other] {
            for _ in 0..FAILED_LOGINS_BURST {
                begun.push(attempts.begin(source, NOW).await.unwrap());
            }
        }
        let network = source().map(Network::of);
        let _waiting: Vec<_> = (0..).map_while(|_| attempts.waiting.take(&network)).collect();
        assert_eq!(attempts.begin(source(), NOW).await.unwrap_err(), LoginRefusal::TooManyWaiting);
        let waits =
            tokio::time::timeout(std::time::Duration::from_millis(1), attempts.begin(other, NOW)).await;
        assert!(waits.is_err(), "it was told at once: {waits:?}");
    }
}
