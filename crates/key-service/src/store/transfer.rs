//! What moves between stores: everything durable but tokens, which live a day at most, and the audit log,
//! which tells of one store.
//!
//! An export shows one moment, also while a service uses the store. An import is all or nothing.

use std::path::Path;

use latchkey_key_feed::{Epoch, KeyId, OpaqueKeyPepper, UnixMillis};
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::role_descriptor::RoleDescriptor;
use tokio::sync::mpsc;

use crate::audit::directory_events::{DirectoryAction, DirectoryEvent};
use crate::audit::{Actor, ChangeAction, ChangeEvent, operations};
use crate::limits::{
    APPLICATION_PRIVILEGES_MAX, ENTRIES_EXPORTED_AHEAD, ENTRIES_IMPORTED_AT_ONCE_MAX, NATIVE_ROLES_MAX,
    NATIVE_USERS_MAX,
};
use crate::model::entry_counts::EntryCounts;
use crate::model::stored_key::StoredKey;
use crate::model::stored_user::{NativeUser, ReservedUser};
use crate::store::location::StoreLocation;
use crate::store::sql::import::Added;
use crate::store::sql::{SqlStore, export, import};
use crate::store::{KeyStore, StoreError};

/// One thing that moves.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A user of the native realm.
    User(Box<NativeUser>),
    /// What was changed about a built-in user, by the username.
    ReservedUser(String, Box<ReservedUser>),
    /// A role, by its name.
    Role(String, Box<RoleDescriptor>),
    /// A privilege that an application has registered.
    ApplicationPrivilege(ApplicationPrivilege),
    /// By what opaque keys are found. It comes before them.
    OpaqueKeyPepper(OpaqueKeyPepper),
    /// An API key, alive or dead.
    ApiKey(Box<StoredKey>),
}

/// What to do with an entry whose name the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenThere {
    /// Nothing is imported.
    Refuse,
    /// The store's own stays, and the rest is imported.
    Skip,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError<E> {
    /// Reading the entries failed.
    #[error("{0}")]
    Source(E),
    /// The store has an entry of this kind and name.
    #[error("the store has {0} already")]
    AlreadyThere(String),
    /// A text of this entry holds the character NUL, which PostgreSQL does not keep.
    #[error("{0} holds the character NUL (U+0000), which PostgreSQL does not keep")]
    NulInText(String),
    /// The store has opaque keys already, whose ids were made with another pepper than those of the file.
    #[error(
        "the store finds its opaque keys by another pepper than that of the file, so nobody would find those of the file"
    )]
    OtherPepper,
    /// The store would hold more entries of this kind than it may.
    #[error("there would be more than {count_max} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many it may hold.
        count_max: i64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A store that is read and never changed. A service may use it meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct StoreReader {
    pub(in crate::store) database: SqlStore,
}

/// The result of an integrity check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Soundness {
    /// Which feed it is.
    pub epoch: Epoch,
    /// How many entries there are, all of them readable.
    pub counts: EntryCounts,
    /// How many of the keys are not invalidated.
    pub keys_live: u64,
    /// Keys that no edge can hold, or whose rights none reads, each with what is too large of it.
    pub too_large: Vec<String>,
    /// What is wrong; nothing when the store is sound.
    pub problems: Vec<String>,
}

/// Everything that a store holds, one after the other.
pub(crate) type Entries = mpsc::Receiver<Result<Entry, StoreError>>;

impl Entry {
    /// Kind and name, for people.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        match self {
            Self::User(user) => format!("the user {}", user.username),
            Self::ReservedUser(username, _) => format!("the reserved user {username}"),
            Self::Role(name, _) => format!("the role {name}"),
            Self::ApplicationPrivilege(privilege) => format!("the application privilege {privilege}"),
            Self::OpaqueKeyPepper(_) => "the pepper of opaque keys".to_owned(),
            Self::ApiKey(key) => name_of_key(&key.id),
        }
    }
}

impl Entry {
    /// Of an API key that lives and that no edge can hold, or whose rights none reads: who it is, and what is
    /// too large.
    #[must_use]
    pub(crate) fn why_no_edge_holds_it(&self) -> Option<String> {
        let Self::ApiKey(key) = self else { return None };
        if key.invalidation.is_some() {
            return None;
        }
        let mut problems: Vec<String> = key.problem_of_rights().into_iter().collect();
        if !key.fits_a_record() {
            problems = key.problems_of_row();
        }
        if problems.is_empty() {
            return None;
        }
        let problems = problems.join("; ");
        let (name, owner) = (name_of_key(&key.id), &key.owner);
        Some(format!("{name} of {} in {}: {problems}", owner.username, owner.realm))
    }
}

/// A key, for people.
pub(in crate::store) fn name_of_key(id: &KeyId) -> String {
    format!("the API key {id}")
}

impl Entry {
    /// Counts it.
    pub(crate) fn count_in(&self, counts: &mut EntryCounts) {
        let count = match self {
            Self::User(_) => &mut counts.users,
            Self::ReservedUser(..) => &mut counts.reserved_users,
            Self::Role(..) => &mut counts.roles,
            Self::ApplicationPrivilege(_) => &mut counts.application_privileges,
            Self::ApiKey(_) => &mut counts.api_keys,
            Self::OpaqueKeyPepper(_) => return,
        };
        *count += 1;
    }
}

impl StoreReader {
    /// Opens a store that is there, of just this version.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there is none, or one of another version, or it cannot be opened.
    pub(crate) async fn open(location: &StoreLocation) -> Result<Self, StoreError> {
        Ok(Self { database: SqlStore::open_to_read(location).await? })
    }

    /// The epoch of the feed, and everything that the store holds at this moment, keys last and in the order
    /// in which they were made. The last entry is an error when the store could not read the rest. Reading
    /// ends when the receiver is dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store does not answer.
    pub(crate) async fn entries(&self) -> Result<(Epoch, Entries), StoreError> {
        let (sender, entries) = mpsc::channel(ENTRIES_EXPORTED_AHEAD);
        let mut snapshot = export::begin_export(&self.database).await?;
        let epoch = snapshot.epoch().await?;
        tokio::spawn(async move {
            if let Err(error) = snapshot.send_entries(&sender).await {
                // The receiver is gone, so the error is not needed.
                let _ = sender.send(Err(error)).await;
            }
        });
        Ok((epoch, entries))
    }

    /// Reads everything, and compares it with what the store says of itself. Nothing is counted when a key is
    /// not readable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when something else is not readable, or the store does not answer.
    pub(crate) async fn check(&self) -> Result<Soundness, StoreError> {
        let mut snapshot = export::begin_export(&self.database).await?;
        let mut problems = snapshot.problems().await?;
        problems.extend(snapshot.miscounts().await?);
        let mut counts = EntryCounts::default();
        let mut keys_live = 0;
        let unreadable = snapshot.unreadable_keys().await?;
        if !unreadable.is_empty() {
            problems.extend(unreadable);
            let epoch = snapshot.epoch().await?;
            return Ok(Soundness { epoch, counts, keys_live, too_large: Vec::new(), problems });
        }
        let (epoch, mut entries) = self.entries().await?;
        let mut too_large = Vec::new();
        while let Some(entry) = entries.recv().await {
            let entry = entry?;
            entry.count_in(&mut counts);
            keys_live += u64::from(matches!(&entry, Entry::ApiKey(key) if key.invalidation.is_none()));
            too_large.extend(entry.why_no_edge_holds_it());
        }
        Ok(Soundness { epoch, counts, keys_live, too_large, problems })
    }

    /// Writes a copy of an SQLite store, as of this moment, into a file that is empty. It is not yet on disk
    /// when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when there is no whole copy, or the store is not in SQLite.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<(), StoreError> {
        export::copy_into(&self.database, file).await
    }

    /// Ends the connections.
    pub(crate) async fn close(&self) {
        self.database.close().await;
    }
}

/// Adds entries as they were in another store, all or none, and tells how many. Keys get the next
/// sequence numbers, in the order of the entries; nothing else of them changes. No other change is made
/// meanwhile.
///
/// # Errors
///
/// [`ImportError`] when nothing was added.
pub(crate) async fn import<E>(
    store: &KeyStore,
    entries: impl Iterator<Item = Result<Entry, E>>,
    when_there: WhenThere,
    actor: Actor,
    now: UnixMillis,
) -> Result<EntryCounts, ImportError<E>> {
    let event =
        ChangeEvent { at: now, action: ChangeAction::ImportApiKeys, actor: actor.clone(), key_ids: vec![] };
    let mut import = import::begin_import(&store.database, event.clone()).await?;
    let mut names = ImportedNames::default();
    for entry in entries {
        let entry = entry.map_err(ImportError::Source)?;
        match import.add(&entry).await {
            Ok(Added::Yes) => names.note(&entry),
            Ok(Added::Later) => {}
            Ok(Added::AlreadyThere) if when_there == WhenThere::Skip => {}
            Ok(Added::AlreadyThere) => return Err(ImportError::AlreadyThere(entry.name())),
            Err(StoreError::OtherPepper) => return Err(ImportError::OtherPepper),
            Err(StoreError::NulInText) => return Err(ImportError::NulInText(entry.name())),
            Err(error) => return Err(error.into()),
        }
        if import.is_due() {
            import.write_keys(when_there).await?;
        }
    }
    import.write_keys(when_there).await?;
    for event in names.events(&actor, now) {
        import.write_directory_event(&event).await?;
    }
    for (what, table, count_max) in [
        ("users", "native_user", NATIVE_USERS_MAX),
        ("roles", "native_role", NATIVE_ROLES_MAX),
        ("application privileges", "application_privilege", APPLICATION_PRIVILEGES_MAX),
    ] {
        if import.rows_in(table).await? > count_max {
            return Err(ImportError::TooMany { what, count_max });
        }
    }
    let (cursor, api_keys) = import::commit_import(&store.database, import).await?;
    store.announce(cursor);
    let counts = EntryCounts { api_keys, ..names.counts() };
    operations::record_import(&event, &counts);
    Ok(counts)
}

/// Gives the feed another name, so that every edge forgets the cursors that it has and loads again. Call
/// it when the store may have gone back in time, such as after a restore from a backup.
///
/// # Errors
///
/// [`StoreError`] when nothing was changed.
pub(crate) async fn begin_epoch(
    store: &KeyStore,
    epoch: Epoch,
    actor: Actor,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let event = ChangeEvent { at: now, action: ChangeAction::BeginEpoch, actor, key_ids: vec![] };
    let cursor = import::begin_epoch(&store.database, &epoch, &event).await?;
    store.epoch.send_replace(epoch);
    store.announce(cursor);
    operations::record_epoch(&event);
    Ok(())
}

/// What was added besides keys, for the audit log. There are few enough to hold in memory.
#[derive(Debug, Default)]
struct ImportedNames {
    users: Vec<String>,
    reserved_users: Vec<String>,
    roles: Vec<String>,
    privileges: Vec<String>,
}

impl ImportedNames {
    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::User(user) => self.users.push(user.username.clone()),
            Entry::ReservedUser(username, _) => self.reserved_users.push(username.clone()),
            Entry::Role(name, _) => self.roles.push(name.clone()),
            Entry::ApplicationPrivilege(privilege) => self.privileges.push(privilege.to_string()),
            // Keys have events of their own.
            Entry::ApiKey(_) | Entry::OpaqueKeyPepper(_) => {}
        }
    }

    fn counts(&self) -> EntryCounts {
        EntryCounts {
            users: self.users.len() as u64,
            reserved_users: self.reserved_users.len() as u64,
            roles: self.roles.len() as u64,
            application_privileges: self.privileges.len() as u64,
            api_keys: 0,
        }
    }

    fn events(&self, actor: &Actor, at: UnixMillis) -> Vec<DirectoryEvent> {
        let of = |action, names: &[String]| {
            let event = |names: &[String]| DirectoryEvent {
                at,
                action,
                actor: actor.clone(),
                subjects: names.to_vec(),
            };
            names.chunks(ENTRIES_IMPORTED_AT_ONCE_MAX).map(event).collect::<Vec<_>>()
        };
        [
            of(DirectoryAction::ImportUsers, &self.users),
            of(DirectoryAction::ImportUsers, &self.reserved_users),
            of(DirectoryAction::ImportRoles, &self.roles),
            of(DirectoryAction::ImportPrivileges, &self.privileges),
        ]
        .concat()
    }
}
