//! Budgets of work, charged where the work is done.
//!
//! Work is counted in steps, and the memory that it holds in bytes. A loop over what a client chose charges
//! each turn before it takes it, also while it only builds or reads something. The same charge checks whether
//! the work was cancelled: a [`Budget`] ends when its client is gone or its time is over. So nothing that
//! takes a budget can run for longer than its allowance, and nothing else may loop over what clients chose.
//!
//! ```
//! use latchkey_budget::{Allowance, Budget, BudgetExceeded};
//!
//! let mut budget = Budget::alone(Allowance { steps: 10, bytes: 1_000 });
//! assert_eq!(budget.spend(10), Ok(()));
//! assert_eq!(budget.spend(1), Err(BudgetExceeded::Steps { steps_max: 10 }));
//! ```

mod cancellation;
pub mod json_len;
mod memory;

use std::fmt;

pub use cancellation::{Cancellation, CancellationReason};
pub use memory::{Holding, Principal, SharedMemory};

/// How many bytes count as one step where they are only compared, hashed or copied in a row.
const BYTES_PER_STEP: usize = 32;

/// How many bytes a budget takes of the shared memory at a time.
const SLAB_LEN: usize = 64 * 1024;

/// What a piece of work may cost at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Steps. One step is to compare a character with a part of a pattern, to read one value, or to read 32
    /// bytes in a row: some nanoseconds.
    pub steps: u64,
    /// Bytes that are held at once.
    pub bytes: usize,
}

/// What a piece of work may still cost.
#[derive(Debug)]
pub struct Budget {
    allowance: Allowance,
    steps: u64,
    bytes: usize,
    bytes_most: usize,
    cancellation: Cancellation,
    /// What was taken of the shared memory, if the work shares memory.
    holding: Option<Holding>,
    exceeded: Option<BudgetExceeded>,
}

/// Why a piece of work ended before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BudgetExceeded {
    /// It needs more bytes at once than it may hold.
    Bytes {
        /// How many it may.
        bytes_max: usize,
    },
    /// The queue of such work is full.
    Crowded,
    /// It failed: it has panicked.
    Failed,
    /// Its client is gone.
    Gone,
    /// Its time is over.
    Late,
    /// The shared memory that it needs is taken.
    Memory,
    /// It takes more steps than it may.
    Steps {
        /// How many it may.
        steps_max: u64,
    },
}

impl Budget {
    /// A budget for work whose memory is shared with others, and that `cancellation` ends.
    #[must_use]
    pub fn new(allowance: Allowance, cancellation: Cancellation, holding: Holding) -> Self {
        Self { cancellation, holding: Some(holding), ..Self::alone(allowance) }
    }

    /// A budget without cancellation and shared memory.
    #[must_use]
    pub fn alone(allowance: Allowance) -> Self {
        let cancellation = Cancellation::default();
        Self { allowance, steps: 0, bytes: 0, bytes_most: 0, cancellation, holding: None, exceeded: None }
    }

    /// Charges steps that are about to be taken.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when there are not as many left, or the work was cancelled.
    pub fn spend(&mut self, steps: usize) -> Result<(), BudgetExceeded> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps > self.allowance.steps {
            return Err(self.end(BudgetExceeded::Steps { steps_max: self.allowance.steps }));
        }
        match self.cancellation.reason() {
            None => Ok(()),
            Some(CancellationReason::Gone) => Err(self.end(BudgetExceeded::Gone)),
            Some(CancellationReason::Late) => Err(self.end(BudgetExceeded::Late)),
        }
    }

    /// Charges the reading of so many bytes in a row.
    ///
    /// # Errors
    ///
    /// As of [`Self::spend`].
    pub fn read(&mut self, len: usize) -> Result<(), BudgetExceeded> {
        self.spend(1 + len / BYTES_PER_STEP)
    }

    /// Charges bytes that are about to be held.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when it would hold more than it may, or the shared memory is taken.
    pub fn hold(&mut self, len: usize) -> Result<(), BudgetExceeded> {
        let bytes = self.bytes.saturating_add(len);
        if bytes > self.allowance.bytes {
            return Err(self.end(BudgetExceeded::Bytes { bytes_max: self.allowance.bytes }));
        }
        if let Some(holding) = &mut self.holding
            && bytes > holding.len()
        {
            let slab = (bytes - holding.len()).max(SLAB_LEN);
            if let Err(exceeded) = holding.grow(slab) {
                return Err(self.end(exceeded));
            }
        }
        self.bytes = bytes;
        self.bytes_most = self.bytes_most.max(bytes);
        Ok(())
    }

    /// Gives back bytes.
    pub fn release(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_sub(len);
        if let Some(holding) = &mut self.holding
            && holding.len() > self.bytes + 2 * SLAB_LEN
        {
            holding.shrink_to(self.bytes + SLAB_LEN);
        }
    }

    /// A holding of `len` bytes that outlives the budget, out of the same memory: for an answer.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded::Memory`] when the shared memory is taken.
    pub fn keep(&mut self, len: usize) -> Result<Option<Holding>, BudgetExceeded> {
        let Some(holding) = &self.holding else { return Ok(None) };
        match holding.another(len) {
            Ok(kept) => Ok(Some(kept)),
            Err(exceeded) => Err(self.end(exceeded)),
        }
    }

    /// What ends the work, for those who wait on its behalf.
    #[must_use]
    pub fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// The steps that were taken.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.min(self.allowance.steps)
    }

    /// The most bytes that were held at once.
    #[must_use]
    pub fn bytes_most(&self) -> usize {
        self.bytes_most
    }

    /// Why the work ended early, if it did.
    #[must_use]
    pub fn exceeded(&self) -> Option<BudgetExceeded> {
        self.exceeded
    }

    fn end(&mut self, exceeded: BudgetExceeded) -> BudgetExceeded {
        *self.exceeded.get_or_insert(exceeded)
    }
}

impl BudgetExceeded {
    /// The name for metrics and the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bytes { .. } => "bytes",
            Self::Crowded => "crowded",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Late => "late",
            Self::Memory => "memory",
            Self::Steps { .. } => "steps",
        }
    }
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { bytes_max } => {
                write!(f, "the request needs more than [{bytes_max}] bytes of memory; ask for less at once")
            }
            Self::Crowded => f.write_str("too many requests of this kind wait already"),
            Self::Failed => f.write_str("the work of the request failed"),
            Self::Gone => f.write_str("the client is gone"),
            Self::Late => f.write_str("the request took too long"),
            Self::Memory => {
                f.write_str("[answers] Data too large: other requests hold the memory that this one needs")
            }
            Self::Steps { steps_max } => {
                write!(f, "the request takes more than [{steps_max}] steps of work; ask for less at once")
            }
        }
    }
}

impl std::error::Error for BudgetExceeded {}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance = Allowance { steps: 100, bytes: 1_000 };

    #[test]
    fn ends_at_one_past_each_limit() {
        let mut budget = Budget::alone(ALLOWANCE);
        assert_eq!((budget.spend(100), budget.hold(1_000)), (Ok(()), Ok(())));
        assert_eq!(budget.exceeded(), None);
        assert_eq!(budget.hold(1), Err(BudgetExceeded::Bytes { bytes_max: 1_000 }));
        budget.release(1);
        assert_eq!(budget.hold(1), Ok(()));
        assert!(budget.spend(1).is_err());
        // The first reason counts.
        assert_eq!(budget.exceeded(), Some(BudgetExceeded::Bytes { bytes_max: 1_000 }));
        assert_eq!((budget.steps(), budget.bytes_most()), (100, 1_000));
    }

    #[test]
    fn no_number_is_too_large_to_be_charged() {
        let mut budget = Budget::alone(ALLOWANCE);
        assert!(budget.spend(usize::MAX).is_err());
        assert!(budget.spend(usize::MAX).is_err());
        assert!(budget.hold(usize::MAX).is_err());
        assert!(budget.read(usize::MAX).is_err());
    }

    #[test]
    fn the_next_charge_after_a_cancellation_ends_the_work() {
        for (reason, expected) in [
            (CancellationReason::Gone, BudgetExceeded::Gone),
            (CancellationReason::Late, BudgetExceeded::Late),
        ] {
            let cancellation = Cancellation::default();
            let memory = SharedMemory::new(10_000, 10_000);
            let mut budget =
                Budget::new(ALLOWANCE, cancellation.clone(), memory.holding(&Principal::new("a", "r")));
            assert_eq!(budget.spend(1), Ok(()));
            cancellation.cancel(reason);
            assert_eq!(budget.spend(1), Err(expected));
        }
    }

    #[test]
    fn what_a_budget_holds_is_given_back_with_it() {
        let memory = SharedMemory::new(10 * SLAB_LEN, 10 * SLAB_LEN);
        let allowance = Allowance { steps: 1, bytes: usize::MAX };
        let mut budget =
            Budget::new(allowance, Cancellation::default(), memory.holding(&Principal::new("a", "r")));
        budget.hold(9 * SLAB_LEN).unwrap();
        assert_eq!(memory.held(), 9 * SLAB_LEN);
        budget.release(8 * SLAB_LEN);
        assert_eq!(memory.held(), 2 * SLAB_LEN);
        let kept = budget.keep(10).unwrap();
        assert_eq!(budget.hold(10 * SLAB_LEN), Err(BudgetExceeded::Memory));
        drop(budget);
        assert_eq!(memory.held(), 10);
        drop(kept);
        assert_eq!(memory.held(), 0);
    }
}
