//! Load by h2load over HTTP/2: so many streams on each connection, all with one credential.
//!
//! h2load cannot give each request a header of its own. Which key a request has decides only how far apart
//! look-ups lie in memory; the tables of more keys are measured by wrk.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::places;

use crate::load::LoadResult;

/// What is asked of h2load.
#[derive(Clone, Debug)]
pub struct Http2Load {
    /// Who is asked, in clear text by prior knowledge.
    pub target: SocketAddr,
    /// How many connections there are.
    pub connections: u32,
    /// How many requests each connection has under way at a time.
    pub streams: u32,
    /// The value of `Authorization`.
    pub authorization: String,
}

impl Http2Load {
    /// Runs it for so long.
    ///
    /// # Errors
    ///
    /// When there is no h2load, or it fails, or no request was answered.
    pub fn run(&self, time: Duration) -> Result<LoadResult> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("answers.tsv");
        let output = self.command(time, &log)?.output().context("starting h2load")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "h2load: {complaint}{printed}");
        let answers = fs::read_to_string(&log).context("reading what h2load logged")?;
        result_in(&answers, time).with_context(|| format!("h2load: {complaint}{printed}"))
    }

    fn command(&self, time: Duration, log: &Path) -> Result<Command> {
        let mut command = Command::new(places::h2load()?);
        command
            .args(["--threads", "1", "--clients", &self.connections.to_string()])
            .args(["--max-concurrent-streams", &self.streams.to_string()])
            .args(["--duration", &format!("{}ms", time.as_millis())])
            .args(["--header", &format!("authorization: {}", self.authorization)])
            .arg(format!("--log-file={}", log.display()))
            .arg(format!("http://{}/", self.target));
        Ok(command)
    }
}

/// The result in h2load's log: a line an answer, with its start, its status and its time in microseconds.
fn result_in(answers: &str, time: Duration) -> Result<LoadResult> {
    let (mut times, mut errors) = (Vec::new(), 0);
    for line in answers.lines() {
        let mut columns = line.split('\t').skip(1);
        let mut number = || columns.next()?.parse::<i64>().ok();
        let (Some(status), Some(time)) = (number(), number()) else {
            anyhow::bail!("it logged no answer: {line}");
        };
        // h2load says -1 of a stream that ended without an answer.
        ensure!(status > 0, "a request got no answer");
        errors += u64::from(status >= 400);
        times.push(time as f64);
    }
    LoadResult::of_times(times, errors, time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_their_status_and_ordered_by_their_time() {
        let answers = "1700000000000000\t200\t90\n1700000000000001\t401\t30\n1700000000000002\t200\t60\n";
        let result = result_in(answers, Duration::from_millis(150)).unwrap();
        assert_eq!((result.requests, result.error_statuses, result.duration_us), (3, 1, 150_000));
        assert_eq!((result.p50_us, result.max_us, result.rate()), (60.0, 90.0, 20.0));
    }

    #[test]
    fn a_run_that_lost_answers_is_none() {
        for answers in ["", "1700000000000000\t-1\t90\n", "1700000000000000\t200\n", "no table"] {
            assert!(result_in(answers, Duration::from_millis(150)).is_err(), "{answers}");
        }
    }
}
