//! Patterns over names, and whether some of them cover others.
//!
//! ```text
//! pattern = *( "*" / "?" / "\" any / any )
//! ```
//!
//! `*` matches any text, also an empty one, `?` matches one character, and a backslash escapes the next
//! character. Elasticsearch also reads `/…/` as a regular expression of its own dialect. Here such a pattern
//! is kept but matches no name at all, so it never grants anything. The same goes for an overlong pattern,
//! because patterns come from clients and matching costs time.

mod coverage;

use std::fmt;

use coverage::charge_comparisons;
pub use coverage::covers;
use latchkey_budget::{Budget, BudgetExceeded};

/// Longest pattern that is evaluated, in bytes. Names of indices end at 255 bytes (Elasticsearch, "Create
/// index"), and a pattern may escape each.
pub const NAME_PATTERN_LEN_MAX: usize = 1024;

/// Longest name that a pattern can match, in bytes. The longest real names are usernames of 507 characters,
/// four bytes each.
pub const NAME_LEN_MAX: usize = 2048;

/// One pattern.
#[derive(Clone, PartialEq, Eq)]
pub struct Wildcard {
    text: String,
    meaning: Meaning,
}

/// What a pattern matches.
#[derive(Clone, PartialEq, Eq)]
enum Meaning {
    Parts(Vec<PatternPart>),
    /// A regular expression, which is not evaluated, or an overlong pattern.
    Unknown,
}

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PatternPart {
    AnyChar,
    AnyText,
    Char(char),
}

/// A set of names: those that one of its patterns includes and none excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    includes: Vec<Wildcard>,
    excludes: Vec<Wildcard>,
}

impl Wildcard {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let is_regular_expression = text.len() > 1 && text.starts_with('/') && text.ends_with('/');
        let is_unknown = is_regular_expression || text.len() > NAME_PATTERN_LEN_MAX;
        let meaning = if is_unknown { Meaning::Unknown } else { Meaning::Parts(parts(text)) };
        Self { text: text.to_owned(), meaning }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches this name. The time that it takes is in proportion to the product of both lengths, at worst.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match &self.meaning {
            Meaning::Parts(parts) => name.len() <= NAME_LEN_MAX && matches(parts, name),
            Meaning::Unknown => false,
        }
    }

    /// The same where neither has a limit that makes this cheap.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when it would take more steps than the budget has.
    pub fn matches_within(&self, name: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        charge_comparisons(name, std::slice::from_ref(self), budget)?;
        Ok(self.matches(name))
    }

    /// Whether it is evaluated: a regular expression is not.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        matches!(self.meaning, Meaning::Parts(_))
    }

    /// The text before its first wildcard, with which every matching name begins.
    #[must_use]
    pub fn prefix(&self) -> String {
        let Meaning::Parts(parts) = &self.meaning else { return String::new() };
        parts
            .iter()
            .map_while(|part| match part {
                PatternPart::Char(char) => Some(*char),
                PatternPart::AnyChar | PatternPart::AnyText => None,
            })
            .collect()
    }

    /// The only name that it matches, when it has no wildcard.
    #[must_use]
    pub fn only_name(&self) -> Option<String> {
        let Meaning::Parts(parts) = &self.meaning else { return None };
        parts.iter().all(|part| matches!(part, PatternPart::Char(_))).then(|| self.prefix())
    }
}

impl NameSet {
    /// The names that one of `includes` matches and none of `excludes`.
    #[must_use]
    pub fn new<'a>(
        includes: impl IntoIterator<Item = &'a str>,
        excludes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            includes: includes.into_iter().map(Wildcard::new).collect(),
            excludes: excludes.into_iter().map(Wildcard::new).collect(),
        }
    }

    /// The names that one pattern matches.
    #[must_use]
    pub fn only(pattern: &str) -> Self {
        Self { includes: vec![Wildcard::new(pattern)], excludes: Vec::new() }
    }

    /// Adds the names that a pattern matches.
    pub fn include(&mut self, pattern: &str) {
        self.includes.push(Wildcard::new(pattern));
    }

    /// The patterns that include.
    #[must_use]
    pub fn includes(&self) -> &[Wildcard] {
        &self.includes
    }

    /// Whether the name is in the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.includes.iter().any(|pattern| pattern.matches(name))
            && !self.excludes.iter().any(|pattern| pattern.matches(name))
    }

    /// The same where neither the name nor the patterns have a limit that makes this cheap.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when it would take more steps than the budget has.
    pub fn contains_within(&self, name: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        charge_comparisons(name, &self.includes, budget)?;
        charge_comparisons(name, &self.excludes, budget)?;
        Ok(self.contains(name))
    }

    /// How many patterns it has.
    #[must_use]
    pub fn patterns(&self) -> usize {
        self.includes.len() + self.excludes.len()
    }

    /// The sets that make up this one, a pattern each.
    pub fn split(&self) -> impl Iterator<Item = Self> {
        self.includes
            .iter()
            .map(|include| Self { includes: vec![include.clone()], excludes: self.excludes.clone() })
    }
}

fn parts(text: &str) -> Vec<PatternPart> {
    let mut parts = Vec::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            // Two in a row match no more than one.
            '*' if parts.last() == Some(&PatternPart::AnyText) => {}
            '*' => parts.push(PatternPart::AnyText),
            '?' => parts.push(PatternPart::AnyChar),
            '\\' => parts.push(PatternPart::Char(chars.next().unwrap_or('\\'))),
            char => parts.push(PatternPart::Char(char)),
        }
    }
    parts
}

/// Takes time proportional to the product of both lengths at worst: after a mismatch it goes back to the
/// latest `*` only, and lets it match one character more.
fn matches(mut parts: &[PatternPart], name: &str) -> bool {
    let mut chars = name.chars();
    let mut latest_any: Option<(&[PatternPart], std::str::Chars<'_>)> = None;
    loop {
        if let Some((PatternPart::AnyText, rest)) = parts.split_first() {
            latest_any = Some((rest, chars.clone()));
            parts = rest;
            continue;
        }
        match (parts.split_first(), chars.next()) {
            (None, None) => return true,
            (Some((PatternPart::AnyChar, rest)), Some(_)) => parts = rest,
            (Some((PatternPart::Char(wanted), rest)), Some(found)) if *wanted == found => parts = rest,
            (Some(_), None) => return false,
            (_, Some(_)) => {
                let Some((rest, from)) = &mut latest_any else { return false };
                if from.next().is_none() {
                    return false;
                }
                parts = rest;
                chars = from.clone();
            }
        }
    }
}

impl fmt::Debug for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests;
