//! `latchkey man-pages`: what `man` shows of the command.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_mangen::generate_to;

use crate::cli::{CommandFailed, CommandLine};

#[derive(Debug, Args)]
pub(super) struct ManPagesArguments {
    /// Where the pages go, such as /usr/local/share/man/man1. Pages that are there are written anew.
    #[arg(value_name = "DIRECTORY")]
    into: PathBuf,
}

pub(super) fn run(arguments: &ManPagesArguments) -> Result<(), CommandFailed> {
    let into = &arguments.into;
    fs::create_dir_all(into)
        .and_then(|()| generate_to(CommandLine::command().propagate_version(true), into))
        .map_err(|error| CommandFailed::io("write the pages to", into, &error))
}
