//! Memory that requests share: bounded for all of them together, and for those of one caller.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::BudgetExceeded;

/// The account to which something is charged: a user, also for that user's keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    username: Arc<str>,
    realm: Arc<str>,
}

/// Bytes that requests may hold. Clones share them.
#[derive(Clone, Debug)]
pub struct SharedMemory(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    all_max: usize,
    principal_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_principal: HashMap<Principal, usize>,
}

/// Whoever lends bytes. A holding knows no more of it, so work without shared memory brings none of its code.
trait Lender: Debug + Send + Sync {
    fn take(&self, principal: &Principal, len: usize) -> Result<(), BudgetExceeded>;

    fn give_back(&self, principal: &Principal, len: usize);
}

/// Bytes that were taken. They are given back when this is dropped.
#[derive(Debug)]
pub struct Holding {
    lender: Arc<dyn Lender>,
    principal: Principal,
    len: usize,
}

impl Principal {
    /// The user with this name in this realm.
    #[must_use]
    pub fn new(username: &str, realm: &str) -> Self {
        Self { username: username.into(), realm: realm.into() }
    }
}

impl SharedMemory {
    /// Memory of `all_max` bytes, of which one principal may hold `principal_max`.
    #[must_use]
    pub fn new(all_max: usize, principal_max: usize) -> Self {
        Self(Arc::new(Pool { all_max, principal_max, taken: Mutex::default() }))
    }

    /// An empty holding on this account.
    #[must_use]
    pub fn holding(&self, principal: &Principal) -> Holding {
        let lender: Arc<dyn Lender> = Arc::<Pool>::clone(&self.0);
        Holding { lender, principal: principal.clone(), len: 0 }
    }

    /// How many bytes are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.0.taken().all
    }
}

impl Holding {
    /// How many bytes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes more.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded::Memory`] when there is not as much; it then holds what it held before.
    pub fn grow(&mut self, len: usize) -> Result<(), BudgetExceeded> {
        self.lender.take(&self.principal, len)?;
        self.len += len;
        Ok(())
    }

    /// Gives back what it holds beyond `len`.
    pub fn shrink_to(&mut self, len: usize) {
        let surplus = self.len.saturating_sub(len);
        self.lender.give_back(&self.principal, surplus);
        self.len -= surplus;
    }

    /// Another one on the same account, of `len` bytes.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded::Memory`] when there is not as much.
    pub fn another(&self, len: usize) -> Result<Self, BudgetExceeded> {
        self.lender.take(&self.principal, len)?;
        Ok(Self { lender: Arc::clone(&self.lender), principal: self.principal.clone(), len })
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.lender.give_back(&self.principal, self.len);
    }
}

impl Pool {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lender for Pool {
    fn take(&self, principal: &Principal, len: usize) -> Result<(), BudgetExceeded> {
        let mut taken = self.taken();
        let all = taken.all.saturating_add(len);
        let of_principal = taken.by_principal.get(principal).copied().unwrap_or(0).saturating_add(len);
        if all > self.all_max || of_principal > self.principal_max {
            return Err(BudgetExceeded::Memory);
        }
        taken.all = all;
        taken.by_principal.insert(principal.clone(), of_principal);
        Ok(())
    }

    fn give_back(&self, principal: &Principal, len: usize) {
        let mut taken = self.taken();
        taken.all = taken.all.saturating_sub(len);
        if let Entry::Occupied(mut of_principal) = taken.by_principal.entry(principal.clone()) {
            let left = of_principal.get().saturating_sub(len);
            if left == 0 {
                of_principal.remove();
            } else {
                of_principal.insert(left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_together_and_each_alone_have_a_limit() {
        let memory = SharedMemory::new(100, 60);
        let (ann, bob) = (Principal::new("ann", "native"), Principal::new("bob", "native"));
        let mut of_ann = memory.holding(&ann);
        assert_eq!(of_ann.grow(60), Ok(()));
        assert_eq!(memory.holding(&ann).grow(1), Err(BudgetExceeded::Memory));
        let mut of_bob = memory.holding(&bob);
        assert_eq!(of_bob.grow(41), Err(BudgetExceeded::Memory));
        assert_eq!(of_bob.grow(40), Ok(()));
        assert_eq!((memory.held(), of_bob.len()), (100, 40));
        of_ann.shrink_to(10);
        assert_eq!(memory.held(), 50);
        assert!(of_bob.another(20).is_ok());
        drop((of_ann, of_bob));
        assert_eq!(memory.held(), 0);
        assert!(memory.0.taken().by_principal.is_empty(), "whoever holds nothing is forgotten");
    }

    #[test]
    fn a_namesake_in_another_realm_is_somebody_else() {
        let memory = SharedMemory::new(100, 50);
        let mut one = memory.holding(&Principal::new("ann", "native"));
        let mut other = memory.holding(&Principal::new("ann", "file"));
        assert_eq!((one.grow(50), other.grow(50)), (Ok(()), Ok(())));
    }
}
