//! The names of all metrics.
//!
//! Envoy shows them as `wasmcustom.<name>` at `/stats`, and without the prefix, dots as underscores, at
//! `/stats/prometheus`. A name lives as long as the process, so nothing that a client or a key chooses is
//! ever part of one.

#[cfg(any(test, feature = "testing"))]
use crate::denial::Denial;

/// 1 while this build is loaded. Version and commit are labels.
pub const BUILD_INFO: &str = "latchkey.build_info";

/// Requests admitted.
pub const ADMITTED: &str = "latchkey.admitted";

/// Requests admitted by a table that was stale but allowed; part of [`ADMITTED`].
pub const ADMITTED_STALE: &str = "latchkey.admitted_stale";

/// Requests admitted by the previous secret of a key that was rotated; part of [`ADMITTED`].
pub const ADMITTED_PREVIOUS_SECRET: &str = "latchkey.admitted_previous_secret";

/// Requests that passed without a key, because `authentication` is optional or off.
pub const PASSED_WITHOUT_KEY: &str = "latchkey.passed_without_key";

/// Requests whose upstream was not told the privileges of the key, though the configuration asks for it.
pub const PRIVILEGES_UNTOLD: &str = "latchkey.privileges_untold";

/// Requests that waited for a table: for the first, or for the answer that shows whether one is too old.
pub const WAITED: &str = "latchkey.waited";

/// Keys in the table.
pub const TABLE_KEYS: &str = "latchkey.table.keys";

/// Milliseconds since the key service last said that the table is current.
pub const TABLE_AGE_MS: &str = "latchkey.table.age_ms";

/// How far the feed has been applied.
pub const TABLE_CURSOR: &str = "latchkey.table.cursor";

/// The number of the live generation; 0 before the first table.
pub const TABLE_GENERATION: &str = "latchkey.table.generation";

/// Moves whenever the table has changed; its size means nothing. VMs forget by it what they keep of the
/// table. A period and a number follow, which are drawn for the tables of one `vm_id`: whoever does not know
/// the number cannot set it.
pub const TABLE_STAMP: &str = "latchkey.table.stamp";

/// Requests for the feed that were sent.
pub const FEED_POLLS: &str = "latchkey.feed.polls";

/// Requests for the feed that brought no page.
pub const FEED_FAILURES: &str = "latchkey.feed.failures";

/// Loads from the beginning that were begun, the first included.
pub const FEED_LOADS: &str = "latchkey.feed.loads";

/// Loads from the beginning because the service said so; part of [`FEED_LOADS`].
pub const FEED_RESETS: &str = "latchkey.feed.resets";

/// Changes applied to the live table.
pub const FEED_ROWS: &str = "latchkey.feed.rows";

/// Rows of the feed that no record could hold. Their keys are refused; the log names them.
pub const FEED_ROWS_SET_ASIDE: &str = "latchkey.feed.rows_set_aside";

/// The number of the VM that follows the feed; 0 when none does.
pub const FEED_FOLLOWER: &str = "latchkey.feed.follower";

/// The version of the feed that the table was read from: 1 without rights of keys, 2 with them.
pub const FEED_VERSION: &str = "latchkey.feed.version";

/// 1 when the key service says that the key with which this edge reads the feed has ended; 0 otherwise.
pub const FEED_CREDENTIAL_ENDED: &str = "latchkey.feed.credential_ended";

/// Uses of keys that the key service is not told of: there were more keys than there is room for, or it takes no
/// reports.
pub const USAGE_LOST: &str = "latchkey.usage.lost";

/// Faults that the native module caught; what each was at was refused. The Wasm filter has none to count: Envoy ends
/// its VM.
pub const FAULTS: &str = "latchkey.faults";

/// Requests refused, by reason; where a rule decided, by its name as well.
pub const DENIED: &str = "latchkey.denied";

/// Requests that shadow mode let pass and that were to be refused, by reason and rule as above.
pub const SHADOWED: &str = "latchkey.shadowed";

/// The label of the version.
pub const VERSION: &str = "version";

/// The label of the commit.
pub const COMMIT: &str = "commit";

/// The label of the rule that decided.
pub const RULE: &str = "rule";

/// The label of the reason.
pub const REASON: &str = "reason";

/// A name with labels in it, for hosts that know none.
#[must_use]
pub fn with_labels(name: &str, labels: &[(&str, &str)]) -> String {
    let mut whole = name.to_owned();
    for part in labels.iter().flat_map(|(label, value)| [label, value]) {
        whole.push('.');
        whole.push_str(part);
    }
    whole
}

/// The counter of requests refused for that reason, as a host without labels calls it.
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn denied(rule: Option<&str>, denial: Denial) -> String {
    by_reason(DENIED, rule, denial)
}

/// The same of [`SHADOWED`].
#[cfg(any(test, feature = "testing"))]
#[must_use]
pub fn shadowed(rule: Option<&str>, denial: Denial) -> String {
    by_reason(SHADOWED, rule, denial)
}

#[cfg(any(test, feature = "testing"))]
fn by_reason(name: &str, rule: Option<&str>, denial: Denial) -> String {
    let reason = (REASON, denial.reason());
    match rule {
        Some(rule) => with_labels(name, &[(RULE, rule), reason]),
        None => with_labels(name, &[reason]),
    }
}
