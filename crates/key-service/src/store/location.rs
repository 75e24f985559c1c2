//! Where a store is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::postgres::PgConnectOptions;

use crate::limits::DATABASE_SERVERS_MAX;

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
    /// How to connect to each server that the database may be at; at least one.
    servers: Vec<PgConnectOptions>,
    /// The file that the password is from, if it is from one.
    password_file: Option<PathBuf>,
}

/// Why a text does not say where a PostgreSQL database is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// It is no URL of a database.
    #[error("must be a URL such as postgres://user@host/database")]
    Malformed,
    /// It allows servers that may lack the last changes.
    #[error("target_session_attrs must be primary or read-write: a standby may lack the last revocations")]
    NotThePrimary,
    /// It names too many servers.
    #[error("must name at most {DATABASE_SERVERS_MAX} servers")]
    TooManyServers,
    /// It has a parameter of this name, which would be left out.
    #[error("has an unknown parameter [{0}]; known are {known}", known = PARAMETERS.join(", "))]
    UnknownParameter(String),
}

/// The parameter of a connection URI that says which of several servers is wanted.
const WANTED_SERVER: &str = "target_session_attrs";

/// What it may say.
const PRIMARY: [&str; 2] = ["primary", "read-write"];

/// The parameters that have an effect, but for `options[…]`. Any other would be left out, and its value, which may be
/// a password under a wrong name, would stand in the log.
const PARAMETERS: [&str; 14] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    WANTED_SERVER,
    "user",
];

/// Other names of some of them.
const OTHER_NAMES: [&str; 5] = ["ssl-mode", "ssl-root-cert", "ssl-ca", "ssl-cert", "ssl-key"];

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
    /// `postgres://latchkey@db.example.com/latchkey?sslmode=verify-full`. It may name several servers,
    /// separated by commas.
    ///
    /// # Errors
    ///
    /// [`InvalidDatabaseUrl`] when it is none.
    pub fn parse(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidDatabaseUrl::Malformed)?;
        if !["postgres", "postgresql"].contains(&scheme) {
            return Err(InvalidDatabaseUrl::Malformed);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = without_wanted_server(query)?;
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let hosts: Vec<&str> = hosts.split(',').collect();
        if hosts.len() > DATABASE_SERVERS_MAX {
            return Err(InvalidDatabaseUrl::TooManyServers);
        }
        if hosts.len() > 1 && hosts.contains(&"") {
            return Err(InvalidDatabaseUrl::Malformed);
        }
        let at = if authority.contains('@') { "@" } else { "" };
        let servers = hosts.iter().map(|host| server(&format!("{scheme}://{user}{at}{host}{path}?{query}")));
        Ok(Self { servers: servers.collect::<Result<_, _>>()?, password_file: None })
    }

    /// The same, with another password, which is from this file.
    #[must_use]
    pub fn with_password(&self, password: &str, file: &Path) -> Self {
        let servers = self.servers.iter().map(|server| server.clone().password(password)).collect();
        Self { servers, password_file: Some(file.to_owned()) }
    }

    /// The file that the password is from, if it is from one.
    #[must_use]
    pub fn password_file(&self) -> Option<&Path> {
        self.password_file.as_deref()
    }

    pub(in crate::store) fn servers(&self) -> Vec<PgConnectOptions> {
        self.servers.clone()
    }
}

/// A query without the parameter that says which server is wanted, which must say the primary.
fn without_wanted_server(query: &str) -> Result<String, InvalidDatabaseUrl> {
    let mut rest = Vec::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match form_urlencoded::parse(parameter.as_bytes()).next() {
            Some((name, value)) if name == WANTED_SERVER => {
                if !PRIMARY.contains(&value.as_ref()) {
                    return Err(InvalidDatabaseUrl::NotThePrimary);
                }
            }
            // The list of servers stands before the path.
            Some((name, value)) if ["host", "port"].contains(&name.as_ref()) && value.contains(',') => {
                return Err(InvalidDatabaseUrl::Malformed);
            }
            Some((name, _)) if !is_parameter(&name) => {
                return Err(InvalidDatabaseUrl::UnknownParameter(name.into_owned()));
            }
            _ => rest.push(parameter),
        }
    }
    Ok(rest.join("&"))
}

fn is_parameter(name: &str) -> bool {
    let is_option = name.starts_with("options[") && name.ends_with(']');
    is_option || PARAMETERS.contains(&name) || OTHER_NAMES.contains(&name)
}

fn server(url: &str) -> Result<PgConnectOptions, InvalidDatabaseUrl> {
    let options = PgConnectOptions::from_str(url).map_err(|_| InvalidDatabaseUrl::Malformed)?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("latchkey"),
    })
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
        let Some(first) = self.servers.first() else { return Ok(()) };
        let user = first.get_username();
        let hosts = self.servers.iter().map(|server| format!("{}:{}", server.get_host(), server.get_port()));
        let hosts = hosts.collect::<Vec<_>>().join(",");
        write!(f, "postgres://{user}@{hosts}/{}", first.get_database().unwrap_or(user))
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
            assert_eq!(PostgresLocation::parse(text).err(), Some(InvalidDatabaseUrl::Malformed), "{text}");
        }
    }

    #[test]
    fn may_name_several_servers_of_which_the_primary_is_wanted() {
        for (url, shown) in [
            ("postgres://u@a,b:5433/keys?target_session_attrs=primary", "postgres://u@a:5432,b:5433/keys"),
            ("postgres://u:p,@a:1,[::1]:2?target_session_attrs=read-write", "postgres://u@a:1,[::1]:2/u"),
            ("postgres://u@a:1/keys?sslmode=require", "postgres://u@a:1/keys"),
            ("postgres://u@a:1/keys?ssl-mode=require&options[search_path]=x", "postgres://u@a:1/keys"),
        ] {
            assert_eq!(PostgresLocation::parse(url).unwrap().to_string(), shown, "{url}");
        }
        let both =
            PostgresLocation::parse("postgres://u@a,b/keys?application_name=x&sslmode=require").unwrap();
        for server in both.with_password("hunter2", Path::new("f")).servers() {
            assert_eq!(server.get_application_name(), Some("x"));
            assert_eq!(server.get_database(), Some("keys"));
        }
        for (url, refused) in [
            ("postgres://u@a,b/keys?target_session_attrs=any", InvalidDatabaseUrl::NotThePrimary),
            ("postgres://u@a/keys?target_session_attrs=prefer-standby", InvalidDatabaseUrl::NotThePrimary),
            ("postgres://u@a,,b/keys", InvalidDatabaseUrl::Malformed),
            ("postgres://u@a:1,b:x/keys", InvalidDatabaseUrl::Malformed),
            ("postgres:///keys?host=a,b", InvalidDatabaseUrl::Malformed),
            ("postgres://u@1,2,3,4,5,6,7,8,9/keys", InvalidDatabaseUrl::TooManyServers),
            ("postgres://u@a/keys?pasword=hunter2", InvalidDatabaseUrl::UnknownParameter("pasword".into())),
        ] {
            assert_eq!(PostgresLocation::parse(url).err(), Some(refused), "{url}");
        }
    }
}
