//! Whether every name of one set is in at least one of several others.
//!
//! Patterns are run as automata whose states are positions in the pattern. All of them step together over
//! every text that the asked pattern can match. A text in the asked set that is in no other set proves that
//! it is not covered. There are infinitely many texts, but finitely many states: all characters that occur in
//! no pattern are equivalent, and a state that was seen before is not visited again.

use std::collections::HashSet;

use latchkey_budget::{Budget, BudgetExceeded};

use super::{Meaning, NameSet, PatternPart, Wildcard};

/// The cost of one position of one pattern in each state: it is read, copied and looked up. Comparing a name
/// with an ordinary pattern is some ten steps, and showing that `logs-*` covers `logs-2024-*` some hundred.
const STEPS_PER_POSITION: usize = 16;

/// What a comparison of a name with a pattern costs besides its characters.
const STEPS_PER_COMPARISON: usize = 8;

/// How many comparisons of a character of a name with a part of a pattern count as one step. Only hostile
/// patterns take as many as the product of both lengths.
const COMPARISONS_PER_STEP: usize = 16;

/// Whether every name in `asked` is in one of `grants`.
///
/// # Errors
///
/// [`BudgetExceeded`] when that takes more than the budget to show.
pub fn covers(grants: &[&NameSet], asked: &NameSet, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
    for pattern in &asked.includes {
        let is_covered = match pattern.only_name() {
            Some(name) => {
                let excludes = asked.excludes.iter();
                let patterns = grants.iter().flat_map(|grant| grant.includes.iter().chain(&grant.excludes));
                charge_comparisons(&name, patterns.chain(excludes.clone()), budget)?;
                excludes.clone().any(|exclude| exclude.matches(&name))
                    || grants.iter().any(|grant| grant.contains(&name))
            }
            None => match Question::new(grants, pattern, &asked.excludes, budget)? {
                Some(question) => question.is_covered(budget)?,
                None => false,
            },
        };
        if !is_covered {
            return Ok(false);
        }
    }
    Ok(true)
}

fn charge_comparisons<'a>(
    name: &str,
    patterns: impl Iterator<Item = &'a Wildcard>,
    budget: &mut Budget,
) -> Result<(), BudgetExceeded> {
    budget.read(name.len())?;
    for pattern in patterns {
        budget.spend(STEPS_PER_COMPARISON + name.len() * pattern.text.len() / COMPARISONS_PER_STEP)?;
    }
    Ok(())
}

/// One asked pattern against all grants.
struct Question<'a> {
    asked: Vec<&'a [PatternPart]>,
    asked_excludes: Vec<&'a [PatternPart]>,
    grants: Vec<Grant<'a>>,
}

struct Grant<'a> {
    includes: Vec<&'a [PatternPart]>,
    excludes: Vec<&'a [PatternPart]>,
}

/// The state of all patterns of a question.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    asked: Vec<Positions>,
    asked_excludes: Vec<Positions>,
    grants: Vec<(Vec<Positions>, Vec<Positions>)>,
}

/// The positions in one pattern that the text so far can have led to, in ascending order.
type Positions = Vec<usize>;

impl State {
    /// The bytes it takes in memory, about.
    fn len(&self) -> usize {
        let len = |all: &[Positions]| -> usize {
            all.iter().map(|positions| size_of::<Positions>() + size_of_val(positions.as_slice())).sum()
        };
        let grants = self.grants.iter().map(|(includes, excludes)| len(includes) + len(excludes));
        size_of::<Self>() + len(&self.asked) + len(&self.asked_excludes) + grants.sum::<usize>()
    }
}

impl<'a> Question<'a> {
    /// `None` when the asked pattern, or what is excepted from a grant, is not understood.
    fn new(
        grants: &[&'a NameSet],
        asked: &'a Wildcard,
        asked_excludes: &'a [Wildcard],
        budget: &mut Budget,
    ) -> Result<Option<Self>, BudgetExceeded> {
        let Meaning::Parts(asked) = &asked.meaning else { return Ok(None) };
        let mut understood_grants = Vec::new();
        for grant in grants {
            budget.spend(STEPS_PER_POSITION * (grant.includes.len() + grant.excludes.len() + 1))?;
            let excludes = understood(&grant.excludes);
            if excludes.len() < grant.excludes.len() {
                return Ok(None);
            }
            understood_grants.push(Grant { includes: understood(&grant.includes), excludes });
        }
        budget.spend(STEPS_PER_POSITION * (asked_excludes.len() + 1))?;
        let asked_excludes = understood(asked_excludes);
        Ok(Some(Self { asked: vec![asked], asked_excludes, grants: understood_grants }))
    }

    fn is_covered(&self, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        let mut held = 0;
        let is_covered = self.meets_no_counterexample(budget, &mut held);
        budget.release(held);
        is_covered
    }

    fn meets_no_counterexample(&self, budget: &mut Budget, held: &mut usize) -> Result<bool, BudgetExceeded> {
        let start = self.start();
        let mut seen = HashSet::from([start.clone()]);
        let mut waiting = vec![start];
        while let Some(state) = waiting.pop() {
            if self.asked_has(&state) && !self.granted(&state) {
                return Ok(false);
            }
            if self.is_settled(&state) {
                continue;
            }
            for char in self.next_chars(&state) {
                let next = self.step(&state, char, budget)?;
                let len = 2 * next.len();
                budget.hold(len)?;
                *held += len;
                if seen.insert(next.clone()) {
                    waiting.push(next);
                }
            }
        }
        Ok(true)
    }

    fn start(&self) -> State {
        let start = |patterns: &[&[PatternPart]]| patterns.iter().map(|parts| reach(parts, 0)).collect();
        State {
            asked: start(&self.asked),
            asked_excludes: start(&self.asked_excludes),
            grants: self
                .grants
                .iter()
                .map(|grant| (start(&grant.includes), start(&grant.excludes)))
                .collect(),
        }
    }

    /// The state after one more character.
    fn step(&self, state: &State, char: Option<char>, budget: &mut Budget) -> Result<State, BudgetExceeded> {
        let mut step =
            |patterns: &[&[PatternPart]], all: &[Positions]| -> Result<Vec<Positions>, BudgetExceeded> {
                let positions: usize = all.iter().map(|positions| positions.len() + 1).sum();
                budget.spend(STEPS_PER_POSITION * positions)?;
                Ok(patterns.iter().zip(all).map(|(parts, from)| advance(parts, from, char)).collect())
            };
        Ok(State {
            asked: step(&self.asked, &state.asked)?,
            asked_excludes: step(&self.asked_excludes, &state.asked_excludes)?,
            grants: self
                .grants
                .iter()
                .zip(&state.grants)
                .map(|(grant, (includes, excludes))| {
                    Ok((step(&grant.includes, includes)?, step(&grant.excludes, excludes)?))
                })
                .collect::<Result<_, BudgetExceeded>>()?,
        })
    }

    fn asked_has(&self, state: &State) -> bool {
        accepts(&self.asked, &state.asked) && !accepts(&self.asked_excludes, &state.asked_excludes)
    }

    fn granted(&self, state: &State) -> bool {
        self.grants.iter().zip(&state.grants).any(|(grant, (includes, excludes))| {
            accepts(&grant.includes, includes) && !accepts(&grant.excludes, excludes)
        })
    }

    /// Whether no continuation can be a counterexample: the asked pattern cannot be met any more, or a grant
    /// whose pattern ends in `*` has been met, and nothing can be excepted from it any more.
    fn is_settled(&self, state: &State) -> bool {
        if state.asked.iter().all(Vec::is_empty) {
            return true;
        }
        self.grants.iter().zip(&state.grants).any(|(grant, (includes, excludes))| {
            excludes.iter().all(Vec::is_empty)
                && grant.includes.iter().zip(includes).any(|(parts, positions)| {
                    parts.last() == Some(&PatternPart::AnyText) && positions.last() == Some(&parts.len())
                })
        })
    }

    /// The characters that can come next and make a difference; `None` stands for all that occur in no
    /// pattern.
    fn next_chars(&self, state: &State) -> Vec<Option<char>> {
        let asked: Vec<PatternPart> = awaited(&self.asked, &state.asked).collect();
        let mut chars: Vec<Option<char>> = asked.iter().map(named).collect();
        // After a wildcard of the asked pattern, every character that another pattern expects can come too.
        if chars.contains(&None) {
            chars.extend(awaited(&self.asked_excludes, &state.asked_excludes).map(|part| named(&part)));
            for (grant, (includes, excludes)) in self.grants.iter().zip(&state.grants) {
                let parts = awaited(&grant.includes, includes).chain(awaited(&grant.excludes, excludes));
                chars.extend(parts.map(|part| named(&part)));
            }
        }
        chars.sort_unstable();
        chars.dedup();
        chars
    }
}

/// The parts at the positions of some patterns.
fn awaited<'a>(
    patterns: &'a [&'a [PatternPart]],
    all: &'a [Positions],
) -> impl Iterator<Item = PatternPart> + 'a {
    patterns
        .iter()
        .zip(all)
        .flat_map(|(parts, positions)| positions.iter().filter_map(|position| parts.get(*position).copied()))
}

/// The character that a part names, if it names one.
fn named(part: &PatternPart) -> Option<char> {
    match part {
        PatternPart::Char(char) => Some(*char),
        PatternPart::AnyChar | PatternPart::AnyText => None,
    }
}

/// The patterns that are evaluated.
fn understood(patterns: &[Wildcard]) -> Vec<&[PatternPart]> {
    patterns
        .iter()
        .filter_map(|pattern| match &pattern.meaning {
            Meaning::Parts(parts) => Some(parts.as_slice()),
            Meaning::Unknown => None,
        })
        .collect()
}

fn accepts(patterns: &[&[PatternPart]], all: &[Positions]) -> bool {
    patterns.iter().zip(all).any(|(parts, positions)| positions.last() == Some(&parts.len()))
}

/// A position and those after it that need no character: `*` may stand for nothing.
fn reach(parts: &[PatternPart], from: usize) -> Positions {
    let skippable = parts.iter().skip(from).take_while(|part| **part == PatternPart::AnyText).count();
    (from..=from + skippable).collect()
}

fn advance(parts: &[PatternPart], from: &[usize], char: Option<char>) -> Positions {
    let mut next: Positions = from
        .iter()
        .filter_map(|position| match parts.get(*position)? {
            PatternPart::AnyText => Some(*position),
            PatternPart::AnyChar => Some(*position + 1),
            PatternPart::Char(wanted) => (Some(*wanted) == char).then_some(*position + 1),
        })
        .flat_map(|position| reach(parts, position))
        .collect();
    next.sort_unstable();
    next.dedup();
    next
}
