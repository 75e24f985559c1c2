//! What a load puts aside until it is laid out: changes by ranges of shards, in the order of the feed.
//!
//! They are kept in few large pieces. A buffer for each shard that grows by doubling would be half empty, and
//! what an allocator gets back of thousands of such buffers serves for nothing else: memory would stay at twice
//! the table.

use latchkey_filter::table::{RecordChange, RecordChangesIter};

use crate::id_hash::IdHash;
use crate::limits::{ASIDE_PIECE_LEN, ASIDE_RANGE_SHARDS};

/// Changes that were put aside.
pub(crate) struct Aside {
    shards: usize,
    ranges: Vec<Pieces>,
}

type Pieces = Vec<Vec<u8>>;

/// The changes of one range, and where those of each of its shards are.
#[derive(Default)]
pub(crate) struct AsideRange {
    pieces: Pieces,
    /// By shard: the number of the piece, and where in it.
    places: Vec<Vec<(u32, u32)>>,
}

impl Aside {
    pub(crate) fn new(shards: usize) -> Self {
        Self { shards, ranges: vec![Pieces::new(); shards.div_ceil(ASIDE_RANGE_SHARDS)] }
    }

    pub(crate) fn put(&mut self, change: RecordChange<'_>) {
        // A small table needs no large piece, so its first one grows.
        let is_small = self.ranges.len() == 1;
        let shard = IdHash::of(change.id).shard(self.shards);
        let Some(pieces) = self.ranges.get_mut(shard / ASIDE_RANGE_SHARDS) else { return };
        let room = pieces.last().map_or(0, |piece| ASIDE_PIECE_LEN.saturating_sub(piece.len()));
        if room < change.bytes.len() {
            let grows = is_small && pieces.is_empty();
            let capacity = if grows { 0 } else { ASIDE_PIECE_LEN.max(change.bytes.len()) };
            pieces.push(Vec::with_capacity(capacity));
        }
        if let Some(piece) = pieces.last_mut() {
            piece.extend_from_slice(change.bytes);
        }
    }

    /// Takes the range in which a shard is.
    pub(crate) fn take(&mut self, shard: usize) -> AsideRange {
        let range = shard / ASIDE_RANGE_SHARDS;
        let Some(pieces) = self.ranges.get_mut(range).map(std::mem::take) else {
            return AsideRange::default();
        };
        let mut places = vec![Vec::new(); ASIDE_RANGE_SHARDS];
        for (number, piece) in (0..).zip(&pieces) {
            let mut start = 0;
            for change in RecordChangesIter::of(piece) {
                let shard = IdHash::of(change.id).shard(self.shards) % ASIDE_RANGE_SHARDS;
                if let Some(places) = places.get_mut(shard) {
                    places.push((number, start));
                }
                start += u32::try_from(change.bytes.len()).unwrap_or(u32::MAX);
            }
        }
        AsideRange { pieces, places }
    }
}

impl AsideRange {
    /// The changes of a shard of this range, in the order of the feed.
    pub(crate) fn changes_of(&self, shard: usize) -> Vec<RecordChange<'_>> {
        let places = self.places.get(shard % ASIDE_RANGE_SHARDS).map_or(&[][..], |places| places);
        let change = |(piece, start): &(u32, u32)| {
            let piece = self.pieces.get(*piece as usize)?;
            RecordChangesIter::of(piece.get(*start as usize..)?).next()
        };
        places.iter().filter_map(change).collect()
    }

    /// How many bytes it holds.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }
}
