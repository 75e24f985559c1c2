//! An edge of a run: an Envoy with two workers whose listener comes from a file, behind a way that can be cut.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use latchkey_local_stack::envoy::{EnvoyAdmin, EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::listener_file::ListenerFile;
use latchkey_local_stack::scratch_directory::ScratchDirectory;
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::wait;
use serde_json::{Value, json};

use crate::forwarder::Forwarder;
use crate::model::edge::Edge;
use crate::plan::Plan;

/// The header in which the upstream reads the version of a key.
pub(crate) const VERSION_HEADER: &str = "x-soak-version";

/// How long Envoy keeps a listener that was replaced, in seconds. Its default, ten minutes, would let five pile up.
const DRAIN_SECONDS: &str = "20";

/// A running edge.
#[derive(Debug)]
pub(crate) struct EdgeProcess {
    pub(crate) forwarder: Forwarder,
    envoy: EnvoyProcess,
    listener: ListenerFile,
    address: SocketAddr,
    plan: Plan,
    _directory: ScratchDirectory,
}

/// What an edge tells of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EdgeFigures {
    pub(crate) table_keys: u64,
    pub(crate) loads: u64,
    pub(crate) failed_polls: u64,
}

impl EdgeProcess {
    /// Starts it, and waits until it has a table.
    pub(crate) fn start(
        edge: Edge,
        plan: &Plan,
        upstream: SocketAddr,
        service: SocketAddr,
        feed_credential: &str,
    ) -> Result<Self> {
        let directory = ScratchDirectory::new("latchkey-soak-edge-")?;
        let forwarder = Forwarder::start(service)?;
        let mut config = EnvoyConfig::local()?;
        config.set_cluster_address("upstream", upstream)?;
        config.set_cluster_address("key_service", forwarder.address())?;
        let manager = config.connection_manager()?.as_object_mut().context("no connection manager")?;
        manager.remove("access_log");
        configure(&mut config, |plugin| {
            set(plugin, "/key_service/wait", json!("2s"))?;
            set(plugin, "/key_service/fetch_timeout", json!("1s"))?;
            set(plugin, "/staleness", staleness(plan, 0))?;
            let version = json!({"path": "version", "claims": true});
            set(plugin, "/identity", json!({"metadata_headers": {VERSION_HEADER: version}}))?;
            set(plugin, "/edge", json!(edge.name()))
        })?;
        let listener = ListenerFile::take_out_of(&mut config, directory.path())?;
        let envoy = EnvoyProcess::start(&EnvoyOptions {
            config,
            concurrency: 2,
            arguments: ["--drain-time-s", DRAIN_SECONDS].map(str::to_owned).to_vec(),
            environment: vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), feed_credential.to_owned())],
            filter_log_level: "warning",
        })?;
        let address = envoy.listener()?;
        wait::until("an edge has a key table", || {
            Ok((envoy.admin().stat("wasmcustom.latchkey.table.generation")? > 0).then_some(()))
        })?;
        Ok(Self { forwarder, envoy, listener, address, plan: *plan, _directory: directory })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.envoy.id()
    }

    /// Replaces its listener: in turn only the filter's configuration, and the listener itself.
    pub(crate) fn update_listener(&mut self) -> Result<()> {
        let (next, plan) = (self.listener.version() + 1, self.plan);
        self.listener.update(|config| {
            // What was changed last stays, so that each update changes one of the two.
            configure(config, |plugin| set(plugin, "/staleness", staleness(&plan, next.div_ceil(2))))?;
            let buffer = if (next / 2).is_multiple_of(2) { 32_768 } else { 65_536 };
            set(config.listener()?, "/per_connection_buffer_limit_bytes", json!(buffer))
        })
    }

    /// What it tells of itself.
    pub(crate) fn figures(&self) -> Result<EdgeFigures> {
        let stat = |name: &str| self.admin().stat(&format!("wasmcustom.latchkey.{name}"));
        Ok(EdgeFigures {
            table_keys: stat("table.keys")?,
            loads: stat("feed.loads")?,
            failed_polls: stat("feed.failures")?,
        })
    }

    /// What has gone wrong inside of it.
    pub(crate) fn faults(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        let reloads = self.admin().stats(r"^wasm\..*vm_reload")?;
        if reloads.values().any(|count| *count > 0) {
            faults.push(format!("a VM died: {reloads:?}"));
        }
        let log = self.envoy.log().stderr();
        if let Some(line) = log.lines().find(|line| line.contains("a fault of the filter")) {
            faults.push(format!("the module has panicked: {line}"));
        }
        let rejected = self.admin().stat("listener_manager.lds.update_rejected")?;
        let (updated, wanted) =
            (self.admin().stat("listener_manager.lds.update_success")?, self.listener.version());
        if rejected > 0 || updated < u64::from(wanted) {
            faults.push(format!("of {wanted} listener updates it took {updated} and refused {rejected}"));
        }
        Ok(faults)
    }

    fn admin(&self) -> EnvoyAdmin {
        self.envoy.admin()
    }
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident_len(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kibibytes.context("a process has ended")? * 1024)
}

/// An age that differs a little by the number, so that the configuration does.
fn staleness(plan: &Plan, number: u32) -> Value {
    let milliseconds = plan.stale_after.as_millis() - u128::from(number % 2);
    json!({"stale_after": format!("{milliseconds}ms"), "refuse_after": format!("{}s", plan.refuse_after.as_secs())})
}

fn configure(config: &mut EnvoyConfig, edit: impl FnOnce(&mut Value) -> Result<()>) -> Result<()> {
    let mut plugin = config.plugin_config()?;
    edit(&mut plugin)?;
    config.set_plugin_config(&plugin)
}

/// Sets the member of an object that is there.
fn set(value: &mut Value, pointer: &str, member: Value) -> Result<()> {
    let (parent, name) = pointer.rsplit_once('/').context("no pointer")?;
    let object = value.pointer_mut(parent).and_then(Value::as_object_mut);
    object.with_context(|| format!("there is no {parent}"))?.insert(name.to_owned(), member);
    Ok(())
}
