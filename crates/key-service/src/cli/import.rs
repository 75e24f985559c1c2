//! `latchkey import`: brings what another store held.
//!
//! The file is read twice: once to see that it is whole and sound, and once to write it, in one transaction.

use std::fs::File;
use std::io::Seek as _;
use std::io::{self, BufReader, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::audit::Actor;
use crate::cli::CommandFailed;
use crate::cli::check::told_of_too_large;
use crate::cli::report::{harmless, write_out};
use crate::cli::running::new_epoch;
use crate::cli::store_arguments::{StoreArguments, block_on};
use crate::clock::Clock as _;
use crate::clock::SystemClock;
use crate::export_file::{ExportReader, InvalidExport};
use crate::model::entry_counts::EntryCounts;
use crate::store::KeyStore;
use crate::store::location::StoreLocation;
use crate::store::transfer::{self, ImportError, WhenThere};

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// Leave what the store has of the same id or name as it is, instead of refusing the whole file.
    #[arg(long)]
    skip_existing: bool,
    /// The file that `latchkey export` wrote.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<(), CommandFailed> {
    let path = &arguments.file;
    let invalid = |invalid: InvalidExport| CommandFailed::new(format!("{}: {invalid}", path.display()));
    let mut file = File::open(path).map_err(|error| CommandFailed::io("open", path, &error))?;
    let mut too_large = Vec::new();
    for entry in entries(&file).map_err(invalid)? {
        too_large.extend(entry.map_err(invalid)?.why_no_edge_holds_it().map(|key| harmless(&key)));
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| not_twice(path, &error))?;
    let place = arguments.store.take()?;
    let when_there = if arguments.skip_existing { WhenThere::Skip } else { WhenThere::Refuse };
    let imported = block_on(import(&place.location()?, entries(&file).map_err(invalid)?, when_there))?;
    write_out(format!("Imported {}.\n{}", told(&imported), told_of_too_large(&too_large)).as_bytes())
}

fn entries(file: &File) -> Result<ExportReader<BufReader<&File>>, InvalidExport> {
    ExportReader::begin(BufReader::new(file)).map(|(_, entries)| entries)
}

async fn import(
    location: &StoreLocation,
    entries: ExportReader<BufReader<&File>>,
    when_there: WhenThere,
) -> Result<EntryCounts, CommandFailed> {
    let store = KeyStore::open(location, new_epoch()?)
        .await
        .map_err(|error| CommandFailed::store(location, &error))?;
    let imported = transfer::import(&store, entries, when_there, Actor::operator(), SystemClock.now()).await;
    store.close().await;
    imported.map_err(|error| match error {
        ImportError::Store(error) => CommandFailed::in_store("import into", location, &error),
        error => CommandFailed::new(format!("nothing was imported: {}", harmless(&error.to_string()))),
    })
}

/// How many of each kind, for people.
pub(super) fn told(counts: &EntryCounts) -> String {
    [
        (counts.api_keys, "API key"),
        (counts.users, "user"),
        (counts.reserved_users, "reserved user"),
        (counts.roles, "role"),
        (counts.application_privileges, "application privilege"),
    ]
    .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
    .join(", ")
}

fn not_twice(path: &Path, error: &io::Error) -> CommandFailed {
    CommandFailed::new(format!("{} must be a file, because it is read twice: {error}", path.display()))
}
