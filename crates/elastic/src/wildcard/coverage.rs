//! Whether every name of one set is in at least one of several others.
//!
//! Patterns are run as one automaton. All patterns stand in a row, and a state is the places in these patterns
//! to which a text can have led. All patterns step together over every text that the asked pattern can match.
//! A text in the asked set that is in no other set proves that it is not covered. There are infinitely many
//! texts, but finitely many states: all characters that occur in no pattern are equivalent, and a state that
//! was seen before is not visited again.

use std::collections::BTreeSet;
use std::slice;

use latchkey_budget::{Budget, BudgetExceeded};

use super::{Meaning, NameSet, PatternPart, Wildcard};

/// The cost of one place in each state: it is read, copied and looked up. Comparing a name with an ordinary
/// pattern is some ten steps, and showing that `logs-*` covers `logs-2024-*` some hundred.
const STEPS_PER_PLACE: usize = 16;

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
                budget.read(name.len())?;
                charge_comparisons(&name, &asked.excludes, budget)?;
                for grant in grants {
                    charge_comparisons(&name, &grant.includes, budget)?;
                    charge_comparisons(&name, &grant.excludes, budget)?;
                }
                asked.excludes.iter().any(|exclude| exclude.matches(&name))
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

pub(super) fn charge_comparisons(
    name: &str,
    patterns: &[Wildcard],
    budget: &mut Budget,
) -> Result<(), BudgetExceeded> {
    for pattern in patterns {
        budget.spend(STEPS_PER_COMPARISON + name.len() * pattern.text.len() / COMPARISONS_PER_STEP)?;
    }
    Ok(())
}

/// One asked pattern against all grants.
struct Question<'a> {
    /// All patterns. They are read where they are: together they can be long.
    patterns: Vec<Pattern<'a>>,
    /// How many sets there are: the asked one, which is the first, and the grants.
    sets: usize,
}

/// A pattern of a set.
#[derive(Clone, Copy)]
struct Pattern<'a> {
    parts: &'a [PatternPart],
    /// Which set has the pattern.
    set: usize,
    /// Whether the set excludes what the pattern matches.
    excludes: bool,
}

/// A place in a pattern.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// Which pattern.
    pattern: u32,
    /// How many of its parts are before the place.
    position: u32,
}

/// The places to which a text can have led, in ascending order.
type State = Vec<Place>;

/// What a state says of a set.
#[derive(Clone, Copy, Default)]
struct Standing {
    /// Whether a pattern that includes has matched, or may match when the text goes on.
    includes: Matching,
    /// The same of the patterns that exclude.
    excludes: Matching,
}

#[derive(Clone, Copy, Default)]
struct Matching {
    /// Whether one matches the text.
    now: bool,
    /// Whether one matches the text, however it goes on.
    always: bool,
    /// Whether one matches the text or may match it when it goes on.
    possibly: bool,
}

impl Standing {
    /// Whether the text is in the set.
    fn has_text(self) -> bool {
        self.includes.now && !self.excludes.now
    }

    /// Whether the text is in the set, however it goes on.
    fn has_all(self) -> bool {
        self.includes.always && !self.excludes.possibly
    }
}

impl Place {
    fn after(self, parts: u32) -> Self {
        Self { position: self.position + parts, ..self }
    }
}

impl<'a> Pattern<'a> {
    /// What comes after a place; `None` at the end of the pattern.
    fn next(&self, place: Place) -> Option<PatternPart> {
        self.parts.get(place.position as usize).copied()
    }

    /// Whether it ends with `*`.
    fn ends_with_any(&self) -> bool {
        self.parts.last() == Some(&PatternPart::AnyText)
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
        budget.spend(STEPS_PER_PLACE * (asked_excludes.len() + 1))?;
        let mut question = Self { patterns: Vec::new(), sets: 1 };
        if !question.add(slice::from_ref(asked), false) {
            return Ok(None);
        }
        // What is excepted from the asked set only makes it smaller, so it may be left out.
        question.add(asked_excludes, true);
        for grant in grants {
            budget.spend(STEPS_PER_PLACE * (grant.patterns() + 1))?;
            question.sets += 1;
            question.add(&grant.includes, false);
            if !question.add(&grant.excludes, true) {
                return Ok(None);
            }
        }
        Ok(Some(question))
    }

    /// Adds patterns to the last set. Says whether all are understood; those that are not are left out.
    fn add(&mut self, patterns: &'a [Wildcard], excludes: bool) -> bool {
        let mut are_understood = true;
        for pattern in patterns {
            let Meaning::Parts(parts) = &pattern.meaning else {
                are_understood = false;
                continue;
            };
            self.patterns.push(Pattern { parts, set: self.sets - 1, excludes });
        }
        are_understood
    }

    fn is_covered(&self, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        let mut held = 0;
        let is_covered = self.meets_no_counterexample(budget, &mut held);
        budget.release(held);
        is_covered
    }

    fn meets_no_counterexample(&self, budget: &mut Budget, held: &mut usize) -> Result<bool, BudgetExceeded> {
        let start = self.start();
        let mut seen = BTreeSet::new();
        seen.insert(start.clone());
        let mut waiting = vec![start];
        while let Some(state) = waiting.pop() {
            let standings = self.standings(&state);
            let Some((asked, grants)) = standings.split_first() else { break };
            if asked.has_text() && !grants.iter().any(|grant| grant.has_text()) {
                return Ok(false);
            }
            // No continuation can be a counterexample.
            if !asked.includes.possibly || grants.iter().any(|grant| grant.has_all()) {
                continue;
            }
            for char in self.next_chars(&state) {
                budget.spend(STEPS_PER_PLACE * (state.len() + self.sets))?;
                let next = self.step(&state, char);
                let len = 2 * (size_of::<State>() + size_of_val(next.as_slice()));
                budget.hold(len)?;
                *held += len;
                if seen.insert(next.clone()) {
                    waiting.push(next);
                }
            }
        }
        Ok(true)
    }

    /// The beginning of every pattern.
    fn start(&self) -> State {
        let mut state = State::new();
        for (number, pattern) in (0..).zip(&self.patterns) {
            reach(*pattern, Place { pattern: number, position: 0 }, &mut state);
        }
        state
    }

    /// The state after one more character.
    fn step(&self, state: &State, char: Option<char>) -> State {
        let mut next = State::new();
        for (place, pattern) in self.places_of(state) {
            match pattern.next(place) {
                Some(PatternPart::AnyText) => reach(pattern, place, &mut next),
                Some(PatternPart::AnyChar) => reach(pattern, place.after(1), &mut next),
                Some(PatternPart::Char(wanted)) if Some(wanted) == char => {
                    reach(pattern, place.after(1), &mut next);
                }
                Some(PatternPart::Char(_)) | None => {}
            }
        }
        next
    }

    fn places_of(&self, state: &State) -> impl Iterator<Item = (Place, Pattern<'a>)> {
        state.iter().filter_map(|place| Some((*place, *self.patterns.get(place.pattern as usize)?)))
    }

    /// What a state says of each set.
    fn standings(&self, state: &State) -> Vec<Standing> {
        let mut standings = vec![Standing::default(); self.sets];
        for (place, pattern) in self.places_of(state) {
            let Some(standing) = standings.get_mut(pattern.set) else { continue };
            let matching = if pattern.excludes { &mut standing.excludes } else { &mut standing.includes };
            let is_at_end = pattern.next(place).is_none();
            matching.possibly = true;
            matching.now |= is_at_end;
            matching.always |= is_at_end && pattern.ends_with_any();
        }
        standings
    }

    /// The characters that can come next and make a difference; `None` stands for all that occur in no
    /// pattern.
    fn next_chars(&self, state: &State) -> Vec<Option<char>> {
        let mut chars = Vec::new();
        let is_asked = |pattern: Pattern<'_>| pattern.set == 0 && !pattern.excludes;
        for (place, pattern) in self.places_of(state).filter(|(_, pattern)| is_asked(*pattern)) {
            add_awaited(&mut chars, pattern.next(place));
        }
        // After a wildcard of the asked pattern, every character that another pattern expects can come too.
        if chars.contains(&None) {
            for (place, pattern) in self.places_of(state) {
                add_awaited(&mut chars, pattern.next(place));
            }
        }
        chars
    }
}

/// Adds a place, and those after it that need no character: `*` may stand for nothing.
fn reach(pattern: Pattern<'_>, mut place: Place, state: &mut State) {
    add(state, place);
    while pattern.next(place) == Some(PatternPart::AnyText) {
        place = place.after(1);
        add(state, place);
    }
}

/// Adds the character that is waited for, or `None` where it may be any.
fn add_awaited(chars: &mut Vec<Option<char>>, next: Option<PatternPart>) {
    match next {
        Some(PatternPart::Char(char)) => add(chars, Some(char)),
        Some(PatternPart::AnyChar | PatternPart::AnyText) => add(chars, None),
        None => {}
    }
}

/// Adds an item to a list that is in ascending order and holds everything once.
fn add<T: Ord>(items: &mut Vec<T>, item: T) {
    if let Err(place) = items.binary_search(&item) {
        items.insert(place, item);
    }
}
