//! Load by wrk: so many connections, so long, each request with a credential of its own; over HTTP/2 by
//! [`h2load`].

pub mod h2load;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::places;
use serde::Deserialize;

/// How long a run may take at most, in seconds. Each is ended from outside: wrk counts its time in whole
/// seconds.
const UNTIL_ENDED_SECONDS: u32 = 240;

/// Which credential a request gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Any, all equally likely.
    Uniform,
    /// By Zipf's law with exponent 1, as the keys of few busy clients are used.
    Skewed,
}

/// Credentials in a file, one after another without a separator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFile {
    /// The file.
    pub path: PathBuf,
    /// Length of each value of `Authorization`, in bytes.
    pub width: usize,
}

/// What is asked of wrk.
#[derive(Clone, Debug)]
pub struct Load {
    /// Who is asked.
    pub target: SocketAddr,
    /// The path of every request.
    pub path: String,
    /// How many connections there are, each with one request at a time.
    pub connections: u32,
    /// Where credentials come from; `None` sends none.
    pub credentials: Option<CredentialFile>,
    /// Which of them.
    pub choice: Choice,
    /// Two loads of the same seed send the same requests.
    pub seed: u32,
    /// How long a connection waits before its next request; none asks again at once.
    pub pause: Duration,
}

/// What a load generator counted; times in microseconds, from the first byte of a request to the last of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct LoadResult {
    /// Answers.
    pub requests: u64,
    /// How long it took.
    pub duration_us: u64,
    /// Half of the answers came within this.
    pub p50_us: f64,
    /// 90 of 100 did.
    pub p90_us: f64,
    /// 99 of 100 did.
    pub p99_us: f64,
    /// 999 of 1000 did.
    pub p999_us: f64,
    /// All did.
    pub max_us: f64,
    /// Answers with a status of 400 or more.
    pub error_statuses: u64,
    connect_errors: u64,
    read_errors: u64,
    write_errors: u64,
    timeouts: u64,
}

/// A load that goes on until it is ended.
#[derive(Debug)]
pub struct RunningLoad(Option<Child>);

impl Load {
    /// As many requests as one after another fit, on this many connections.
    #[must_use]
    pub fn new(target: SocketAddr, connections: u32, credentials: Option<CredentialFile>) -> Self {
        let (path, choice, pause) = ("/".to_owned(), Choice::Uniform, Duration::ZERO);
        Self { target, path, connections, credentials, choice, seed: 1, pause }
    }

    /// Runs it for so long; wrk looks at the time every 100 ms.
    ///
    /// # Errors
    ///
    /// When there is no wrk, a connection fails, or a request gets no answer.
    pub fn run(&self, time: Duration) -> Result<LoadResult> {
        let running = self.start()?;
        thread::sleep(time);
        running.end()
    }

    /// Begins it.
    ///
    /// # Errors
    ///
    /// When there is no wrk.
    pub fn start(&self) -> Result<RunningLoad> {
        let child = self.command()?.spawn().context("starting wrk")?;
        Ok(RunningLoad(Some(child)))
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(places::wrk()?);
        let (file, width) = match &self.credentials {
            Some(CredentialFile { path, width }) => (path.as_path(), *width),
            None => (Path::new("-"), 0),
        };
        let choice = if self.choice == Choice::Skewed { "skewed" } else { "uniform" };
        command
            .args(["--threads", "1", "--timeout", "10s", "--latency"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{UNTIL_ENDED_SECONDS}s")])
            .arg("--script")
            .arg(places::repository().join("benches/wrk/load.lua"))
            .args([&format!("http://{}/", self.target), "--", &self.path])
            .arg(file)
            .args([&width.to_string(), choice, &self.seed.to_string()])
            .arg(self.pause.as_millis().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    }
}

impl RunningLoad {
    /// Ends it, and tells what was counted until now.
    ///
    /// # Errors
    ///
    /// As [`Load::run`].
    pub fn end(self) -> Result<LoadResult> {
        let process = self.0.as_ref().map_or(0, Child::id).to_string();
        let sent = Command::new("kill").args(["-INT", &process]).status()?;
        ensure!(sent.success(), "wrk has ended before its time");
        self.result()
    }

    fn result(mut self) -> Result<LoadResult> {
        let child = self.0.take().context("wrk was never started")?;
        let output = child.wait_with_output()?;
        let (printed, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "wrk: {complaint}{printed}");
        result_in(&printed).with_context(|| format!("wrk: {complaint}{printed}"))
    }
}

/// A load whose owner has failed ends with it.
impl Drop for RunningLoad {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // Either fails only for a process that has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl LoadResult {
    /// What these times of answers, in microseconds, come to; `error_statuses` of them had a status of 400 or
    /// more.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    fn of_times(mut times_us: Vec<f64>, error_statuses: u64, duration: Duration) -> Result<Self> {
        times_us.sort_unstable_by(f64::total_cmp);
        let within = |share: f64| {
            let place = (times_us.len() as f64 * share).ceil() as usize;
            times_us.get(place.saturating_sub(1)).copied().context("no request was answered")
        };
        Ok(Self {
            requests: times_us.len() as u64,
            duration_us: duration.as_micros() as u64,
            p50_us: within(0.5)?,
            p90_us: within(0.9)?,
            p99_us: within(0.99)?,
            p999_us: within(0.999)?,
            max_us: within(1.0)?,
            error_statuses,
            connect_errors: 0,
            read_errors: 0,
            write_errors: 0,
            timeouts: 0,
        })
    }

    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / (self.duration_us as f64).max(1.0)
    }
}

/// The result in the last line of what wrk printed.
fn result_in(printed: &str) -> Result<LoadResult> {
    let line = printed.trim_end().lines().next_back().context("it printed nothing")?;
    let result: LoadResult = serde_json::from_str(line).context("its last line is no result")?;
    ensure!(result.requests > 0, "no request was answered");
    let lost = result.connect_errors + result.read_errors + result.write_errors + result.timeouts;
    ensure!(lost == 0, "{lost} requests got no answer");
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 1s test\n  2 requests in 1.00s\n\n{\"requests\":2,\"duration_us\":1000000,\
        \"connect_errors\":0,\"read_errors\":0,\"write_errors\":0,\"timeouts\":0,\"error_statuses\":1,\"p50_us\":50,\
        \"p90_us\":60,\"p99_us\":70,\"p999_us\":80,\"max_us\":90}\n";

    #[test]
    fn the_last_line_is_the_result() {
        let result = result_in(PRINTED).unwrap();
        assert_eq!((result.requests, result.error_statuses), (2, 1));
        assert_eq!((result.p50_us, result.p999_us), (50.0, 80.0));
        assert_eq!(result.rate(), 2.0);
    }

    #[test]
    fn a_run_that_lost_answers_is_none() {
        for (from, to) in [
            ("\"read_errors\":0", "\"read_errors\":1"),
            ("\"timeouts\":0", "\"timeouts\":1"),
            ("\"requests\":2", "\"requests\":0"),
            ("{", "no JSON {"),
        ] {
            assert!(result_in(&PRINTED.replace(from, to)).is_err(), "{to}");
        }
        assert!(result_in("").is_err());
    }
}
