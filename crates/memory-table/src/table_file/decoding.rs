//! Reading a table file: of any bytes, it makes a table that was written whole, or says why not.

use std::collections::BTreeMap;

use latchkey_filter::clock::Moment;
use latchkey_filter::refresh::TableNumber;
use latchkey_filter::table::{Generation, Record, Refresh, SharedNames, Unread, opaque_key_pepper};
use latchkey_key_feed::{Cursor, Epoch, MonotonicMillis, UnixMillis};
use sha2::{Digest as _, Sha256};

use super::{
    ATTACHMENTS, BootId, CHECKSUM_LEN, HEAD_LEN, KEYS, MAGIC, STANDING, Unusable, VERSION, VERSION_MIN,
};
use crate::id_hash::{IdHash, shard_bits_for};
use crate::limits::KEY_LEN_MIN;
use crate::live::LiveMemory;
use crate::shard;
use crate::shards::{Shards, TableShards, attachment_shards};

/// A table as it was written.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) shards: TableShards,
    pub(crate) standing: LiveMemory,
    /// Whose it was.
    pub(crate) number: TableNumber,
}

/// The sections of a file: the records of each shard, as they came last.
type Sections<'a> = BTreeMap<u32, &'a [u8]>;

/// Reads the file of a table; `boot` says on which run of the machine.
pub(crate) fn decode(
    bytes: &[u8],
    names: &SharedNames,
    boot: BootId,
    now: Moment,
) -> Result<Decoded, Unusable> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_LEN>().ok_or(Unusable::NotATable)?;
    let (head, content) = content.split_at_checked(HEAD_LEN).ok_or(Unusable::NotATable)?;
    check_head(head, names)?;
    if <[u8; CHECKSUM_LEN]>::from(Sha256::new().chain_update(head).chain_update(content).finalize())
        != *checksum
    {
        return Err(Unusable::Damaged);
    }
    let mut unread = Unread(content);
    let (mut keys, mut attachments) = (Sections::new(), Sections::new());
    loop {
        let sections = match unread.u8().ok_or(Unusable::Damaged)? {
            STANDING => break,
            KEYS => &mut keys,
            ATTACHMENTS => &mut attachments,
            _ => return Err(Unusable::Damaged),
        };
        let (place, records) = section(&mut unread).ok_or(Unusable::Damaged)?;
        sections.insert(place, records);
    }
    let footer = Footer::read(unread).ok_or(Unusable::Damaged)?;
    let refreshed = footer.refreshed(boot, now)?;
    // A file tells of no more keys than it can hold.
    let shard_bits = shard_bits_for(footer.keys.min(content.len() as u64 / KEY_LEN_MIN));
    let places = attachment_shards(shard_bits, names.shape().holds_rights());
    let shards = TableShards {
        bits: shard_bits,
        keys: built(&keys, 1 << shard_bits, footer.cursor, &stands_among_keys).ok_or(Unusable::Damaged)?,
        attachments: built(&attachments, places, footer.cursor, &|record| record.attachment().is_some())
            .ok_or(Unusable::Damaged)?,
    };
    let standing = LiveMemory {
        // Whoever takes it into force numbers it.
        generation: Generation::default(),
        shard_bits,
        epoch: footer.epoch,
        cursor: footer.cursor,
        more_follows: footer.more_follows,
        keys: footer.keys,
        refreshed,
        credential_ended: footer.credential_ended,
        loaded_at: now.monotonic,
        rights_written: 0,
    };
    Ok(Decoded { shards, standing, number: footer.number })
}

/// Whether it is the record of a key, or the one by which opaque keys are found.
fn stands_among_keys(record: &Record<'_>) -> bool {
    match record.found() {
        Some(_) => true,
        None => record.id().is_empty() && record.attachment().and_then(opaque_key_pepper).is_some(),
    }
}

pub(super) fn check_head(head: &[u8], names: &SharedNames) -> Result<(), Unusable> {
    let mut unread = Unread(head);
    if unread.array() != Some(MAGIC) {
        return Err(Unusable::NotATable);
    }
    match unread.u32() {
        Some(VERSION_MIN..=VERSION) => {}
        other => return Err(Unusable::OtherVersion(other.unwrap_or_default())),
    }
    if unread.array() != Some(names.table().to_bytes()) {
        return Err(Unusable::OtherTable);
    }
    Ok(())
}

fn section<'a>(unread: &mut Unread<'a>) -> Option<(u32, &'a [u8])> {
    let place = unread.u32()?;
    let len = usize::try_from(unread.u32()?).ok()?;
    Some((place, unread.bytes(len)?))
}

/// Shards of all these records. Everything up to `cursor` is applied to each.
fn built(
    sections: &Sections<'_>,
    shards: usize,
    cursor: Cursor,
    is_right: &dyn Fn(&Record<'_>) -> bool,
) -> Option<Shards> {
    let mut sorted = vec![(Vec::new(), Vec::new()); shards];
    for section in sections.values() {
        let mut rest = *section;
        while !rest.is_empty() {
            let record = Record::first_of(rest).filter(is_right)?;
            rest = rest.get(record.bytes().len()..)?;
            let (whole, removed) = sorted.get_mut(IdHash::of(record.id()).shard(shards))?;
            match record.removed_by() {
                None => whole.push((record.id(), record.bytes())),
                Some(seq) => removed.push((seq, record.id())),
            }
        }
    }
    let built: Option<Vec<_>> =
        sorted.into_iter().map(|(whole, removed)| shard::built(cursor, whole, removed).ok()).collect();
    built.map(Shards::of)
}

/// How far a table was.
struct Footer {
    credential_ended: bool,
    number: TableNumber,
    cursor: Cursor,
    more_follows: Option<Cursor>,
    keys: u64,
    refreshed: Refresh,
    written_at: UnixMillis,
    boot: BootId,
    epoch: Epoch,
}

impl Footer {
    fn read(mut unread: Unread<'_>) -> Option<Self> {
        let credential_ended = unread.u8()? != 0;
        // Nobody has the number 0.
        let number = TableNumber(unread.u64().filter(|number| *number != 0)?);
        let cursor = Cursor(unread.u64()?);
        let more_follows = unread.u64()?.checked_sub(1).map(Cursor);
        let keys = unread.u64()?;
        let at = Moment { wall: UnixMillis(unread.u64()?), monotonic: MonotonicMillis(unread.u64()?) };
        let refreshed = Refresh { at, serves_ms: unread.u64()? };
        let (written_at, boot) = (UnixMillis(unread.u64()?), BootId(unread.array()?));
        let epoch = Epoch::try_from(unread.text()?.to_owned()).ok()?;
        let footer =
            Self { credential_ended, number, cursor, more_follows, keys, refreshed, written_at, boot, epoch };
        unread.0.is_empty().then_some(footer)
    }

    /// When it was refreshed, by the clocks of this process. The monotonic clock of the writer can be asked only
    /// while the machine has not started anew; it then shows whether the wall clock was set back.
    fn refreshed(&self, boot: BootId, now: Moment) -> Result<Refresh, Unusable> {
        let Refresh { at, serves_ms } = self.refreshed;
        if now.wall < self.written_at || now.wall < at.wall {
            return Err(Unusable::FromTheFuture);
        }
        let by_wall_ms = now.wall.millis_since(at.wall);
        let is_same_run = self.boot == boot && boot != BootId::default();
        if is_same_run && now.monotonic < at.monotonic {
            return Err(Unusable::FromTheFuture);
        }
        let by_monotonic_ms = if is_same_run { now.monotonic.millis_since(at.monotonic) } else { 0 };
        let age_ms = by_wall_ms.max(by_monotonic_ms);
        // A machine that has just started has no moment so long ago. It may admit for that much less.
        let missing_ms = age_ms.saturating_sub(now.monotonic.0);
        let serves_ms = serves_ms.saturating_sub(missing_ms);
        if age_ms >= serves_ms {
            return Err(Unusable::TooOld);
        }
        let at = Moment {
            wall: UnixMillis(now.wall.0.saturating_sub(age_ms)),
            monotonic: MonotonicMillis(now.monotonic.0.saturating_sub(age_ms)),
        };
        Ok(Refresh { at, serves_ms })
    }
}
