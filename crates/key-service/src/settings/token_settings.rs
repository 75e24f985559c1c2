//! The settings of OAuth2 tokens.

use std::time::Duration;

use latchkey_elastic::TimeValue;

use crate::limits::authentication_limits::{
    ACCESS_TOKEN_LIFE_DEFAULT, ACCESS_TOKEN_LIFE_MAX, ACCESS_TOKEN_LIFE_MIN,
};
use crate::settings::section::Section;

/// What OAuth2 tokens are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// Whether there are any (Elasticsearch, `xpack.security.authc.token.enabled`).
    pub enabled: bool,
    /// How long an access token lives (Elasticsearch, `xpack.security.authc.token.timeout`).
    pub timeout: Duration,
}

impl Default for TokenSettings {
    /// As in Elasticsearch, tokens are off unless the service itself speaks TLS: they cross the network with
    /// every request.
    fn default() -> Self {
        Self { enabled: false, timeout: ACCESS_TOKEN_LIFE_DEFAULT }
    }
}

/// Elasticsearch switches tokens on where `xpack.security.http.ssl.enabled` is on.
pub(super) fn read(mut section: Section<'_>, speaks_tls: bool) -> TokenSettings {
    let defaults = TokenSettings { enabled: speaks_tls, ..TokenSettings::default() };
    let enabled = section.flag("enabled").unwrap_or(defaults.enabled);
    let timeout = section.parsed("timeout", "must be a duration between 1s and 1h, such as 20m", life);
    let timeout = timeout.unwrap_or(defaults.timeout);
    section.end();
    TokenSettings { enabled, timeout }
}

fn life(text: &str) -> Option<Duration> {
    let life = TimeValue::parse(text, "timeout").ok()?.to_duration();
    (ACCESS_TOKEN_LIFE_MIN..=ACCESS_TOKEN_LIFE_MAX).contains(&life).then_some(life)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_lives_between_a_second_and_an_hour() {
        for (text, seconds) in [
            ("1s", Some(1)),
            ("20m", Some(1_200)),
            ("1h", Some(3_600)),
            ("60m", Some(3_600)),
            ("999ms", None),
            ("0", None),
            ("-1", None),
            ("61m", None),
            ("1.5m", None),
            ("20", None),
        ] {
            assert_eq!(life(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
