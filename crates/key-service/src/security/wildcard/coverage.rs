//! Whether every name of one set is in at least one of several others.
//!
//! Patterns are read as automata whose states are positions in the pattern. All of them step together over every text
//! that the asked pattern can spell; a text that the asked set has and no other set has proves that it is not covered.
//! The number of texts is without end, that of states is not: characters that occur in no pattern are all alike, and a
//! state that was seen before needs no second look.

use std::collections::HashSet;

use super::{Meaning, NameSet, Part, Wildcard};

/// Most positions that one request's questions may step through. A pattern with many `*` has states without measure, so the
/// work must end somewhere: this is some hundredths of a second, and some ten megabytes. Comparing a name with an ordinary pattern
/// is one step, and showing that `logs-*` covers `logs-2024-*` some twenty.
const STEPS_MAX: usize = 250_000;

/// How many comparisons of a character of a name with a part of a pattern count as one step.
const COMPARISONS_PER_STEP: usize = 256;

/// The work that may still be spent on questions. When it is used up, nothing more counts as covered.
#[derive(Debug)]
pub struct Effort {
    steps_left: usize,
}

/// Whether every name in `asked` is in one of `grants`, as far as `effort` suffices to show.
#[must_use]
pub fn covers(grants: &[&NameSet], asked: &NameSet, effort: &mut Effort) -> bool {
    asked.includes.iter().all(|pattern| match pattern.only_name() {
        Some(name) => {
            let excludes = asked.excludes.iter();
            let patterns = grants.iter().flat_map(|grant| grant.includes.iter().chain(&grant.excludes));
            effort.compare(&name, patterns.chain(excludes.clone())).is_some()
                && (excludes.clone().any(|exclude| exclude.matches(&name))
                    || grants.iter().any(|grant| grant.contains(&name)))
        }
        None => Question::new(grants, pattern, &asked.excludes)
            .is_some_and(|question| question.is_covered(effort)),
    })
}

impl Effort {
    /// What one request may cost.
    #[must_use]
    pub fn for_one_request() -> Self {
        Self { steps_left: STEPS_MAX }
    }

    /// For comparing a name with patterns.
    fn compare<'a>(&mut self, name: &str, patterns: impl Iterator<Item = &'a Wildcard>) -> Option<()> {
        let steps = patterns.map(|pattern| 1 + name.len() * pattern.text.len() / COMPARISONS_PER_STEP).sum();
        self.spend(steps)
    }

    /// `None` when it is used up.
    pub(in crate::security) fn spend(&mut self, steps: usize) -> Option<()> {
        self.steps_left = self.steps_left.checked_sub(steps)?;
        Some(())
    }
}

/// One asked pattern against all grants.
struct Question<'a> {
    asked: Vec<&'a [Part]>,
    asked_excludes: Vec<&'a [Part]>,
    grants: Vec<Grant<'a>>,
}

struct Grant<'a> {
    includes: Vec<&'a [Part]>,
    excludes: Vec<&'a [Part]>,
}

/// Where all patterns of a question stand.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    asked: Vec<Positions>,
    asked_excludes: Vec<Positions>,
    grants: Vec<(Vec<Positions>, Vec<Positions>)>,
}

/// The positions in one pattern that the text so far can have led to, in ascending order.
type Positions = Vec<usize>;

impl<'a> Question<'a> {
    /// `None` when the asked pattern, or what is excepted from a grant, is not understood.
    fn new(grants: &[&'a NameSet], asked: &'a Wildcard, asked_excludes: &'a [Wildcard]) -> Option<Self> {
        let Meaning::Parts(asked) = &asked.meaning else { return None };
        let grants: Vec<Grant<'a>> = grants
            .iter()
            .map(|grant| {
                let excludes = understood(&grant.excludes);
                let is_whole = excludes.len() == grant.excludes.len();
                is_whole.then(|| Grant { includes: understood(&grant.includes), excludes })
            })
            .collect::<Option<_>>()?;
        Some(Self { asked: vec![asked], asked_excludes: understood(asked_excludes), grants })
    }

    fn is_covered(&self, effort: &mut Effort) -> bool {
        let start = self.start();
        let mut seen = HashSet::from([start.clone()]);
        let mut waiting = vec![start];
        while let Some(state) = waiting.pop() {
            if self.asked_has(&state) && !self.granted(&state) {
                return false;
            }
            if self.is_settled(&state) {
                continue;
            }
            for char in self.next_chars(&state) {
                let Some(next) = self.step(&state, char, effort) else { return false };
                if seen.insert(next.clone()) {
                    waiting.push(next);
                }
            }
        }
        true
    }

    fn start(&self) -> State {
        let start = |patterns: &[&[Part]]| patterns.iter().map(|parts| reach(parts, 0)).collect();
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

    /// The state after one more character; `None` when too many steps were taken.
    fn step(&self, state: &State, char: Option<char>, effort: &mut Effort) -> Option<State> {
        let mut step = |patterns: &[&[Part]], all: &[Positions]| -> Option<Vec<Positions>> {
            let positions: usize = all.iter().map(|positions| positions.len() + 1).sum();
            effort.spend(positions)?;
            Some(patterns.iter().zip(all).map(|(parts, from)| advance(parts, from, char)).collect())
        };
        Some(State {
            asked: step(&self.asked, &state.asked)?,
            asked_excludes: step(&self.asked_excludes, &state.asked_excludes)?,
            grants: self
                .grants
                .iter()
                .zip(&state.grants)
                .map(|(grant, (includes, excludes))| {
                    Some((step(&grant.includes, includes)?, step(&grant.excludes, excludes)?))
                })
                .collect::<Option<_>>()?,
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

    /// Whether no continuation can be a counterexample: the asked pattern cannot be met any more, or a grant whose pattern
    /// ends in `*` has been met, and nothing can be excepted from it any more.
    fn is_settled(&self, state: &State) -> bool {
        if state.asked.iter().all(Vec::is_empty) {
            return true;
        }
        self.grants.iter().zip(&state.grants).any(|(grant, (includes, excludes))| {
            excludes.iter().all(Vec::is_empty)
                && grant.includes.iter().zip(includes).any(|(parts, positions)| {
                    parts.last() == Some(&Part::AnyText) && positions.last() == Some(&parts.len())
                })
        })
    }

    /// The characters that can come next and make a difference; `None` stands for all that no pattern waits for.
    fn next_chars(&self, state: &State) -> Vec<Option<char>> {
        let asked: Vec<Part> = awaited(&self.asked, &state.asked).collect();
        let mut chars: Vec<Option<char>> = asked.iter().map(named).collect();
        // Behind a wildcard of the asked pattern, whatever another pattern waits for can come too.
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
fn awaited<'a>(patterns: &'a [&'a [Part]], all: &'a [Positions]) -> impl Iterator<Item = Part> + 'a {
    patterns
        .iter()
        .zip(all)
        .flat_map(|(parts, positions)| positions.iter().filter_map(|position| parts.get(*position).copied()))
}

/// The character that a part names, if it names one.
fn named(part: &Part) -> Option<char> {
    match part {
        Part::Char(char) => Some(*char),
        Part::AnyChar | Part::AnyText => None,
    }
}

/// The patterns whose meaning is known.
fn understood(patterns: &[Wildcard]) -> Vec<&[Part]> {
    patterns
        .iter()
        .filter_map(|pattern| match &pattern.meaning {
            Meaning::Parts(parts) => Some(parts.as_slice()),
            Meaning::Unknown => None,
        })
        .collect()
}

fn accepts(patterns: &[&[Part]], all: &[Positions]) -> bool {
    patterns.iter().zip(all).any(|(parts, positions)| positions.last() == Some(&parts.len()))
}

/// A position and those after it that need no character: `*` may stand for nothing.
fn reach(parts: &[Part], from: usize) -> Positions {
    let skippable = parts.iter().skip(from).take_while(|part| **part == Part::AnyText).count();
    (from..=from + skippable).collect()
}

fn advance(parts: &[Part], from: &[usize], char: Option<char>) -> Positions {
    let mut next: Positions = from
        .iter()
        .filter_map(|position| match parts.get(*position)? {
            Part::AnyText => Some(*position),
            Part::AnyChar => Some(*position + 1),
            Part::Char(wanted) => (Some(*wanted) == char).then_some(*position + 1),
        })
        .flat_map(|position| reach(parts, position))
        .collect();
    next.sort_unstable();
    next.dedup();
    next
}
