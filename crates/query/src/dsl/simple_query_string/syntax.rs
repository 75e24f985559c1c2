//! The text of a simple query string.
//!
//! ```text
//! query = *( "(" query ")" / "-" / "+" / "|" / SP / DQUOTE phrase DQUOTE [ "~" digits ] / word )
//! word  = *character [ "*" / "~" [ digits ] ]
//! ```
//!
//! `+` means and, `|` means or, and no operator means the default one; they bind from left to right, without
//! precedence. `-` negates what follows it directly. A word ends in `*` for a prefix search and in `~` for a
//! fuzzy search; a backslash escapes the next character. Any text is a query: an operator without an operand
//! is skipped, and so is a quote or parenthesis that is not closed (Lucene, `SimpleQueryParser`).
//!
//! Fields are not analyzed, so a phrase is one word with blanks, and its slop means nothing.

use crate::clause::{BoolQuery, Query};
use crate::search_limits::{FUZZY_EDITS_MAX, GROUP_DEPTH_MAX};

/// How two operands combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
}

/// Which operators are enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags(u16);

/// What a text asks for.
pub(super) struct Understood {
    /// The query.
    pub(super) query: Query,
    /// Whether it combines several operands, rather than being one.
    pub(super) is_combined: bool,
    /// Whether groups nest too deeply. The query lacks the groups that do.
    pub(super) is_too_deep: bool,
}

/// What the words of a query stand for.
pub(super) trait Words {
    /// Keys with this word.
    fn word(&mut self, text: &str) -> Query;
    /// Keys with a word with this prefix.
    fn prefix(&mut self, text: &str) -> Query;
    /// Keys with a word that differs by at most so many edits.
    fn near(&mut self, text: &str, edits: usize) -> Query;
}

impl Flags {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ALL: Self = Self(u16::MAX);
    const AND: u16 = 1;
    const NOT: u16 = 1 << 1;
    const OR: u16 = 1 << 2;
    const PREFIX: u16 = 1 << 3;
    const PHRASE: u16 = 1 << 4;
    const PRECEDENCE: u16 = 1 << 5;
    const ESCAPE: u16 = 1 << 6;
    const WHITESPACE: u16 = 1 << 7;
    const FUZZY: u16 = 1 << 8;
    const SLOP: u16 = 1 << 9;

    /// The same and the flag of this name, if there is one.
    pub(super) fn with(self, name: &str) -> Option<Self> {
        let flag = match name.to_ascii_uppercase().as_str() {
            "ALL" => u16::MAX,
            "NONE" => 0,
            "AND" => Self::AND,
            "NOT" => Self::NOT,
            "OR" => Self::OR,
            "PREFIX" => Self::PREFIX,
            "PHRASE" => Self::PHRASE,
            "PRECEDENCE" => Self::PRECEDENCE,
            "ESCAPE" => Self::ESCAPE,
            "WHITESPACE" => Self::WHITESPACE,
            "FUZZY" => Self::FUZZY,
            "NEAR" | "SLOP" => Self::SLOP,
            _ => return None,
        };
        Some(Self(self.0 | flag))
    }

    fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }
}

/// Reads the text. A text without words matches nothing, and `*` alone matches everything.
pub(super) fn read(text: &str, flags: Flags, default: Operator, words: &mut impl Words) -> Understood {
    if text.trim() == "*" {
        return Understood { query: Query::Everything, is_combined: false, is_too_deep: false };
    }
    let mut reader = Reader { rest: text, flags, default, words, depth: 0, is_too_deep: false };
    let combined = reader.group(text.len()).unwrap_or_default();
    Understood {
        query: combined.query.unwrap_or(Query::Nothing),
        is_combined: combined.operator.is_some(),
        is_too_deep: reader.is_too_deep,
    }
}

struct Reader<'t, 'w, W: Words> {
    rest: &'t str,
    flags: Flags,
    default: Operator,
    words: &'w mut W,
    depth: usize,
    is_too_deep: bool,
}

/// The operands of a group so far, combined.
#[derive(Default)]
struct Combined {
    query: Option<Query>,
    /// Of the last two operands.
    operator: Option<Operator>,
    /// Of the next.
    next: Option<Operator>,
    is_negated: bool,
}

impl<'t, W: Words> Reader<'t, '_, W> {
    /// Reads the next `len` bytes.
    fn group(&mut self, len: usize) -> Option<Combined> {
        let (mut inside, outside) = self.rest.split_at_checked(len)?;
        std::mem::swap(&mut self.rest, &mut inside);
        let mut combined = Combined::default();
        while let Some(first) = self.rest.chars().next() {
            let operand = match first {
                '(' if self.flags.has(Flags::PRECEDENCE) => self.parenthesis(),
                '"' if self.flags.has(Flags::PHRASE) => self.phrase(),
                '-' if self.flags.has(Flags::NOT) => {
                    self.skip('-');
                    combined.is_negated = !combined.is_negated;
                    continue;
                }
                _ => {
                    if let Some(operator) = self.operator(first) {
                        self.skip(first);
                        combined.is_negated = false;
                        combined.expect(operator);
                        continue;
                    }
                    self.word()
                }
            };
            combined.add(operand, self.default);
        }
        self.rest = outside;
        Some(combined)
    }

    /// The operator between operands: `Some(None)` for a blank, and for a closing parenthesis without an
    /// opening one.
    fn operator(&self, sign: char) -> Option<Option<Operator>> {
        match sign {
            '+' if self.flags.has(Flags::AND) => Some(Some(Operator::And)),
            '|' if self.flags.has(Flags::OR) => Some(Some(Operator::Or)),
            ')' if self.flags.has(Flags::PRECEDENCE) => Some(None),
            c if is_blank(c) && self.flags.has(Flags::WHITESPACE) => Some(None),
            _ => None,
        }
    }

    fn skip(&mut self, c: char) {
        self.rest = self.rest.strip_prefix(c).unwrap_or(self.rest);
    }

    /// The text between this parenthesis and the one that closes it; `None` when it is not closed.
    fn parenthesis(&mut self) -> Option<Query> {
        self.skip('(');
        let close = self.closing_parenthesis()?;
        if self.depth >= GROUP_DEPTH_MAX {
            self.rest = self.rest.get(close + 1..).unwrap_or_default();
            self.is_too_deep = true;
            return None;
        }
        self.depth += 1;
        let group = self.group(close);
        self.depth -= 1;
        self.skip(')');
        group?.query
    }

    fn closing_parenthesis(&self) -> Option<usize> {
        let mut open = 1_usize;
        let mut is_escaped = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' if self.flags.has(Flags::ESCAPE) => is_escaped = true,
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Some(at);
            }
        }
        None
    }

    /// The text between this quote and the next.
    fn phrase(&mut self) -> Option<Query> {
        self.skip('"');
        let mut text = String::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next()? {
                '\\' if self.flags.has(Flags::ESCAPE) => text.push(chars.next()?),
                '"' => break,
                c => text.push(c),
            }
        }
        self.rest = chars.as_str();
        if self.flags.has(Flags::SLOP)
            && let Some((_, after)) = self.edits()
        {
            self.rest = after;
        }
        (!text.is_empty()).then(|| self.words.word(&text))
    }

    /// Everything up to an operator.
    fn word(&mut self) -> Option<Query> {
        let mut text = String::new();
        let mut is_prefix = false;
        while let Some(c) = self.rest.chars().next() {
            if self.ends_word(c) {
                break;
            }
            if c == '~'
                && self.flags.has(Flags::FUZZY)
                && !text.is_empty()
                && let Some((edits, after)) = self.edits()
            {
                self.rest = after;
                return Some(self.near(&text, edits));
            }
            self.skip(c);
            is_prefix = c == '*' && self.flags.has(Flags::PREFIX) && !text.is_empty();
            if c == '\\' && self.flags.has(Flags::ESCAPE) {
                let Some(escaped) = self.rest.chars().next() else { break };
                self.skip(escaped);
                text.push(escaped);
            } else {
                text.push(c);
            }
        }
        match text.strip_suffix('*').filter(|_| is_prefix) {
            Some(prefix) => Some(self.words.prefix(prefix)),
            None if text.is_empty() => None,
            None => Some(self.words.word(&text)),
        }
    }

    fn near(&mut self, text: &str, edits: usize) -> Query {
        match edits.min(FUZZY_EDITS_MAX) {
            0 => self.words.word(text),
            edits => self.words.near(text, edits),
        }
    }

    fn ends_word(&self, c: char) -> bool {
        c == '"' && self.flags.has(Flags::PHRASE)
            || c == '(' && self.flags.has(Flags::PRECEDENCE)
            || self.operator(c).is_some()
    }

    /// `~` and how many, and what follows; `~` alone is as many as are allowed.
    fn edits(&self) -> Option<(usize, &'t str)> {
        let after_tilde = self.rest.strip_prefix('~')?;
        let after = after_tilde.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = after_tilde.strip_suffix(after).unwrap_or_default();
        let is_end = after.chars().next().is_none_or(|c| self.ends_word(c));
        let edits =
            if digits.is_empty() { FUZZY_EDITS_MAX } else { digits.parse().unwrap_or(FUZZY_EDITS_MAX) };
        is_end.then_some((edits, after))
    }
}

impl Combined {
    /// An operator counts if an operand is before it. Of several operators the first counts.
    fn expect(&mut self, operator: Option<Operator>) {
        if self.query.is_some() {
            self.next = self.next.or(operator);
        }
    }

    fn add(&mut self, operand: Option<Query>, default: Operator) {
        let is_negated = std::mem::take(&mut self.is_negated);
        let Some(operand) = operand else { return };
        let operand = if is_negated { operand.not() } else { operand };
        let Some(before) = self.query.take() else {
            self.query = Some(operand);
            return;
        };
        let operator = self.next.take().unwrap_or(default);
        let mut group = match before {
            Query::Bool(group) if self.operator == Some(operator) => group,
            before => {
                let mut group = Box::<BoolQuery>::default();
                group.put(before, operator);
                group
            }
        };
        group.put(operand, operator);
        self.operator = Some(operator);
        self.query = Some(Query::Bool(group));
    }
}

impl BoolQuery {
    fn put(&mut self, query: Query, operator: Operator) {
        match operator {
            Operator::And => self.must.push(query),
            Operator::Or => {
                self.should.push(query);
                self.should_min = 1;
            }
        }
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
