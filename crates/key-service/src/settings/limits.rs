//! The settings below `limits`.
//!
//! ```toml
//! [limits]
//! connections = 16384                                  # at once; also how many feed requests may wait
//! failed_logins_per_minute = 10                        # 0 for no limit
//! trusted_proxies = ["10.0.0.0/8", "2001:db8::7"]      # their X-Forwarded-For says where a request came from
//! ```

use crate::limits::{
    CONNECTIONS_DEFAULT, CONNECTIONS_MAX, FAILED_LOGINS_PER_MINUTE_DEFAULT, FAILED_LOGINS_PER_MINUTE_MAX,
};
use crate::security::login_throttle::FailedLoginRate;
use crate::security::source::AddressBlock;
use crate::settings::section::Section;

/// What a client may do how often, and who tells which client it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// How many connections may be open at once, as far as the system lets the process; and how many requests for the feed may wait.
    /// At least 1.
    pub connections: u32,
    /// How often a password from one source may be wrong; `None` for no limit.
    pub failed_logins: Option<FailedLoginRate>,
    /// The proxies in front of the service that say where a request came from.
    pub trusted_proxies: Vec<AddressBlock>,
}

impl Default for LimitSettings {
    /// A limit that nobody notices who knows the password, and no proxy.
    fn default() -> Self {
        let failed_logins = FailedLoginRate::try_from(FAILED_LOGINS_PER_MINUTE_DEFAULT).ok();
        Self { connections: CONNECTIONS_DEFAULT, failed_logins, trusted_proxies: Vec::new() }
    }
}

pub(super) fn read(mut section: Section<'_>) -> LimitSettings {
    let connections = connections(&mut section);
    let failed_logins = failed_logins(&mut section);
    let trusted_proxies = trusted_proxies(&mut section);
    section.end();
    LimitSettings { connections, failed_logins, trusted_proxies }
}

fn connections(section: &mut Section<'_>) -> u32 {
    const FIELD: &str = "connections";
    let Some(number) = section.integer(FIELD) else { return CONNECTIONS_DEFAULT };
    let number = u32::try_from(number).ok().filter(|number| (1..=CONNECTIONS_MAX).contains(number));
    number.unwrap_or_else(|| {
        section.problem(FIELD, format!("must be from 1 to {CONNECTIONS_MAX}"));
        CONNECTIONS_DEFAULT
    })
}

fn failed_logins(section: &mut Section<'_>) -> Option<FailedLoginRate> {
    const FIELD: &str = "failed_logins_per_minute";
    let Some(number) = section.integer(FIELD) else { return LimitSettings::default().failed_logins };
    if number == 0 {
        return None;
    }
    let rate = u32::try_from(number).ok().and_then(|number| FailedLoginRate::try_from(number).ok());
    if rate.is_none() {
        section.problem(FIELD, format!("must be from 0 to {FAILED_LOGINS_PER_MINUTE_MAX}"));
    }
    rate
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
