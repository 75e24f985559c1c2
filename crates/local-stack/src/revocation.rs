//! How long a revoked key is still admitted: from the answer of the invalidation to the first 401, at each worker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::http::Request;
use crate::http::http1::Http1Connection;
use crate::stack::LocalStack;
use crate::{wait, workers};

/// Times of all runs at all workers.
#[derive(Clone, Debug)]
pub struct RevocationTimes {
    /// Ascending. A worker that refused before the answer arrived here counts as zero.
    sorted: Vec<Duration>,
    runs: usize,
    workers: usize,
}

impl RevocationTimes {
    /// Makes and revokes `runs` keys, one after another, watched at every worker.
    ///
    /// # Errors
    ///
    /// When a request fails, or a worker answers anything but 200 and then 401.
    pub fn measure(stack: &LocalStack, runs: usize) -> Result<Self> {
        let mut connections = workers::connection_to_each(stack.envoy.admin())?;
        let workers = connections.len();
        let mut sorted = Vec::new();
        for run in 1..=runs {
            sorted.extend(one_run(stack, &mut connections).with_context(|| format!("run {run}"))?);
        }
        sorted.sort_unstable();
        Ok(Self { sorted, runs, workers })
    }

    /// The time that half of all observations did not exceed.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.sorted.get(self.sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// The longest time of all.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
    }

    /// The result for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (runs, workers) = (self.runs, self.workers);
        let (median, worst) = (millis(self.median()), millis(self.worst()));
        format!(
            "{runs} revocations at {workers} workers: first 401 after {median:.1} ms (median), {worst:.1} ms (worst)"
        )
    }

    /// The result for a program; times in milliseconds.
    #[must_use]
    pub fn as_json(&self) -> Value {
        json!({
            "runs": self.runs,
            "workers": self.workers,
            "median_ms": millis(self.median()),
            "worst_ms": millis(self.worst()),
            "all_ms": self.sorted.iter().copied().map(millis).collect::<Vec<_>>(),
        })
    }
}

fn one_run(stack: &LocalStack, connections: &mut [Http1Connection]) -> Result<Vec<Duration>> {
    let key = stack.key_service.client().create_key(&json!({"name": "revoked soon"}))?;
    let request = Request::get("/revocation").api_key(&key.encoded);
    for connection in connections.iter_mut() {
        wait::until("every worker admits the key", || {
            Ok((connection.exchange(&request)?.status == 200).then_some(()))
        })?;
    }
    std::thread::scope(|scope| {
        let watchers: Vec<_> = connections
            .iter_mut()
            .map(|connection| scope.spawn(|| first_refusal(connection, &request)))
            .collect();
        stack.key_service.client().invalidate(&key.id)?;
        let answered = Instant::now();
        watchers
            .into_iter()
            .map(|watcher| {
                let refused = watcher.join().map_err(|_| anyhow!("a watcher died"))??;
                Ok(refused.saturating_duration_since(answered))
            })
            .collect()
    })
}

fn first_refusal(connection: &mut Http1Connection, request: &Request) -> Result<Instant> {
    let deadline = Instant::now() + wait::PATIENCE;
    loop {
        match connection.exchange(request)?.status {
            401 => return Ok(Instant::now()),
            200 if Instant::now() < deadline => {}
            200 => bail!("the key is still admitted"),
            other => bail!("neither admitted nor refused but {other}"),
        }
    }
}

/// To the microsecond: finer differences are noise of the clock.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_an_observation() {
        let of = |millis: &[u64]| {
            let sorted = millis.iter().copied().map(Duration::from_millis).collect();
            RevocationTimes { sorted, runs: 1, workers: 1 }
        };
        assert_eq!(of(&[1, 2, 9]).median(), Duration::from_millis(2));
        assert_eq!(of(&[1, 2, 3, 9]).median(), Duration::from_millis(2));
        assert_eq!(of(&[]).median(), Duration::ZERO);
        assert_eq!(of(&[1, 9]).worst(), Duration::from_millis(9));
    }
}
