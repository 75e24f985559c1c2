//! The settings of all keys that are made here.
//!
//! ```toml
//! [api_keys]
//! default_lifetime = "90d"     # of a key of which nobody says when it ends; without, it does not
//! max_lifetime = "365d"        # no key lives longer
//! secret_prefix = "lk_live"    # new secrets begin with it and end with a checksum
//! last_used_resolution = "1h"  # to what the moment of the last use is rounded down
//! usage_written_every = "10s"  # how often uses that were counted are written to the store
//! end_with_owner = true        # whoever disables or deletes a user ends the user's keys, unless told otherwise
//! suspend_with_owner = true    # the keys of a disabled service account stop until it is enabled
//! ```

use std::time::Duration;

use latchkey_elastic::TimeValue;
use latchkey_key_feed::SecretPrefix;

use crate::limits::{KEY_LIFETIME_MAX, KEY_LIFETIME_MIN, USAGE_TIME_MAX, USAGE_TIME_MIN};
use crate::settings::section::Section;

/// What holds for every key that is made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPolicy {
    /// How long a key lives of which nobody says when it ends; `None` is for ever, as in Elasticsearch.
    pub default_lifetime: Option<Duration>,
    /// How long a key may live; `None` is for ever.
    pub max_lifetime: Option<Duration>,
    /// Whether the keys of a user who is disabled or deleted end with that, unless the request says
    /// otherwise.
    pub end_with_owner: bool,
    /// Whether the keys of a service account that is disabled stop until it is enabled again.
    pub suspend_with_owner: bool,
    /// What new secrets begin with; `None` is nothing, as in Elasticsearch.
    pub secret_prefix: Option<SecretPrefix>,
    /// To what the moment of a last use is rounded down.
    pub last_used_resolution: Duration,
    /// How often uses that were counted are written to the store.
    pub usage_written_every: Duration,
}

/// An hour tells an unused key from a used one, and little of what its owner does.
const LAST_USED_RESOLUTION: Duration = Duration::from_secs(3_600);

/// What a process that is killed may lose of counts.
const USAGE_WRITTEN_EVERY: Duration = Duration::from_secs(10);

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            default_lifetime: None,
            max_lifetime: None,
            end_with_owner: false,
            suspend_with_owner: true,
            secret_prefix: None,
            last_used_resolution: LAST_USED_RESOLUTION,
            usage_written_every: USAGE_WRITTEN_EVERY,
        }
    }
}

pub(super) fn read(mut section: Section<'_>) -> KeyPolicy {
    let default_lifetime = lifetime(&mut section, "default_lifetime");
    let max_lifetime = lifetime(&mut section, "max_lifetime");
    let end_with_owner = section.flag("end_with_owner").unwrap_or_default();
    let suspend_with_owner = section.flag("suspend_with_owner").unwrap_or(true);
    let secret_prefix = section.parsed(
        "secret_prefix",
        "must be words of small letters and digits with _ between them, at most 20 characters, such as lk_live",
        SecretPrefix::parse,
    );
    let last_used_resolution = section.parsed(
        "last_used_resolution",
        "must be a duration between 1s and 1d, such as 1h",
        within_a_day,
    );
    let usage_written_every = section.parsed(
        "usage_written_every",
        "must be a duration between 1s and 1d, such as 10s",
        within_a_day,
    );
    if let (Some(default), Some(max)) = (default_lifetime, max_lifetime)
        && default > max
    {
        section.problem("default_lifetime", "must not be longer than max_lifetime");
    }
    section.end();
    KeyPolicy {
        default_lifetime,
        max_lifetime,
        end_with_owner,
        suspend_with_owner,
        secret_prefix,
        last_used_resolution: last_used_resolution.unwrap_or(LAST_USED_RESOLUTION),
        usage_written_every: usage_written_every.unwrap_or(USAGE_WRITTEN_EVERY),
    }
}

fn within_a_day(text: &str) -> Option<Duration> {
    let time = TimeValue::parse(text, "time").ok()?.to_duration();
    (USAGE_TIME_MIN..=USAGE_TIME_MAX).contains(&time).then_some(time)
}

fn lifetime(section: &mut Section<'_>, field: &'static str) -> Option<Duration> {
    section.parsed(field, "must be a duration between 1s and 36500d, such as 90d", duration)
}

fn duration(text: &str) -> Option<Duration> {
    let lifetime = TimeValue::parse(text, "lifetime").ok()?.to_duration();
    (KEY_LIFETIME_MIN..=KEY_LIFETIME_MAX).contains(&lifetime).then_some(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_usage_are_between_a_second_and_a_day() {
        for (text, seconds) in [
            ("1s", Some(1)),
            ("1h", Some(3_600)),
            ("1d", Some(86_400)),
            ("999ms", None),
            ("25h", None),
            ("-1", None),
            ("60", None),
        ] {
            assert_eq!(within_a_day(text), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_lifetime_is_between_a_second_and_a_century() {
        for (text, seconds) in [
            ("1s", Some(1)),
            ("90d", Some(90 * 86_400)),
            ("36500d", Some(36_500 * 86_400)),
            ("36501d", None),
            ("999ms", None),
            ("0", None),
            ("-1", None),
            ("90", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
