//! When a key ends: what the request says, and the rules that the settings have for all keys.
//!
//! | a request says | without settings | with `api_keys.default_lifetime` | with `api_keys.max_lifetime` |
//! |---|---|---|---|
//! | nothing | never | after that time | refused, unless there is a default |
//! | a duration | after it | after it | refused when it is longer |
//! | `null` | never | never | refused |

use std::time::Duration;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::TimeValue;
use latchkey_key_feed::UnixMillis;

use crate::settings::KeyPolicy;

/// When a key is to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeyEnd {
    /// After a time from now.
    After(TimeValue),
    /// At the moment at which the cloned key ends.
    At(UnixMillis),
    /// Never: the request said so.
    Never,
    /// The request did not say.
    #[default]
    Unsaid,
}

impl KeyEnd {
    /// The value of a field, which may be `null`.
    pub(super) fn said(text: Option<&str>) -> Result<Self, ErrorCause> {
        text.map_or(Ok(Self::Never), |text| TimeValue::parse(text, "expiration").map(Self::After))
    }

    /// The moment at which a key that is made now ends; `None` for never.
    pub(super) fn of_new_key(
        self,
        policy: &KeyPolicy,
        now: UnixMillis,
    ) -> Result<Option<UnixMillis>, ErrorCause> {
        let end = match self {
            Self::After(after) => Some(expiration(now, after)),
            Self::At(moment) => Some(moment),
            Self::Never => None,
            Self::Unsaid => policy.default_lifetime.map(|lifetime| later(now, lifetime)),
        };
        let Some(max) = policy.max_lifetime else { return Ok(end) };
        match end {
            Some(end) if end <= later(now, max) => Ok(Some(end)),
            Some(_) => Err(ErrorCause::illegal_argument(format!(
                "[expiration] must not be more than [{}] away: no API key lives longer here",
                shown(max)
            ))),
            None => Err(ErrorCause::illegal_argument(format!(
                "[expiration] is required and must not be more than [{}] away: no API key lives longer here",
                shown(max)
            ))),
        }
    }
}

/// Computed in whole seconds. A negative duration has already passed. The latest possible moment is the
/// largest signed number of Elasticsearch.
pub(super) fn expiration(now: UnixMillis, after: TimeValue) -> UnixMillis {
    let millis = after.whole_seconds().saturating_mul(1_000);
    UnixMillis(now.0.saturating_add_signed(millis).min(i64::MAX.unsigned_abs()))
}

fn later(now: UnixMillis, after: Duration) -> UnixMillis {
    UnixMillis(now.0.saturating_add(after.as_secs().saturating_mul(1_000)))
}

/// A duration in the largest unit in which it is a whole number.
fn shown(duration: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let seconds = duration.as_secs();
    let unit = UNITS.iter().find(|(size, _)| seconds.is_multiple_of(*size));
    unit.map_or_else(|| format!("{seconds}s"), |(size, name)| format!("{}{name}", seconds / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn end(asked: KeyEnd, default: Option<u32>, max: Option<u32>) -> Result<Option<u64>, String> {
        let policy = KeyPolicy {
            default_lifetime: default.map(|days| DAY * days),
            max_lifetime: max.map(|days| DAY * days),
            ..KeyPolicy::default()
        };
        let end = asked.of_new_key(&policy, NOW);
        end.map(|end| end.map(|end| (end.0 - NOW.0) / 86_400_000)).map_err(|cause| cause.reason().to_owned())
    }

    #[test]
    fn a_key_ends_when_somebody_says_or_when_the_settings_do() {
        let after = |text: &str| KeyEnd::After(TimeValue::parse(text, "expiration").unwrap());
        let required =
            "[expiration] is required and must not be more than [30d] away: no API key lives longer here";
        let beyond = "[expiration] must not be more than [30d] away: no API key lives longer here";
        for (asked, default, max, expected) in [
            (KeyEnd::Unsaid, None, None, Ok(None)),
            (KeyEnd::Unsaid, Some(7), None, Ok(Some(7))),
            (KeyEnd::Unsaid, Some(7), Some(30), Ok(Some(7))),
            (KeyEnd::Unsaid, None, Some(30), Err(required)),
            (KeyEnd::Never, Some(7), None, Ok(None)),
            (KeyEnd::Never, Some(7), Some(30), Err(required)),
            (after("9d"), Some(7), None, Ok(Some(9))),
            (after("30d"), Some(7), Some(30), Ok(Some(30))),
            (after("31d"), None, Some(30), Err(beyond)),
            (KeyEnd::At(UnixMillis(NOW.0 + 86_400_000)), None, Some(30), Ok(Some(1))),
            (KeyEnd::At(UnixMillis(u64::MAX)), None, Some(30), Err(beyond)),
        ] {
            let found = end(asked, default, max);
            assert_eq!(found, expected.map_err(str::to_owned), "{asked:?} {default:?} {max:?}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_people_say_it() {
        for (seconds, expected) in [(86_400, "1d"), (90_000, "25h"), (90, "90s"), (120, "2m"), (1, "1s")] {
            assert_eq!(shown(Duration::from_secs(seconds)), expected);
        }
    }
}
