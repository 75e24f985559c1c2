//! What applications have registered, as part of the change feed.
//!
//! An application has one row of its own for the sequence number of its latest change, which stays when all
//! of its privileges are removed: followers are told that it has none. Once the feed forgets removals up to
//! there, that row goes too.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use latchkey_key_feed::Cursor;
use latchkey_key_feed::format_limits::APPLICATION_PRIVILEGES_LEN_MAX;
use latchkey_privileges::application_privilege::ApplicationActions;

use crate::limits::FEED_APPLICATIONS_LEN_MAX;
use crate::store::StoreError;
use crate::store::directory::TooLong;
use crate::store::sql::bulk_insert::upsert_rows;
use crate::store::sql::feed_batches::number;
use crate::store::sql::query::Query;
use crate::store::sql::row::{Row, cursor};
use crate::store::sql::take_seqs;
use crate::store::sql::transaction::{Transaction, in_time};

/// Applications that have changed between two positions.
#[derive(Debug, Default)]
pub(super) struct ChangedApplications {
    /// In ascending sequence.
    pub(super) list: Vec<ChangedApplication>,
    /// Bytes of all of them.
    pub(super) len: usize,
    /// Whether more have changed, past the last in the list.
    pub(super) is_cut: bool,
}

/// What one application has registered.
#[derive(Debug)]
pub(super) struct ChangedApplication {
    pub(super) seq: Cursor,
    pub(super) application: String,
    /// As JSON; `None` for more than edges are sent.
    pub(super) privileges: Option<String>,
}

/// An application whose privileges are being read.
struct Reading {
    seq: Cursor,
    application: String,
    actions: ApplicationActions,
    len: usize,
}

/// Gives each of these applications the next sequence number, and tells the last of them.
pub(super) async fn note_changes(
    change: &mut Transaction,
    applications: &BTreeSet<String>,
) -> Result<Option<Cursor>, StoreError> {
    if applications.is_empty() {
        return Ok(None);
    }
    let count = number(applications.len())?;
    let last = take_seqs(change, count, 0).await?;
    let rows = applications.iter().zip(last - count + 1..).map(|(name, seq)| [name.into(), seq.into()]);
    let insert = "insert into application_change (application, seq) values ";
    let conflict = " on conflict (application) do update set seq = excluded.seq";
    upsert_rows(change, insert, rows.collect(), conflict).await?;
    cursor(last).map(Some)
}

/// Drops what the feed knows of applications that have had nothing registered since a position that it
/// forgets.
pub(super) async fn forget_through(change: &mut Transaction, purged: i64) -> Result<(), StoreError> {
    let forgotten = "delete from application_change where seq <= ? and not exists
        (select 1 from application_privilege where application = application_change.application)";
    change.execute(Query::new(forgotten).bind(purged)).await.map(|_| ())
}

/// The first of these applications whose privileges together are longer than edges are sent.
pub(super) async fn too_long_of(
    change: &mut Transaction,
    applications: &BTreeSet<String>,
) -> Result<Option<TooLong>, StoreError> {
    let applications: Vec<String> = applications.iter().cloned().collect();
    // As JSON, a privilege has two quotes, a colon and a comma beside its name and its actions.
    let len = "sum(octet_length(name) + octet_length(actions) + 4) + 1";
    let mut query = Query::new(format!(
        "select application, cast({len} as bigint) as len from application_privilege where application "
    ));
    query.push_in_texts(&applications)?.push(format!(" group by application having {len} > "));
    query.push_bind(number(APPLICATION_PRIVILEGES_LEN_MAX)?).push(" order by application limit 1");
    let found = change.fetch_optional(query).await?;
    found.map(|row| Ok(TooLong { application: row.get("application")?, len: row.get("len")? })).transpose()
}

/// The applications that have changed after a position and not after another. So many of them that they have
/// [`FEED_APPLICATIONS_LEN_MAX`] bytes, and the one that reaches it.
pub(super) async fn changed_between(
    snapshot: &mut Transaction,
    after: Cursor,
    through: Cursor,
) -> Result<ChangedApplications, StoreError> {
    let query = Query::new(
        "select application_change.seq, application_change.application, name, actions
         from application_change left join application_privilege
           on application_privilege.application = application_change.application
         where seq > ? and seq <= ? order by seq, name",
    );
    let mut rows = snapshot.fetch(query.bind(number(after.0)?).bind(number(through.0)?))?;
    let mut changed = ChangedApplications::default();
    let mut reading: Option<Reading> = None;
    while let Some(row) = in_time(rows.try_next()).await? {
        let seq = cursor(row.at(0)?)?;
        if reading.as_ref().is_none_or(|reading| reading.seq != seq) {
            changed.extend(reading.take());
            if changed.len >= FEED_APPLICATIONS_LEN_MAX {
                changed.is_cut = true;
                return Ok(changed);
            }
        }
        let application = reading.get_or_insert_with(|| Reading {
            seq,
            application: String::new(),
            actions: ApplicationActions::default(),
            len: 0,
        });
        application.read(&row)?;
    }
    changed.extend(reading);
    Ok(changed)
}

impl Reading {
    fn read(&mut self, row: &Row) -> Result<(), StoreError> {
        if self.application.is_empty() {
            self.application = row.at(1)?;
        }
        // An application without privileges has one row all the same.
        let Some(name) = row.at::<Option<String>>(2)? else { return Ok(()) };
        let actions: &str = row.at(3)?;
        self.len = self.len.saturating_add(name.len() + actions.len());
        if self.len <= APPLICATION_PRIVILEGES_LEN_MAX {
            match serde_json::from_str(actions) {
                Ok(actions) => self.actions.insert(&name, actions),
                // What is not readable is not known, and must not keep other changes away.
                Err(_) => self.len = usize::MAX,
            }
        }
        Ok(())
    }
}

impl ChangedApplications {
    fn extend(&mut self, reading: Option<Reading>) {
        let Some(Reading { seq, application, actions, len }) = reading else { return };
        let privileges = (len <= APPLICATION_PRIVILEGES_LEN_MAX).then(|| actions.to_json());
        let privileges = privileges.filter(|json| json.len() <= APPLICATION_PRIVILEGES_LEN_MAX);
        if privileges.is_none() {
            tracing::warn!(
                application,
                "edges cannot be sent the privileges of this application, because they are too long or not readable"
            );
        }
        self.len += application.len() + privileges.as_ref().map_or(0, String::len);
        self.list.push(ChangedApplication { seq, application, privileges });
    }
}
