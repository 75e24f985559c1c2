//! Which store a command works on that opens it itself, without a service in between.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::cli::CommandFailed;
use crate::cli::data_directory::{DataDirectory, existing_store_file};
use crate::cli::running::StorePlace;
use crate::cli::secret_input::from_file;
use crate::store::location::{PostgresLocation, StoreLocation, names_a_password};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("place").args(["data", "store"]).required(true))]
pub(super) struct StoreArguments {
    /// The data directory of an SQLite store.
    #[arg(long, value_name = "DIRECTORY")]
    data: Option<PathBuf>,
    /// The URL of a PostgreSQL store, without a password: postgres://user@host/database.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// A file whose first line is the password of the database.
    #[arg(long, value_name = "FILE", requires = "store")]
    store_password_file: Option<PathBuf>,
}

impl StoreArguments {
    /// Where the store is, for reading beside whoever uses it.
    pub(super) fn location(&self) -> Result<StoreLocation, CommandFailed> {
        match &self.data {
            None => Ok(StoreLocation::Postgres(self.database()?)),
            Some(directory) => Ok(StoreLocation::File(existing_store_file(directory)?)),
        }
    }

    /// The store, for changing it; a directory then belongs to this process. It is made when there is none.
    pub(super) fn take(&self) -> Result<StorePlace, CommandFailed> {
        Ok(match &self.data {
            None => StorePlace::Database(self.database()?),
            Some(directory) => StorePlace::Directory(DataDirectory::take(directory)?),
        })
    }

    fn database(&self) -> Result<PostgresLocation, CommandFailed> {
        // An argument is there when no directory is: the parser saw to it.
        let url = self.store.as_deref().unwrap_or_default();
        if names_a_password(url) {
            return Err(CommandFailed::new(
                "--store must hold no password, because everybody on this machine can list arguments; \
                 use --store-password-file, or PGPASSWORD",
            ));
        }
        let database = PostgresLocation::parse(url)
            .map_err(|invalid| CommandFailed::new(format!("--store {invalid}")))?;
        match &self.store_password_file {
            None => Ok(database),
            Some(file) => Ok(database.with_password(from_file(file)?.expose(), file)),
        }
    }
}

/// Runs a command on a store to its end.
pub(super) fn block_on<T>(
    command: impl Future<Output = Result<T, CommandFailed>>,
) -> Result<T, CommandFailed> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailed::new(format!("could not start: {error}")))?
        .block_on(command)
}
