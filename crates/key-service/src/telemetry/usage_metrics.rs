//! What is counted of the uses of keys.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const LOST: &str = "latchkey_key_uses_lost_total";
const WRONG_SECRETS_OF_ONE_KEY: &str = "latchkey_wrong_secrets_of_one_key";

/// So many uses were not counted: there were too many different keys.
pub fn lost(count: u64) {
    counter!(LOST).increment(count);
}

/// The most requests with a wrong secret that named one key, of those that were counted last.
pub fn wrong_secrets_of_one_key(count: u64) {
    gauge!(WRONG_SECRETS_OF_ONE_KEY).set(count as f64);
}

pub(super) fn describe() {
    describe_counter!(
        LOST,
        "Uses of API keys that were not counted, because there were too many different keys."
    );
    describe_gauge!(
        WRONG_SECRETS_OF_ONE_KEY,
        "The most requests with a wrong secret that named one API key, of those that were written last."
    );
}

/// So that a rate is known from the first event on.
pub(super) fn begin_at_zero() {
    counter!(LOST).increment(0);
    gauge!(WRONG_SECRETS_OF_ONE_KEY).set(0.0);
}
