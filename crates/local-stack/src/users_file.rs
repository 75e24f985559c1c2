//! A users file for `latchkey serve`, with one user who may do everything.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{places, secrecy};

/// The user.
pub const USER: &str = "admin";

/// That user's password.
pub const PASSWORD: &str = "a password of no worth";

/// Writes the file by the service's own command, which hashes the password.
///
/// # Errors
///
/// When the key service is not built or the file cannot be written.
pub fn write(file: &Path) -> Result<()> {
    let mut command = Command::new(places::latchkey()?);
    command.args(["user", "create", USER, "--role", "superuser", "--file"]).arg(file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    writeln!(stdin, "{PASSWORD}")?;
    drop(stdin);
    let output = child.wait_with_output()?;
    secrecy::watch(PASSWORD);
    secrecy::search_output("a command", &command, &output)?;
    ensure!(output.status.success(), "no users file: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
