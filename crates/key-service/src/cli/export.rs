//! `latchkey export`: everything that a store holds, as a file for `latchkey import`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;

use crate::cli::CommandFailed;
use crate::cli::import::told;
use crate::cli::replaced_file::ReplacedFile;
use crate::cli::report::write_err;
use crate::cli::store_arguments::{StoreArguments, block_on};
use crate::clock::{Clock as _, SystemClock};
use crate::export_file::{ExportWriter, Header};
use crate::model::entry_counts::EntryCounts;
use crate::store::StoreError;
use crate::store::location::StoreLocation;
use crate::store::transfer::StoreReader;

#[derive(Debug, Args)]
pub(super) struct ExportArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// The file to write, readable to its owner alone; without it, stdout is written.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(arguments: &ExportArguments) -> Result<(), CommandFailed> {
    let location = arguments.store.location()?;
    let Some(path) = &arguments.output else {
        let failed = |error: io::Error| CommandFailed::new(format!("could not write to stdout: {error}"));
        let counts = block_on(export(&location, io::stdout().lock(), failed))?;
        write_err(&format!("Exported {}.\n", told(&counts)));
        return Ok(());
    };
    let failed = |error: io::Error| CommandFailed::io("write", path, &error);
    let next = ReplacedFile::begin(path).map_err(failed)?;
    let counts = block_on(export(&location, next.file(), failed))?;
    next.commit().map_err(failed)?;
    write_err(&format!("Exported {} to {}.\n", told(&counts), path.display()));
    Ok(())
}

async fn export(
    location: &StoreLocation,
    output: impl Write,
    not_written: impl Fn(io::Error) -> CommandFailed,
) -> Result<EntryCounts, CommandFailed> {
    let store = StoreReader::open(location).await.map_err(|error| CommandFailed::store(location, &error))?;
    let not_read = |error: StoreError| CommandFailed::in_store("read", location, &error);
    let (epoch, mut entries) = store.entries().await.map_err(not_read)?;
    let header = Header::new(epoch, SystemClock.now());
    let mut writer = ExportWriter::begin(BufWriter::new(output), &header).map_err(&not_written)?;
    while let Some(entry) = entries.recv().await {
        writer.write(entry.map_err(not_read)?).map_err(&not_written)?;
    }
    let counts = writer.end().map_err(not_written)?;
    store.close().await;
    Ok(counts)
}
