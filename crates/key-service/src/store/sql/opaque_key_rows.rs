//! By what opaque keys are found: one row, written with the first such key and never changed.

use latchkey_key_feed::OpaqueKeyPepper;

use crate::store::StoreError;
use crate::store::change::{Change, Done};
use crate::store::sql::query::Query;
use crate::store::sql::row::Row;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{SqlStore, key_rows};

pub(super) const PEPPER: &str = "select pepper as opaque_key_pepper from opaque_key_pepper";

pub(in crate::store) async fn find(database: &SqlStore) -> Result<Option<OpaqueKeyPepper>, StoreError> {
    let row = database.fetch_optional(Query::new(PEPPER)).await?;
    row.as_ref().map_or(Ok(None), of_row)
}

/// What a row says that has this column too.
pub(super) fn of_row(row: &Row) -> Result<Option<OpaqueKeyPepper>, StoreError> {
    let Some(bytes) = row.get::<Option<&[u8]>>("opaque_key_pepper")? else { return Ok(None) };
    let bytes = bytes.try_into().map_err(|_| StoreError::Corrupt("pepper of opaque keys"))?;
    Ok(Some(OpaqueKeyPepper::from_bytes(bytes)))
}

/// Adds the keys of this change, whose ids were made with that pepper, if they were.
pub(super) async fn import(
    transaction: &mut Transaction,
    change: &[Change],
    pepper: Option<&OpaqueKeyPepper>,
) -> Result<Vec<Done>, StoreError> {
    if let Some(pepper) = pepper {
        settle(transaction, pepper).await?;
    }
    key_rows::add(transaction, change).await
}

/// Makes this the pepper of the store, or sees that it is.
pub(super) async fn settle(
    transaction: &mut Transaction,
    pepper: &OpaqueKeyPepper,
) -> Result<(), StoreError> {
    let first = "insert into opaque_key_pepper (singleton, pepper) values (1, ?) on conflict do nothing";
    transaction.execute(Query::new(first).bind(pepper.as_bytes().as_slice())).await?;
    let stored = of_row(&transaction.fetch_one(Query::new(PEPPER)).await?)?;
    if stored.as_ref() == Some(pepper) { Ok(()) } else { Err(StoreError::OtherPepper) }
}
