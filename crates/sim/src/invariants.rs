//! What is promised, whatever happens. Each function is one promise, and says how it was broken.
//!
//! | promise | when it is looked at |
//! |---------|----------------------|
//! | An admitted key has an identity that the service has given it. | at every admission |
//! | No key is admitted by anything older than what its edge has acknowledged. | at every admission, and of all keys whenever something is acknowledged |
//! | Once the service has said that a change is complete, nobody admits by anything older. | at every admission, and of all keys in all edges at that moment |
//! | A table that is older than its plugin allows admits nobody. | at every admission |
//! | A key that has expired by the clock of its edge is not admitted. | at every admission |
//! | A secret that a key does not have any more, by the clock of its edge, is not admitted. | at every admission |
//! | The entries of shared data stay within their bound. | after every step |
//! | When nothing happens any more, every edge admits what a full load would admit. | at the end |
//! | The feed never stops for ever: then every edge has acknowledged the latest change and waits for the next. | at the end |

use std::fmt;

use latchkey_key_feed::UnixMillis;

use crate::configs::refuse_after_ms;
use crate::history::{History, Key, Position, Version};
use crate::keys::{Presented, Secret};
use crate::promises::Promised;
use crate::setting::ConfigKind;

/// A promise that was broken, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which promise.
    pub promise: Promise,
    /// What has happened.
    pub how: String,
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// An admitted key has an identity that the service has given it.
    IdentityIsGiven,
    /// No key is admitted by anything older than what its edge has acknowledged.
    AcknowledgedIsApplied,
    /// Once a change is complete, nobody admits by anything older.
    CompleteIsEverywhere,
    /// A table that is too old admits nobody.
    OldTablesRefuse,
    /// A key that has expired is not admitted.
    ExpiredKeysAreRefused,
    /// A secret that a key does not have any more is not admitted.
    EndedSecretsAreRefused,
    /// The entries of shared data are bounded.
    EntriesAreBounded,
    /// In the end, every edge admits what a full load would admit.
    EdgesConverge,
    /// The feed never stops for ever.
    FeedGoesOn,
}

/// A key that was admitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) key: Key,
    /// With which of its secrets.
    pub(crate) secret: Secret,
    /// As what; `None` when it has no identity that can be read.
    pub(crate) version: Option<Version>,
    pub(crate) kind: ConfigKind,
    /// What had been promised when the decision began.
    pub(crate) promised: Promised,
    /// For how long the table had not been current by then, in milliseconds; `None` when it never was.
    pub(crate) age_ms: Option<u64>,
    /// How long ago its VM had ticked by then, in milliseconds.
    pub(crate) ticked_ms: u64,
    /// The wall clock of its machine.
    pub(crate) wall: UnixMillis,
}

/// By how much an age may be wrong, in milliseconds, if the VM has ticked since: a request tells the time by the
/// wall clock, which somebody may have set since the last tick.
const AGE_SLACK_MS: u64 = latchkey_filter::limits::TICK_LATE_MS_MAX;

impl Broken {
    fn of(promise: Promise, how: String) -> Self {
        Self { promise, how }
    }

    /// The same with where it happened.
    pub(crate) fn at(self, place: &str) -> Self {
        Self { how: format!("{place}: {}", self.how), ..self }
    }
}

/// An admitted key has an identity that the service has given it.
pub(crate) fn identity_is_given(admitted: &Admitted, history: &History) -> Result<(), Broken> {
    let Admitted { key, version, .. } = *admitted;
    match version {
        Some(version) if history.has_told(key, version) => Ok(()),
        Some(version) => Err(Broken::of(
            Promise::IdentityIsGiven,
            format!("key {key} is admitted as {version}, which it never was"),
        )),
        None => {
            Err(Broken::of(Promise::IdentityIsGiven, format!("key {key} is admitted without an identity")))
        }
    }
}

/// No key is admitted by anything older than what its edge has acknowledged.
pub(crate) fn acknowledged_is_applied(admitted: &Admitted, history: &History) -> Result<(), Broken> {
    let position = admitted.promised.acknowledged;
    is_not_older(admitted, history, position, Promise::AcknowledgedIsApplied, "its edge has acknowledged")
}

/// Once the service has said that a change is complete, nobody admits by anything older.
pub(crate) fn complete_is_everywhere(admitted: &Admitted, history: &History) -> Result<(), Broken> {
    let position = admitted.promised.complete;
    is_not_older(admitted, history, position, Promise::CompleteIsEverywhere, "the service has told complete")
}

fn is_not_older(
    admitted: &Admitted,
    history: &History,
    position: Option<Position>,
    promise: Promise,
    what: &str,
) -> Result<(), Broken> {
    let (Some(position), Some(version)) = (position, admitted.version) else { return Ok(()) };
    let Some(why) = history.older_than(position, admitted.key, version) else { return Ok(()) };
    let Position { epoch, cursor } = position;
    let key = admitted.key;
    let how = format!("key {key} is admitted as {version}; {what} change {cursor} of epoch {epoch}; {why}");
    Err(Broken::of(promise, how))
}

/// A table that is older than its plugin allows admits nobody.
pub(crate) fn old_tables_refuse(admitted: &Admitted) -> Result<(), Broken> {
    let Admitted { key, kind, age_ms, ticked_ms, .. } = *admitted;
    let how = match age_ms {
        Some(age_ms) if age_ms < refuse_after_ms(kind) + AGE_SLACK_MS.max(ticked_ms) => return Ok(()),
        Some(age_ms) => format!("key {key} is admitted by a table of {age_ms} ms, with {kind:?}"),
        None => format!("key {key} is admitted by a table that was never current"),
    };
    Err(Broken::of(Promise::OldTablesRefuse, how))
}

/// A key that has expired by the clock of its edge is not admitted.
pub(crate) fn expired_keys_are_refused(admitted: &Admitted, history: &History) -> Result<(), Broken> {
    let Admitted { key, version, wall, .. } = *admitted;
    let expiration = version.and_then(|version| history.terms(version).expiration);
    match expiration {
        Some(expiration) if wall >= expiration => Err(Broken::of(
            Promise::ExpiredKeysAreRefused,
            format!("key {key} is admitted {} ms after its end", wall.millis_since(expiration)),
        )),
        _ => Ok(()),
    }
}

/// A secret that a key does not have any more is not admitted.
pub(crate) fn ended_secrets_are_refused(admitted: &Admitted, history: &History) -> Result<(), Broken> {
    let Admitted { key, secret, version, wall, .. } = *admitted;
    let Some(version) = version else { return Ok(()) };
    if history.admits(version, secret, wall) {
        return Ok(());
    }
    let secrets = history.terms(version).secrets;
    let how = format!("key {key} is admitted with secret {secret}, and at {wall:?} it has {secrets:?}");
    Err(Broken::of(Promise::EndedSecretsAreRefused, how))
}

/// The entries of shared data stay within their bound.
pub(crate) fn entries_are_bounded(process: u64, entries: usize, entries_max: usize) -> Result<(), Broken> {
    if entries <= entries_max {
        return Ok(());
    }
    let how = format!("process {process} has {entries} entries, and {entries_max} at most are its tables'");
    Err(Broken::of(Promise::EntriesAreBounded, how))
}

/// When nothing happens any more, every edge admits what a full load would admit.
pub(crate) fn edges_converge(
    who: &str,
    presented: Presented,
    admitted: Option<Option<Version>>,
    by_a_load: Option<Version>,
) -> Result<(), Broken> {
    if admitted == by_a_load.map(Some) {
        return Ok(());
    }
    let how = format!("in the end {who} admits {presented:?} as {admitted:?}, and a load as {by_a_load:?}");
    Err(Broken::of(Promise::EdgesConverge, how))
}

/// The feed never stops for ever.
pub(crate) fn feed_goes_on(
    who: &str,
    acknowledged: Option<Position>,
    latest: Position,
    waits: bool,
) -> Result<(), Broken> {
    if acknowledged == Some(latest) && waits {
        return Ok(());
    }
    let how = format!(
        "in the end {who} has acknowledged {acknowledged:?} of {latest:?}, and waits for more: {waits}"
    );
    Err(Broken::of(Promise::FeedGoesOn, how))
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.how)
    }
}
