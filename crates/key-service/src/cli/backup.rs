//! `latchkey backup`: a copy of an SQLite store, also while a service uses it.

use std::path::PathBuf;

use clap::Args;

use crate::cli::CommandFailed;
use crate::cli::data_directory::existing_store_file;
use crate::cli::replaced_file::ReplacedFile;
use crate::cli::report::write_out;
use crate::cli::store_arguments::block_on;
use crate::store::StoreError;
use crate::store::location::StoreLocation;
use crate::store::transfer::StoreReader;

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The data directory of the store.
    #[arg(long, value_name = "DIRECTORY")]
    data: PathBuf,
    /// The file to write, readable to its owner alone.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &BackupArguments) -> Result<(), CommandFailed> {
    let output = &arguments.output;
    let location = StoreLocation::File(existing_store_file(&arguments.data)?);
    let next = ReplacedFile::begin(output).map_err(|error| CommandFailed::io("write", output, &error))?;
    block_on(async {
        let store =
            StoreReader::open(&location).await.map_err(|error| CommandFailed::store(&location, &error))?;
        let not_copied = |error: StoreError| CommandFailed::in_store("copy", &location, &error);
        store.copy_into(next.path_meanwhile()).await.map_err(not_copied)?;
        store.close().await;
        Ok(())
    })?;
    next.commit().map_err(|error| CommandFailed::io("write", output, &error))?;
    write_out(format!("Copied the store to {}.\n", output.display()).as_bytes())
}
