//! `latchkey new-epoch`: after a store was restored, so that edges forget what they had read of it.

use clap::Args;

use crate::audit::Actor;
use crate::cli::CommandFailed;
use crate::cli::report::write_out;
use crate::cli::running::new_epoch;
use crate::cli::store_arguments::{StoreArguments, block_on};
use crate::clock::{Clock as _, SystemClock};
use crate::store::{KeyStore, StoreError, transfer};

#[derive(Debug, Args)]
pub(super) struct EpochArguments {
    #[command(flatten)]
    store: StoreArguments,
}

pub(super) fn run(arguments: &EpochArguments) -> Result<(), CommandFailed> {
    // Nothing is made where there is no store.
    let location = arguments.store.location()?;
    let _place = arguments.store.take()?;
    let epoch = new_epoch()?;
    block_on(async {
        let store = KeyStore::open(&location, new_epoch()?)
            .await
            .map_err(|error| CommandFailed::store(&location, &error))?;
        let begun = transfer::begin_epoch(&store, epoch.clone(), Actor::operator(), SystemClock.now()).await;
        store.close().await;
        begun.map_err(|error: StoreError| CommandFailed::in_store("change", &location, &error))
    })?;
    write_out(
        format!("The feed has the new epoch {}: every edge loads all keys again.\n", epoch.as_str())
            .as_bytes(),
    )
}
