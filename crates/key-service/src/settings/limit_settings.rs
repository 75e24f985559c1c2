//! The settings below `limits`.
//!
//! ```toml
//! [limits]
//! connections = 16384                                  # at once; of every 16, the requests on 15 may wait for the feed
//! connections_per_source = 8192                        # of one address; half of them all when left out
//! failed_logins_per_minute = 10                        # 0 for no limit
//! answer_megabytes = 256                               # memory of all answers that are made or not read yet
//! trusted_proxies = ["10.0.0.0/8", "2001:db8::7"]      # their X-Forwarded-For says where a request came from
//! ```

use crate::limits::authentication_limits::{FAILED_LOGINS_PER_MINUTE_DEFAULT, FAILED_LOGINS_PER_MINUTE_MAX};
use crate::limits::work_limits::{ANSWER_MEMORY_DEFAULT, ANSWER_MEMORY_MAX, ANSWER_MEMORY_MIN};
use crate::limits::{CONNECTIONS_DEFAULT, CONNECTIONS_MAX, CONNECTIONS_PER_KEPT};
use crate::model::source::AddressBlock;
use crate::security::login_throttle::FailedLoginRate;
use crate::settings::section::Section;

const MEGABYTE: usize = 1024 * 1024;

/// What a client may do how often, and who tells which client it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How many connections may be open at once, as far as the system lets the process. At least 1.
    pub connections: u32,
    /// How many of them may be one source's. At least 1.
    pub connections_per_source: u32,
    /// Bytes that all answers may take together.
    pub answer_memory: usize,
    /// How often a password from one source may be wrong; `None` for no limit.
    pub failed_logins: Option<FailedLoginRate>,
    /// The proxies in front of the service that say where a request came from.
    pub trusted_proxies: Vec<AddressBlock>,
}

impl Default for LimitSettings {
    /// A limit that nobody notices who knows the password, and no proxy.
    fn default() -> Self {
        let failed_logins = FailedLoginRate::try_from(FAILED_LOGINS_PER_MINUTE_DEFAULT).ok();
        Self {
            connections: CONNECTIONS_DEFAULT,
            connections_per_source: share_of_a_source(CONNECTIONS_DEFAULT),
            answer_memory: ANSWER_MEMORY_DEFAULT,
            failed_logins,
            trusted_proxies: Vec::new(),
        }
    }
}

impl LimitSettings {
    /// How many requests for the feed may wait. Each may have a connection of its own, and some connections
    /// are kept for others.
    #[must_use]
    pub fn feed_requests_waiting(&self) -> usize {
        (self.connections - self.connections / CONNECTIONS_PER_KEPT) as usize
    }
}

/// One source never has them all.
fn share_of_a_source(connections: u32) -> u32 {
    (connections / 2).max(1)
}

pub(super) fn read(mut section: Section<'_>) -> LimitSettings {
    let connections = section.number("connections", 1..=CONNECTIONS_MAX).unwrap_or(CONNECTIONS_DEFAULT);
    let connections_per_source = section.number("connections_per_source", 1..=CONNECTIONS_MAX);
    let connections_per_source = connections_per_source.unwrap_or(share_of_a_source(connections));
    let megabytes = ANSWER_MEMORY_MIN / MEGABYTE..=ANSWER_MEMORY_MAX / MEGABYTE;
    let answer_memory = section.number("answer_megabytes", megabytes);
    let answer_memory = answer_memory.map_or(ANSWER_MEMORY_DEFAULT, |megabytes| megabytes * MEGABYTE);
    let failed_logins = failed_logins(&mut section);
    let trusted_proxies = trusted_proxies(&mut section);
    section.end();
    LimitSettings { connections, connections_per_source, answer_memory, failed_logins, trusted_proxies }
}

fn failed_logins(section: &mut Section<'_>) -> Option<FailedLoginRate> {
    let number = section.number("failed_logins_per_minute", 0..=FAILED_LOGINS_PER_MINUTE_MAX);
    // There is no rate of 0.
    FailedLoginRate::try_from(number.unwrap_or(FAILED_LOGINS_PER_MINUTE_DEFAULT)).ok()
}

fn trusted_proxies(section: &mut Section<'_>) -> Vec<AddressBlock> {
    const FIELD: &str = "trusted_proxies";
    let texts = section.texts(FIELD).unwrap_or_default();
    let blocks: Result<Vec<AddressBlock>, _> = texts.iter().map(|text| text.parse()).collect();
    blocks.unwrap_or_else(|invalid| {
        section.problem(FIELD, format!("has an item that is {invalid}"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_and_no_waiting_takes_every_connection() {
        for (connections, of_a_source, waiting) in
            [(1, 1, 1), (2, 1, 2), (64, 32, 60), (16_384, 8_192, 15_360)]
        {
            assert_eq!(share_of_a_source(connections), of_a_source);
            let settings = LimitSettings { connections, ..LimitSettings::default() };
            assert_eq!(settings.feed_requests_waiting(), waiting);
        }
    }
}
