//! Asking before something that cannot be undone.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use crate::cli::CommandFailed;

/// Longest answer that is read, in bytes: a yes is short.
const ANSWER_LEN_MAX: u64 = 64;

/// Whether somebody at the terminal agrees; `None` when nobody is there to be asked.
pub(super) fn confirmed(question: &str) -> Result<Option<bool>, CommandFailed> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    let failed = |error: io::Error| CommandFailed::new(format!("could not ask: {error}"));
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::Read::take(io::stdin().lock(), ANSWER_LEN_MAX).read_line(&mut answer).map_err(failed)?;
    Ok(Some(is_yes(&answer)))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (answer, expected) in
            [("y\n", true), ("Yes\r\n", true), ("\n", false), ("n", false), ("yes!", false)]
        {
            assert_eq!(is_yes(answer), expected, "{answer:?}");
        }
    }
}
