//! What tests see of the tables, and how they break them.

use latchkey_query::Condition;

use super::*;
use crate::store::sql::key_pages::PagePart;

impl SqlStore {
    /// The audit log: action, username and key ids of each event.
    pub(in crate::store) async fn events(&self) -> Vec<(String, String, String)> {
        let audit_log = self.audit_log("key_ids").await;
        audit_log
            .iter()
            .map(|row| (column(row, "action"), column(row, "actor_username"), column(row, "key_ids")))
            .collect()
    }

    /// The audit log: action and subjects of each event.
    pub(in crate::store) async fn directory_events(&self) -> Vec<(String, String)> {
        let audit_log = self.audit_log("subjects").await;
        audit_log.iter().map(|row| (column(row, "action"), column(row, "subjects"))).collect()
    }

    /// The audit log of tokens: action and tokens of each event.
    pub(in crate::store) async fn token_events(&self) -> Vec<(String, String)> {
        let audit_log = self.audit_log("tokens").await;
        audit_log.iter().map(|row| (column(row, "action"), column(row, "tokens"))).collect()
    }

    async fn audit_log(&self, present: &'static str) -> Vec<Row> {
        let query = format!("select * from audit_event where {present} is not null order by event_id");
        self.fetch_all(Query::new(query)).await.unwrap()
    }

    /// As if changes had been made up to here without an announcement.
    pub(in crate::store) async fn set_latest(&self, seq: i64) {
        self.write(Query::new("update feed_state set seq = ?").bind(seq)).await.unwrap();
    }

    /// Adds a key and then waits until the database ends the transaction for its silence; only then goes on.
    pub(in crate::store) async fn begin_unfinished_change(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let mut change = self.begin_change(ChangeLock::Keys).await.unwrap();
        let seq = take_seqs(&mut change, 1, 1).await.unwrap();
        let key = key_rows::key_values(&crate::store::tests::key(id), seq).unwrap();
        insert_rows(&mut change, key_rows::INSERT_KEYS, vec![key]).await.unwrap();
        change.commit()
    }

    /// Cuts every connection that writes to this store, in the middle of whatever it does.
    pub(in crate::store) async fn cut_connections(&self) {
        let cut = "select pg_terminate_backend(pid) from pg_stat_activity
                   where application_name = current_setting('application_name') and pid <> pg_backend_pid()";
        // The connection that asks may itself be cut, by another that asks at the same time.
        let _ = self.fetch_all(Query::new(cut)).await;
    }

    /// How many statements of this store PostgreSQL works on.
    pub(in crate::store) async fn statements_at_work(&self) -> i64 {
        let active = "select count(*) from pg_stat_activity where state = 'active'
                      and application_name = current_setting('application_name') and pid <> pg_backend_pid()";
        self.fetch_all(Query::new(active)).await.unwrap()[0].scalar().unwrap()
    }

    /// Whether SQLite still reads what was there before this write: then it cannot begin its log anew.
    pub(in crate::store) async fn is_read(&self) -> bool {
        self.write(Query::new("update native_user set enabled = enabled")).await.unwrap();
        let Self::Sqlite(connections) = self else { panic!("this is PostgreSQL") };
        let checkpoint = Query::new("pragma wal_checkpoint(truncate)").into_sqlite().unwrap();
        let checkpoint = checkpoint.fetch_one(&connections.writer).await.unwrap();
        Row::Sqlite(checkpoint).get::<i64>("busy").unwrap() != 0
    }

    /// As if there were so many native users, roles and application privileges.
    pub(in crate::store) async fn fill_directory(&self, users: i64, roles: i64, privileges: i64) {
        for (into, columns, count) in [
            (
                "native_user (username, password_hash, roles, metadata, enabled)",
                "'filler-' || n, 'x', '[]', '{}', true",
                users,
            ),
            ("native_role (name, descriptor)", "'filler-' || n, '{}'", roles),
            (
                "application_privilege (application, name, actions, metadata)",
                "'shop', 'filler-' || n, '[]', '{}'",
                privileges,
            ),
        ] {
            let statement = format!(
                "insert into {into} with recursive number (n) as
                   (select 1 union all select n + 1 from number where n < ?) select {columns} from number"
            );
            self.write(Query::new(statement).bind(count)).await.unwrap();
        }
    }

    /// As if a key had been lost.
    pub(in crate::store) async fn miscount(&self) {
        self.write(Query::new("update feed_state set keys_live = keys_live + 1")).await.unwrap();
    }

    /// As if the store was last opened by a version that did not know this.
    pub(in crate::store) async fn forget_application_changes(&self) {
        self.write(Query::new("drop table application_change")).await.unwrap();
        self.write(Query::new("delete from _sqlx_migrations where version = 11")).await.unwrap();
    }

    /// As if the store was last opened by a version that did not know this.
    pub(in crate::store) async fn forget_asked_via(&self) {
        self.write(Query::new("alter table audit_event drop column actor_via")).await.unwrap();
        self.write(Query::new("delete from _sqlx_migrations where version = 17")).await.unwrap();
    }

    /// As if the store was last opened by a version that did not know this.
    pub(in crate::store) async fn forget_usage(&self) {
        self.forget_search_orders().await;
        self.write(Query::new("drop table key_usage")).await.unwrap();
        self.write(Query::new("delete from _sqlx_migrations where version = 15")).await.unwrap();
    }

    /// As if the store was last opened by a version that did not know this.
    pub(in crate::store) async fn forget_search_orders(&self) {
        let of_one_database: &[&'static str] = match self {
            Self::Postgres { .. } => &[
                "drop trigger key_usage_position on key_usage",
                "drop function key_usage_position",
                "drop index api_key_by_name",
                "create index api_key_by_name on api_key (name)",
            ],
            Self::Sqlite(_) => &["drop trigger key_usage_position", "drop index api_key_by_username"],
        };
        let of_both = [
            "drop index key_usage_by_last_use",
            "alter table key_usage drop column key_position",
            "drop index api_key_by_state",
            "drop index api_key_by_expiration",
            "create index api_key_by_expiration on api_key (expiration) where expiration is not null and invalidation is null",
            "delete from _sqlx_migrations where version = 18",
        ];
        for statement in of_one_database.iter().copied().chain(of_both) {
            self.write(Query::new(statement)).await.unwrap();
        }
    }

    /// How SQLite runs a statement, step by step.
    pub(in crate::store) async fn plan_of_statement(&self, statement: &'static str) -> Vec<String> {
        let steps = self.fetch_all(Query::new(statement).explained()).await.unwrap();
        steps.iter().map(|step| column(step, "detail")).collect()
    }

    /// How SQLite reads a part of a page, step by step.
    pub(in crate::store) async fn plan_of(&self, condition: &Condition, part: &PagePart) -> Vec<String> {
        let page = key_pages::page(condition, part, 0, 50).unwrap();
        let steps = self.fetch_all(page.explained()).await.unwrap();
        steps.iter().map(|step| column(step, "detail")).collect()
    }

    /// As if the store was last opened by a version that did not know this.
    pub(in crate::store) async fn forget_service_accounts(&self) {
        let columns = "username, password_hash, roles, full_name, email, metadata, enabled";
        for statement in [
            "drop view suspended_owner".to_owned(),
            "drop index native_user_suspended".to_owned(),
            format!("create table before as select {columns} from native_user"),
            "drop table native_user".to_owned(),
            "create table native_user (username text not null primary key, password_hash text not null, roles text not null,
               full_name text, email text, metadata text not null, enabled boolean not null)"
                .to_owned(),
            format!("insert into native_user ({columns}) select {columns} from before"),
            "drop table before".to_owned(),
            "delete from _sqlx_migrations where version = 14".to_owned(),
        ] {
            self.write(Query::new(statement)).await.unwrap();
        }
    }

    /// What the store has of a key becomes this.
    pub(in crate::store) async fn spoil(&self, id: &str, column: &'static str, text: &str) {
        let spoilt = Query::new(format!("update api_key set {column} = ? where id = ?"));
        self.write(spoilt.bind(text).bind(id)).await.unwrap();
    }

    /// As if the rows up to here had been removed for good.
    pub(in crate::store) async fn set_purged_through(&self, seq: i64) {
        self.write(Query::new("update feed_state set purged_through = ?").bind(seq)).await.unwrap();
    }

    /// A key that was removed for good, as the latest change.
    pub(in crate::store) async fn remember_removed(&self, id: &str, seq: i64) {
        let removed = Query::new("insert into removed_key (seq, id, removed) values (?, ?, 1)");
        self.write(removed.bind(seq).bind(id)).await.unwrap();
        self.write(Query::new("update feed_state set seq = ?").bind(seq)).await.unwrap();
    }
}

fn column(row: &Row, name: &str) -> String {
    row.get(name).unwrap()
}
