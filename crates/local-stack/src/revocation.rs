//! How long a revoked key is still admitted: from the answer of the invalidation to the first 401, at each worker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::envoy::EnvoyAdmin;
use crate::http::Request;
use crate::http::http1::Http1Connection;
use crate::key_service::KeyServiceClient;
use crate::times::{Times, millis};
use crate::{wait, workers};

/// Times of all runs at all workers.
#[derive(Clone, Debug)]
pub struct RevocationTimes {
    /// A worker that refused before the answer arrived here counts as zero.
    times: Times,
    runs: usize,
    workers: usize,
}

impl RevocationTimes {
    /// Makes and revokes `runs` keys at `service`, one after another, watched at every worker of the edge that follows it.
    ///
    /// # Errors
    ///
    /// When a request fails, or a worker answers anything but 200 and then 401.
    pub fn measure(edge: EnvoyAdmin, service: &KeyServiceClient, runs: usize) -> Result<Self> {
        let mut connections = workers::connection_to_each(edge)?;
        let workers = connections.len();
        let mut times = Vec::new();
        for run in 1..=runs {
            times.extend(one_run(service, &mut connections).with_context(|| format!("run {run}"))?);
        }
        Ok(Self { times: Times::new(times), runs, workers })
    }

    /// All times, in milliseconds.
    #[must_use]
    pub fn all_ms(&self) -> Vec<f64> {
        self.times.all_ms()
    }

    /// The result for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (runs, workers) = (self.runs, self.workers);
        let (median, worst) = (millis(self.times.median()), millis(self.times.worst()));
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
            "median_ms": millis(self.times.median()),
            "worst_ms": millis(self.times.worst()),
            "all_ms": self.times.all_ms(),
        })
    }
}

fn one_run(service: &KeyServiceClient, connections: &mut [Http1Connection]) -> Result<Vec<Duration>> {
    let key = service.create_key(&json!({"name": "revoked soon"}))?;
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
        service.invalidate(&key.id)?;
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
