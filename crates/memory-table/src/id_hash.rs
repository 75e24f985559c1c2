//! Where a key has its place, or what stands beside keys: by the hash of its id.
//!
//! The id of a set of rights follows from what it grants, so whoever has keys made could choose sets that meet
//! in one shard, until it is too long. That takes a hash that he knows, so each process has its own.

use std::hash::BuildHasher as _;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

use crate::limits::{KEYS_PER_SHARD, SET_SHARD_BITS_MIN, SETS_PER_SHARD, SHARD_BITS_MAX, SHARD_BITS_MIN};

/// The hash of an id. Its parts are independent: the lowest bits pick a shard, the highest a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdHash(u64);

impl IdHash {
    pub(crate) fn of(id: &str) -> Self {
        Self(SeedableRandomState::with_seed(0, SharedSeed::global_random()).hash_one(id))
    }

    /// One of so many shards; their number is a power of two.
    pub(crate) fn shard(self, shards: usize) -> usize {
        (self.0 as usize) & shards.wrapping_sub(1)
    }

    /// One of so many places of a shard.
    pub(crate) fn place(self, places: u32) -> u32 {
        (((self.0 >> 32) * u64::from(places)) >> 32) as u32
    }

    /// What tells it from most others of its place.
    pub(crate) fn tag(self) -> u8 {
        (self.0 >> SHARD_BITS_MAX) as u8
    }
}

/// The bits of the number of a shard, in a table of so many keys.
pub(crate) fn shard_bits_for(keys: u64) -> u8 {
    let shards = keys.div_ceil(KEYS_PER_SHARD).max(1).next_power_of_two();
    // A u64 has at most 64 trailing zeros.
    (shards.trailing_zeros() as u8).clamp(SHARD_BITS_MIN, SHARD_BITS_MAX)
}

/// The same of the shards of sets.
pub(crate) fn set_shard_bits_for(shard_bits: u8) -> u8 {
    const MORE_BITS: u8 = (KEYS_PER_SHARD / SETS_PER_SHARD).trailing_zeros() as u8;
    (shard_bits + MORE_BITS).clamp(SET_SHARD_BITS_MIN, SHARD_BITS_MAX)
}

#[cfg(test)]
mod tests {
    use foldhash::quality::FixedState;

    use super::*;

    #[test]
    fn a_new_table_has_at_most_the_aimed_number_of_keys_a_shard() {
        assert_eq!(shard_bits_for(0), SHARD_BITS_MIN);
        assert_eq!(shard_bits_for(1_000_000), 14);
        assert_eq!(shard_bits_for(u64::MAX / 2), SHARD_BITS_MAX);
        assert_eq!((set_shard_bits_for(1), set_shard_bits_for(14)), (SET_SHARD_BITS_MIN, 17));
    }

    #[test]
    fn ids_that_meet_by_a_hash_that_everybody_knows_do_not_meet_here() {
        let known = |id: &String| FixedState::default().hash_one(id.as_str()) % 64 == 0;
        let chosen = (0..64 * 64 * 16).map(|number| format!("rights:{number}")).filter(known);
        let mut shards = [0_u32; 64];
        for id in chosen {
            shards[IdHash::of(&id).shard(64)] += 1;
        }
        let fullest = shards.into_iter().max().unwrap_or(0);
        assert!(fullest < 128, "of {} sets, a shard has {fullest}", shards.into_iter().sum::<u32>());
    }

    #[test]
    fn ids_that_differ_in_one_place_spread_over_shards_and_places() {
        let (mut shards, mut places) = ([0_u32; 64], [0_u32; 64]);
        for number in 0..64 * 64 {
            let hash = IdHash::of(&format!("VuaCfGcBCdbkQm-{number:05}"));
            shards[hash.shard(64)] += 1;
            places[hash.place(64) as usize] += 1;
        }
        for filled in [shards, places] {
            assert!(filled.iter().all(|keys| (24..128).contains(keys)), "{filled:?}");
        }
    }
}
