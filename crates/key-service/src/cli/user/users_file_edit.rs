//! Changing a users file without losing a comment in it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use toml_edit::{Array, DocumentMut, Item, Table, Value, table, value};

use crate::cli::CommandFailed;
use crate::cli::data_directory::replace_file;
use crate::model::password::PasswordHash;
use crate::settings::section::document;
use crate::settings::users_file::UserFile;

/// A users file, open to be changed.
#[derive(Debug)]
pub(super) struct UsersFileEdit {
    path: PathBuf,
    document: DocumentMut,
}

/// What a new user is besides a name.
#[derive(Debug)]
pub(super) struct NewUser {
    pub(super) password: PasswordHash,
    pub(super) roles: Vec<String>,
    pub(super) full_name: Option<String>,
    pub(super) email: Option<String>,
}

impl UsersFileEdit {
    /// Opens a file that must be free of mistakes. One that is not there is an empty one when `may_be_new`.
    pub(super) fn open(path: &Path, may_be_new: bool) -> Result<Self, CommandFailed> {
        let text = match fs::read_to_string(path) {
            Err(error) if may_be_new && error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.map_err(|error| CommandFailed::io("read", path, &error))?,
        };
        let invalid = |invalid| CommandFailed::invalid_file(path, &invalid);
        UserFile::parse(&text).map_err(invalid)?;
        Ok(Self { path: path.to_owned(), document: document(&text).map_err(invalid)? })
    }

    pub(super) fn add(&mut self, username: &str, user: NewUser) -> Result<(), CommandFailed> {
        if self.user(username).is_some() {
            return Err(CommandFailed::new(format!("{} has a user {username} already", self.path.display())));
        }
        let mut fields = Table::new();
        fields.insert("password_hash", value(user.password.to_string()));
        fields.insert("roles", value(user.roles.iter().collect::<Array>()));
        for (name, text) in [("full_name", user.full_name), ("email", user.email)] {
            if let Some(text) = text {
                fields.insert(name, value(text));
            }
        }
        let users = self.document.entry("users").or_insert_with(implicit_table);
        let users = users.as_table_mut().ok_or_else(|| {
            CommandFailed::new(format!(
                "users of {} is written on one line; use [users.NAME]",
                self.path.display()
            ))
        })?;
        users.insert(username, Item::Table(fields));
        self.save()
    }

    /// Gives a user this value of a field.
    pub(super) fn set(
        &mut self,
        username: &str,
        field: &str,
        to: impl Into<Value>,
    ) -> Result<(), CommandFailed> {
        let missing = self.no_user(username);
        let user = self.user(username).and_then(Item::as_table_like_mut).ok_or(missing)?;
        user.insert(field, Item::Value(to.into()));
        self.save()
    }

    pub(super) fn remove(&mut self, username: &str) -> Result<(), CommandFailed> {
        self.require(username)?;
        if let Some(users) = self.document.get_mut("users").and_then(Item::as_table_like_mut) {
            users.remove(username);
        }
        self.save()
    }

    /// Complains unless there is such a user.
    pub(super) fn require(&mut self, username: &str) -> Result<(), CommandFailed> {
        if self.user(username).is_some() { Ok(()) } else { Err(self.no_user(username)) }
    }

    fn no_user(&self, username: &str) -> CommandFailed {
        CommandFailed::new(format!("{} has no user {username}", self.path.display()))
    }

    fn user(&mut self, username: &str) -> Option<&mut Item> {
        self.document.get_mut("users")?.as_table_like_mut()?.get_mut(username)
    }

    /// Never leaves a file behind that the service would not read.
    fn save(&self) -> Result<(), CommandFailed> {
        let text = self.document.to_string();
        UserFile::parse(&text).map_err(|invalid| CommandFailed::invalid_file(&self.path, &invalid))?;
        replace_file(&self.path, &text).map_err(|error| CommandFailed::io("write", &self.path, &error))
    }
}

fn implicit_table() -> Item {
    let mut item = table();
    if let Some(table) = item.as_table_mut() {
        table.set_implicit(true);
    }
    item
}
