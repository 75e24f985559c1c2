//! Writing a table file.

use std::io::{self, Write};

use latchkey_filter::refresh::TableNumber;
use latchkey_filter::table::{TableIdentity, push_text};
use latchkey_key_feed::UnixMillis;
use sha2::{Digest as _, Sha256};

use super::{ATTACHMENTS, BootId, KEYS, MAGIC, STANDING, VERSION};
use crate::live::LiveMemory;
use crate::shard::{self, Shard};
use crate::shards::Side;

/// A table file that is being written.
#[derive(Clone)]
pub(crate) struct Encoder {
    hash: Sha256,
    len: u64,
}

/// How far a table is, as a file tells it.
pub(crate) struct Standing<'a> {
    pub(crate) live: &'a LiveMemory,
    /// Whose it is.
    pub(crate) number: TableNumber,
    pub(crate) boot: BootId,
    pub(crate) written_at: UnixMillis,
}

impl Encoder {
    /// Begins the file of a table.
    pub(crate) fn begin(out: &mut impl Write, table: TableIdentity) -> io::Result<Self> {
        let mut begun = Self { hash: Sha256::new(), len: 0 };
        begun.put(out, &MAGIC)?;
        begun.put(out, &VERSION.to_le_bytes())?;
        begun.put(out, &table.to_bytes())?;
        Ok(begun)
    }

    /// How many bytes were written.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends a shard, in place of what came of it before.
    pub(crate) fn shard(
        &mut self,
        out: &mut impl Write,
        side: Side,
        place: u32,
        shard: &Shard,
    ) -> io::Result<()> {
        let mut records = Vec::new();
        for record in shard::records(shard) {
            records.extend_from_slice(record.bytes());
        }
        let kind = match side {
            Side::Keys => KEYS,
            Side::Attachments => ATTACHMENTS,
        };
        let len = u32::try_from(records.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.put(out, &[kind])?;
        self.put(out, &place.to_le_bytes())?;
        self.put(out, &len.to_le_bytes())?;
        self.put(out, &records)
    }

    /// Ends the file.
    pub(crate) fn end(mut self, out: &mut impl Write, standing: &Standing<'_>) -> io::Result<()> {
        let Standing { live, number, boot, written_at } = standing;
        let mut bytes = vec![STANDING, u8::from(live.credential_ended)];
        let refreshed = live.refreshed;
        for number in [
            number.0,
            live.cursor.0,
            // One more than it is, or 0 when nothing is known to follow.
            live.more_follows.map_or(0, |purged| purged.0.saturating_add(1)),
            live.keys,
            refreshed.at.wall.0,
            refreshed.at.monotonic.0,
            refreshed.serves_ms,
            written_at.0,
        ] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&boot.0);
        // An epoch is shorter than 2^16 bytes (`EPOCH_LEN_MAX`), so its length always fits.
        let _ = push_text(&mut bytes, live.epoch.as_str());
        self.put(out, &bytes)?;
        out.write_all(&self.hash.finalize())
    }

    fn put(&mut self, out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        out.write_all(bytes)
    }
}
