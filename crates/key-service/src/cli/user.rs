//! `latchkey user`: the people in a users file. A running service reads the file when it starts.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::users_file_edit::{NewUser, UsersFileEdit};
use crate::cli::{CommandFailed, password_prompt};
use crate::randomness::SystemRandomness;
use crate::security::password::PasswordHash;
use crate::security::user_file::UserFile;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Add a user. The password is asked for, or read from stdin.
    Add(AddArguments),
    /// List the users: name, roles, and whether the user is enabled.
    List(ListArguments),
    /// Change a user's password. The new one is asked for, or read from stdin.
    Passwd(PasswdArguments),
}

#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The user's name.
    name: String,
    /// The users file; made when it is not there.
    #[arg(long, default_value = "users.toml", value_name = "FILE")]
    users: PathBuf,
    /// A role of the user. May be given several times.
    #[arg(long = "role", value_name = "NAME")]
    roles: Vec<String>,
    /// The user's full name.
    #[arg(long, value_name = "TEXT")]
    full_name: Option<String>,
    /// The user's email address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// The users file.
    #[arg(long, default_value = "users.toml", value_name = "FILE")]
    users: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct PasswdArguments {
    /// The user's name.
    name: String,
    /// The users file.
    #[arg(long, default_value = "users.toml", value_name = "FILE")]
    users: PathBuf,
}

pub(super) fn run(command: UserCommand) -> Result<(), CommandFailed> {
    match command {
        UserCommand::Add(arguments) => add(arguments),
        UserCommand::List(arguments) => list(&arguments),
        UserCommand::Passwd(arguments) => passwd(&arguments),
    }
}

fn add(arguments: AddArguments) -> Result<(), CommandFailed> {
    let mut file = UsersFileEdit::open(&arguments.users, true)?;
    let user = NewUser {
        password: hashed_password(&arguments.name)?,
        roles: arguments.roles,
        full_name: arguments.full_name,
        email: arguments.email,
    };
    file.add(&arguments.name, user)
}

fn passwd(arguments: &PasswdArguments) -> Result<(), CommandFailed> {
    let mut file = UsersFileEdit::open(&arguments.users, false)?;
    file.set_password(&arguments.name, &hashed_password(&arguments.name)?)
}

fn list(arguments: &ListArguments) -> Result<(), CommandFailed> {
    let path = &arguments.users;
    let text = fs::read_to_string(path).map_err(|error| CommandFailed::io("read", path, &error))?;
    let file = UserFile::parse(&text).map_err(|invalid| CommandFailed::invalid_file(path, &invalid))?;
    let mut lines = String::new();
    for user in file.users {
        let standing = if user.enabled { "enabled" } else { "disabled" };
        lines.push_str(&format!("{}\t{}\t{standing}\n", user.username, user.roles.join(",")));
    }
    io::stdout()
        .write_all(lines.as_bytes())
        .map_err(|error| CommandFailed::new(format!("could not write to stdout: {error}")))
}

fn hashed_password(username: &str) -> Result<PasswordHash, CommandFailed> {
    let password = password_prompt::ask(username)?;
    PasswordHash::of(&password, &SystemRandomness).map_err(|failed| CommandFailed::new(failed.to_string()))
}
