//! The settings below `cache` of a realm that knows passwords (Elasticsearch, `cache.ttl` and `cache.max_users`).

use std::time::Duration;

use latchkey_elastic::TimeValue;

use crate::limits::authentication_limits::{VERIFIED_PASSWORDS_MAX, VERIFIED_TTL_MAX};
use crate::security::password_cache::PasswordCache;
use crate::settings::section::Section;

pub(super) fn read(mut section: Section<'_>) -> PasswordCache {
    let defaults = PasswordCache::default();
    let ttl = section.parsed("ttl", "must be a duration of at most 1d, such as 20m; 0s keeps nothing", ttl);
    let users_max = section.number("max_users", 1..=VERIFIED_PASSWORDS_MAX);
    section.end();
    PasswordCache { ttl: ttl.unwrap_or(defaults.ttl), users_max: users_max.unwrap_or(defaults.users_max) }
}

fn ttl(text: &str) -> Option<Duration> {
    let duration = TimeValue::parse(text, "ttl").ok().filter(|_| !text.trim_start().starts_with('-'))?;
    Some(duration.to_duration()).filter(|ttl| *ttl <= VERIFIED_TTL_MAX)
}
