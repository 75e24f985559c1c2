//! What a store can test of a query by itself, with the columns that it has.
//!
//! A condition lets through every key that the query matches. Where it lets through others too, whoever searches looks
//! at each key that the store gives.

use super::clause::{BoolQuery, Query, TextTest};
use super::field::{Field, FlagField, TextField};
use super::search_limits::{CONDITION_RANGES_MAX, CONDITION_TESTS_MAX};

/// How many tests of a name the test of one role is worth: it is looked for twice in a text that may be long.
pub(crate) const TESTS_PER_ROLE: usize = 4;

/// How many tests of a name the test of a use is worth: uses are in a table of their own.
pub(crate) const TESTS_PER_USAGE: usize = 8;
use super::{Search, SortColumn};

/// Longest part of a text that a store looks for, in bytes. A database compares at each place of the text, so names can be
/// made that take it this many times longer than they are. A longer part rules out few keys more.
const PART_LEN_MAX: usize = 16;

/// A condition on a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All of these hold; so none restricts nothing.
    All(Vec<Self>),
    /// One of these holds; so none lets nothing through.
    Any(Vec<Self>),
    /// The id is one of these.
    Ids(Vec<String>),
    /// A moment is there and lies in one of these ranges, both ends included.
    Moment(SortColumn, Vec<(i64, i64)>),
    /// This does not hold.
    Not(Box<Self>),
    /// A text passes a test.
    Text(TextColumn, ColumnTest),
}

/// A column of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextColumn {
    /// The name of the key.
    Name,
    /// The realm of the owner.
    RealmName,
    /// The names of the key's own roles, all in one text.
    Roles,
    /// The name of the owner.
    Username,
}

/// A test of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnTest {
    /// It is one of these. In [`TextColumn::Roles`] one of these is among the names; JSON writes each as it is.
    OneOf(Vec<String>),
    /// It begins so.
    Prefix(String),
    /// It holds this text, which is ASCII, in any case. A store may let through texts that are not ASCII.
    Part(String),
}

/// A condition, and whether it lets through the keys of a query alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// What every key fulfils that the query matches.
    pub condition: Condition,
    /// Whether the query matches every key that fulfils it.
    pub is_exact: bool,
}

impl Search {
    /// What a store can test of the query.
    #[must_use]
    pub fn narrowing(&self) -> Narrowing {
        let narrowing = narrowing_of(&self.query);
        if narrowing.condition.tests() > CONDITION_TESTS_MAX { Narrowing::unknown() } else { narrowing }
    }
}

impl Condition {
    /// What lets everything through.
    #[must_use]
    pub fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        *self == Self::everything()
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = Vec::new();
        for condition in [self, other] {
            match condition {
                Self::All(conditions) => all.extend(conditions),
                condition => all.push(condition),
            }
        }
        if all.len() == 1 { all.pop().unwrap_or_else(Self::everything) } else { Self::All(all) }
    }

    fn or(self, other: Self) -> Self {
        if self.is_everything() || other.is_everything() {
            return Self::everything();
        }
        let mut any = Vec::new();
        for condition in [self, other] {
            match condition {
                Self::Any(conditions) => any.extend(conditions),
                condition => any.push(condition),
            }
        }
        if any.len() == 1 { any.pop().unwrap_or_else(Self::everything) } else { Self::Any(any) }
    }

    /// How many tests of a short text it is worth. Recursion ends where reading the query refused to nest deeper.
    fn tests(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::tests).sum::<usize>().max(1),
            Self::Not(part) => part.tests(),
            // Each role is looked for by itself.
            Self::Text(TextColumn::Roles, ColumnTest::OneOf(names)) => {
                names.len().saturating_mul(TESTS_PER_ROLE)
            }
            Self::Moment(SortColumn::LastUsed | SortColumn::LastWrongSecret | SortColumn::Uses, _) => {
                TESTS_PER_USAGE
            }
            Self::Ids(_) | Self::Moment(..) | Self::Text(..) => 1,
        }
    }
}

impl Narrowing {
    fn exactly(condition: Condition) -> Self {
        Self { condition, is_exact: true }
    }

    fn at_most(condition: Condition) -> Self {
        Self { condition, is_exact: false }
    }

    /// Nothing is known of it.
    fn unknown() -> Self {
        Self::at_most(Condition::everything())
    }

    fn and(self, other: Self) -> Self {
        Self { condition: self.condition.and(other.condition), is_exact: self.is_exact && other.is_exact }
    }

    fn or(self, other: Self) -> Self {
        Self { condition: self.condition.or(other.condition), is_exact: self.is_exact && other.is_exact }
    }

    /// What lets through too much, negated lets through too little.
    fn not(self) -> Self {
        match self {
            Self { condition, is_exact: true } => Self::exactly(Condition::Not(Box::new(condition))),
            Self { is_exact: false, .. } => Self::unknown(),
        }
    }
}

fn narrowing_of(query: &Query) -> Narrowing {
    match query {
        Query::Bool(query) => narrowing_of_bool(query),
        Query::Date(field, ranges) => moments(&Field::Date(*field), ranges.as_slice()),
        Query::Everything => Narrowing::exactly(Condition::everything()),
        Query::Exists(field @ Field::Date(_)) => moments(field, &[(i64::MIN, i64::MAX)]),
        Query::Exists(
            Field::Flag(_) | Field::Text(TextField::Name | TextField::RealmName | TextField::Username),
        ) => Narrowing::exactly(Condition::everything()),
        Query::Exists(Field::Text(_)) => Narrowing::unknown(),
        Query::Flag(FlagField::Invalidated, value) => {
            let invalidated = moments_of(SortColumn::Invalidation, &[(i64::MIN, i64::MAX)]);
            if *value { invalidated } else { invalidated.not() }
        }
        Query::Flag(FlagField::Enabled, _) => Narrowing::unknown(),
        Query::Ids(ids) => {
            texts(ids.iter()).map_or_else(Narrowing::unknown, |ids| Narrowing::exactly(Condition::Ids(ids)))
        }
        Query::Nothing => Narrowing::exactly(Condition::Any(Vec::new())),
        Query::Text(field, test) => {
            let column = match field {
                TextField::Name => TextColumn::Name,
                TextField::RealmName => TextColumn::RealmName,
                TextField::Roles => TextColumn::Roles,
                TextField::Username => TextColumn::Username,
                _ => return Narrowing::unknown(),
            };
            narrowing_of_test(test, column).unwrap_or_else(Narrowing::unknown)
        }
    }
}

fn narrowing_of_bool(query: &BoolQuery) -> Narrowing {
    let mut narrowing = Narrowing::exactly(Condition::everything());
    for part in &query.must {
        narrowing = narrowing.and(narrowing_of(part));
    }
    for part in &query.must_not {
        narrowing = narrowing.and(narrowing_of(part).not());
    }
    let should = query.should.iter().map(narrowing_of);
    let should = match query.should_min {
        0 => return narrowing,
        min if min > query.should.len() => Narrowing::exactly(Condition::Any(Vec::new())),
        1 => should.fold(Narrowing::exactly(Condition::Any(Vec::new())), Narrowing::or),
        min if min == query.should.len() => {
            should.fold(Narrowing::exactly(Condition::everything()), Narrowing::and)
        }
        _ => Narrowing::unknown(),
    };
    narrowing.and(should)
}

/// `None` when a store cannot tell.
fn narrowing_of_test(test: &TextTest, column: TextColumn) -> Option<Narrowing> {
    let is_of_roles = column == TextColumn::Roles;
    Some(match test {
        TextTest::OneOf(values) => {
            let values = texts(values.iter())?;
            if is_of_roles && !values.iter().all(|name| is_plain(name)) {
                return None;
            }
            Narrowing::exactly(Condition::Text(column, ColumnTest::OneOf(values)))
        }
        TextTest::Prefix(prefix) if !is_of_roles => {
            let prefix = texts(std::iter::once(prefix))?.pop()?;
            Narrowing::exactly(Condition::Text(column, ColumnTest::Prefix(prefix)))
        }
        TextTest::Wildcard(pattern) if !is_of_roles => {
            let mut part = pattern.longest_ascii()?;
            part.truncate(PART_LEN_MAX);
            Narrowing::at_most(Condition::Text(column, ColumnTest::Part(part)))
        }
        TextTest::InLowerCase(test) if matches!(**test, TextTest::Wildcard(_)) => {
            return narrowing_of_test(test, column);
        }
        _ => return None,
    })
}

/// Whether a name stands in an array of JSON as it is, and between quotes that can be no others: one that ends a text is
/// followed by a comma or a bracket.
fn is_plain(name: &str) -> bool {
    let is_escaped = |c: char| c.is_control() || matches!(c, '"' | '\\');
    !name.is_empty() && !name.starts_with([',', ']']) && !name.contains(is_escaped)
}

fn moments(field: &Field, ranges: &[(i64, i64)]) -> Narrowing {
    field.column().map_or_else(Narrowing::unknown, |column| moments_of(column, ranges))
}

fn moments_of(column: SortColumn, ranges: &[(i64, i64)]) -> Narrowing {
    if ranges.len() > CONDITION_RANGES_MAX {
        return Narrowing::unknown();
    }
    Narrowing::exactly(Condition::Moment(column, ranges.to_vec()))
}

/// Texts in their order, so that equal searches are equal statements; `None` when a store may not know one of them: some
/// do not keep the character NUL.
fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Option<Vec<String>> {
    let mut all: Vec<String> = texts.cloned().collect();
    all.sort_unstable();
    (!all.iter().any(|text| text.contains('\0'))).then_some(all)
}
