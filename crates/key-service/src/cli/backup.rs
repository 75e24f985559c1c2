//! `latchkey backup`: a copy of an SQLite store, also while a service uses it.

use std::io;
use std::path::{Path, PathBuf};

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
    /// The file to write, readable to its owner alone. There must be none of this name.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(arguments: &BackupArguments) -> Result<(), CommandFailed> {
    let output = &arguments.output;
    let location = StoreLocation::File(existing_store_file(&arguments.data)?);
    // A link that leads nowhere is there, too.
    if output.symlink_metadata().is_ok() {
        return Err(already_there(output));
    }
    let next = ReplacedFile::begin(output).map_err(|error| CommandFailed::io("write", output, &error))?;
    block_on(async {
        let store =
            StoreReader::open(&location).await.map_err(|error| CommandFailed::store(&location, &error))?;
        let not_copied = |error: StoreError| CommandFailed::in_store("copy", &location, &error);
        store.copy_into(next.path_meanwhile()).await.map_err(not_copied)?;
        store.close().await;
        Ok(())
    })?;
    next.commit_new().map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => already_there(output),
        _ => CommandFailed::io("write", output, &error),
    })?;
    write_out(format!("Copied the store to {}.\n", output.display()).as_bytes())
}

fn already_there(output: &Path) -> CommandFailed {
    CommandFailed::new(format!(
        "{} is there already, and a backup overwrites nothing: name another file, or remove this one",
        output.display()
    ))
}
