//! As how many an edge counts.

use std::collections::BTreeSet;

use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use serde_json::json;

use crate::shells::lacks;
use crate::stage::{Stage, configure, encoded, key, parameter};

/// A second gated listener, after an edit of the configuration that the first one does not see.
fn add_listener(config: &mut EnvoyConfig, edit: impl FnOnce(&mut EnvoyConfig)) {
    let first = config.listener().unwrap().clone();
    edit(config);
    let mut second = std::mem::replace(config.listener().unwrap(), first);
    second["name"] = json!("second");
    second["stat_prefix"] = json!("second");
    config.bootstrap()["static_resources"]["listeners"].as_array_mut().unwrap().push(second);
}

fn told(keys: &FakeKeyService, name: &str) -> BTreeSet<String> {
    keys.requests().iter().filter_map(|target| Some(parameter(target, name)?.to_owned())).collect()
}

fn await_second(stage: &Stage) {
    let second = stage.envoy.admin().listener("second").unwrap();
    let request = Request::get("/second").api_key(&encoded("id", "secret"));
    stage.until("the second gate admits", || http1::exchange(second, &request).unwrap().status == 200);
}

#[test]
fn the_gates_of_two_vm_ids_are_two_instances_of_one_edge() {
    if lacks("vm_id") {
        return;
    }
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        add_listener(config, |config| config.gate().unwrap()["vm_config"]["vm_id"] = json!("other"));
    });
    await_second(&stage);
    assert_eq!(told(&stage.keys, "edge").len(), 1);
    let instances = told(&stage.keys, "instance");
    assert_eq!(instances.len(), 2, "{instances:?}");
    for instance in &instances {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(instance.len() == 32 && instance.bytes().all(is_hex), "{instance}");
    }
    stage.assert_no_vm_died();
}

#[test]
fn gates_that_share_a_table_are_one_instance_and_the_most_patient_says_how_long_it_may_admit() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/staleness/refuse_after", json!("2m"));
        add_listener(config, |config| configure(config, "/staleness/refuse_after", json!("1h")));
    });
    await_second(&stage);
    stage.keys.put(key("later", "secret"));
    stage.await_admitted(&encoded("later", "secret"));
    assert_eq!(told(&stage.keys, "instance").len(), 1);
    stage.until("the service is told", || {
        let last = stage.keys.requests().last().unwrap().clone();
        parameter(&last, "refuse_after") == Some("3600000ms")
    });
}
