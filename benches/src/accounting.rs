//! What the system says of a process: the processor time that it has used and the memory that it occupies.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The processor time of all threads of a process so far, to the nanosecond. Threads that have ended are not in it; the threads
/// of Envoy and of the services here live as long as their process.
///
/// # Errors
///
/// When there is no such process, or the system does not account for threads.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let tasks = format!("/proc/{process}/task");
    let mut time = Duration::ZERO;
    for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        // A thread may end between the listing and the look.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        time += run_time(&text).with_context(|| format!("not the accounts of a thread: {text}"))?;
    }
    Ok(time)
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

/// The first of the three numbers of `schedstat`: nanoseconds on a processor.
fn run_time(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
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
    use std::process;

    use super::*;

    #[test]
    fn accounts_are_read_as_the_kernel_writes_them() {
        assert_eq!(run_time("1234567 89 10\n"), Some(Duration::from_nanos(1_234_567)));
        assert_eq!(run_time(""), None);
        assert_eq!(resident("Name:\tenvoy\nVmRSS:\t  123456 kB\n"), Some(123_456 * 1024));
        assert_eq!(resident("Name:\tenvoy\n"), None);
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
