//! The users in a users file. What is done to it is told in the service's own JSON, too.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::cli::CommandFailed;
use crate::cli::report::Report;
use crate::cli::secret_input::new_password;
use crate::cli::user::users_file_edit::{NewUser, UsersFileEdit};
use crate::cli::user::{CreateArguments, ShutOutArguments, UserCommand, done, listed, shown};
use crate::model::password::PasswordHash;
use crate::randomness::SystemRandomness;
use crate::settings::users_file::UserFile;

pub(super) fn run(path: &Path, command: &UserCommand) -> Result<Report, CommandFailed> {
    let nothing = || "{}".to_owned();
    match command {
        UserCommand::Create(arguments) => create(path, arguments),
        UserCommand::Delete(user) => {
            refuse_keys(user)?;
            UsersFileEdit::open(path, false)?.remove(&user.name)?;
            warn_of_keys(&user.name);
            Ok(done("Removed", &user.name, json!({"found": true}).to_string()))
        }
        UserCommand::Disable(user) => {
            refuse_keys(user)?;
            UsersFileEdit::open(path, false)?.set(&user.name, "enabled", false)?;
            warn_of_keys(&user.name);
            Ok(done("Disabled", &user.name, nothing()))
        }
        UserCommand::Enable(user) => {
            UsersFileEdit::open(path, false)?.set(&user.name, "enabled", true)?;
            Ok(done("Enabled", &user.name, nothing()))
        }
        UserCommand::List => {
            let users = read(path)?;
            Ok(listed(&users, Value::Object(users.clone()).to_string()))
        }
        UserCommand::Passwd(user) => {
            let mut file = UsersFileEdit::open(path, false)?;
            file.require(&user.name)?;
            file.set(&user.name, "password_hash", hashed_password(&user.name)?.to_string())?;
            Ok(done("Changed the password of", &user.name, nothing()))
        }
        UserCommand::Show(user) => {
            let users = read(path)?;
            let only = users.iter().filter(|(name, _)| **name == user.name);
            let only: Map<String, Value> = only.map(|(name, user)| (name.clone(), user.clone())).collect();
            shown(&only, &user.name, Value::Object(only.clone()).to_string())
        }
    }
}

/// A file knows no keys.
fn refuse_keys(user: &ShutOutArguments) -> Result<(), CommandFailed> {
    if !user.with_keys {
        return Ok(());
    }
    Err(CommandFailed::new(format!(
        "a users file knows no keys: end them with `latchkey key invalidate --username {} --realm file`",
        user.name
    )))
}

fn warn_of_keys(name: &str) {
    tracing::warn!(
        "the service reads the file when it starts, and keys of this user go on working: latchkey key invalidate \
         --username {name} --realm file ends them"
    );
}

fn create(path: &Path, arguments: &CreateArguments) -> Result<Report, CommandFailed> {
    let mut file = UsersFileEdit::open(path, true)?;
    let user = NewUser {
        password: hashed_password(&arguments.name)?,
        roles: arguments.roles.clone(),
        full_name: arguments.full_name.clone(),
        email: arguments.email.clone(),
    };
    file.add(&arguments.name, user)?;
    Ok(done("Added", &arguments.name, json!({"created": true}).to_string()))
}

/// The users of a file, in the form in which the service shows users.
fn read(path: &Path) -> Result<Map<String, Value>, CommandFailed> {
    let text = fs::read_to_string(path).map_err(|error| CommandFailed::io("read", path, &error))?;
    let file = UserFile::parse(&text).map_err(|invalid| CommandFailed::invalid_file(path, &invalid))?;
    let shown = file.users.into_iter().map(|user| {
        let json = json!({
            "username": user.username,
            "roles": user.roles,
            "full_name": user.full_name,
            "email": user.email,
            "metadata": user.metadata,
            "enabled": user.enabled,
        });
        (user.username, json)
    });
    Ok(shown.collect())
}

fn hashed_password(username: &str) -> Result<PasswordHash, CommandFailed> {
    let password = new_password(username)?;
    PasswordHash::of(&password, &SystemRandomness).map_err(|failed| CommandFailed::new(failed.to_string()))
}
