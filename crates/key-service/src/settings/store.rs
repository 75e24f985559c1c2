//! Where the store is: in a directory of this machine, or in a database that replicas share.

use std::path::PathBuf;

use crate::settings::section::Section;
use crate::store::location::{PostgresLocation, names_a_password};

/// Where the store is.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// In this directory, as an SQLite file.
    Directory(PathBuf),
    /// In a PostgreSQL database.
    Postgres {
        /// Which one.
        database: PostgresLocation,
        /// The file with the password, when there is one. Its first line wins over a password in the URL.
        password_file: Option<PathBuf>,
    },
}

/// Reads `data` and `store`, of which exactly one must be there. `flag` is a directory that wins over both.
pub(super) fn read(root: &mut Section<'_>, flag: Option<PathBuf>) -> StoreSettings {
    let data = root.file("data");
    let mut section = root.section("store");
    let url = section.text("url");
    let password_file = section.file("password_file");
    let database = url.and_then(|url| match PostgresLocation::parse(url) {
        Ok(database) => Some(database),
        Err(invalid) => {
            section.problem("url", invalid.to_string());
            None
        }
    });
    if url.is_some_and(names_a_password) {
        section.refuse_in_flags("url", "holds a password, which no flag may show: use store.password_file");
    }
    if password_file.is_some() && url.is_none() {
        section.problem("password_file", "has no use without url");
    }
    section.end();
    match (flag.or(data), url) {
        (Some(data), None) => return StoreSettings::Directory(data),
        (None, None) => root.missing("data", "is required, or store.url"),
        (Some(_), Some(_)) => root.problem("data", "has no use beside store.url: the store is in one place"),
        (None, Some(_)) => {}
    }
    match database {
        Some(database) => StoreSettings::Postgres { database, password_file },
        // The problem is noted, and this never used.
        None => StoreSettings::Directory(PathBuf::new()),
    }
}
