//! All of it at once: the key service, an upstream, and an Envoy between a client and both.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::child_process::LogMark;
use crate::envoy::{EnvoyOptions, EnvoyProcess};
use crate::envoy_config::EnvoyConfig;
use crate::http::{Request, Response, http1};
use crate::key_service::{CreatedKey, KeyServiceClient, KeyServiceProcess};
use crate::port;
use crate::scratch_directory::ScratchDirectory;
use crate::upstream::Upstream;
use crate::wait;

/// The variable in which `envoy/local.yaml` expects the credential for the feed.
pub const FEED_CREDENTIAL_VARIABLE: &str = "LATCHKEY_FEED_CREDENTIAL";

/// The ports that `envoy/local.yaml` and the README name.
const WELL_KNOWN: Ports = Ports { edge: 10000, admin: 9901, key_service: 9200, upstream: 8081 };

/// Ports to listen at; 0 lets the system choose, and so does one that is taken.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    /// Of Envoy, for clients.
    pub edge: u16,
    /// Of Envoy, for the operator.
    pub admin: u16,
    /// Of the key service.
    pub key_service: u16,
    /// Of the upstream.
    pub upstream: u16,
}

/// How to start a stack.
#[derive(Clone, Copy, Debug)]
pub struct StackOptions {
    /// Where its parts listen.
    pub ports: Ports,
    /// Number of Envoy's worker threads.
    pub concurrency: u32,
    /// The level from which the filter's log appears.
    pub filter_log_level: &'static str,
}

/// A running stack. Dropping it ends all its processes and removes their data.
#[derive(Debug)]
pub struct LocalStack {
    /// The edge.
    pub envoy: EnvoyProcess,
    /// What the edge follows.
    pub key_service: KeyServiceProcess,
    /// What the edge protects.
    pub upstream: Upstream,
    /// The key with which the edge reads the feed.
    pub feed_key: CreatedKey,
    /// The ports that were wanted and are somebody else's.
    pub taken: Vec<u16>,
    edge: SocketAddr,
    options: StackOptions,
    _directory: ScratchDirectory,
}

/// Ends of all logs of a stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackMark {
    envoy: LogMark,
    key_service: LogMark,
}

impl Ports {
    /// The ports that `envoy/local.yaml` and the README name.
    #[must_use]
    pub fn well_known() -> Self {
        WELL_KNOWN
    }
}

impl Default for StackOptions {
    fn default() -> Self {
        Self { ports: Ports::default(), concurrency: 2, filter_log_level: "info" }
    }
}

impl LocalStack {
    /// Starts everything with `envoy/local.yaml` as `edit` changes it, and waits until the edge has a key
    /// table.
    ///
    /// # Errors
    ///
    /// When a part does not start; the message says which and holds its log.
    pub fn start(options: StackOptions, edit: impl FnOnce(&mut EnvoyConfig) -> Result<()>) -> Result<Self> {
        let directory = ScratchDirectory::new("latchkey-stack-")?;
        let data = directory.path().join("data");
        let mut taken = Vec::new();
        let upstream = port::start_at(options.ports.upstream, &mut taken, Upstream::start)?;
        let key_service = port::start_at(options.ports.key_service, &mut taken, |listen| {
            KeyServiceProcess::start(listen, &data, directory.path())
        })?;
        let feed_key = key_service.client().create_feed_key()?;

        let mut config = EnvoyConfig::local()?;
        config.set_cluster_address("upstream", upstream.address())?;
        config.set_cluster_address("key_service", key_service.address())?;
        edit(&mut config)?;
        let envoy = started(config, options, &feed_key, &mut taken)?;
        let edge = envoy.listener()?;
        let stack =
            Self { envoy, key_service, upstream, feed_key, taken, edge, options, _directory: directory };
        await_table(&stack.envoy).with_context(|| stack.logs_since(StackMark::default()))?;
        Ok(stack)
    }

    /// Starts one more Envoy at ports of its own, with `envoy/local.yaml` as `edit` changes it, and waits
    /// until it has a key table.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn another_edge(&self, edit: impl FnOnce(&mut EnvoyConfig) -> Result<()>) -> Result<EnvoyProcess> {
        let mut config = EnvoyConfig::local()?;
        config.set_cluster_address("upstream", self.upstream.address())?;
        config.set_cluster_address("key_service", self.key_service.address())?;
        edit(&mut config)?;
        let envoy = EnvoyProcess::start(&envoy_options(config, self.options, &self.feed_key))?;
        await_table(&envoy)?;
        Ok(envoy)
    }

    /// Where clients connect.
    #[must_use]
    pub fn edge(&self) -> SocketAddr {
        self.edge
    }

    /// Makes a key and waits until the edge admits it.
    ///
    /// # Errors
    ///
    /// When the service makes none, or the edge goes on refusing it.
    pub fn admitted_key(&self, body: &Value) -> Result<CreatedKey> {
        self.admitted_key_of(self.key_service.client(), body)
    }

    /// The same for somebody else.
    ///
    /// # Errors
    ///
    /// When the service makes none, or the edge goes on refusing it.
    pub fn admitted_key_of(&self, maker: &KeyServiceClient, body: &Value) -> Result<CreatedKey> {
        let key = maker.create_key(body)?;
        wait::until("the edge admits a new key", || {
            let answer = self.ask(&Request::get("/is-it-known-yet").api_key(&key.encoded))?;
            Ok((answer.status == 200).then_some(()))
        })?;
        Ok(key)
    }

    /// Sends one request to the edge by HTTP/1.1.
    ///
    /// # Errors
    ///
    /// When no answer comes.
    pub fn ask(&self, request: &Request) -> Result<Response> {
        http1::exchange(self.edge, request)
    }

    /// The ends of all logs.
    #[must_use]
    pub fn mark(&self) -> StackMark {
        StackMark { envoy: self.envoy.log().mark(), key_service: self.key_service.log().mark() }
    }

    /// What all processes have logged since `mark`.
    #[must_use]
    pub fn logs_since(&self, mark: StackMark) -> String {
        let envoy = self.envoy.log().tail_since(mark.envoy);
        format!("{envoy}\n{}", self.key_service.log().tail_since(mark.key_service))
    }
}

/// Fails unless the answer has this status; the message shows the answer.
///
/// # Errors
///
/// When it has another.
pub fn with_status(status: u16, answer: Response) -> Result<Response> {
    ensure!(answer.status == status, "expected {status}, got {}: {}", answer.status, answer.text());
    Ok(answer)
}

fn envoy_options(config: EnvoyConfig, options: StackOptions, feed_key: &CreatedKey) -> EnvoyOptions {
    EnvoyOptions {
        config,
        concurrency: options.concurrency,
        arguments: Vec::new(),
        environment: vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), feed_key.encoded.clone())],
        filter_log_level: options.filter_log_level,
    }
}

/// An Envoy at the ports that are wanted, or at others for each that is taken.
fn started(
    mut config: EnvoyConfig,
    options: StackOptions,
    feed_key: &CreatedKey,
    taken: &mut Vec<u16>,
) -> Result<EnvoyProcess> {
    let Ports { mut edge, mut admin, .. } = options.ports;
    loop {
        config.set_listener_port(edge)?;
        config.set_admin_port(admin)?;
        let error = match EnvoyProcess::start(&envoy_options(config.clone(), options, feed_key)) {
            Err(error) if port::is_taken(&error) => error,
            outcome => return outcome,
        };
        let said = error.to_string();
        let Some(found) = [&mut edge, &mut admin]
            .into_iter()
            .find(|port| **port != 0 && said.contains(&format!(":{port}")))
        else {
            return Err(error);
        };
        taken.push(std::mem::take(found));
    }
}

fn await_table(envoy: &EnvoyProcess) -> Result<()> {
    wait::until("the edge has read the feed", || {
        Ok((envoy.admin().stat("wasmcustom.latchkey.table.keys")? > 0).then_some(()))
    })
}
