//! A key service on each of its databases, both of which reach the disk before they answer.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::key_service::{KeyServiceClient, KeyServiceProcess};
use latchkey_local_stack::postgres::PostgresServer;
use latchkey_local_stack::replicas::Replicas;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::edge::edge_stack;
use crate::key_set::KeySet;

/// Where the keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file beside the service.
    Sqlite,
    /// A server of its own, with `fsync`.
    Postgres,
}

/// A running service; dropping it ends it, and its database.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Place {
    /// On SQLite.
    Sqlite(KeyServiceProcess, TempDir),
    /// On PostgreSQL.
    Postgres(Replicas),
}

impl Database {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// What figures call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgresql",
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// Starts the release build on it, with the keys of a set if there is one. The data lie where `target`
    /// does, not in memory.
    ///
    /// # Errors
    ///
    /// When a part does not start, or does not take the keys.
    pub fn start(self, bench: &Bench, keys: Option<KeySet>) -> Result<Place> {
        match self {
            Self::Sqlite => {
                let directory = tempfile::Builder::new().prefix("service-").tempdir_in(bench.directory())?;
                let data = directory.path().join("data");
                if let Some(keys) = keys {
                    edge_stack::copy_store(bench, keys, &data)?;
                }
                let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let program = bench.latchkey()?;
                let service = KeyServiceProcess::start_program(&program, anywhere, &data, directory.path())?;
                Ok(Place::Sqlite(service, directory))
            }
            Self::Postgres => {
                let server = PostgresServer::start_durable()?;
                if let Some(keys) = keys {
                    import(&bench.latchkey()?, bench.directory(), keys, &server.url())?;
                }
                Ok(Place::Postgres(Replicas::start_on(server, 1)?))
            }
        }
    }
}

impl Place {
    /// Somebody who may do everything.
    ///
    /// # Errors
    ///
    /// When there is no replica.
    pub fn client(&self) -> Result<&KeyServiceClient> {
        match self {
            Self::Sqlite(service, _) => Ok(service.client()),
            Self::Postgres(replicas) => replicas.client(0).context("there is no replica"),
        }
    }

    /// The process of the service, without its database where that is a server.
    ///
    /// # Errors
    ///
    /// When there is no replica.
    pub fn process_id(&self) -> Result<u32> {
        match self {
            Self::Sqlite(service, _) => Ok(service.id()),
            Self::Postgres(replicas) => replicas.id(0).context("there is no replica"),
        }
    }

    /// Bytes of its data on disk, where that is a directory of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be listed.
    pub fn data_bytes(&self) -> Result<Option<u64>> {
        let Self::Sqlite(_, directory) = self else { return Ok(None) };
        let files = fs::read_dir(directory.path().join("data"))?;
        let sizes = files.map(|file| Ok(file?.metadata()?.len())).collect::<Result<Vec<_>>>()?;
        Ok(Some(sizes.into_iter().sum()))
    }
}

fn import(program: &Path, directory: &Path, keys: KeySet, url: &str) -> Result<()> {
    let beside = tempfile::Builder::new().prefix("importing-").tempdir_in(directory)?;
    let export = beside.path().join("keys.jsonl");
    keys.write_export(&export)?;
    let output = Command::new(program).args(["import", "--store", url]).arg(&export).output()?;
    fs::remove_file(&export)?;
    ensure!(output.status.success(), "importing: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
