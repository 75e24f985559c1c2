//! On what, and of what, a run was made.

use std::fs;
use std::process::Command;
use std::thread;

use latchkey_local_stack::places;

/// Processor, cores, memory and system, in one line.
#[must_use]
pub fn description() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    describe(&read("/proc/cpuinfo"), cores, &read("/proc/meminfo"), read("/proc/sys/kernel/osrelease").trim())
}

/// The commit of the working tree; `-dirty` when it has changes.
#[must_use]
pub fn commit() -> String {
    let described = Command::new("git")
        .args(["describe", "--always", "--abbrev=12", "--dirty", "--exclude=*"])
        .current_dir(places::repository())
        .output();
    let text = described.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    text.map_or_else(|| "unknown".to_owned(), |text| String::from_utf8_lossy(&text).trim().to_owned())
}

fn describe(cpuinfo: &str, cores: usize, meminfo: &str, kernel: &str) -> String {
    let processor = value_of(cpuinfo, "model name").unwrap_or("unknown processor");
    let kibibytes =
        value_of(meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let gibibytes = kibibytes.unwrap_or(0).div_ceil(1024 * 1024);
    format!("{processor}, {cores} cores, {gibibytes} GiB, Linux {kernel}")
}

/// The first value of `name` in lines of `name : value`.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_told_in_a_line() {
        let cpuinfo =
            "processor\t: 0\nmodel name\t: A Processor\nprocessor\t: 1\nmodel name\t: A Processor\n";
        let told = describe(cpuinfo, 2, "MemTotal:       24576000 kB\nMemFree: 1 kB\n", "6.1.0");
        assert_eq!(told, "A Processor, 2 cores, 24 GiB, Linux 6.1.0");
        assert_eq!(describe("", 1, "", "6"), "unknown processor, 1 cores, 0 GiB, Linux 6");
    }
}
