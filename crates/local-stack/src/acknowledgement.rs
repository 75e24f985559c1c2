//! How long an invalidation takes that is answered only when every edge has applied it, and how long one that
//! is answered at once.
//!
//! It is asked for with an API key: to verify a password takes longer than all the rest.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::envoy::EnvoyProcess;
use crate::http::Request;
use crate::http::http1::{self, Http1Connection};
use crate::key_service::CreatedKey;
use crate::stack::LocalStack;
use crate::times::{Times, millis};
use crate::{wait, workers};

/// Where keys are invalidated.
const KEYS: &str = "/_security/api_key";

/// Times of all runs, from the request to its answer.
#[derive(Clone, Debug)]
pub struct AcknowledgementTimes {
    /// Of answers that came when every edge had applied the change.
    acknowledged: Times,
    /// Of answers that came when the change was on disk.
    durable: Times,
    edges: usize,
}

/// What takes part in every run.
struct Bench<'a> {
    stack: &'a LocalStack,
    administrator: CreatedKey,
    edges: usize,
    connections: Vec<Http1Connection>,
}

impl AcknowledgementTimes {
    /// Makes keys and invalidates them, one after another, while `edges` Envoys follow, the stack's own among
    /// them. After each acknowledged answer every worker of every edge is asked once, and must refuse.
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
        let administrator = stack.key_service.client().create_key(
            &json!({"name": "administrator", "role_descriptors": {"administrator": {"cluster": ["all"]}}}),
        )?;
        let mut bench = Bench { stack, administrator, edges: others.len() + 1, connections };
        let (mut acknowledged, mut durable) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            durable.push(bench.durable().with_context(|| format!("run {run}"))?);
            acknowledged.push(bench.acknowledged().with_context(|| format!("run {run}"))?);
        }
        let (acknowledged, durable) = (Times::new(acknowledged), Times::new(durable));
        Ok(Self { acknowledged, durable, edges: bench.edges })
    }

    /// The result for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        let shown = |times: &Times| {
            format!("{:.1} ms (median), {:.1} ms (worst)", millis(times.median()), millis(times.worst()))
        };
        let (runs, edges) = (self.acknowledged.all_ms().len(), self.edges);
        let (acknowledged, durable) = (shown(&self.acknowledged), shown(&self.durable));
        format!(
            "{runs} invalidations, edges: {edges}. Answered when all have applied it: {acknowledged}; at once: {durable}"
        )
    }

    /// The result for a program; times in milliseconds.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let shown = |times: &Times| json!({"median_ms": millis(times.median()), "worst_ms": millis(times.worst()), "all_ms": times.all_ms()});
        json!({
            "edges": self.edges,
            "acknowledged": shown(&self.acknowledged),
            "durable": shown(&self.durable),
        })
    }
}

impl Bench<'_> {
    /// The time of an answer that comes when every edge has applied the change.
    fn acknowledged(&mut self) -> Result<Duration> {
        let key = self.admitted_key()?;
        let (took, told) = self.invalidate(&key, "?wait_for_edges=5s")?;
        let reached = |name: &str| told.pointer(&format!("/edges/{name}")).cloned();
        let all = Some(json!(self.edges));
        let is_complete =
            reached("total") == all && reached("applied") == all && reached("complete") == Some(json!(true));
        ensure!(is_complete, "not every edge has applied it: {told}");
        for connection in &mut self.connections {
            let status = connection.exchange(&presenting(&key))?.status;
            ensure!(status == 401, "a worker answers {status} to a key that all have acknowledged as ended");
        }
        Ok(took)
    }

    /// The time of an answer that comes when the change is on disk.
    fn durable(&mut self) -> Result<Duration> {
        let key = self.admitted_key()?;
        let (took, _) = self.invalidate(&key, "")?;
        self.await_status(&key, 401)?;
        Ok(took)
    }

    /// A key that every worker of every edge admits.
    fn admitted_key(&mut self) -> Result<CreatedKey> {
        let key = self.stack.key_service.client().create_key(&json!({"name": "revoked soon"}))?;
        self.await_status(&key, 200)?;
        Ok(key)
    }

    fn await_status(&mut self, key: &CreatedKey, status: u16) -> Result<()> {
        for connection in &mut self.connections {
            wait::until("every worker knows what has become of the key", || {
                Ok((connection.exchange(&presenting(key))?.status == status).then_some(()))
            })?;
        }
        Ok(())
    }

    fn invalidate(&self, key: &CreatedKey, query: &str) -> Result<(Duration, Value)> {
        let request = Request::new("DELETE", &format!("{KEYS}{query}"));
        let request = request.json(&json!({"ids": [key.id]})).api_key(&self.administrator.encoded);
        let asked = Instant::now();
        let answer = http1::exchange(self.stack.key_service.address(), &request)?;
        Ok((asked.elapsed(), answer.json()?))
    }
}

fn presenting(key: &CreatedKey) -> Request {
    Request::get("/acknowledgement").api_key(&key.encoded)
}
