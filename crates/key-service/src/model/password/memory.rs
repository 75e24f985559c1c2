//! The memory that a hashing fills.
//!
//! Argon2 fills some 19 MiB for each password. An allocator keeps freed memory for the thread that freed it,
//! so a service that hashes on many threads would keep one such block for each. Here the blocks are kept on
//! purpose and used again: there are never more than hashings at once.

use std::fmt;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};

use argon2::Block;

use super::HashingFailed;
use crate::limits::authentication_limits::{HASHING_BLOCKS_KEPT, HASHING_BLOCKS_UNKEPT_MIN};

/// The memory of all hashings of a service. It is made when first needed.
#[derive(Default)]
pub struct HashingMemory(Mutex<Pieces>);

#[derive(Default)]
struct Pieces {
    /// The free ones, filled with zeros.
    idle: Vec<Vec<Block>>,
    /// How many there are, in use or not.
    made: usize,
}

/// A block in use. It is filled with zeros before it is given back.
struct Piece<'a> {
    memory: &'a HashingMemory,
    blocks: Vec<Block>,
    used: usize,
}

impl HashingMemory {
    /// Works with so many blocks, which are full of zeros.
    ///
    /// # Errors
    ///
    /// [`HashingFailed`] when the system has no memory.
    pub fn with<T>(&self, blocks: usize, work: impl FnOnce(&mut [Block]) -> T) -> Result<T, HashingFailed> {
        let mut piece = self.piece(blocks)?;
        Ok(work(piece.blocks.get_mut(..blocks).ok_or(HashingFailed)?))
    }

    fn piece(&self, used: usize) -> Result<Piece<'_>, HashingFailed> {
        let kept = used <= HASHING_BLOCKS_KEPT;
        let idle = if kept { self.pieces().idle.pop() } else { None };
        let blocks = match idle {
            Some(blocks) => blocks,
            None => {
                let blocks =
                    zeros(if kept { HASHING_BLOCKS_KEPT } else { used.max(HASHING_BLOCKS_UNKEPT_MIN) })?;
                self.pieces().made += usize::from(kept);
                blocks
            }
        };
        Ok(Piece { memory: self, blocks, used })
    }

    /// The value behind the lock is consistent at every moment, so a poisoned lock can be used.
    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        // From what is left in a block, passwords could be tried without the memory that makes trying slow.
        if let Some(used) = self.blocks.get_mut(..self.used) {
            used.fill(Block::new());
        }
        black_box(&self.blocks);
        if self.blocks.len() == HASHING_BLOCKS_KEPT {
            self.memory.pieces().idle.push(std::mem::take(&mut self.blocks));
        }
    }
}

fn zeros(len: usize) -> Result<Vec<Block>, HashingFailed> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(len).map_err(|_| HashingFailed)?;
    blocks.resize(len, Block::new());
    Ok(blocks)
}

impl fmt::Debug for HashingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HashingMemory({} pieces)", self.pieces().made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(memory: &HashingMemory) -> (usize, usize) {
        let pieces = memory.pieces();
        (pieces.made, pieces.idle.len())
    }

    fn is_zero(blocks: &[Block]) -> bool {
        blocks.iter().all(|block| block.as_ref().iter().all(|word| *word == 0))
    }

    #[test]
    fn a_piece_is_used_again_and_holds_nothing_of_before() {
        let memory = HashingMemory::default();
        for _ in 0..3 {
            let found_zeros = memory.with(8, |blocks| {
                let zeros = is_zero(blocks);
                blocks.iter_mut().for_each(|block| block.as_mut().fill(7));
                (zeros, blocks.len())
            });
            assert_eq!(found_zeros, Ok((true, 8)));
        }
        assert_eq!(pieces(&memory), (1, 1));
        assert!(memory.pieces().idle.iter().all(|blocks| is_zero(blocks)));
    }

    #[test]
    fn those_who_hash_at_once_have_a_piece_each() {
        let memory = HashingMemory::default();
        memory.with(1, |_| memory.with(1, |_| assert_eq!(pieces(&memory), (2, 0))).unwrap()).unwrap();
        assert_eq!(pieces(&memory), (2, 2));
    }

    #[test]
    fn what_is_larger_than_a_kept_piece_is_not_kept() {
        let memory = HashingMemory::default();
        let len = memory.with(HASHING_BLOCKS_KEPT + 1, |blocks| blocks.len());
        assert_eq!(len, Ok(HASHING_BLOCKS_KEPT + 1));
        assert_eq!(pieces(&memory), (0, 0));
    }

    #[test]
    fn a_work_that_panics_gives_its_piece_back() {
        let memory = HashingMemory::default();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            memory.with(1, |blocks| {
                blocks[0].as_mut()[0] = 7;
                panic!("a hashing that panics");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(pieces(&memory), (1, 1));
        assert!(is_zero(&memory.pieces().idle[0]));
    }
}
