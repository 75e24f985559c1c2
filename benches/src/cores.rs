//! Who runs where: Envoy's worker has the first core for itself, and everything else shares the others.

use std::process::{self, Command};
use std::thread;

use anyhow::{Context as _, Result, ensure};

/// Where an Envoy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Alone on the first core.
    OwnCore,
    /// On all cores but the first, with everything that is not measured.
    OtherCores,
    /// On all cores, beside everything else.
    AllCores,
}

/// Keeps this process, and whatever it starts from now on, off the first core.
///
/// # Errors
///
/// When the system does not do it.
pub fn leave_the_first_core() -> Result<()> {
    place(process::id(), Place::OtherCores)
}

/// Moves a process with all its threads.
///
/// # Errors
///
/// When the system does not do it.
pub fn place(process: u32, place: Place) -> Result<()> {
    match (place, last_core()) {
        // On a machine with one core there is nothing to divide.
        (_, 0) => Ok(()),
        (Place::OwnCore, _) => set(process, "0"),
        (Place::OtherCores, last) => set(process, &format!("1-{last}")),
        (Place::AllCores, last) => set(process, &format!("0-{last}")),
    }
}

fn set(process: u32, cores: &str) -> Result<()> {
    let output = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", cores, &process.to_string()])
        .output()
        .context("running taskset (util-linux)")?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The number of the last core of the machine, also after [`leave_the_first_core`].
fn last_core() -> usize {
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    last_of(&online).unwrap_or_else(|| thread::available_parallelism().map_or(0, |cores| cores.get() - 1))
}

/// The last number of a list such as `0-1,3`.
fn last_of(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_core_is_read_from_the_list() {
        assert_eq!(last_of("0-1\n"), Some(1));
        assert_eq!(last_of("0\n"), Some(0));
        assert_eq!(last_of("0-3,8-11\n"), Some(11));
        assert_eq!(last_of(""), None);
    }
}
