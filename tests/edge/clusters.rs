//! The cluster of the key service comes from a file, and changes with it while requests come.

use std::fs;
use std::path::Path;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::upstream::Upstream;
use serde_json::{Value, json};

use crate::stage::{self, Stage, configure, encoded, epoch, key};
use crate::traffic;

/// Envoy watches the directory for the file to be moved into it.
fn write_clusters(directory: &Path, clusters: &[Value], version: u32) {
    let resources: Vec<Value> = clusters
        .iter()
        .map(|cluster| {
            let mut resource = cluster.clone();
            resource["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
            resource
        })
        .collect();
    let written = directory.join("clusters.json.new");
    let text = json!({"version_info": version.to_string(), "resources": resources}).to_string();
    fs::write(&written, text).unwrap();
    fs::rename(written, directory.join("clusters.json")).unwrap();
}

/// Two key services with the same changes.
fn twins() -> [FakeKeyService; 2] {
    [(); 2].map(|()| {
        let keys = FakeKeyService::start(epoch("first")).unwrap();
        for id in ["good", "revoked", "moved", "last"] {
            keys.put(key(id, "secret"));
        }
        keys.remove(KeyId::try_from("revoked").unwrap());
        keys
    })
}

fn revoke(keys: &FakeKeyService, id: &str) {
    keys.remove(KeyId::try_from(id).unwrap());
}

#[test]
fn the_cluster_of_the_key_service_may_move_and_vanish_while_requests_pass() {
    let directory = tempfile::tempdir().unwrap();
    let [keys, moved] = twins();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut clusters = Vec::new();
    let options = stage::options(keys.address(), &upstream, |config| {
        configure(config, "/key_service/wait", json!("1s"));
        let first = config.cluster("key_service").unwrap().clone();
        config.set_cluster_address("key_service", moved.address()).unwrap();
        clusters = vec![first, config.cluster("key_service").unwrap().clone()];
        let fixed = json!([config.cluster("upstream").unwrap()]);
        let bootstrap = config.bootstrap();
        bootstrap["static_resources"]["clusters"] = fixed;
        let path = json!({
            "path": directory.path().join("clusters.json"),
            "watched_directory": {"path": directory.path()},
        });
        bootstrap["dynamic_resources"] =
            json!({"cds_config": {"path_config_source": path, "resource_api_version": "V3"}});
    });
    write_clusters(directory.path(), &clusters[..1], 0);
    let envoy = EnvoyProcess::start(&options).unwrap();
    let address = envoy.listener().unwrap();
    let stage = Stage { envoy, keys, upstream, address };
    let with_key = |id: &str| encoded(id, "secret");
    stage.await_admitted(&with_key("good"));

    let [good, revoked] =
        ["good", "revoked"].map(|id| Request::get(&format!("/{id}")).api_key(&with_key(id)));
    traffic::during(address, &[(good, 200), (revoked, 401)], || {
        // It moves while a request for the feed is on its way to the first.
        revoke(&moved, "moved");
        write_clusters(directory.path(), &clusters[1..], 1);
        stage.await_refused(&with_key("moved"));

        write_clusters(directory.path(), &[], 2);
        let failed = stage.stat("feed.failures");
        stage.until("the cluster is gone", || stage.stat("feed.failures") >= failed + 2);
        let told = "the host would not send the request: is the cluster known and ready?";
        stage.until("the log tells it", || stage.envoy.log().stderr().contains(told));

        revoke(&moved, "last");
        write_clusters(directory.path(), &clusters[1..], 3);
        stage.await_refused(&with_key("last"));
    });
    stage.assert_no_vm_died();
}
