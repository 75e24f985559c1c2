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
    let one_line = |text: &String| harmless(&text.replace('\n', "; "));
    if let Some(first) = found.problems.first() {
        for problem in found.problems.iter().skip(1) {
            write_out(format!("{}\n", one_line(problem)).as_bytes())?;
        }
        let count = found.problems.len();
        let problem = one_line(first);
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
    )?;
    let too_large: Vec<String> = found.too_large.iter().map(one_line).collect();
    write_out(told_of_too_large(&too_large).as_bytes())
}

/// Which keys no edge can hold, and what is to be done, for people; nothing when there is none.
pub(super) fn told_of_too_large(keys: &[String]) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let list: String = keys.iter().map(|key| format!("  {key}\n")).collect();
    format!(
        "Edges refuse these keys, because they are too large for them, or cannot tell what they may do:\n{list}The owner of one mends it with \
         PUT /_security/api_key/ID and smaller metadata or role descriptors; else it is of no use, and may be invalidated.\n"
    )
}
