//! A shard: the records of the keys whose ids hash to it, and an index of them, in one allocation that never
//! changes. A change makes a new one.
//!
//! ```text
//! seq u64, slots u32 | slot u32 * slots | record*          each record begins at a multiple of 4 bytes
//!
//! slot:  tag of the hash u8 | 1 + place of the record, in units of 4 bytes, u24       0: nothing
//! ```
//!
//! `seq` is the highest change applied to it. A look-up reads the slots from that of the hash on, up to the
//! first that is empty, and so touches a line of the index and the record. Removed keys stand behind the
//! others, the latest first.

use std::cmp::Reverse;
use std::collections::HashMap;

use foldhash::quality::FixedState;
use latchkey_filter::table::{ChangeKind, Record, RecordChange, Unreadable, push_mark};
use latchkey_key_feed::Cursor;
use triomphe::ThinArc;

use crate::id_hash::IdHash;
use crate::limits::SHARD_REMOVED_LEN_MAX;

/// A shard, as whoever reads it holds it.
pub(crate) type Shard = ThinArc<ShardHead, u8>;

/// What stands before the bytes of a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardHead {
    seq: Cursor,
    slots: u32,
}

const SLOT_LEN: usize = 4;
const UNIT: usize = 4;
/// The places that a slot can tell: 64 MiB of records.
const PLACES: u32 = 1 << 24;

/// A shard without records.
pub(crate) fn empty() -> Shard {
    ThinArc::from_header_and_slice(ShardHead { seq: Cursor(0), slots: 0 }, &[])
}

/// The record of that id, if there is one.
pub(crate) fn find<'s>(shard: &'s Shard, hash: IdHash, id: &str) -> Result<Option<Record<'s>>, Unreadable> {
    let slots = shard.header.header.slots;
    let records = records_of(shard);
    let mut place = hash.place(slots);
    for _ in 0..slots {
        let start = place as usize * SLOT_LEN;
        let slot = shard.slice.get(start..).and_then(|from| from.first_chunk()).ok_or(Unreadable)?;
        let slot = u32::from_le_bytes(*slot);
        let Some(unit) = (slot % PLACES).checked_sub(1) else { return Ok(None) };
        if (slot / PLACES) as u8 == hash.tag() {
            let record = records.get(unit as usize * UNIT..).and_then(Record::first_of).ok_or(Unreadable)?;
            if record.id() == id {
                return Ok(Some(record));
            }
        }
        place = if place + 1 == slots { 0 } else { place + 1 };
    }
    Ok(None)
}

/// All records, removed keys behind the others.
pub(crate) fn records(shard: &Shard) -> impl Iterator<Item = Record<'_>> {
    let mut rest = records_of(shard);
    std::iter::from_fn(move || {
        let record = Record::first_of(rest)?;
        rest = rest.get(record.bytes().len().next_multiple_of(UNIT)..).unwrap_or_default();
        Some(record)
    })
}

fn records_of(shard: &Shard) -> &[u8] {
    shard.slice.get(shard.header.header.slots as usize * SLOT_LEN..).unwrap_or_default()
}

/// The shard after `changes`, which are in the order of the feed; `None` when they change nothing. Of removed
/// keys it keeps what the service has not `forgotten`.
///
/// A change whose sequence number is not higher than the shard's has been applied already, together with
/// every change between. A set of rights has no place in that order: it is written where it is missing.
pub(crate) fn with(
    shard: &Shard,
    changes: &[RecordChange<'_>],
    forgotten: Cursor,
) -> Result<Option<Shard>, Unreadable> {
    let mut seq = shard.header.header.seq;
    let mut applied = Vec::with_capacity(changes.len());
    for change in changes {
        let is_new = match change.kind {
            ChangeKind::Constant => find(shard, IdHash::of(change.id), change.id)?.is_none(),
            ChangeKind::Latest | ChangeKind::Removed => change.seq > shard.header.header.seq,
        };
        if is_new {
            applied.push(change);
            if change.kind != ChangeKind::Constant {
                seq = seq.max(change.seq);
            }
        }
    }
    if applied.is_empty() {
        return Ok(None);
    }
    let last: HashMap<&str, usize, FixedState> =
        applied.iter().enumerate().map(|(position, change)| (change.id, position)).collect();
    let mut whole = Vec::new();
    let mut removed = Vec::new();
    for record in records(shard).filter(|record| !last.contains_key(record.id())) {
        match record.removed_by() {
            None => whole.push((record.id(), record.bytes())),
            Some(seq) => removed.push((seq, record.id())),
        }
    }
    for (position, change) in applied.iter().enumerate() {
        if last.get(change.id) == Some(&position) {
            match change.record {
                Some(record) => whole.push((change.id, record)),
                None => removed.push((change.seq, change.id)),
            }
        }
    }
    removed.retain(|(seq, _)| *seq > forgotten);
    built(seq, whole, removed).map(Some)
}

/// A shard of these records and removed keys.
pub(crate) fn built<'r>(
    seq: Cursor,
    whole: Vec<(&'r str, &'r [u8])>,
    mut removed: Vec<(Cursor, &'r str)>,
) -> Result<Shard, Unreadable> {
    let mut marks = Vec::new();
    removed.sort_by_key(|(seq, _)| Reverse(*seq));
    let mut ends = Vec::with_capacity(removed.len());
    for (seq, id) in &removed {
        push_mark(&mut marks, id, *seq);
        if marks.len() > SHARD_REMOVED_LEN_MAX {
            break;
        }
        ends.push(marks.len());
    }
    let (mut records, mut start) = (whole, 0);
    for (end, (_, id)) in ends.into_iter().zip(&removed) {
        records.push((id, marks.get(start..end).unwrap_or_default()));
        start = end;
    }
    put_together(seq, &records)
}

fn put_together(seq: Cursor, records: &[(&str, &[u8])]) -> Result<Shard, Unreadable> {
    let slots = u32::try_from(records.len() + records.len().div_ceil(3)).map_err(|_| Unreadable)?;
    let mut index = vec![0_u32; slots as usize];
    let records_len: usize = records.iter().map(|(_, record)| record.len().next_multiple_of(UNIT)).sum();
    let mut bytes = vec![0; index.len() * SLOT_LEN];
    bytes.reserve_exact(records_len);
    let mut unit = 0;
    for (id, record) in records {
        let hash = IdHash::of(id);
        unit += 1;
        if unit >= PLACES {
            return Err(Unreadable);
        }
        let (before, from) = index.split_at_mut_checked(hash.place(slots) as usize).ok_or(Unreadable)?;
        // There are more slots than records.
        let free = from.iter_mut().chain(before).find(|slot| **slot == 0).ok_or(Unreadable)?;
        *free = u32::from(hash.tag()) * PLACES + unit;
        bytes.extend_from_slice(record);
        bytes.resize(bytes.len().next_multiple_of(UNIT), 0);
        unit += u32::try_from(record.len().div_ceil(UNIT)).map_err(|_| Unreadable)? - 1;
    }
    for (place, slot) in bytes.chunks_exact_mut(SLOT_LEN).zip(&index) {
        place.copy_from_slice(&slot.to_le_bytes());
    }
    Ok(ThinArc::from_header_and_slice(ShardHead { seq, slots }, &bytes))
}

/// Whether there is any record.
pub(crate) fn has_records(shard: &Shard) -> bool {
    shard.header.header.slots > 0
}

/// How many bytes it takes.
pub(crate) fn len(shard: &Shard) -> usize {
    size_of::<ShardHead>() + 2 * size_of::<usize>() + shard.slice.len()
}
