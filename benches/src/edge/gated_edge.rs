//! One key service, and one Envoy with our filter that follows it.

use std::net::SocketAddr;

use anyhow::Result;
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::shell::Shell;

use crate::cores::Place;
use crate::edge::edge_config::{Build, EdgeConfig, Filter, Gate, Identity, Surroundings};
use crate::edge::edge_stack::{self, KeyService};
use crate::key_set::{Credential, KeySet};

/// The shells, the title of each, and what its figures begin with.
pub const SHELLS: [(Shell, &str, &str); 2] =
    [(Shell::Wasm, "Wasm", ""), (Shell::Module, "native", "native/")];

/// The name of the listener.
pub const EDGE: &str = "edge";

/// A running Envoy with one gate.
#[derive(Debug)]
pub struct GatedEdge {
    /// The Envoy.
    pub envoy: EnvoyProcess,
    /// Where clients connect.
    pub listener: SocketAddr,
}

impl GatedEdge {
    /// Starts an Envoy whose gate is of this shell and follows `service`, and waits until it admits the last key
    /// of `keys`.
    ///
    /// # Errors
    ///
    /// When it does not start, or does not admit the key.
    pub fn start(
        shell: Shell,
        service: &KeyService,
        keys: KeySet,
        workers: u32,
        place: Place,
    ) -> Result<Self> {
        let envoy = edge_stack::envoy(config(shell, service)?, workers, place)?;
        let listener = envoy.admin().listener(EDGE)?;
        let last = keys.last_authorization(Credential::Valid);
        edge_stack::await_status(listener, "/", Some(&last), 200)?;
        Ok(Self { envoy, listener })
    }
}

/// The configuration of an Envoy with one gate that follows `service`.
fn config(shell: Shell, service: &KeyService) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    let (cluster, feed_credential) = ("key_service", service.feed_key.encoded.as_str());
    let (build, identity) = (Build::Ours(shell), Identity::Both);
    let gate =
        Gate { build, table: EDGE, cluster, feed_credential, identity, rules: 0, takes_bearer_keys: false };
    config.add_listener(EDGE, Some(Filter::latchkey(&gate)?), Surroundings::default())?;
    config.set_cluster_address(cluster, service.process.address())?;
    Ok(config)
}
