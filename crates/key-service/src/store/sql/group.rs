//! Writing a group of changes in one transaction.
//!
//! Neighbouring changes of one kind share their statements as well. A change that is refused is undone to a
//! savepoint; changes that shared its statements are then written one by one, so that only the faulty one is
//! refused.

use std::slice;

use crate::store::change::{Change, Done, Verb};
use crate::store::sql::query::Query;
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{
    ChangeLock, SqlStore, key_rows, opaque_key_rows, precondition_check, removal_rows, update_rows,
};
use crate::store::{KeyFilter, StoreError};
use crate::traces;

/// Where a change begins.
const BEGIN: &str = "savepoint change";
/// Undoes what was done since the savepoint.
const UNDO: &str = "rollback to savepoint change";
/// Drops the savepoint, in a transaction that goes on.
const END: &str = "release savepoint change";

/// Writes changes in their order, and gives the outcome of each. After an error none of them counts as
/// written.
pub(in crate::store) async fn write_group(
    database: &SqlStore,
    group: &[Change],
) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
    let mut transaction = database.begin_change(ChangeLock::Keys).await?;
    let mut outcomes = Vec::with_capacity(group.len());
    for neighbours in group.chunk_by(share_statements) {
        match try_writing(&mut transaction, neighbours).await? {
            Ok(done) => outcomes.extend(done.into_iter().map(Ok)),
            Err(refusal) if neighbours.len() == 1 => outcomes.push(Err(refusal)),
            Err(_) => {
                for change in neighbours {
                    let done = try_writing(&mut transaction, slice::from_ref(change)).await?;
                    outcomes.push(done.and_then(the_only));
                }
            }
        }
    }
    if outcomes.iter().flatten().any(|done| done.change.is_some()) {
        let commits: Vec<_> = group.iter().map(|change| change.span.in_scope(traces::commit)).collect();
        database.commit(transaction).await?;
        drop(commits);
    }
    Ok(outcomes)
}

/// Whether both can be written by the same statements, and each still told what became of it.
fn share_statements(one: &Change, next: &Change) -> bool {
    match (&one.verb, &next.verb) {
        (Verb::Add(_), Verb::Add(_)) => true,
        (Verb::Invalidate(one, _), Verb::Invalidate(other, _)) => {
            names_its_keys(one) && names_its_keys(other)
        }
        _ => false,
    }
}

/// Whether it selects by ids and by nothing else.
fn names_its_keys(filter: &KeyFilter) -> bool {
    filter.ids.is_some() && KeyFilter { ids: None, ..filter.clone() } == KeyFilter::default()
}

/// Writes changes that share their statements, all or none. The outer error is the end of the transaction.
async fn try_writing(
    transaction: &mut Transaction,
    changes: &[Change],
) -> Result<Result<Vec<Done>, StoreError>, StoreError> {
    transaction.execute(Query::new(BEGIN)).await?;
    let written = write(transaction, changes).await;
    if let Err(refusal) = written {
        // After some errors a database ends the transaction by itself, and then the savepoint does not exist
        // any more.
        if transaction.execute(Query::new(UNDO)).await.is_err() {
            return Err(refusal);
        }
        transaction.execute(Query::new(END)).await?;
        return Ok(Err(refusal));
    }
    transaction.execute(Query::new(END)).await?;
    Ok(written)
}

async fn write(transaction: &mut Transaction, changes: &[Change]) -> Result<Vec<Done>, StoreError> {
    let Some(first) = changes.first() else { return Ok(Vec::new()) };
    precondition_check::require(
        transaction,
        changes.iter().map(|change| (&change.event.actor, change.event.at)),
    )
    .await?;
    match &first.verb {
        Verb::Add(_) => key_rows::add(transaction, changes).await,
        Verb::Import(_, pepper) => opaque_key_rows::import(transaction, changes, pepper.as_ref()).await,
        Verb::Invalidate(..) => key_rows::invalidate(transaction, changes).await,
        Verb::RemoveDead(dead_since) => {
            Ok(vec![removal_rows::remove_dead_keys(transaction, *dead_since, &first.event).await?])
        }
        Verb::Rotate(rotation) => Ok(vec![update_rows::rotate(transaction, rotation, &first.event).await?]),
        Verb::Update(ids, to) => Ok(vec![update_rows::update(transaction, ids, to, &first.event).await?]),
    }
}

fn the_only(done: Vec<Done>) -> Result<Done, StoreError> {
    done.into_iter().next().ok_or(StoreError::Corrupt("outcome of a change"))
}
