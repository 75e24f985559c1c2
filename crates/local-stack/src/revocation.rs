//! How long a revoked key is still admitted: from the answer of the invalidation to the first 401, at each
//! worker.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::json;

use crate::envoy::EnvoyAdmin;
use crate::http::Request;
use crate::http::http1::Http1Connection;
use crate::key_service::KeyServiceClient;
use crate::times::Times;
use crate::{wait, workers};

/// Times of all runs at all workers.
#[derive(Clone, Debug)]
pub struct RevocationTimes {
    /// A worker that refused before the answer arrived here counts as zero.
    times: Times,
}

impl RevocationTimes {
    /// Makes and revokes `runs` keys at `service`, one after another, watched at every worker of the edge
    /// that follows it.
    ///
    /// # Errors
    ///
    /// When a request fails, or a worker answers anything but 200 and then 401.
    pub fn measure(edge: EnvoyAdmin, service: &KeyServiceClient, runs: usize) -> Result<Self> {
        let mut connections = workers::connection_to_each(edge)?;
        let mut times = Vec::new();
        for run in 1..=runs {
            times.extend(one_run(service, &mut connections).with_context(|| format!("run {run}"))?);
        }
        Ok(Self { times: Times::new(times) })
    }

    /// All times of all runs at all workers, in milliseconds and ascending.
    #[must_use]
    pub fn all_ms(&self) -> Vec<f64> {
        self.times.all_ms()
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
