//! The table of edges, which only replicas need.

use latchkey_key_feed::UnixMillis;
use serde_json::{Value, json};
use sqlx::postgres::PgListener;

use crate::limits::EDGES_MAX;
use crate::store::StoreError;
use crate::store::edges::EdgeRow;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, json_text, millis};
use crate::store::sql::transaction::Transaction;
use crate::store::sql::{Connections, SqlStore};

/// What PostgreSQL calls the announcements that something new is known of edges.
const CHANNEL: &str = "latchkey_edges";

/// Tells when a replica has told of edges.
#[derive(Debug)]
pub struct EdgeAnnouncements(PgListener);

impl EdgeAnnouncements {
    /// Waits for the next announcement, or for a moment at which one may have been missed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the connection is lost.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        self.0.try_recv().await?;
        // One reading serves all that have come by now.
        while self.0.next_buffered().is_some() {}
        Ok(())
    }
}

impl SqlStore {
    /// Raises what is known of these edges. A promise about another feed counts for nothing in this one.
    pub(in crate::store) async fn write_edges(
        &self,
        epoch: &str,
        edges: &[EdgeRow],
    ) -> Result<(), StoreError> {
        let Self::Postgres { connections, notifies } = self else { return Ok(()) };
        let raise = Query::new(
            "insert into edge (name, epoch, acknowledged, seen)
             select value->>'name', ?, (value->>'acknowledged')::bigint, (value->>'seen')::bigint
             from json_array_elements(?::json) order by 1
             on conflict (name) do update set
               acknowledged = case when edge.epoch = excluded.epoch
                 then greatest(edge.acknowledged, excluded.acknowledged) else excluded.acknowledged end,
               seen = greatest(edge.seen, excluded.seen),
               epoch = excluded.epoch",
        )
        .bind(epoch)
        .bind(json_text(&edges.iter().map(listed).collect::<Vec<_>>())?);
        let mut telling = Transaction::Postgres(connections.writer.begin().await?);
        // Nothing is lost when the database forgets it, and nobody should wait for its disk.
        telling.execute(Query::new("set local synchronous_commit = off")).await?;
        telling.execute(raise).await?;
        if *notifies {
            telling.execute(Query::new(format!("select pg_notify('{CHANNEL}', '')"))).await?;
        }
        telling.commit().await
    }

    pub(in crate::store) async fn read_edges(&self, epoch: &str) -> Result<Vec<EdgeRow>, StoreError> {
        let Self::Postgres { .. } = self else { return Ok(Vec::new()) };
        let edges_max = i64::try_from(EDGES_MAX).unwrap_or(i64::MAX);
        let query = Query::new(
            "select name, acknowledged, seen from edge where epoch = ? order by seen desc limit ?",
        );
        self.fetch_all(query.bind(epoch).bind(edges_max)).await?.iter().map(edge_row).collect()
    }

    pub(in crate::store) async fn delete_edges(&self, unseen_since: UnixMillis) -> Result<(), StoreError> {
        let Self::Postgres { .. } = self else { return Ok(()) };
        let delete = Query::new("delete from edge where seen < ?").bind(millis(unseen_since));
        self.write(delete).await.map(|_| ())
    }

    pub(in crate::store) async fn edge_announcements(&self) -> Result<Option<EdgeAnnouncements>, StoreError> {
        let Self::Postgres { connections: Connections { readers, .. }, notifies: true } = self else {
            return Ok(None);
        };
        let mut listener = PgListener::connect_with(readers).await?;
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Some(EdgeAnnouncements(listener)))
    }
}

fn listed(EdgeRow { name, acknowledged, seen }: &EdgeRow) -> Value {
    json!({"name": name, "acknowledged": acknowledged.0, "seen": seen.0})
}

fn edge_row(row: &Row) -> Result<EdgeRow, StoreError> {
    Ok(EdgeRow {
        name: row.get("name")?,
        acknowledged: row.cursor("acknowledged")?,
        seen: row.moment("seen")?,
    })
}
