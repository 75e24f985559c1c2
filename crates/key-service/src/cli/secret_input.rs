//! Secrets from the person at the terminal, from a pipe, a file or the environment. Never from an argument:
//! other users could list it.
//!
//! Whatever is asked for is read from stdin when that is no terminal, one line for each secret, in the order
//! in which a terminal would be asked.

use std::fs::File;
use std::io::BufRead as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::{env, io};

use crate::cli::CommandFailed;
use crate::limits::SECRET_LINE_LEN_MAX;
use crate::model::password::Password;

/// A password, a key or a token, on its way from whoever holds it to the service.
#[derive(derive_more::Debug)]
#[debug("SecretText")]
pub(super) struct SecretText(String);

impl SecretText {
    /// The secret itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// A new password. Asks twice at a terminal, without showing what is typed.
pub(super) fn new_password(username: &str) -> Result<Password, CommandFailed> {
    let SecretText(first) = ask(&format!("new password of {username}"))?;
    if io::stdin().is_terminal() && ask("the same again")?.0 != first {
        return Err(CommandFailed::new("the two passwords differ"));
    }
    Password::chosen(first).map_err(|invalid| CommandFailed::new(invalid.to_string()))
}

/// The secret in this file, if one is named, else in this variable, if it is set, else what is answered. A
/// file of the name `-` asks. An empty secret is none.
pub(super) fn secret(
    file: Option<&Path>,
    variable: Option<&str>,
    what: &str,
) -> Result<SecretText, CommandFailed> {
    let secret = match file {
        Some(path) if path == Path::new("-") => ask(what)?,
        Some(path) => from_file(path)?,
        None => match variable.map(from_environment).transpose()?.flatten() {
            Some(secret) => secret,
            None => ask(what)?,
        },
    };
    if secret.0.is_empty() { Err(missing(file, variable, what)) } else { Ok(secret) }
}

/// What is typed at the terminal, or is a line of stdin.
pub(super) fn typed(what: &str) -> Result<SecretText, CommandFailed> {
    let secret = ask(what)?;
    if secret.0.is_empty() {
        return Err(CommandFailed::new(format!("there is no {what}: type it, or put it on a line of stdin")));
    }
    Ok(secret)
}

/// Says where a secret is looked for that nobody gave.
fn missing(file: Option<&Path>, variable: Option<&str>, what: &str) -> CommandFailed {
    let file = file.filter(|path| *path != Path::new("-"));
    CommandFailed::new(match (file, variable) {
        (Some(path), _) => format!("there is no {what} in {}: its first line is empty", path.display()),
        (None, Some(variable)) => {
            format!(
                "there is no {what}: put it into {variable}, into a file that is named, or on a line of stdin"
            )
        }
        (None, None) => {
            format!("there is no {what}: put it into a file that is named, or on a line of stdin")
        }
    })
}

/// The secret in this variable. An empty one is none.
pub(super) fn from_environment(name: &str) -> Result<Option<SecretText>, CommandFailed> {
    match env::var(name) {
        Ok(text) => Ok((!text.is_empty()).then_some(SecretText(text))),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(CommandFailed::new(format!("{name} is not UTF-8"))),
    }
}

/// The first line of a file.
pub(super) fn from_file(path: &Path) -> Result<SecretText, CommandFailed> {
    let read = |file: File| first_line(io::BufReader::new(file));
    File::open(path).and_then(read).map_err(|error| CommandFailed::io("read", path, &error))
}

/// Asks once at a terminal; reads one line from anything else.
fn ask(what: &str) -> Result<SecretText, CommandFailed> {
    let failed = |error: io::Error| CommandFailed::new(format!("could not read {what}: {error}"));
    if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what}: ")).map(SecretText).map_err(failed)
    } else {
        first_line(io::stdin().lock()).map_err(failed)
    }
}

/// A line without its end. What is behind it stays to be read.
fn first_line(from: impl io::BufRead) -> io::Result<SecretText> {
    let mut line = String::new();
    from.take(SECRET_LINE_LEN_MAX).read_line(&mut line)?;
    let text = line.strip_suffix('\n').unwrap_or(&line);
    Ok(SecretText(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_line_and_leaves_the_next() {
        for (text, line, rest) in
            [("one\ntwo\n", "one", "two\n"), ("one\r\n", "one", ""), ("one", "one", ""), ("", "", "")]
        {
            let mut source = text.as_bytes();
            assert_eq!(first_line(&mut source).unwrap().expose(), line);
            assert_eq!(source, rest.as_bytes());
        }
    }

    #[test]
    fn prints_no_secret() {
        assert_eq!(format!("{:?}", SecretText("hunter2".to_owned())), "SecretText");
    }
}
