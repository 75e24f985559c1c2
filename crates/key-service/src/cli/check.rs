//! `latchkey check`: whether a store is sound.

use clap::Args;

use crate::cli::CommandFailed;
use crate::cli::import::told;
use crate::cli::report::{harmless, write_out};
use crate::cli::store_arguments::{StoreArguments, block_on};
use crate::store::StoreError;
use crate::store::transfer::StoreReader;

#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    store: StoreArguments,
}

pub(super) fn run(arguments: &CheckArguments) -> Result<(), CommandFailed> {
    let location = arguments.store.location()?;
    let found = block_on(async {
        let store =
            StoreReader::open(&location).await.map_err(|error| CommandFailed::store(&location, &error))?;
        let not_read = |error: StoreError| CommandFailed::in_store("read", &location, &error);
        let found = store.check().await.map_err(not_read)?;
        store.close().await;
        Ok(found)
    })?;
    if let Some(first) = found.problems.first() {
        let count = found.problems.len();
        let problem = harmless(&first.replace('\n', "; "));
        return Err(CommandFailed::new(format!(
            "the store {location} is damaged ({count} problems): {problem}"
        )));
    }
    let (counts, live, epoch) = (told(&found.counts), found.keys_live, found.epoch.as_str());
    write_out(
        format!(
            "The store {location} is sound: {counts}; {live} of the keys not invalidated; epoch {epoch}.\n"
        )
        .as_bytes(),
    )
}
