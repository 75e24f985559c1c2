//! Limits of reading the changes that are kept for the audit log.

/// Most events that one answer shows.
pub(crate) const AUDIT_EVENTS_SHOWN_MAX: u64 = 1_000;

/// How many one answer shows when the request does not say it: a screen or two.
pub(crate) const AUDIT_EVENTS_SHOWN_DEFAULT: u64 = 50;

/// Most events that one request looks at, whatever it looks for: a database compares some hundred thousand a
/// second. The answer says where to go on.
pub(crate) const AUDIT_EVENTS_LOOKED_AT_MAX: i64 = 20_000;

/// Most bytes of events in one answer. An event of one key has some 200; one that ended as many keys at once
/// as may be has some 600 KiB, and is shown whole.
pub(crate) const AUDIT_ANSWER_LEN_MAX: usize = 4 * 1024 * 1024;

/// Most actions that one request may name. There are fewer.
pub(crate) const AUDIT_ACTIONS_ASKED_MAX: usize = 64;
