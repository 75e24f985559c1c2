//! One key service, and one Envoy with our filter that follows it.

use std::net::SocketAddr;

use anyhow::Result;
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::places;

use crate::cores::Place;
use crate::edge::edge_config::{EdgeConfig, Filter, Gate, Identity};
use crate::edge::edge_stack::{self, KeyService};
use crate::key_set::{Credential, KeySet};

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
    /// Starts an Envoy that follows `service`, and waits until it admits the last key of `keys`.
    ///
    /// # Errors
    ///
    /// When it does not start, or does not admit the key.
    pub fn start(service: &KeyService, keys: KeySet, workers: u32, place: Place) -> Result<Self> {
        let envoy = edge_stack::envoy(config(service)?, workers, place)?;
        let listener = envoy.admin().listener(EDGE)?;
        let last = keys.last_authorization(Credential::Valid);
        edge_stack::await_status(listener, "/", Some(&last), 200)?;
        Ok(Self { envoy, listener })
    }
}

/// The configuration of an Envoy with one gate that follows `service`.
///
/// # Errors
///
/// When the filter is not built.
pub fn config(service: &KeyService) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    let module = places::filter_module();
    let (cluster, feed_credential) = ("key_service", service.feed_key.encoded.as_str());
    let gate = Gate { module: &module, table: EDGE, cluster, feed_credential, identity: Identity::Both };
    config.add_listener(EDGE, Some(Filter::latchkey(&gate)?))?;
    config.set_cluster_address(cluster, service.process.address())?;
    Ok(config)
}
