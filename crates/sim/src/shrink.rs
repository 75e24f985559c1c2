//! Leaving out what a failure does not need: steps, and what happens in the middle of steps.

use crate::invariants::Promise;
use crate::run::Case;

/// A case that breaks the same promise with as little as can be found.
#[must_use]
pub fn shrink(case: &Case, promise: Promise) -> Case {
    shrink_while(case, &|case| case.run().is_err_and(|broken| broken.promise == promise))
}

/// The least of a case of which that is still true.
pub(crate) fn shrink_while(case: &Case, still_fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut least = case.clone();
    loop {
        let before = size(&least);
        least = without_steps(least, still_fails);
        least = without_interleaving(least, still_fails);
        if size(&least) == before {
            return least;
        }
    }
}

/// Leaves out stretches of steps, long ones first.
fn without_steps(mut least: Case, still_fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut length = least.schedule.len().div_ceil(2);
    while length > 0 {
        let mut from = 0;
        while from < least.schedule.len() {
            let mut shorter = least.clone();
            let end = (from + length).min(shorter.schedule.len());
            shorter.schedule.drain(from..end);
            if still_fails(&shorter) {
                least = shorter;
            } else {
                from += length;
            }
        }
        length /= 2;
    }
    least
}

fn without_interleaving(mut least: Case, still_fails: &dyn Fn(&Case) -> bool) -> Case {
    for step in 0..least.schedule.len() {
        let mut place = 0;
        while place < least.schedule[step].meanwhile.len() {
            let mut shorter = least.clone();
            shorter.schedule[step].meanwhile.remove(place);
            if still_fails(&shorter) {
                least = shorter;
            } else {
                place += 1;
            }
        }
    }
    least
}

fn size(case: &Case) -> usize {
    case.schedule.iter().map(|step| 1 + step.meanwhile.len()).sum()
}
