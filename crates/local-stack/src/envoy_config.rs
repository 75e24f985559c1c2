//! The configuration of an Envoy: `envoy/local.yaml` as it is checked in, with other addresses and another
//! plugin configuration.
//!
//! The file is edited as a structure, so that the file that is run by hand is also the file under test.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::places;
use crate::shell::Shell;

const ADMIN_ADDRESS: &str = "/admin/address/socket_address";
const NODE_ID: &str = "/node/id";
const LISTENER: &str = "/static_resources/listeners/0";
const LISTENER_ADDRESS: &str = "/address/socket_address";
const CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const GATE: &str = "/http_filters/0/typed_config/config";
const PLUGIN_CONFIG: &str = "/configuration/value";
const MODULE: &str = "/vm_config/code/local/filename";
const ENDPOINTS: &str = "/load_assignment/endpoints/0/lb_endpoints";
const ENDPOINT: &str = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";

/// A bootstrap configuration with one gated listener.
#[derive(Clone, Debug)]
pub struct EnvoyConfig(Value);

/// Any other bootstrap; what edits a part that it lacks then fails.
impl From<Value> for EnvoyConfig {
    fn from(bootstrap: Value) -> Self {
        Self(bootstrap)
    }
}

impl EnvoyConfig {
    /// `envoy/local.yaml`, with the filter at its absolute path and every port of Envoy's own chosen by the
    /// system.
    ///
    /// # Errors
    ///
    /// When the file is not there, is not YAML, or has lost a part that is edited here.
    pub fn local() -> Result<Self> {
        let mut config = Self(read_yaml("envoy/local.yaml")?);
        config.set_admin_port(0)?;
        config.set_listener_port(0)?;
        config.set_module(&places::filter_module())?;
        Ok(config)
    }

    /// Listens for the operator at this port.
    ///
    /// # Errors
    ///
    /// When the configuration has lost its admin address.
    pub fn set_admin_port(&mut self, port: u16) -> Result<()> {
        *part(&mut self.0, &format!("{ADMIN_ADDRESS}/port_value"))? = json!(port);
        Ok(())
    }

    /// Listens for clients at this port, alone: by default Envoy shares a port with every other process of
    /// the same user (`enable_reuse_port`), and each would get some of the connections.
    ///
    /// # Errors
    ///
    /// When the configuration has lost its listener.
    pub fn set_listener_port(&mut self, port: u16) -> Result<()> {
        *part(self.listener()?, &format!("{LISTENER_ADDRESS}/port_value"))? = json!(port);
        // What the system chooses nobody else has.
        self.listener()?["enable_reuse_port"] = json!(port == 0);
        Ok(())
    }

    /// Sends what is meant for `cluster` to `address`.
    ///
    /// # Errors
    ///
    /// When there is no such cluster.
    pub fn set_cluster_address(&mut self, cluster: &str, address: SocketAddr) -> Result<()> {
        let endpoint = part(self.cluster(cluster)?, ENDPOINT)?;
        *endpoint = json!({"address": address.ip().to_string(), "port_value": address.port()});
        Ok(())
    }

    /// Spreads what is meant for `cluster` over these addresses.
    ///
    /// # Errors
    ///
    /// When there is no such cluster.
    pub fn set_cluster_addresses(&mut self, cluster: &str, addresses: &[SocketAddr]) -> Result<()> {
        let endpoints = addresses.iter().map(|address| {
            let socket = json!({"address": address.ip().to_string(), "port_value": address.port()});
            json!({"endpoint": {"address": {"socket_address": socket}}})
        });
        *part(self.cluster(cluster)?, ENDPOINTS)? = endpoints.collect();
        Ok(())
    }

    /// Loads the filter from this file.
    ///
    /// # Errors
    ///
    /// When the configuration has lost the filter.
    pub fn set_module(&mut self, module: &Path) -> Result<()> {
        *part(self.gate()?, MODULE)? = json!(module);
        Ok(())
    }

    /// The configuration of the filter itself, which Envoy hands over as text.
    ///
    /// # Errors
    ///
    /// When the configuration has lost it, or it is not JSON.
    pub fn plugin_config(&mut self) -> Result<Value> {
        let text =
            part(self.gate()?, PLUGIN_CONFIG)?.as_str().context("the plugin configuration is no text")?;
        serde_json::from_str(text).context("the plugin configuration is not JSON")
    }

    /// Configures the filter itself.
    ///
    /// # Errors
    ///
    /// When the configuration has lost the filter.
    pub fn set_plugin_config(&mut self, plugin_config: &Value) -> Result<()> {
        *part(self.gate()?, PLUGIN_CONFIG)? = json!(plugin_config.to_string());
        Ok(())
    }

    /// Gates by the rules of `envoy/rules.yaml`, as it is checked in.
    ///
    /// # Errors
    ///
    /// When the file is not there or is not YAML, or the configuration has lost the filter.
    pub fn set_sample_rules(&mut self) -> Result<()> {
        let mut sample = read_yaml("envoy/rules.yaml")?;
        self.gate()?["configuration"] = part(&mut sample, "/configuration")?.take();
        Ok(())
    }

    /// Gives the process a name of its own for the key service.
    ///
    /// # Errors
    ///
    /// When the configuration has lost the filter.
    pub fn set_edge(&mut self, name: &str) -> Result<()> {
        let mut plugin_config = self.plugin_config()?;
        let fields = plugin_config.as_object_mut().context("the plugin configuration is no object")?;
        fields.insert("edge".to_owned(), json!(name));
        self.set_plugin_config(&plugin_config)
    }

    /// The `config` of the Wasm filter: VM, failure policy, plugin configuration.
    ///
    /// # Errors
    ///
    /// When the configuration has lost it.
    pub fn gate(&mut self) -> Result<&mut Value> {
        part(self.connection_manager()?, GATE)
    }

    /// The HTTP connection manager in front of the filter.
    ///
    /// # Errors
    ///
    /// When the configuration has lost it.
    pub fn connection_manager(&mut self) -> Result<&mut Value> {
        part(self.listener()?, CONNECTION_MANAGER)
    }

    /// The gated listener.
    ///
    /// # Errors
    ///
    /// When the configuration has lost it.
    pub fn listener(&mut self) -> Result<&mut Value> {
        part(&mut self.0, LISTENER)
    }

    /// The cluster of this name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn cluster(&mut self, name: &str) -> Result<&mut Value> {
        part(&mut self.0, "/static_resources/clusters")?
            .as_array_mut()
            .and_then(|clusters| {
                clusters.iter_mut().find(|cluster| cluster.get("name") == Some(&json!(name)))
            })
            .with_context(|| format!("the configuration has no cluster {name}"))
    }

    /// The whole bootstrap.
    #[must_use]
    pub fn bootstrap(&mut self) -> &mut Value {
        &mut self.0
    }

    /// The text for Envoy, in JSON, with the filter in the shell that was chosen.
    #[must_use]
    pub fn rendered(&self) -> String {
        let node_id = self.0.pointer(NODE_ID).and_then(Value::as_str);
        format!("{:#}", Shell::chosen().translated(&self.0, node_id))
    }

    /// A part of this configuration, for Envoy to read by itself.
    #[must_use]
    pub fn part_of_local(part: &Value) -> Value {
        let local = Self::local().ok();
        let node_id = local.as_ref().and_then(|local| local.0.pointer(NODE_ID)).and_then(Value::as_str);
        Shell::chosen().translated(part, node_id)
    }
}

/// A file of the repository.
fn read_yaml(file: &str) -> Result<Value> {
    let path = places::repository().join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

fn part<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("the Envoy configuration has no {pointer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_file_has_every_part_that_is_edited() {
        let mut config = EnvoyConfig::local().unwrap();
        config.set_cluster_address("upstream", ([127, 0, 0, 1], 1234).into()).unwrap();
        config.set_cluster_address("key_service", ([127, 0, 0, 1], 1235).into()).unwrap();
        assert_eq!(config.plugin_config().unwrap()["key_service"]["cluster"], "key_service");
        assert_eq!(config.connection_manager().unwrap()["stat_prefix"], "edge");
        let rendered = config.rendered();
        assert!(rendered.contains("1234") && rendered.contains("1235"));
        assert!(
            !rendered.contains("10000") && !rendered.contains("9901"),
            "a fixed port is left: {rendered}"
        );
    }
}
