//! Conditions of searches, in SQL.

use latchkey_query::{ColumnTest, Condition, SortColumn, TextColumn};

use crate::store::StoreError;
use crate::store::sql::query::Query;
use crate::store::sql::row::json_text;

/// What escapes a character in a pattern of `like`.
const ESCAPE: char = '!';

/// How a condition comes to the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Keys are read in an order, each with its uses where a condition is about them, and tested.
    Walked,
    /// Keys are found by the condition: it chooses the index.
    Found,
    /// The condition names ids or an owner, and keys are found by these alone. The others are tested as those of
    /// [`Self::Walked`]: whoever may see few keys has the database read no others.
    Named,
    /// Keys are found by another condition and tested.
    Beside,
}

/// Goes on with `and` and the condition.
pub(super) fn push_condition(
    query: &mut Query,
    condition: &Condition,
    access: Access,
) -> Result<(), StoreError> {
    let parts = all_of(condition);
    let is_apart =
        |part: &Condition| access == Access::Found && matches!(part, Condition::Any(any) if any.len() > 1);
    let others = match access {
        Access::Found if parts.iter().any(is_apart) => Access::Beside,
        Access::Named => Access::Walked,
        access => access,
    };
    let naming = if access == Access::Named { naming(parts) } else { Vec::new() };
    for (position, part) in parts.iter().enumerate() {
        query.push(" and ");
        match part {
            Condition::Any(any) if is_apart(part) => push_found_apart(query, any)?,
            part if naming.contains(&position) => push_part(query, part, Access::Named)?,
            part => push_part(query, part, others)?,
        }
    }
    Ok(())
}

/// Which parts name the keys: the first that names ids or an owner, and the realm of this owner. What a caller may see
/// comes first, and what the caller asks for after it.
fn naming(parts: &[Condition]) -> Vec<usize> {
    let is_of = |part: &Condition, wanted| matches!(part, Condition::Text(column, ColumnTest::OneOf(_)) if *column == wanted);
    let is_user = |part: &Condition| is_of(part, TextColumn::Username);
    let is_naming = |part: &Condition| matches!(part, Condition::Ids(_)) || is_user(part);
    let Some((first, part)) = parts.iter().enumerate().find(|(_, part)| is_naming(part)) else {
        return Vec::new();
    };
    let realm = parts.iter().position(|part| is_of(part, TextColumn::RealmName));
    std::iter::once(first).chain(realm.filter(|_| is_user(part))).collect()
}

/// What has to hold, each for itself.
fn all_of(condition: &Condition) -> &[Condition] {
    match condition {
        Condition::All(parts) => parts,
        condition => std::slice::from_ref(condition),
    }
}

/// Whether it is about uses.
fn tests_usage(condition: &Condition) -> bool {
    match condition {
        Condition::All(parts) | Condition::Any(parts) => parts.iter().any(tests_usage),
        Condition::Moment(column, _) => is_of_usage(*column),
        Condition::Not(part) => tests_usage(part),
        Condition::Ids(_) | Condition::Text(..) => false,
    }
}

/// Whether a column is one of `key_usage`.
pub(super) fn is_of_usage(column: SortColumn) -> bool {
    matches!(column, SortColumn::LastUsed | SortColumn::LastWrongSecret | SortColumn::Uses)
}

/// Each part is found by an index of its own. SQLite would read all keys, whole, if one of them had none.
fn push_found_apart(query: &mut Query, parts: &[Condition]) -> Result<(), StoreError> {
    query.push("api_key.rowid in (");
    for (position, part) in parts.iter().enumerate() {
        query.push(if position == 0 { "" } else { " union all " });
        query.push("select rowid from api_key where ");
        push_part(query, part, Access::Found)?;
    }
    query.push(")");
    Ok(())
}

fn push_part(query: &mut Query, condition: &Condition, access: Access) -> Result<(), StoreError> {
    match condition {
        Condition::All(parts) => push_joined(query, parts, (" and ", "1 = 1"), access),
        Condition::Any(parts) => push_joined(query, parts, (" or ", "1 = 0"), access),
        Condition::Ids(ids) => {
            access.push(query, "id");
            query.push(" ").push_in_texts(ids)?;
            Ok(())
        }
        Condition::Moment(column, ranges) if is_of_usage(*column) && !access.has_usage() => {
            // A look-up of the uses of each key would take longer.
            query.push(
                "api_key.rowid in (select key_position from key_usage where key_position is not null and ",
            );
            push_ranges(query, column_name(*column), ranges, Access::Found)?;
            query.push(")");
            Ok(())
        }
        Condition::Moment(column, ranges) => push_ranges(query, column_name(*column), ranges, access),
        Condition::Not(part) => match &**part {
            // As the index has it.
            Condition::Moment(column, ranges)
                if ranges.as_slice() == [(i64::MIN, i64::MAX)] && !is_of_usage(*column) =>
            {
                access.push(query, column_name(*column));
                query.push(" is null");
                Ok(())
            }
            part => {
                query.push("not (");
                push_part(query, part, access)?;
                query.push(")");
                Ok(())
            }
        },
        Condition::Text(column, test) => push_test(query, *column, test, access),
    }
}

fn push_joined(
    query: &mut Query,
    parts: &[Condition],
    (word, of_none): (&'static str, &'static str),
    access: Access,
) -> Result<(), StoreError> {
    query.push("(");
    for (position, part) in parts.iter().enumerate() {
        query.push(if position == 0 { "" } else { word });
        push_part(query, part, access)?;
    }
    query.push(if parts.is_empty() { of_none } else { "" }).push(")");
    Ok(())
}

/// It is true or false and never null, so that it can be negated.
fn push_ranges(
    query: &mut Query,
    column: &'static str,
    ranges: &[(i64, i64)],
    access: Access,
) -> Result<(), StoreError> {
    query.push("(");
    for (position, (from, to)) in ranges.iter().enumerate() {
        query.push(if position == 0 { "(" } else { " or (" });
        access.push(query, column);
        query.push(" is not null");
        for (bound, comparison, is_bound) in [(from, " >= ", *from > i64::MIN), (to, " <= ", *to < i64::MAX)]
        {
            if is_bound {
                query.push(" and ");
                access.push(query, column);
                query.push(comparison).push_bind(*bound);
            }
        }
        query.push(")");
    }
    query.push(if ranges.is_empty() { "1 = 0)" } else { ")" });
    Ok(())
}

fn push_test(
    query: &mut Query,
    column: TextColumn,
    test: &ColumnTest,
    access: Access,
) -> Result<(), StoreError> {
    let name = match column {
        TextColumn::Name => "name",
        TextColumn::RealmName => "owner_realm",
        TextColumn::Roles => "role_names",
        TextColumn::Username => "owner_username",
    };
    match test {
        ColumnTest::OneOf(names) if column == TextColumn::Roles => push_roles(query, names)?,
        ColumnTest::OneOf(texts) => {
            access.push(query, name);
            match texts.as_slice() {
                [text] => query.push(" = ").push_bind(text),
                texts => query.push(" ").push_in_texts(texts)?,
            };
        }
        ColumnTest::Prefix(prefix) => {
            query.push("(");
            access.push_bytewise(query, name);
            query.push(" >= ").push_bind(prefix);
            if let Some(end) = end_of_prefix(prefix) {
                query.push(" and ");
                access.push_bytewise(query, name);
                query.push(" < ").push_bind(end);
            }
            query.push(")");
        }
        ColumnTest::Part(part) => {
            query.push("(").push_any_case(name).push(" like ").push_bind(pattern(&part.to_ascii_lowercase()));
            // In Unicode some other characters are ASCII in lower case.
            query.push(format!(" escape '{ESCAPE}' or octet_length({name}) <> length({name}))"));
        }
    }
    Ok(())
}

/// The names of roles are an array in JSON, as one text: a bracket or a comma and a quote begin a name. Both databases
/// replace texts by their bytes.
fn push_roles(query: &mut Query, names: &[String]) -> Result<(), StoreError> {
    query.push("(1 = 0");
    for name in names {
        let text = json_text(name)?;
        for before in ['[', ','] {
            query.push(" or replace(role_names, ").push_bind(format!("{before}{text}"));
            query.push(", '') <> role_names");
        }
    }
    query.push(")");
    Ok(())
}

/// The pattern of `like` that finds a text inside of others.
fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in part.chars() {
        if matches!(character, '%' | '_' | ESCAPE) {
            pattern.push(ESCAPE);
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The first text after all that begin so, by bytes; `None` when there is none.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        // A step over the numbers that are no characters.
        let next = char::from_u32(last as u32 + 1).or((last < '\u{e000}').then_some('\u{e000}'));
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The column, as statements about keys and their uses name it.
pub(super) fn column_name(column: SortColumn) -> &'static str {
    match column {
        SortColumn::Creation => "creation",
        SortColumn::Expiration => "expiration",
        SortColumn::Invalidated | SortColumn::Invalidation => "invalidation",
        SortColumn::LastUsed => "last_used",
        SortColumn::LastWrongSecret => "last_wrong_secret",
        SortColumn::Name => "name",
        SortColumn::Position => "api_key.rowid",
        SortColumn::PreviousSecretExpiration => "previous_until",
        SortColumn::RealmName => "owner_realm",
        SortColumn::Rotation => "rotation",
        SortColumn::Username => "owner_username",
        SortColumn::Uses => "uses",
    }
}

impl Access {
    /// How a condition finds keys by itself.
    pub(super) fn finding(condition: &Condition) -> Self {
        let is_named = !naming(all_of(condition)).is_empty();
        if is_named { Self::Named } else { Self::Found }
    }

    /// Whether keys are read with their uses beside them for this condition.
    pub(super) fn joins_usage(self, condition: &Condition) -> bool {
        self.has_usage() && tests_usage(condition)
    }

    fn has_usage(self) -> bool {
        matches!(self, Self::Walked | Self::Named)
    }

    fn push(self, query: &mut Query, column: &'static str) {
        match self {
            Self::Found | Self::Named => query.push(column),
            Self::Walked | Self::Beside => query.push_unindexed(column),
        };
    }

    fn push_bytewise(self, query: &mut Query, column: &'static str) {
        match self {
            Self::Found | Self::Named => query.push_bytewise(column),
            Self::Walked | Self::Beside => query.push_unindexed_bytewise(column),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_comes_after_all_that_begin_so() {
        for (prefix, end) in [
            ("ab", Some("ac")),
            ("a\u{10ffff}", Some("b")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("", None),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(end_of_prefix(prefix).as_deref(), end, "{prefix:?}");
        }
    }

    #[test]
    fn a_part_is_taken_as_it_is() {
        assert_eq!(pattern("5%_!*"), "%5!%!_!!*%");
    }
}
