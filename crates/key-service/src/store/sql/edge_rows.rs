//! The table of edges.

use latchkey_edge_ledger::limits::EDGES_MAX;

use crate::store::StoreError;
use crate::store::sql::SqlStore;
use crate::store::sql::bulk_insert::upsert_rows;
use crate::store::sql::postgres::listener::Listener;
use crate::store::sql::query::{Parameter, Query};
use crate::store::sql::row::{Row, millis};
use crate::store::sql::transaction::Transaction;
use latchkey_edge_ledger::{EdgeId, EdgeRow, EdgeTime, GoneEdge, Holder, InstanceId, KnownEdges};
use latchkey_key_feed::{EdgeName, KeyId, UnixMillis};

/// What PostgreSQL calls the announcements that something new is known of edges.
const CHANNEL: &str = "latchkey_edges";

/// Tells when a replica has written about edges.
#[derive(Debug)]
pub struct EdgeAnnouncements(Listener);

/// The beginning of a statement that writes instances.
const INSERT: &str = "insert into edge_instance as known
     (name, instance, key_id, owner_username, owner_realm, refuse_after, epoch, acknowledged, seen, may_admit_until,
      has_left, noted, told)
   values ";

/// Raises what is known of an instance that has a row. An acknowledgement of another epoch does not count in
/// this one.
macro_rules! raise {
    ($more:literal) => {
        concat!(
            " on conflict (name, instance) do update set
               acknowledged = case when known.epoch = excluded.epoch and known.acknowledged > excluded.acknowledged
                 then known.acknowledged else excluded.acknowledged end,
               epoch = excluded.epoch,
               seen = case when known.seen > excluded.seen then known.seen else excluded.seen end",
            $more
        )
    };
}

/// For what others are told.
const RAISE_PROMISE: &str = raise!("");

/// For what is to be kept. The longer time counts, and is put before the later end. A writer that had not
/// read the end that is there goes beyond both: the replica that wrote it then reads that another one answers
/// the edge too. Otherwise, where clocks differ, the later end would hide that.
const RAISE_ALL: &str = raise!(
    ", key_id = excluded.key_id, owner_username = excluded.owner_username, owner_realm = excluded.owner_realm,
       refuse_after = excluded.refuse_after,
       told = excluded.told,
       may_admit_until = case when known.may_admit_until > excluded.may_admit_until
           then known.may_admit_until else excluded.may_admit_until end
         + case when known.may_admit_until > excluded.told then 1 else 0 end,
       noted = case when known.may_admit_until > excluded.may_admit_until
           then known.may_admit_until else excluded.may_admit_until end
         + case when known.may_admit_until > excluded.told then 1 else 0 end
         - case when known.may_admit_until - coalesce(known.noted, known.seen)
             > excluded.may_admit_until - excluded.noted
           then known.may_admit_until - coalesce(known.noted, known.seen)
           else excluded.may_admit_until - excluded.noted end,
       has_left = excluded.has_left"
);

impl EdgeAnnouncements {
    /// Waits for the next announcement, or for a moment at which one may have been missed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the connection is lost.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.next().await?;
        // One read serves all announcements that have come by now.
        while self.0.next_buffered().is_some() {}
        Ok(())
    }
}

pub(in crate::store) async fn known_edges(database: &SqlStore) -> Result<KnownEdges, StoreError> {
    let begun = database.fetch_optional(Query::new("select begun from edge_knowledge")).await?;
    let begun = begun.ok_or(StoreError::Corrupt("knowledge of edges"))?.moment("begun")?;
    Ok(KnownEdges { rows: read_edges(database).await?, begun })
}

pub(in crate::store) async fn keep_edges(database: &SqlStore, edges: &[EdgeRow]) -> Result<(), StoreError> {
    let change = database.begin_beside().await?;
    write_edges(database, change, edges, RAISE_ALL).await
}

pub(in crate::store) async fn mark_edges_gone(
    database: &SqlStore,
    gone: &[GoneEdge],
) -> Result<(), StoreError> {
    let mut change = database.begin_beside().await?;
    let mut gone: Vec<&GoneEdge> = gone.iter().collect();
    gone.sort_by(|one, other| one.id.cmp(&other.id));
    for GoneEdge { id, seen, may_admit_until } in gone {
        let leave = "update edge_instance set has_left = ?, seen = seen + 1
             where name = ? and instance = ? and seen <= ? and may_admit_until <= ? and has_left = ?";
        let leave = Query::new(leave).bind(true).bind(id.name.as_str()).bind(id.instance.as_str());
        let leave = leave.bind(millis(*seen)).bind(millis(*may_admit_until)).bind(false);
        change.execute(leave).await?;
    }
    change.commit().await
}

pub(in crate::store) async fn shorten_edge_times(
    database: &SqlStore,
    times: &[EdgeTime],
) -> Result<(), StoreError> {
    let mut change = database.begin_beside().await?;
    let mut times: Vec<&EdgeTime> = times.iter().collect();
    times.sort_by(|one, other| one.id.cmp(&other.id));
    for EdgeTime { id, seen, may_admit_until, may_admit_for_ms } in times {
        let shorten = "update edge_instance set noted = may_admit_until - ?
             where name = ? and instance = ? and seen <= ? and may_admit_until <= ? and has_left = ?
               and coalesce(noted, seen) < may_admit_until - ?";
        let may_admit_for = millis(UnixMillis(*may_admit_for_ms));
        let shorten = Query::new(shorten).bind(may_admit_for);
        let shorten = shorten.bind(id.name.as_str()).bind(id.instance.as_str()).bind(millis(*seen));
        let shorten = shorten.bind(millis(*may_admit_until)).bind(false).bind(may_admit_for);
        change.execute(shorten).await?;
    }
    change.commit().await
}

pub(in crate::store) async fn know_all_edges(
    database: &SqlStore,
    begun: UnixMillis,
) -> Result<(), StoreError> {
    let know = Query::new("update edge_knowledge set begun = 0 where begun = ?").bind(millis(begun));
    database.write(know).await.map(|_| ())
}

pub(in crate::store) async fn tell_of_edges(
    database: &SqlStore,
    edges: &[EdgeRow],
) -> Result<(), StoreError> {
    let SqlStore::Postgres { .. } = database else { return Ok(()) };
    let mut telling = database.begin_beside().await?;
    // Nothing is lost when the database forgets it, so the commit does not wait for the disk.
    telling.execute(Query::new("set local synchronous_commit = off")).await?;
    write_edges(database, telling, edges, RAISE_PROMISE).await
}

async fn write_edges(
    database: &SqlStore,
    mut change: Transaction,
    edges: &[EdgeRow],
    raise: &'static str,
) -> Result<(), StoreError> {
    // All replicas write in one order, so that no two wait for each other.
    let mut edges: Vec<&EdgeRow> = edges.iter().collect();
    edges.sort_by(|one, other| one.id.cmp(&other.id));
    upsert_rows(&mut change, INSERT, edges.into_iter().map(values).collect(), raise).await?;
    if let SqlStore::Postgres { notifies: true, .. } = database {
        change.execute(Query::new(format!("select pg_notify('{CHANNEL}', '')"))).await?;
    }
    change.commit().await
}

async fn read_edges(database: &SqlStore) -> Result<Vec<EdgeRow>, StoreError> {
    let edges_max = i64::try_from(EDGES_MAX).unwrap_or(i64::MAX);
    // Rows of instances that are gone stay for a day, and there may be any number of them. They must not
    // hide one that may admit.
    let query = Query::new("select * from edge_instance order by has_left, may_admit_until desc limit ?");
    database.fetch_all(query.bind(edges_max)).await?.iter().map(edge_row).collect()
}

pub(in crate::store) async fn drop_edges(
    database: &SqlStore,
    left_by: UnixMillis,
    ended_by: UnixMillis,
) -> Result<(), StoreError> {
    let drop = "delete from edge_instance where (has_left = ? and seen < ?) or may_admit_until < ?";
    let drop = Query::new(drop).bind(true).bind(millis(left_by)).bind(millis(ended_by));
    database.write(drop).await.map(|_| ())
}

pub(in crate::store) async fn edge_announcements(
    database: &SqlStore,
) -> Result<Option<EdgeAnnouncements>, StoreError> {
    Ok(Listener::begin(database, CHANNEL).await?.map(EdgeAnnouncements))
}

/// Notes that edges which asked before this moment, and not since, may be missing in the list.
pub(super) async fn begin_knowing_edges(change: &mut Transaction, now: UnixMillis) -> Result<(), StoreError> {
    change.execute(Query::new("update edge_knowledge set begun = ?").bind(millis(now))).await.map(|_| ())
}

/// The values of one instance, in the order of [`INSERT`].
fn values(row: &EdgeRow) -> [Parameter; 13] {
    let EdgeRow { id, holder, refuse_after_ms, epoch, acknowledged, .. } = row;
    let EdgeRow { seen, may_admit_until, noted, told, has_left, .. } = row;
    [
        id.name.as_str().into(),
        id.instance.as_str().into(),
        holder.key.as_ref().map(KeyId::as_str).into(),
        (&holder.username).into(),
        (&holder.realm).into(),
        millis(UnixMillis(*refuse_after_ms)).into(),
        epoch.into(),
        millis(UnixMillis(acknowledged.0)).into(),
        millis(*seen).into(),
        millis(*may_admit_until).into(),
        (*has_left).into(),
        millis(*noted).into(),
        millis(*told).into(),
    ]
}

fn edge_row(row: &Row) -> Result<EdgeRow, StoreError> {
    let name = EdgeName::try_from(row.get::<String>("name")?);
    let key = row.get::<Option<String>>("key_id")?.map(KeyId::try_from).transpose();
    Ok(EdgeRow {
        id: EdgeId {
            name: name.map_err(|_| StoreError::Corrupt("name of an edge"))?,
            instance: InstanceId::of_stored(row.get("instance")?),
        },
        holder: Holder {
            key: key.map_err(|_| StoreError::Corrupt("key of an edge"))?,
            username: row.get("owner_username")?,
            realm: row.get("owner_realm")?,
        },
        refuse_after_ms: row.moment("refuse_after")?.0,
        epoch: row.get("epoch")?,
        acknowledged: row.cursor("acknowledged")?,
        seen: row.moment("seen")?,
        noted: row.moment_if_any("noted")?.map_or_else(|| row.moment("seen"), Ok)?,
        may_admit_until: row.moment("may_admit_until")?,
        told: row.moment_if_any("told")?.unwrap_or(UnixMillis(0)),
        has_left: row.get("has_left")?,
    })
}

#[cfg(test)]
impl SqlStore {
    /// As if these rows had been written by a version that says nothing of when.
    async fn forget_when_noted(&self) {
        self.write(Query::new("update edge_instance set noted = null")).await.unwrap();
    }
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::Cursor;

    use super::*;
    use crate::store::tests::ScratchStore;

    #[tokio::test]
    async fn a_row_of_an_older_version_counts_from_when_the_edge_was_seen() {
        for scratch in [ScratchStore::new().await, ScratchStore::in_postgres().await] {
            let database = &scratch.store.database;
            let holder = Holder { key: None, username: "feed".into(), realm: "file".into() };
            let row = |seen, noted, until| EdgeRow {
                id: EdgeId {
                    name: EdgeName::try_from("edge".to_owned()).unwrap(),
                    instance: InstanceId::of_holder(&holder),
                },
                holder: holder.clone(),
                refuse_after_ms: 1,
                epoch: "e".to_owned(),
                acknowledged: Cursor(1),
                seen: UnixMillis(seen),
                may_admit_until: UnixMillis(until),
                noted: UnixMillis(noted),
                told: UnixMillis(1_000),
                has_left: false,
            };
            let stored = async || known_edges(database).await.unwrap().rows.remove(0);
            keep_edges(database, &[row(100, 150, 300)]).await.unwrap();
            database.forget_when_noted().await;
            assert_eq!(stored().await, row(100, 100, 300));
            keep_edges(database, &[row(400, 400, 500)]).await.unwrap();
            assert_eq!(stored().await, row(400, 300, 500), "the longer time");
        }
    }
}
