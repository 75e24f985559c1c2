//! Several gates in one proxy, and a gate that comes by extension discovery, as in Istio.

use std::fs;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::wait;
use serde_json::{Value, json};

use crate::stage::{Stage, configure, encoded, epoch, key};

#[test]
fn two_key_services_in_one_proxy_never_meet() {
    let second_keys = FakeKeyService::start(epoch("first")).unwrap();
    second_keys.put(key("id", "second"));
    // Both gates have one module, one vm_id and so the same VMs and the same shared data.
    let stage = Stage::with_keys(vec![key("id", "first")], |config| {
        let first = config.listener().unwrap().clone();
        configure(config, "/key_service/cluster", json!("second_key_service"));
        let mut second = std::mem::replace(config.listener().unwrap(), first);
        second["name"] = json!("second");
        second["stat_prefix"] = json!("second");
        let mut cluster = config.cluster("key_service").unwrap().clone();
        cluster["name"] = json!("second_key_service");
        let resources = &mut config.bootstrap()["static_resources"];
        resources["listeners"].as_array_mut().unwrap().push(second);
        resources["clusters"].as_array_mut().unwrap().push(cluster);
        config.set_cluster_address("second_key_service", second_keys.address()).unwrap();
    });
    let second_edge = stage.envoy.admin().listener("second").unwrap();
    let at_second = |secret: &str| {
        http1::exchange(second_edge, &Request::get("/second").api_key(&encoded("id", secret))).unwrap().status
    };
    stage.until("the second gate has read its feed", || at_second("second") == 200);
    for _ in 0..20 {
        let first = ["first", "second"].map(|secret| stage.status_for(&encoded("id", secret)));
        let second = ["first", "second"].map(at_second);
        assert_eq!((first, second), ([200, 401], [401, 200]));
    }
    stage.keys.remove(KeyId::try_from("id").unwrap());
    stage.await_refused(&encoded("id", "first"));
    assert_eq!(at_second("second"), 200);
    stage.assert_no_vm_died();
}

#[test]
fn the_filter_may_come_by_extension_discovery() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("filter.json");
    let write = |filter: &Value| {
        let resource = json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "latchkey",
            "typed_config": EnvoyConfig::part_of_local(filter),
        });
        let written = directory.path().join("filter.json.new");
        fs::write(&written, json!({"resources": [resource]}).to_string()).unwrap();
        fs::rename(&written, &file).unwrap();
    };
    let mut versions = Vec::new();
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        for owner in ["x-first", "x-second"] {
            configure(config, "/identity/headers/owner", json!(owner));
            versions.push(config.connection_manager().unwrap()["http_filters"][0]["typed_config"].clone());
        }
        write(&versions[0]);
        config.connection_manager().unwrap()["http_filters"][0] = json!({
            "name": "latchkey",
            "config_discovery": {
                "config_source": {"path_config_source": {"path": file}, "resource_api_version": "V3"},
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        });
    });
    let request = Request::get("/discovered").api_key(&encoded("id", "secret"));
    assert!(stage.send(&request).text().contains("x-first"));
    assert_eq!(stage.status_for(&encoded("id", "wrong")), 401);

    write(&versions[1]);
    wait::until("the second version is in force", || {
        let answer = http1::exchange(stage.address, &request)?;
        anyhow::ensure!(answer.status == 200, "refused during the update: {}", answer.text());
        Ok(answer.text().contains("x-second").then_some(()))
    })
    .unwrap();

    let mut broken = versions[1].clone();
    broken["config"]["configuration"]["value"] = json!("{}");
    write(&broken);
    stage.until("the broken version is refused", || {
        let rejected = stage.envoy.admin().stats(r"config_fail$").unwrap();
        rejected.values().any(|count| *count > 0)
    });
    assert!(stage.send(&request).text().contains("x-second"));
    assert_eq!(stage.status_for(&encoded("id", "wrong")), 401);
}
