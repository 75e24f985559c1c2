//! The table in a file: what a gateway admits by that starts while the key service is away.
//!
//! ```text
//! magic 8 | version u32 | table identity 8                             which table
//! section*: kind u8 (1 keys, 2 attachments) | shard u32 | len u32 | record*
//! 0 u8 | standing                                                      how far it is, and whose it was
//! SHA-256 of everything before                                         32 bytes
//! ```
//!
//! A section of a shard takes the place of an earlier one of the same shard. Records hold digests, and no secret
//! is anywhere in the file.
//!
//! # Why the proof of a revocation stays true
//!
//! The key service counts this process as an instance: it knows what the instance has acknowledged, and until
//! when it may admit. A process that begins with a file has not been heard of, and could admit by a table that is
//! older than what was acknowledged before. Four rules keep that from happening:
//!
//! 1. The file holds everything that this process has acknowledged. It comes into force only if nothing was
//!    acknowledged since, and it is removed, durably, *before* anything later is acknowledged, and before the
//!    goodbye. So while changes come, there is often no file; when the key service is away nothing is
//!    acknowledged, and the next one that is written stays.
//! 2. The number of the instance stands in the file, and whoever begins with the file goes on as that instance.
//!    The service still waits for it, or for the end of its time, before it calls a later change complete.
//! 3. The table is as old as it was, and admits for no longer than the service was told after the last refresh,
//!    which is what the service assumes of the instance. Its age is the longer one of what two clocks say, and a
//!    file from the future is refused.
//! 4. One process has the file: it holds a lock beside it. So no process begins with a file while the one that
//!    wrote it still acknowledges.
//!
//! What is left to the operator: the file is for one machine's clock, so it must not be brought back from a backup or
//! shared by machines whose clocks differ by more than the minute that the service allows for. If the machine starts
//! anew *and* its wall clock is set back meanwhile, to after the file was written, the age is told too short by as much.
//!
//! If the file cannot be removed, changes are applied all the same, but nothing later is acknowledged until the
//! time of the file is over.

pub(crate) mod decoding;
pub(crate) mod encoding;
pub(crate) mod in_force;
pub(crate) mod keeper;
pub(crate) mod saver;

use std::fmt;

/// What every file begins with.
const MAGIC: [u8; 8] = *b"latchkey";

/// The version of the format.
const VERSION: u32 = 4;

/// The oldest version that is read. Its records have one secret each. Before version 4 nothing but keys stands among
/// the keys.
const VERSION_MIN: u32 = 2;

/// What stands before the sections.
const HEAD_LEN: usize = 20;

/// A SHA-256.
pub(crate) const CHECKSUM_LEN: usize = 32;

/// What a section holds; 0 is the end of them.
const KEYS: u8 = 1;
const ATTACHMENTS: u8 = 2;
const STANDING: u8 = 0;

/// Why a file cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is not one of ours.
    NotATable,
    /// It has another version.
    OtherVersion(u32),
    /// It is of another feed, or its records hold something else.
    OtherTable,
    /// Its bytes are not those that were written.
    Damaged,
    /// It was written later than now.
    FromTheFuture,
    /// It may admit nobody any more.
    TooOld,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATable => f.write_str("it is no table file"),
            Self::OtherVersion(version) => {
                write!(f, "it has version {version}, and this one reads {VERSION_MIN} to {VERSION}")
            }
            Self::OtherTable => {
                f.write_str("it is of another feed, or of a configuration that tells other things")
            }
            Self::Damaged => f.write_str("it is damaged"),
            Self::FromTheFuture => f.write_str("it was written later than now: the clock was set back"),
            Self::TooOld => f.write_str("it is too old to admit anybody"),
        }
    }
}

/// One moment of the writer's machine, to tell an age by after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BootId(pub(crate) [u8; 16]);
