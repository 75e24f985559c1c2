//! The command `latchkey`: it prepares and runs a service (`init`, `dev`, `serve`), asks one that runs (`key`,
//! `edges`, `user`, `owner`, `role`, `token`, `health`), works on a store itself (`audit`, `export`, `import`, `backup`,
//! `check`, `new-epoch`), and tells of itself (`completions`, `man-pages`, `version`).
//!
//! No secret is ever an argument, because everybody on the machine can list those.

mod audit;
mod backup;
mod check;
mod client_tls;
mod completions;
mod confirmation;
mod connection;
mod data_directory;
mod dev;
mod edges_command;
mod epoch;
mod export;
mod health;
mod import;
mod init;
mod json_input;
mod key;
mod logging;
mod man_pages;
mod owner;
mod replaced_file;
mod report;
mod role;
mod running;
mod secret_input;
mod serve;
mod service_client;
mod service_place;
mod service_refusal;
mod store_arguments;
mod token;
mod user;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use latchkey_build_info::VERSION_AND_COMMIT;

use crate::file_modes::WrittenByAll;
use crate::settings::section::InvalidFile;
use crate::store::StoreError;
use crate::store::location::StoreLocation;

/// What PostgreSQL says of a password that it does not take (`invalid_password`).
const PASSWORD_REFUSED: &str = "password authentication failed";

/// Where the help of a verb has what all verbs take, so that the verb's own options come first.
const LOG_HEADING: &str = "Log";

/// Latchkey's key service, which issues API keys and feeds them to the edges, and a client for daily work
/// with it.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version = VERSION_AND_COMMIT, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// How much to log to stderr. At debug, every request is a line.
    #[arg(
        long,
        global = true,
        default_value = "info",
        value_name = "LEVEL",
        env = "LATCHKEY_LOG",
        help_heading = LOG_HEADING
    )]
    log: logging::Level,
    /// How lines on stderr look. The audit log of a service is JSON in both.
    #[arg(
        long,
        global = true,
        default_value = "text",
        value_name = "FORMAT",
        env = "LATCHKEY_LOG_FORMAT",
        help_heading = LOG_HEADING
    )]
    log_format: logging::LogFormat,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service for trying things out: one process, one directory, a super-user with a generated
    /// password.
    Dev(dev::DevArguments),
    /// Run the service as its settings say: a file, the environment, flags.
    Serve(serve::ServeArguments),
    /// Make all that a first `serve` needs: settings, a first user, a key for the edge, a configuration of
    /// Envoy.
    Init(init::InitArguments),
    /// Make, list and end the API keys of a running service.
    Key(key::KeyArguments),
    /// Show which edges follow a running service, and how far each has come.
    Edges(edges_command::EdgesArguments),
    /// Add, change and list the users of a running service, or of a users file.
    User(user::UserArguments),
    /// Make, change and list owners of keys that are no people: service accounts of a running service, which have no password.
    Owner(owner::OwnerArguments),
    /// Make, list and remove the roles of a running service.
    Role(role::RoleArguments),
    /// Get and end access tokens of a running service.
    Token(token::TokenArguments),
    /// Ask whether a running service is ready: for probes, which need no credential.
    ///
    /// Ends with 0 if the service takes requests and its store takes changes, and with another code if not.
    Health(health::HealthArguments),
    /// Show who changed what: the changes that a store keeps, also while a service uses it.
    ///
    /// Refusals and readings are not kept in the store: they are lines of the service's log.
    Audit(audit::AuditArguments),
    /// Write everything that a store holds into a file, for `import`.
    ///
    /// That is: all API keys, dead ones included, with the digests of their secrets; users with the hashes of
    /// their passwords; roles; application privileges. Tokens, which live a day at most, and the audit log
    /// stay behind. A service may use the store meanwhile. Keep the file as you keep the store: it holds no
    /// secret of a key, but weak passwords can be guessed from it.
    Export(export::ExportArguments),
    /// Bring what `export` wrote into a store, all of it or nothing.
    ///
    /// A service on a data directory must be stopped; on PostgreSQL it may run, but changes nothing
    /// meanwhile.
    Import(import::ImportArguments),
    /// Copy an SQLite store into a file, also while a service uses it.
    Backup(backup::BackupArguments),
    /// Read all of a store and say whether it is sound, also while a service uses it.
    Check(check::CheckArguments),
    /// Make every edge load all keys again, after a store was restored.
    ///
    /// The feed gets a new name, and edges forget what they had read of it. A service on a data directory
    /// must be stopped.
    NewEpoch(epoch::EpochArguments),
    /// Print a script by which a shell completes this command.
    Completions(completions::CompletionsArguments),
    /// Write the manual pages of this command and of all its verbs into a directory.
    ManPages(man_pages::ManPagesArguments),
    /// Print the version and the commit, as --version does.
    Version,
}

/// Why the command ended without doing what it was asked. Its text is for the person at the terminal.
#[derive(Debug)]
pub(crate) struct CommandFailed {
    message: String,
}

/// Runs the command that the process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let line = CommandLine::parse();
    let audience = match line.command {
        Command::Dev(_) | Command::Serve(_) => logging::Audience::Collector,
        _ => logging::Audience::Person,
    };
    let logging = logging::Logging { level: line.log, format: line.log_format, audience };
    if !matches!(line.command, Command::Serve(_)) {
        logging.begin(None);
    }
    let outcome = match line.command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Serve(arguments) => serve::run(arguments, logging),
        Command::Init(arguments) => init::run(&arguments),
        Command::Key(arguments) => key::run(arguments),
        Command::Edges(arguments) => edges_command::run(&arguments),
        Command::User(arguments) => user::run(arguments),
        Command::Owner(arguments) => owner::run(&arguments),
        Command::Role(arguments) => role::run(arguments),
        Command::Token(arguments) => token::run(arguments),
        Command::Health(arguments) => health::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::NewEpoch(arguments) => epoch::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::ManPages(arguments) => man_pages::run(&arguments),
        Command::Version => report::write_out(format!("latchkey {VERSION_AND_COMMIT}\n").as_bytes()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) if line.log_format == logging::LogFormat::Json => {
            tracing::error!("{failed}");
            ExitCode::FAILURE
        }
        Err(failed) => {
            report::write_err(&format!("latchkey: {failed}\n"));
            ExitCode::FAILURE
        }
    }
}

impl CommandFailed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    pub(crate) fn io(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::new(format!("could not {doing} {}: {error}", path.display()))
    }

    pub(crate) fn invalid_file(path: &Path, invalid: &InvalidFile) -> Self {
        Self::new(format!("{} has mistakes:\n{invalid}", path.display()))
    }

    pub(crate) fn store(location: &StoreLocation, error: &StoreError) -> Self {
        Self::in_store("open", location, error)
    }

    pub(crate) fn in_store(doing: &str, location: &StoreLocation, error: &StoreError) -> Self {
        let mut message = format!("could not {doing} the store {location}: {error}");
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Some errors tell their cause themselves.
            if !message.ends_with(&text) {
                message.push_str(&format!(": {text}"));
            }
            cause = error.source();
        }
        if message.contains(PASSWORD_REFUSED) {
            message.push_str(&whose_password(location));
        }
        Self::new(message)
    }
}

/// Where the password is from that PostgreSQL has refused.
fn whose_password(location: &StoreLocation) -> String {
    match location {
        StoreLocation::Postgres(database) => match database.password_file() {
            Some(file) => format!(": PostgreSQL refuses the password that is the first line of {}", file.display()),
            None => {
                ": PostgreSQL refuses the password of the URL or of PGPASSWORD; store.password_file (--store-password-file) \
                 names a file with one"
                    .to_owned()
            }
        },
        StoreLocation::File(_) => String::new(),
    }
}

impl From<WrittenByAll> for CommandFailed {
    fn from(error: WrittenByAll) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for CommandFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
