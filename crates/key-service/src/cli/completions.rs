//! `latchkey completions`: what a shell needs to complete the command.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};
use latchkey_build_info::VERSION_AND_COMMIT;

use crate::cli::report::write_out;
use crate::cli::{CommandFailed, CommandLine};

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// Which shell.
    shell: SupportedShell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SupportedShell {
    Bash,
    Fish,
    Zsh,
}

pub(super) fn run(arguments: &CompletionsArguments) -> Result<(), CommandFailed> {
    let shell = match arguments.shell {
        SupportedShell::Bash => Shell::Bash,
        SupportedShell::Fish => Shell::Fish,
        SupportedShell::Zsh => Shell::Zsh,
    };
    let mut script = Vec::new();
    generate(shell, &mut CommandLine::command(), "latchkey", &mut script);
    // At the end, because zsh reads the first line.
    script.extend_from_slice(format!("# latchkey {VERSION_AND_COMMIT}\n").as_bytes());
    write_out(&script)
}
