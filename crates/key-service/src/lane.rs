//! Bounded pools of threads for long work, apart from the threads that serve requests.
//!
//! A lane has a few permits to run, fewer for one principal, and a bounded queue. The permit belongs to the
//! work and not to the request: when a client hangs up, the work is told to end, and its permit is free once
//! it has ended. So never more work runs at once than the lane allows, whatever clients do, and the lanes use
//! only a known number of the process's threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use latchkey_budget::{
    Allowance, Budget, BudgetExceeded, Cancellation, CancellationReason, Principal, SharedMemory,
};
use tokio::time::timeout;

use crate::fair_permits::FairPermits;
use crate::limits::work_limits::WORK_WAIT_MAX;

/// A bounded number of threads for one kind of work.
#[derive(Debug)]
pub struct Lane {
    name: &'static str,
    bounds: LaneBounds,
    permits: FairPermits,
    /// How long a piece of work may take.
    wait_max: Duration,
}

/// How much of one kind of work there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct LaneBounds {
    /// Most that runs.
    pub permits_max: usize,
    /// Most pieces of work that run at once for one principal.
    pub principal_permits_max: usize,
    /// What each piece may cost.
    pub allowance: Allowance,
}

/// What a piece of work has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Steps that were taken.
    pub steps: u64,
    /// The most bytes that were held at once.
    pub bytes: usize,
    /// From its permit to its end.
    pub took: Duration,
    /// Why it ended early, if it did.
    pub exceeded: Option<BudgetExceeded>,
}

/// Tells work that its client is gone, unless the client has got an answer.
struct Client(Cancellation);

impl Lane {
    /// A lane within these bounds. Its name is for metrics and the log.
    #[must_use]
    pub fn new(name: &'static str, bounds: LaneBounds) -> Self {
        let permits = FairPermits::new(bounds.permits_max, bounds.principal_permits_max);
        Self { name, bounds, permits, wait_max: WORK_WAIT_MAX }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What each piece of work may cost.
    #[must_use]
    pub fn allowance(&self) -> Allowance {
        self.bounds.allowance
    }

    /// How many pieces of work run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.permits.taken()
    }

    /// A permit that is held and not used.
    #[cfg(test)]
    pub(crate) async fn take_permit(
        &self,
        principal: &Principal,
    ) -> Result<crate::fair_permits::Permit, BudgetExceeded> {
        self.permits.take(principal).await
    }

    /// Does a piece of work once it has a permit. When the future is dropped, the work is told to end. `tell`
    /// hears what it has cost, also when nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// Those of the work, and [`BudgetExceeded`] when it got no permit or took too long.
    pub async fn run<T, E, F, G>(
        &self,
        principal: &Principal,
        memory: &SharedMemory,
        work: F,
        tell: G,
    ) -> Result<T, E>
    where
        G: FnOnce(&Cost) + Send + 'static,
        T: Send + 'static,
        E: From<BudgetExceeded> + Send + 'static,
        F: FnOnce(&mut Budget) -> Result<T, E> + Send + 'static,
    {
        let permit = match self.permits.take(principal).await {
            Ok(permit) => permit,
            Err(exceeded) => {
                tell(&Cost { exceeded: Some(exceeded), ..Cost::default() });
                return Err(exceeded.into());
            }
        };
        let begun = Instant::now();
        let cancellation = Cancellation::default();
        let client = Client(cancellation.clone());
        let mut budget = Budget::new(self.bounds.allowance, cancellation, memory.holding(principal));
        // Lines of the work go where those of its request go.
        let (log, span) = (tracing::dispatcher::get_default(Clone::clone), tracing::Span::current());
        let running = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let work = || {
                // The work owns everything that it changes, so a panic leaves nothing half done behind. The
                // panic itself is in the log.
                let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut budget)));
                let has_failed = outcome.is_err().then_some(BudgetExceeded::Failed);
                let outcome = outcome.unwrap_or_else(|_| Err(BudgetExceeded::Failed.into()));
                let (steps, bytes) = (budget.steps(), budget.bytes_most());
                let exceeded = has_failed.or(budget.exceeded());
                tell(&Cost { steps, bytes, took: begun.elapsed(), exceeded });
                outcome
            };
            tracing::dispatcher::with_default(&log, || span.in_scope(work))
        });
        match timeout(self.wait_max, running).await {
            Ok(Ok(outcome)) => outcome,
            // The service stops, so the work will not be done.
            Ok(Err(_)) => Err(BudgetExceeded::Gone.into()),
            Err(_) => {
                client.0.cancel(CancellationReason::Late);
                Err(BudgetExceeded::Late.into())
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.cancel(CancellationReason::Gone);
    }
}

#[cfg(test)]
mod tests;
