//! Instructions of one run of a case, counted by valgrind: the same whatever else the machine does.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Valgrind, and the program that runs a case.
pub(super) struct Instructions {
    program: PathBuf,
}

/// How often the longer of both runs does the case: few, because valgrind takes fifty times as long.
const TIMES: u32 = 20;

impl Instructions {
    /// `None` where valgrind is not installed.
    pub(super) fn available() -> Option<Self> {
        let found = Command::new("valgrind").arg("--version").output().ok()?.status.success();
        let program = std::env::current_exe().ok()?.with_file_name("micro");
        found.then_some(Self { program })
    }

    /// Of one time: what many times take more than one, divided. What it takes to get ready falls out.
    pub(super) fn of(&self, case: &str) -> Result<f64> {
        let (one, many) = (self.count(case, 1)?, self.count(case, 1 + TIMES)?);
        Ok((many - one) / f64::from(TIMES))
    }

    fn count(&self, case: &str, times: u32) -> Result<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&self.program)
            .args([case, &times.to_string()])
            .output()
            .context("starting valgrind")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{case} under valgrind: {told}");
        collected(&told).with_context(|| format!("valgrind counted nothing: {told}"))
    }
}

/// The number after `Collected :` in what callgrind tells.
fn collected(told: &str) -> Option<f64> {
    told.lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, count)| count.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_what_callgrind_tells() {
        let told = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
        assert_eq!(collected(told), Some(1_234_567.0));
        assert_eq!(collected("==7== no such line"), None);
    }
}
