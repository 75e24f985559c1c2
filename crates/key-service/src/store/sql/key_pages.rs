//! The statements of searches: which keys, in which order, and how many.
//!
//! A page is read along an index of what the order sorts by first, or, where few keys are meant, these are found and then
//! sorted. Moments that are absent count as the least or the greatest. No index has them so, and they are most of some
//! columns. So keys that have the moment are one part of such a page, and those that lack it another, which is read in
//! the rest of the order.

use std::cmp::Ordering;

use latchkey_query::{ColumnValue, Condition, OrderedBy, OrderedPage, Reads, SortColumn};

use crate::store::StoreError;
use crate::store::sql::key_conditions::{Access, column_name, is_of_usage, push_condition};
use crate::store::sql::query::Query;
use crate::store::sql::row::key_columns;
use crate::store::sql::searched_key::searched_columns;
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;

/// A part of a page.
#[derive(Clone, Debug)]
pub(crate) struct PagePart {
    kind: PartKind,
    order: Vec<OrderedBy>,
    /// Where it begins, one value for each criterion.
    after: Option<Vec<ColumnValue>>,
}

/// Which keys of the page it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PartKind {
    /// All, found by the condition and then sorted.
    Sorted,
    /// All, in the order of an index.
    Whole,
    /// Those that have the moment that the order sorts by first.
    Present,
    /// Those that lack this moment.
    Absent(OrderedBy),
}

/// On which side of all others an absent value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AbsentSide {
    Least(i64),
    Greatest(i64),
}

impl PagePart {
    /// The page in one part, for few keys.
    pub(crate) fn sorted(page: &OrderedPage) -> Vec<Self> {
        vec![Self { kind: PartKind::Sorted, order: page.order.clone(), after: page.after.clone() }]
    }

    /// The parts of a page, one after the other, each in the order of an index where there is one.
    pub(crate) fn in_order(page: &OrderedPage) -> Vec<Self> {
        let whole = |kind| Self { kind, order: page.order.clone(), after: page.after.clone() };
        let Some((first, rest)) = page.order.split_first() else { return vec![whole(PartKind::Whole)] };
        let Some(side) = absent_side(first) else { return vec![whole(PartKind::Whole)] };
        let mut parts = vec![whole(PartKind::Present)];
        if let Some(after) = after_in_absent(page, first, side) {
            let absent = Self { kind: PartKind::Absent(first.clone()), order: rest.to_vec(), after };
            let is_first = matches!(side, AbsentSide::Least(_)) != first.is_descending;
            parts.insert(if is_first { 0 } else { 1 }, absent);
        }
        parts
    }

    fn access(&self, condition: &Condition) -> Access {
        if self.kind == PartKind::Sorted { Access::finding(condition) } else { Access::Walked }
    }

    /// Whether it looks at uses.
    fn reads_usage(&self) -> bool {
        let of_absent = matches!(&self.kind, PartKind::Absent(first) if is_of_usage(first.column));
        of_absent || self.order.iter().any(|criterion| is_of_usage(criterion.column))
    }

    /// Whether it reads `key_usage` and looks up the keys.
    fn begins_with_usage(&self) -> bool {
        self.kind == PartKind::Present && self.order.first().is_some_and(|first| is_of_usage(first.column))
    }
}

/// `None` when a key without a value has a place among the others, or there is none.
fn absent_side(criterion: &OrderedBy) -> Option<AbsentSide> {
    match (criterion.column, criterion.absent) {
        // Whoever was never used was used 0 times.
        (SortColumn::Uses, _) => Some(AbsentSide::Least(0)),
        (
            SortColumn::Expiration
            | SortColumn::Invalidation
            | SortColumn::LastUsed
            | SortColumn::LastWrongSecret
            | SortColumn::PreviousSecretExpiration
            | SortColumn::Rotation,
            absent,
        ) => match absent {
            i64::MIN => Some(AbsentSide::Least(absent)),
            i64::MAX => Some(AbsentSide::Greatest(absent)),
            _ => None,
        },
        _ => None,
    }
}

/// Where the keys begin that lack the first value; `None` when the page begins after all of them.
fn after_in_absent(
    page: &OrderedPage,
    first: &OrderedBy,
    side: AbsentSide,
) -> Option<Option<Vec<ColumnValue>>> {
    let (AbsentSide::Least(absent) | AbsentSide::Greatest(absent)) = side;
    let Some((ColumnValue::Number(value), rest)) = page.after.as_ref().and_then(|after| after.split_first())
    else {
        return Some(None);
    };
    let order = if first.is_descending { absent.cmp(value) } else { value.cmp(&absent) };
    match order {
        Ordering::Less => Some(None),
        // Keys that are alike in everything are left out.
        Ordering::Equal => (!rest.is_empty()).then(|| Some(rest.to_vec())),
        Ordering::Greater => None,
    }
}

/// All that fulfil the condition, in any order.
pub(super) fn all(condition: &Condition, reads: Reads) -> Result<Query, StoreError> {
    let mut query = Query::new(format!("select {} from ", searched_columns(reads)));
    push_found(&mut query, condition, reads.usage)?;
    Ok(query)
}

/// How many there are.
pub(super) fn count(condition: &Condition) -> Result<Query, StoreError> {
    let mut query = Query::new("select count(*) from ");
    push_found(&mut query, condition, false)?;
    Ok(query)
}

/// The tables, and what keys are found by.
fn push_found(query: &mut Query, condition: &Condition, reads_usage: bool) -> Result<(), StoreError> {
    let access = Access::finding(condition);
    push_tables(query, reads_usage || access.joins_usage(condition));
    push_condition(query, condition, access)
}

fn push_tables(query: &mut Query, has_usage: bool) {
    query.push(if has_usage { KEYS_WITH_USAGE } else { "api_key" }).push(" where true");
}

/// The whole keys of these places.
pub(super) fn placed(places: &[i64]) -> Result<Query, StoreError> {
    let mut query = Query::new(format!(
        "select api_key.rowid as position, {} from {KEYS_WITH_USAGE} where api_key.rowid ",
        key_columns()
    ));
    query.push_in_integers(places)?;
    Ok(query)
}

/// How many keys a part has, without regard to where it begins.
pub(super) fn count_part(condition: &Condition, part: &PagePart) -> Result<Query, StoreError> {
    let mut query = Query::new("select count(*) from ");
    push_keys_of(&mut query, condition, part)?;
    Ok(query)
}

/// A part of a page.
pub(super) fn page(
    condition: &Condition,
    part: &PagePart,
    from: usize,
    size: usize,
) -> Result<Query, StoreError> {
    let reads = Reads { usage: part.reads_usage(), ..Reads::default() };
    let mut query = Query::new(format!("select {} from ", searched_columns(reads)));
    push_keys_of(&mut query, condition, part)?;
    if let Some(after) = &part.after {
        push_after(&mut query, part, after);
    }
    query.push(" order by ");
    let has = |column| part.order.iter().any(|criterion| criterion.column == column);
    for (position, criterion) in part.order.iter().enumerate() {
        query.push(if position == 0 { "" } else { ", " });
        push_column(&mut query, part, position, criterion);
        query.push(if criterion.is_descending { " desc" } else { "" });
    }
    // No two keys have the same place.
    if !has(SortColumn::Position) {
        query.push(if part.order.is_empty() { "" } else { ", " });
        query.push(if has(SortColumn::Creation) { "id" } else { "creation, id" });
    }
    query.push(" limit ").push_bind(integer(size)).push(" offset ").push_bind(integer(from));
    Ok(query)
}

/// The tables and the conditions of a part.
fn push_keys_of(query: &mut Query, condition: &Condition, part: &PagePart) -> Result<(), StoreError> {
    let access = part.access(condition);
    if part.begins_with_usage() {
        // In SQLite a cross join is read in the order in which it is written.
        query.push("key_usage cross join api_key where api_key.rowid = key_usage.key_position");
    } else {
        push_tables(query, part.reads_usage() || access.joins_usage(condition));
    }
    match (&part.kind, part.order.first()) {
        (PartKind::Present, Some(first)) => {
            let comparison = match absent_side(first) {
                Some(AbsentSide::Least(absent)) => Some((" > ", absent)),
                Some(AbsentSide::Greatest(absent)) => Some((" < ", absent)),
                None => None,
            };
            if let Some((comparison, absent)) = comparison {
                query.push(" and ").push(column_name(first.column)).push(comparison).push_bind(absent);
            }
        }
        (PartKind::Absent(first), _) => {
            query.push(" and (").push_unindexed(column_name(first.column)).push(" is null");
            if let Some(AbsentSide::Least(absent) | AbsentSide::Greatest(absent)) = absent_side(first) {
                query.push(" or ").push_unindexed(column_name(first.column)).push(" = ").push_bind(absent);
            }
            query.push(")");
        }
        _ => {}
    }
    push_condition(query, condition, access)
}

/// Whatever comes after these values in this order. The first condition is what an index is for.
fn push_after(query: &mut Query, part: &PagePart, after: &[ColumnValue]) {
    let pairs: Vec<(usize, &OrderedBy, &ColumnValue)> = part
        .order
        .iter()
        .zip(after)
        .enumerate()
        .map(|(at, (criterion, value))| (at, criterion, value))
        .collect();
    let Some((_, first, value)) = pairs.first() else { return };
    if let [(_, first, one), (_, second, other)] = pairs.as_slice()
        && second.column == SortColumn::Position
        && first.is_descending == second.is_descending
    {
        // An index has both, so that many keys that are alike in the first are not passed by one by one.
        query.push(" and (");
        push_column(query, part, 0, first);
        query.push(", ");
        push_column(query, part, 1, second);
        query.push(if first.is_descending { ") < (" } else { ") > (" });
        push_value(query, one);
        query.push(", ");
        push_value(query, other);
        query.push(")");
        return;
    }
    query.push(" and ");
    push_column(query, part, 0, first);
    query.push(if first.is_descending { " <= " } else { " >= " });
    push_value(query, value);
    query.push(" and (");
    for (index, criterion, value) in &pairs {
        query.push(if *index == 0 { "(" } else { " or (" });
        for (at, equal, value) in pairs.iter().take(*index) {
            push_column(query, part, *at, equal);
            query.push(" = ");
            push_value(query, value);
            query.push(" and ");
        }
        push_column(query, part, *index, criterion);
        query.push(if criterion.is_descending { " < " } else { " > " });
        push_value(query, value);
        query.push(")");
    }
    query.push(")");
}

/// What the criterion at this position of a part sorts by.
fn push_column(query: &mut Query, part: &PagePart, position: usize, criterion: &OrderedBy) {
    let name = column_name(criterion.column);
    let is_sorted = part.kind == PartKind::Sorted;
    match criterion.column {
        SortColumn::Invalidated => query.push("case when invalidation is null then 0 else 1 end"),
        _ if part.kind == PartKind::Present && position == 0 => query.push(name),
        SortColumn::RealmName | SortColumn::Username if is_sorted => query.push_unindexed_bytewise(name),
        SortColumn::RealmName | SortColumn::Username => query.push_bytewise(name),
        SortColumn::Position if part.begins_with_usage() => query.push("key_usage.key_position"),
        SortColumn::Creation | SortColumn::Name | SortColumn::Position if is_sorted => {
            query.push_unindexed(name)
        }
        SortColumn::Creation | SortColumn::Name | SortColumn::Position => query.push(name),
        SortColumn::Uses => query.push("coalesce(uses, 0)"),
        // A moment, or the one that an absent moment counts as.
        _ => query.push("coalesce(").push(name).push(", ").push_bind(criterion.absent).push(")"),
    };
}

fn push_value(query: &mut Query, value: &ColumnValue) {
    match value {
        ColumnValue::Number(number) => query.push_bind(*number),
        ColumnValue::Text(text) => query.push_bind(text),
    };
}

fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
