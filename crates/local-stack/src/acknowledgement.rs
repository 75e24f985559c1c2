//! How long an invalidation takes that is answered only when every edge has applied it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::envoy::EnvoyProcess;
use crate::http::Request;
use crate::http::http1::Http1Connection;
use crate::stack::LocalStack;
use crate::times::{Times, millis};
use crate::{wait, workers};

/// The request that is measured.
const INVALIDATE_AND_WAIT: &str = "/_security/api_key?wait_for_edges=5s";

/// Times of all runs, from the request to its answer.
#[derive(Clone, Debug)]
pub struct AcknowledgementTimes {
    times: Times,
    edges: usize,
}

impl AcknowledgementTimes {
    /// Makes keys and invalidates them, one after another, while `edges` Envoys follow, the stack's own among them. After each
    /// answer every worker of every edge is asked once, and must refuse.
    ///
    /// # Errors
    ///
    /// When a request fails, an edge is missing in an answer, or a worker admits what has been acknowledged.
    pub fn measure(stack: &LocalStack, edges: usize, runs: usize) -> Result<Self> {
        let others = (2..=edges).map(|number| {
            stack.another_edge(|config| config.set_edge(&format!("edge-{number}"))).context("another edge")
        });
        let others: Vec<EnvoyProcess> = others.collect::<Result<_>>()?;
        let mut connections = workers::connection_to_each(stack.envoy.admin())?;
        for other in &others {
            connections.extend(workers::connection_to_each(other.admin())?);
        }
        let edges = others.len() + 1;
        let times = (1..=runs)
            .map(|run| one_run(stack, edges, &mut connections).with_context(|| format!("run {run}")));
        Ok(Self { times: Times::new(times.collect::<Result<_>>()?), edges })
    }

    /// The result for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        let (runs, edges) = (self.times.all_ms().len(), self.edges);
        let (median, worst) = (millis(self.times.median()), millis(self.times.worst()));
        format!(
            "{runs} invalidations acknowledged by {edges} edges: answered after {median:.1} ms (median), {worst:.1} ms (worst)"
        )
    }

    /// The result for a program; times in milliseconds.
    #[must_use]
    pub fn as_json(&self) -> Value {
        json!({
            "edges": self.edges,
            "median_ms": millis(self.times.median()),
            "worst_ms": millis(self.times.worst()),
            "all_ms": self.times.all_ms(),
        })
    }
}

fn one_run(stack: &LocalStack, edges: usize, connections: &mut [Http1Connection]) -> Result<Duration> {
    let key = stack.key_service.client().create_key(&json!({"name": "revoked soon"}))?;
    let request = Request::get("/acknowledgement").api_key(&key.encoded);
    for connection in connections.iter_mut() {
        wait::until("every worker admits the key", || {
            Ok((connection.exchange(&request)?.status == 200).then_some(()))
        })?;
    }
    let invalidation = Request::new("DELETE", INVALIDATE_AND_WAIT).json(&json!({"ids": [key.id]}));
    let asked = Instant::now();
    let answer = stack.key_service.client().send(invalidation)?;
    let took = asked.elapsed();
    let told = answer.json()?;
    let all = json!({"total": edges, "applied": edges, "missing": [], "complete": true});
    ensure!(told.get("edges") == Some(&all), "not every edge has applied it: {told}");
    for connection in connections {
        let status = connection.exchange(&request)?.status;
        ensure!(status == 401, "a worker answers {status} to a key that all have acknowledged as ended");
    }
    Ok(took)
}
