//! Where a store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

/// Where a store is.
#[derive(Clone, Debug)]
pub enum StoreLocation {
    /// In this SQLite file.
    File(PathBuf),
    /// In a PostgreSQL database.
    Postgres(PostgresLocation),
}

/// A PostgreSQL database, and how to get in. Shown without the password.
#[derive(Clone)]
pub struct PostgresLocation {
    options: Box<PgConnectOptions>,
}

/// A text that does not say where a PostgreSQL database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a URL such as postgres://user@host/database")]
pub struct InvalidDatabaseUrl;

/// Whether a connection URI holds a password, in one of the two places where it may.
#[must_use]
pub fn names_a_password(url: &str) -> bool {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = before_query.split('/').next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "password")
}

impl PostgresLocation {
    /// Reads a connection URI as PostgreSQL has it (manual, section 34.1.1.2), such as
    /// `postgres://latchkey@db.example.com/latchkey?sslmode=verify-full`.
    ///
    /// # Errors
    ///
    /// [`InvalidDatabaseUrl`] when it is none.
    pub fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(InvalidDatabaseUrl);
        }
        let mut options = PgConnectOptions::from_str(url).map_err(|_| InvalidDatabaseUrl)?;
        if options.get_application_name().is_none() {
            options = options.application_name("latchkey");
        }
        Ok(Self { options: Box::new(options) })
    }

    /// The same, with another password.
    #[must_use]
    pub fn with_password(&self, password: &str) -> Self {
        Self { options: Box::new(self.options().password(password)) }
    }

    pub(in crate::store) fn options(&self) -> PgConnectOptions {
        (*self.options).clone()
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Postgres(database) => database.fmt(f),
        }
    }
}

impl fmt::Display for PostgresLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
        write!(f, "postgres://{user}@{host}:{port}/{}", options.get_database().unwrap_or(user))
    }
}

impl fmt::Debug for PostgresLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_shows_a_password() {
        for url in ["postgres://u:hunter2@db:5433/keys", "postgresql://u@db:5433/keys?password=hunter2"] {
            let location = StoreLocation::Postgres(PostgresLocation::parse(url).unwrap());
            assert_eq!(location.to_string(), "postgres://u@db:5433/keys");
            assert!(!format!("{location:?}").contains("hunter2"), "{location:?}");
        }
    }

    #[test]
    fn knows_whether_there_is_a_password() {
        for (url, expected) in [
            ("postgres://u@db:5433/keys", false),
            ("postgres://db/keys?sslmode=require", false),
            ("postgres://u:hunter2@db/keys", true),
            ("postgres://u:@db/keys", true),
            ("postgres://u@db/keys?sslmode=require&password=hunter2", true),
            ("postgres://u@db/keys?pass%77ord=hunter2", true),
        ] {
            assert_eq!(names_a_password(url), expected, "{url}");
        }
    }

    #[test]
    fn refuses_what_is_no_database() {
        for text in ["", "db", "mysql://u@db/keys", "postgres://[", "postgres://db:port/keys"] {
            assert_eq!(PostgresLocation::parse(text).err(), Some(InvalidDatabaseUrl), "{text}");
        }
    }
}
