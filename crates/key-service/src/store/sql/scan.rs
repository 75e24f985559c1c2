//! Reading what is stored one after the other.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;
use latchkey_query::{Condition, Reads};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::KEYS_LISTED_MAX;
use crate::limits::work_limits::KEYS_SCANNED_AHEAD_LEN_MAX;
use crate::model::stored_key::StoredKey;
use crate::model::stored_user::NativeUser;
use crate::store::audit_trail::{KeptEvent, WantedEvents};
use crate::store::directory::PrivilegeFilter;
use crate::store::sql::SqlStore;
use crate::store::sql::audit_rows::{kept_event, wanted_events};
use crate::store::sql::directory_rows::application_privilege;
use crate::store::sql::directory_rows::users::native_user;
use crate::store::sql::key_pages::{self, PagePart};
use crate::store::sql::key_rows::push_filter;
use crate::store::sql::query::Query;
use crate::store::sql::reader::Reader;
use crate::store::sql::row::{Row, TEXT_COLUMNS, key_columns};
use crate::store::sql::searched_key::{SEARCHED_TEXTS, SearchedKey};
use crate::store::sql::transaction::in_time;
use crate::store::sql::usage_rows::KEYS_WITH_USAGE;
use crate::store::{KeyFilter, StoreError};

/// What is to be read, and how.
pub(in crate::store) struct Selection<T> {
    query: Query,
    /// The columns with what clients chose.
    texts: &'static [&'static str],
    read: fn(Row) -> Result<T, StoreError>,
}

/// A row as the database has it: what is JSON in it is still text.
#[derive(derive_more::Debug)]
#[debug("Unread")]
pub(in crate::store) struct Unread<T> {
    row: Row,
    read: fn(Row) -> Result<T, StoreError>,
    /// Its share of the bytes that may wait to be read.
    _ahead: OwnedSemaphorePermit,
}

impl Selection<StoredKey> {
    /// By creation, then by id, and at most one more than a listing may have.
    pub(in crate::store) fn of_keys(filter: &KeyFilter) -> Result<Self, StoreError> {
        let mut query = Query::new("select ");
        query.push(key_columns()).push(" from ").push(KEYS_WITH_USAGE).push(" where true");
        push_filter(&mut query, filter)?;
        query.push(" order by creation, id limit ").push_bind(i64::from(KEYS_LISTED_MAX) + 1);
        let texts = &["name", "owner_metadata", "role_descriptors", "limited_by", "metadata"];
        Ok(Self { query, texts, read: |row| row.stored_key() })
    }
}

impl Selection<SearchedKey> {
    /// In any order.
    pub(in crate::store) fn of_searched(condition: &Condition, reads: Reads) -> Result<Self, StoreError> {
        Ok(Self { query: key_pages::all(condition, reads)?, texts: &SEARCHED_TEXTS, read: SearchedKey::read })
    }

    /// A part of a page.
    pub(in crate::store) fn of_page(
        condition: &Condition,
        part: &PagePart,
        from: usize,
        size: usize,
    ) -> Result<Self, StoreError> {
        let query = key_pages::page(condition, part, from, size)?;
        Ok(Self { query, texts: &SEARCHED_TEXTS, read: SearchedKey::read })
    }
}

impl Selection<(i64, StoredKey)> {
    /// The keys of these places, each with its place.
    pub(in crate::store) fn of_places(places: &[i64]) -> Result<Self, StoreError> {
        let read = |row: Row| Ok((row.get("position")?, row.stored_key()?));
        Ok(Self { query: key_pages::placed(places)?, texts: &TEXT_COLUMNS, read })
    }
}

impl Selection<i64> {
    /// How many keys fulfil a condition.
    pub(in crate::store) fn count_of(condition: &Condition) -> Result<Self, StoreError> {
        Ok(Self { query: key_pages::count(condition)?, texts: &[], read: |row| row.scalar() })
    }

    /// How many keys a part of a page could show.
    pub(in crate::store) fn count_of_part(
        condition: &Condition,
        part: &PagePart,
    ) -> Result<Self, StoreError> {
        Ok(Self { query: key_pages::count_part(condition, part)?, texts: &[], read: |row| row.scalar() })
    }
}

impl Selection<NativeUser> {
    pub(in crate::store) fn of_users(names: Option<&[String]>) -> Result<Self, StoreError> {
        let mut query = Query::new("select * from native_user");
        if let Some(names) = names {
            query.push(" where username ").push_in_texts(names)?;
        }
        query.push(" order by username");
        Ok(Self { query, texts: &["roles", "full_name", "email", "metadata"], read: |row| native_user(&row) })
    }
}

impl Selection<(String, RoleDescriptor)> {
    pub(in crate::store) fn of_roles(names: Option<&[String]>) -> Result<Self, StoreError> {
        let mut query = Query::new("select name, descriptor from native_role");
        if let Some(names) = names {
            query.push(" where name ").push_in_texts(names)?;
        }
        query.push(" order by name");
        let read = |row: Row| Ok((row.get("name")?, row.json("descriptor")?));
        Ok(Self { query, texts: &["descriptor"], read })
    }
}

impl Selection<ApplicationPrivilege> {
    pub(in crate::store) fn of_privileges(filter: &PrivilegeFilter) -> Result<Self, StoreError> {
        let mut query =
            Query::new("select application, name, actions, metadata from application_privilege where true");
        if let Some(applications) = &filter.applications {
            query.push(" and application ").push_in_texts(applications)?;
        }
        if let Some(names) = &filter.names {
            query.push(" and name ").push_in_texts(names)?;
        }
        query.push(" order by application, name");
        Ok(Self { query, texts: &["actions", "metadata"], read: |row| application_privilege(&row) })
    }
}

impl Selection<KeptEvent> {
    pub(in crate::store) fn of_events(wanted: &WantedEvents) -> Result<Self, StoreError> {
        let query = wanted_events(wanted)?;
        Ok(Self { query, texts: &["key_ids", "subjects", "tokens"], read: |row| kept_event(&row) })
    }
}

#[cfg(test)]
impl Selection<i64> {
    /// All numbers.
    pub(in crate::store) fn endless() -> Self {
        let numbers =
            "with recursive number (n) as (select cast(1 as bigint) union all select n + 1 from number)
                       select n from number";
        Self { query: Query::new(numbers), texts: &[], read: |row| row.scalar() }
    }

    /// How many numbers there are, which no database can tell.
    pub(in crate::store) fn endless_count() -> Self {
        let count =
            "with recursive number (n) as (select cast(1 as bigint) union all select n + 1 from number)
                     select count(*) from number";
        Self { query: Query::new(count), texts: &[], read: |row| row.scalar() }
    }

    /// Nothing, after a time that no test waits for. In PostgreSQL.
    pub(in crate::store) fn silent() -> Self {
        let silent = "select cast(1 as bigint) from pg_sleep(3600)";
        Self { query: Query::new(silent), texts: &[], read: |row| row.scalar() }
    }
}

impl<T> Unread<T> {
    pub(in crate::store) fn read(self) -> Result<T, StoreError> {
        (self.read)(self.row)
    }
}

/// Sends what is selected. Ends early when the receiver is gone. Dropped, it ends the statement.
pub(in crate::store) async fn send<T>(
    database: &SqlStore,
    selection: Selection<T>,
    unread: &Sender<Result<Unread<T>, StoreError>>,
) -> Result<(), StoreError> {
    let Selection { query, texts, read } = selection;
    let ahead = Arc::new(Semaphore::new(KEYS_SCANNED_AHEAD_LEN_MAX));
    let mut reader = Reader::of(database).await?;
    let mut rows = reader.fetch(query)?;
    while let Some(row) = in_time(rows.try_next()).await? {
        let len = row.texts_len(texts)?.clamp(1, KEYS_SCANNED_AHEAD_LEN_MAX);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&ahead).acquire_many_owned(len).await else { return Ok(()) };
        if unread.send(Ok(Unread { row, read, _ahead: permit })).await.is_err() {
            return Ok(());
        }
    }
    drop(rows);
    reader.has_read_all();
    Ok(())
}
