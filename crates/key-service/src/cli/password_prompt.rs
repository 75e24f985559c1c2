//! A password from the person at the terminal, or from a pipe. Never from an argument: other users could list it.

use std::io::{self, IsTerminal as _, Read as _};

use crate::cli::CommandFailed;
use crate::limits::PASSWORD_LINE_LEN_MAX;
use crate::security::password::Password;

/// Asks twice at a terminal, without showing what is typed; reads one line from anything else.
pub(super) fn ask(username: &str) -> Result<Password, CommandFailed> {
    let text = if io::stdin().is_terminal() { prompt(username)? } else { line()? };
    Password::chosen(text).map_err(|invalid| CommandFailed::new(invalid.to_string()))
}

fn prompt(username: &str) -> Result<String, CommandFailed> {
    let ask = |prompt: String| {
        rpassword::prompt_password(prompt)
            .map_err(|error| CommandFailed::new(format!("could not read the password: {error}")))
    };
    let first = ask(format!("Password of {username}: "))?;
    let second = ask("The same again: ".to_owned())?;
    if first == second { Ok(first) } else { Err(CommandFailed::new("the two passwords differ")) }
}

fn line() -> Result<String, CommandFailed> {
    let mut text = String::new();
    io::stdin()
        .take(PASSWORD_LINE_LEN_MAX)
        .read_to_string(&mut text)
        .map_err(|_| CommandFailed::new("could not read the password from stdin as UTF-8"))?;
    let line = text.split('\n').next().unwrap_or_default();
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}
