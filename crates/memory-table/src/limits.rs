//! Every limit of the table in plain memory: named, with its unit, and where the number comes from.

/// Keys that a shard of a fresh table holds at most on average. A change copies one shard: 64 records of 130
/// bytes are 8 KiB, which takes about a microsecond. Fewer would cost more memory beside the records.
pub const KEYS_PER_SHARD: u64 = 64;

/// Keys a shard may hold on average before the table is loaded anew with more shards: four times the aim, as
/// in a table of pages.
pub const KEYS_PER_SHARD_MAX: u64 = 256;

/// Fewest bits of the number of a shard: 2 shards.
pub const SHARD_BITS_MIN: u8 = 1;

/// Most bits of the number of a shard: 16.7 million shards, a thousand million keys.
pub const SHARD_BITS_MAX: u8 = 24;

/// Sets of rights that a shard of them holds on average if every key has one of its own. A set can be large,
/// and whoever writes one copies its shard.
pub const SETS_PER_SHARD: u64 = 8;

/// Fewest bits of the number of a shard of sets: 64 shards.
pub const SET_SHARD_BITS_MIN: u8 = 6;

/// Most bytes that removed keys take in a shard: about four hundred of Latchkey's ids, six for each key, as
/// in a table of pages.
pub const SHARD_REMOVED_LEN_MAX: usize = 16 * 1024;

/// Bytes of records that a load lays out at once: 8,000 keys, about 2 milliseconds of work, the longest that
/// a load holds its thread.
pub const LAY_OUT_LEN: usize = 1024 * 1024;

/// Shards that a load lays out at once, whatever is in them.
pub const LAY_OUT_SHARDS: usize = 4_096;

/// Shards whose changes a load keeps together until it lays them out: 32,000 keys, which are sorted in about three
/// milliseconds.
pub const ASIDE_RANGE_SHARDS: usize = 512;

/// Length of a piece of memory in which a load keeps changes, in bytes: longer than what allocators keep by size, so
/// that it serves for anything else afterwards (tcmalloc does so from 256 KiB on).
pub const ASIDE_PIECE_LEN: usize = 264 * 1024;

/// How many bytes of records are built in the time in which one is sorted by its shard.
pub const BUILT_WHILE_SORTED: usize = 4;

/// Longest table file that is read, in bytes: 60 million keys.
pub const TABLE_FILE_LEN_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// How often a file is written on with what has changed since, before it is looked whether it can end.
pub const SAVE_ROUNDS_MAX: u32 = 8;

/// Shards that may have changed when it is looked whether a file can end. Fewer take a millisecond to write.
pub const SAVE_SETTLED_SHARDS: usize = 64;

/// How often it is tried to end a file between two changes.
pub const SAVE_TRIES_MAX: u32 = 8;

/// Fewest bytes of a live key in a file: its lengths, salt, digest and expiration, and an id of one byte.
pub const KEY_LEN_MIN: u64 = 64;

/// How long a plugin that follows the feed may give no sign before another takes its turn, in milliseconds.
/// Whoever ends hands its turn over, so this only helps after a fault. It is longer than Envoy's main thread
/// is ever busy with something else.
pub const TURN_SILENT_MS: u64 = 30_000;
