//! What the system says of a process: the processor time that it has used and the memory that it occupies.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The processor time of a process so far, to the nanosecond: of all its threads, those that have ended
/// included (POSIX, `clock_getcpuclockid`).
///
/// # Errors
///
/// When there is no such process.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let clock = i32::try_from(process).ok().and_then(|id| clock_getcpuclockid(Pid::from_raw(id)).ok());
    let clock = clock.with_context(|| format!("there is no process {process}"))?;
    Ok(Duration::from(clock_gettime(clock)?))
}

/// Bytes of memory that a process occupies (resident set).
///
/// # Errors
///
/// When there is no such process.
pub fn memory(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    resident(&text).with_context(|| format!("{path} tells no resident set"))
}

/// `VmRSS` of `status`, which is in KiB.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::{process, thread};

    use super::*;

    #[test]
    fn accounts_are_read_as_the_kernel_writes_them() {
        assert_eq!(resident("Name:\tenvoy\nVmRSS:\t  123456 kB\n"), Some(123_456 * 1024));
        assert_eq!(resident("Name:\tenvoy\n"), None);
    }

    #[test]
    fn the_time_of_a_thread_that_has_ended_counts() {
        let worked = thread::spawn(|| {
            let (before, mut sum) = (cpu_time(process::id()).unwrap(), 0_u64);
            while cpu_time(process::id()).unwrap() < before + Duration::from_millis(20) {
                sum = (0..100_000).fold(black_box(sum), u64::wrapping_add);
            }
            cpu_time(process::id()).unwrap()
        });
        let then = worked.join().unwrap();
        assert!(cpu_time(process::id()).unwrap() >= then);
    }

    #[test]
    fn a_process_that_works_uses_time() {
        let before = cpu_time(process::id()).unwrap();
        let mut sum = 0_u64;
        // The kernel brings its accounts up to date at its ticks; this is many of them.
        while cpu_time(process::id()).unwrap() < before + Duration::from_millis(20) {
            sum = (0..100_000).fold(black_box(sum), u64::wrapping_add);
        }
        assert!(cpu_time(process::id()).unwrap() > before);
        assert!(memory(process::id()).unwrap() > 100_000);
        assert!(cpu_time(u32::MAX).is_err());
    }
}
