//! Patterns in which `*` matches any text and `?` one character.

use latchkey_budget::{Budget, BudgetExceeded};
use latchkey_elastic::ErrorCause;

use super::search_limits::PATTERN_LEN_MAX;

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WildcardPattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Exactly(char),
    One,
    Any,
}

impl WildcardPattern {
    /// Reads a pattern; a backslash escapes the next character (Lucene, `WildcardQuery`).
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when it is longer than [`PATTERN_LEN_MAX`].
    pub(super) fn parse(text: &str) -> Result<Self, ErrorCause> {
        if text.len() > PATTERN_LEN_MAX {
            return Err(ErrorCause::illegal_argument(format!(
                "The length of the pattern [{}] has exceeded the allowed maximum of [{PATTERN_LEN_MAX}]",
                text.len()
            )));
        }
        let mut pieces = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => Piece::Exactly(chars.next().unwrap_or('\\')),
                c => Piece::Exactly(c),
            });
        }
        Ok(Self(pieces))
    }

    /// A pattern of field names: only `*` has a meaning.
    pub(super) fn of_names(text: &str) -> Self {
        Self(text.chars().map(|c| if c == '*' { Piece::Any } else { Piece::Exactly(c) }).collect())
    }

    /// The longest part of ASCII characters that every text has that matches; `None` when there is no such part.
    pub(super) fn longest_ascii(&self) -> Option<String> {
        let is_ascii = |piece: &Piece| matches!(piece, Piece::Exactly(c) if c.is_ascii() && *c != '\0');
        let parts = self.0.split(|piece| !is_ascii(piece)).filter(|part| !part.is_empty());
        let longest = parts.max_by_key(|part| part.len())?;
        let chars = longest.iter().filter_map(|piece| match piece {
            Piece::Exactly(c) => Some(*c),
            Piece::One | Piece::Any => None,
        });
        Some(chars.collect())
    }

    /// Whether the whole text matches.
    ///
    /// After a mismatch only the last `*` needs to match one character more, so the time is at most the
    /// product of both lengths. That is much for a long text of metadata, so each comparison is charged.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] when that takes more than the budget.
    pub(super) fn matches(&self, text: &str, budget: &mut Budget) -> Result<bool, BudgetExceeded> {
        let mut pieces = self.0.as_slice();
        let mut chars = text.chars();
        let mut retry: Option<(&[Piece], std::str::Chars<'_>)> = None;
        loop {
            budget.spend(1)?;
            match (pieces.split_first(), chars.clone().next()) {
                (Some((Piece::Any, after)), _) => {
                    retry = Some((after, chars.clone()));
                    pieces = after;
                }
                (Some((piece, after)), Some(c)) if piece.is(c) => {
                    pieces = after;
                    chars.next();
                }
                (None, None) => return Ok(true),
                _ => {
                    let Some((after, taken)) = &mut retry else { return Ok(false) };
                    if taken.next().is_none() {
                        return Ok(false);
                    }
                    pieces = after;
                    chars = taken.clone();
                }
            }
        }
    }
}

impl Piece {
    fn is(self, c: char) -> bool {
        match self {
            Self::Exactly(expected) => expected == c,
            Self::One => true,
            Self::Any => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_budget::Allowance;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        // Pattern, text, whether it matches.
        let rows = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*c", "ac", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*ab*ab*", "aabxab", true),
            ("*ab*ab*", "aab", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"a\", r"a\", true),
        ];
        for (pattern, text, expected) in rows {
            let matches = WildcardPattern::parse(pattern).unwrap().matches(text, &mut budget(1_000));
            assert_eq!(matches, Ok(expected), "{pattern} {text}");
        }
    }

    #[test]
    fn the_longest_part_is_in_every_text_that_matches() {
        for (pattern, part) in [
            ("*ci*", Some("ci")),
            ("a?bcd*e", Some("bcd")),
            ("*é*", None),
            ("*", None),
            (r"*a\*b", Some("a*b")),
            ("aéb\0cd", Some("cd")),
        ] {
            assert_eq!(
                WildcardPattern::parse(pattern).unwrap().longest_ascii().as_deref(),
                part,
                "{pattern}"
            );
        }
    }

    fn budget(steps: u64) -> Budget {
        Budget::alone(Allowance { steps, bytes: 0 })
    }

    #[test]
    fn a_long_text_costs_what_it_takes_to_compare() {
        let text = "a".repeat(900_000);
        let plain = WildcardPattern::parse("*b*").unwrap();
        assert_eq!(plain.matches(&text, &mut budget(2_000_000)), Ok(false));
        let hostile = WildcardPattern::parse(&format!("*{}b*", "a".repeat(900))).unwrap();
        let outcome = hostile.matches(&text, &mut budget(2_000_000));
        assert_eq!(outcome, Err(BudgetExceeded::Steps { steps_max: 2_000_000 }));
    }

    #[test]
    fn refuses_an_overlong_pattern() {
        assert!(WildcardPattern::parse(&"*".repeat(PATTERN_LEN_MAX)).is_ok());
        let reason = WildcardPattern::parse(&"*".repeat(PATTERN_LEN_MAX + 1)).unwrap_err();
        assert_eq!(
            reason.reason(),
            "The length of the pattern [1001] has exceeded the allowed maximum of [1000]"
        );
    }
}
