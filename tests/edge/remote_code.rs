//! The filter comes by HTTP, from a cluster, and is held to its SHA-256.

use std::fs;

use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::file_server::FileServer;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::shell::Shell;
use latchkey_local_stack::upstream::Upstream;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::shells::is_native;
use crate::stage::{Stage, encoded, epoch, key, options};

/// The path of the code, as Envoy Gateway has one for each module.
const PATH: &str = "/fetched-code";

/// The cluster that has it.
const CLUSTER: &str = "wasm_cluster";

/// A server of the filter in the shell that was chosen.
pub(crate) struct CodeServer {
    pub(crate) files: FileServer,
    sum: String,
}

impl CodeServer {
    pub(crate) fn start() -> Self {
        let code = fs::read(Shell::chosen().file()).unwrap();
        let sum = Sha256::digest(&code).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { files: FileServer::start(PATH, code).unwrap(), sum }
    }

    /// Where the code is, for Envoy.
    pub(crate) fn source(&self) -> Value {
        let uri = format!("http://code.example{PATH}");
        json!({"remote": {"http_uri": {"uri": uri, "cluster": CLUSTER, "timeout": "10s"}, "sha256": self.sum}})
    }

    /// Adds the cluster of this server.
    pub(crate) fn add_cluster(&self, config: &mut EnvoyConfig) {
        let mut cluster = config.cluster("key_service").unwrap().clone();
        cluster["name"] = json!(CLUSTER);
        cluster["load_assignment"]["cluster_name"] = json!(CLUSTER);
        config.bootstrap()["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        config.set_cluster_address(CLUSTER, self.files.address()).unwrap();
    }
}

/// Has the gate of a configuration fetch its code.
fn fetch(config: &mut EnvoyConfig, server: &CodeServer, source: &Value) {
    server.add_cluster(config);
    if is_native() {
        // The configuration as it is for the module, but for where the module is.
        let filter = EnvoyConfig::part_of_local(&config.connection_manager().unwrap()["http_filters"][0]);
        let filters = &mut config.connection_manager().unwrap()["http_filters"];
        filters[0] = filter;
        let module = &mut filters[0]["typed_config"]["dynamic_module_config"];
        module.as_object_mut().unwrap().remove("name").unwrap();
        module["module"] = source.clone();
    } else {
        config.gate().unwrap()["vm_config"]["code"] = source.clone();
    }
}

/// An edge that fetches the filter.
fn fetching(server: &CodeServer, source: &Value) -> Stage {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    Stage::start(keys, |config| fetch(config, server, source))
}

/// Where the code is, with a sum that is not its own.
fn forged(server: &CodeServer) -> Value {
    let mut source = server.source();
    source["remote"]["sha256"] = json!("0".repeat(64));
    source
}

#[test]
fn the_filter_is_fetched_and_gates() {
    let server = CodeServer::start();
    // Where Envoy keeps a module that it has fetched, for later.
    let kept = format!("/tmp/envoy_dynamic_module_{}.so", server.sum);
    let forget = || fs::remove_file(&kept).is_ok();
    forget();
    let stage = fetching(&server, &server.source());
    assert_eq!(forget(), is_native());
    stage.await_admitted(&encoded("id", "secret"));
    assert_eq!(stage.status_for(&encoded("id", "wrong")), 401);
    assert_eq!(server.files.served(), 1);
}

// Envoy passes over a module that it could not fetch. `docs/native.md` says what to do.
#[test]
fn code_with_another_sum_lets_nobody_in_but_where_envoy_passes_over_it() {
    let server = CodeServer::start();
    let stage = fetching(&server, &forged(&server));
    stage.until("the code was fetched", || server.files.served() > 0);
    let status = stage.status_for(&encoded("id", "secret"));
    let without_a_key = stage.send(&Request::get("/without-a-key")).status;
    if is_native() {
        assert_eq!(
            [status, without_a_key],
            [200, 200],
            "Envoy has changed its ways: tell it in docs/native.md"
        );
    } else {
        assert_eq!([status, without_a_key], [503, 503]);
    }
}

#[test]
fn a_module_that_was_not_fetched_yet_is_refused_where_the_configuration_says_so() {
    if !is_native() {
        return;
    }
    let server = CodeServer::start();
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let options = options(keys.address(), &upstream, |config| {
        fetch(config, &server, &forged(&server));
        let filter = &mut config.connection_manager().unwrap()["http_filters"][0];
        filter["typed_config"]["dynamic_module_config"]["nack_on_cache_miss"] = json!(true);
    });
    let refused = EnvoyProcess::start(&options).unwrap_err().to_string();
    assert!(refused.contains("Remote module not cached"), "{refused}");
}
