//! The settings of the console.

use std::time::Duration;

use latchkey_console::SessionTimes;
use latchkey_console::limits::{SESSION_TIME_MAX, SESSION_TIME_MIN};
use latchkey_elastic::TimeValue;

use crate::settings::section::Section;

/// How long its sessions live, if there is a console.
pub(super) fn read(mut section: Section<'_>) -> Option<SessionTimes> {
    let is_on = section.flag("enabled").unwrap_or(false);
    let defaults = SessionTimes::default();
    let belongs = "must be a duration from 1m to 7d, such as 30m";
    let times = SessionTimes {
        idle: section.parsed("session_idle", belongs, session_time).unwrap_or(defaults.idle),
        lifetime: section.parsed("session_lifetime", belongs, session_time).unwrap_or(defaults.lifetime),
    };
    if times.idle > times.lifetime {
        section.problem("session_idle", "must not be longer than session_lifetime");
    }
    section.end();
    is_on.then_some(times)
}

fn session_time(text: &str) -> Option<Duration> {
    let time = TimeValue::parse(text, "session").ok()?.to_duration();
    (SESSION_TIME_MIN..=SESSION_TIME_MAX).contains(&time).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_from_a_minute_to_a_week() {
        for (text, seconds) in [
            ("59s", None),
            ("1m", Some(60)),
            ("7d", Some(7 * 86_400)),
            ("8d", None),
            ("-1", None),
            ("30", None),
        ] {
            assert_eq!(session_time(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
