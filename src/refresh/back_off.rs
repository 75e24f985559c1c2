//! How long to wait after failures.

use latchkey_key_feed::MonotonicMillis;

use super::replication::Replication;
use super::sink::FeedSink;
use super::{Follower, Note, PollFailure, State, Step};
use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN, FAILURES_BEFORE_HANDOVER, LEASE_MS};

impl<K: FeedSink> Follower<K> {
    pub(super) fn fail(
        &mut self,
        failure: PollFailure,
        replication: Replication<K>,
        now: MonotonicMillis,
        jitter: u64,
        step: &mut Step,
    ) {
        step.notes.push(Note::Failed(failure));
        let delay_ms = delay_ms(self.failures.saturating_add(1), jitter);
        self.back_off(delay_ms, replication, now, step);
    }

    pub(super) fn back_off(
        &mut self,
        delay_ms: u64,
        replication: Replication<K>,
        now: MonotonicMillis,
        step: &mut Step,
    ) {
        self.failures = self.failures.saturating_add(1);
        let until = now.plus_millis(delay_ms);
        if self.failures.is_multiple_of(FAILURES_BEFORE_HANDOVER) {
            self.sink.hand_over(self.id, until, self.failures);
            self.stands_back_until = until.plus_millis(LEASE_MS);
            step.notes.push(Note::StoppedFollowing);
        } else {
            self.state = State::BackingOff { until, replication: replication.unconfirmed() };
        }
    }
}

/// The delay before the next try, in milliseconds: doubled with each failure up to a limit, and spread over
/// its upper half by `jitter`, any random number, so that edges which failed together do not come back
/// together.
fn delay_ms(failures: u32, jitter: u64) -> u64 {
    let doublings = failures.saturating_sub(1).min(u64::BITS - 1);
    let full =
        BACKOFF_MS_MIN.checked_mul(1 << doublings).map_or(BACKOFF_MS_MAX, |delay| delay.min(BACKOFF_MS_MAX));
    let half = full / 2;
    half + jitter % (full - half + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_up_to_the_limit() {
        let longest = |failures| (0..=BACKOFF_MS_MAX).map(|jitter| delay_ms(failures, jitter)).max().unwrap();
        assert_eq!([1, 2, 3, 4].map(longest), [100, 200, 400, 800]);
        assert_eq!([8, 100].map(longest), [BACKOFF_MS_MAX; 2]);
    }

    proptest! {
        #[test]
        fn never_leaves_its_bounds(failures: u32, jitter: u64) {
            let delay = delay_ms(failures, jitter);
            prop_assert!((BACKOFF_MS_MIN / 2..=BACKOFF_MS_MAX).contains(&delay));
        }
    }
}
