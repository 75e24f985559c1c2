//! Limits of keys as rows of the store and of the feed.

/// Most keys of a page that the log names because edges cannot hold or read them.
pub(crate) const WITHHELD_KEYS_NAMED_MAX: usize = 10;

/// Most bytes of a key's own role descriptors, and of its owner's roles, as JSON. Both are stored with each
/// key; the longest of Elasticsearch's own roles have some ten kilobytes.
pub(crate) const DESCRIPTORS_LEN_MAX: usize = 1024 * 1024;

/// Most keys of an earlier version for which it is decided in one transaction who vouches for them: some ten
/// milliseconds.
pub(crate) const KEYS_DECIDED_AT_ONCE_MAX: u32 = 1_000;
