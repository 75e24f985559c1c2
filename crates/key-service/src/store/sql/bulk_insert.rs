//! Adding many rows with few statements.

use crate::limits::ROWS_AT_ONCE_MAX;
use crate::store::StoreError;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::transaction::Transaction;

/// Adds rows, in their order. `insert` is the statement up to its values.
pub(super) async fn insert_rows<const N: usize>(
    change: &mut Transaction,
    insert: &'static str,
    rows: Vec<[Parameter; N]>,
) -> Result<(), StoreError> {
    upsert_rows(change, insert, rows, "").await
}

/// The same, where `conflict` says what happens to a row that exists already.
pub(super) async fn upsert_rows<const N: usize>(
    change: &mut Transaction,
    insert: &'static str,
    rows: Vec<[Parameter; N]>,
    conflict: &'static str,
) -> Result<(), StoreError> {
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let count = rows_at_once(rows.len());
        let mut statement = Query::new(insert);
        for (position, row) in rows.by_ref().take(count).enumerate() {
            if position > 0 {
                statement.push(", ");
            }
            statement.push_values(row);
        }
        statement.push(conflict);
        change.execute(statement).await?;
    }
    Ok(())
}

/// How many of the given rows the next statement adds: a power of two. So a connection sees only a handful of
/// different statements, and keeps all of them prepared.
fn rows_at_once(rows: usize) -> usize {
    if rows >= ROWS_AT_ONCE_MAX { ROWS_AT_ONCE_MAX } else { 1 << rows.max(1).ilog2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_rows_takes_few_statements_of_few_kinds() {
        for (mut rows, expected) in [
            (1, vec![1]),
            (2, vec![2]),
            (7, vec![4, 2, 1]),
            (ROWS_AT_ONCE_MAX, vec![ROWS_AT_ONCE_MAX]),
            (2 * ROWS_AT_ONCE_MAX + 3, vec![ROWS_AT_ONCE_MAX, ROWS_AT_ONCE_MAX, 2, 1]),
        ] {
            let mut statements = Vec::new();
            while rows > 0 {
                statements.push(rows_at_once(rows));
                rows -= rows_at_once(rows);
            }
            assert_eq!(statements, expected);
        }
    }
}
