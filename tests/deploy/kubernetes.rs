//! `deploy/kubernetes`, as kustomize renders it.

use std::fs;
use std::path::Path;

use latchkey_local_stack::scratch_directory::ScratchDirectory;
use serde_json::{Value, json};

use crate::schema::{assert_valid, of_kubernetes, stored};
use crate::service;
use crate::{checker, path, printed, text};

/// The oldest version of Kubernetes that takes these manifests, and the newest whose schemas are stored.
pub(crate) const VERSIONS: [&str; 2] = ["1.30", "1.37"];

const OVERLAYS: [&str; 2] = ["sqlite", "postgresql"];

/// What an overlay says of its components, which an operator uncomments.
const COMPONENTS: &str =
    "# components:\n#   - ../../components/prometheus-operator\n#   - ../../components/tls\n";

fn rendered(directory: &Path) -> Vec<Value> {
    let text = printed(checker("kubectl").arg("kustomize").arg(directory));
    serde_saphyr::from_multiple(&text).unwrap()
}

fn overlay(name: &str) -> Vec<Value> {
    rendered(&path("deploy/kubernetes/overlays").join(name))
}

/// An overlay with all components.
fn with_components(name: &str) -> Vec<Value> {
    let scratch = ScratchDirectory::new("latchkey-kustomize").unwrap();
    copy(&path("deploy/kubernetes"), scratch.path());
    let directory = scratch.path().join("overlays").join(name);
    let file = directory.join("kustomization.yaml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(COMPONENTS), "{name}");
    fs::write(&file, text.replace(COMPONENTS, &COMPONENTS.replace("# ", ""))).unwrap();
    rendered(&directory)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[track_caller]
fn only<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<_> = manifests.iter().filter(|manifest| manifest["kind"] == kind).collect();
    let [one] = found.as_slice() else { panic!("{} of {kind}", found.len()) };
    one
}

fn pod(manifests: &[Value]) -> &Value {
    &only(manifests, "Deployment")["spec"]["template"]["spec"]
}

fn container(manifests: &[Value]) -> &Value {
    let containers = pod(manifests)["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    &containers[0]
}

#[test]
fn every_manifest_is_what_kubernetes_takes() {
    for manifests in OVERLAYS.into_iter().flat_map(|name| [overlay(name), with_components(name)]) {
        assert!(manifests.len() > 5);
        for manifest in &manifests {
            let what = format!("{} {}", manifest["kind"], manifest["metadata"]["name"]);
            let is_namespace = manifest["kind"] == "Namespace";
            assert!(is_namespace || manifest["metadata"]["namespace"] == "latchkey", "{what}");
            if manifest["kind"] == "ServiceMonitor" {
                assert_valid(&stored("service-monitor.json"), manifest, &what);
                continue;
            }
            for version in VERSIONS {
                let schema = of_kubernetes(version, manifest);
                assert_valid(&schema.unwrap_or_else(|| panic!("no schema of {what}")), manifest, &what);
            }
        }
    }
}

// What the Pod Security Standard `restricted` asks for, which the namespace enforces, and a read-only root beside it.
#[test]
fn pods_may_do_nothing_but_serve() {
    for manifests in OVERLAYS.into_iter().flat_map(|name| [overlay(name), with_components(name)]) {
        let (pod, container) = (pod(&manifests), container(&manifests));
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_ne!(pod["securityContext"]["runAsUser"], 0);
        assert_eq!(pod["securityContext"]["seccompProfile"], json!({"type": "RuntimeDefault"}));
        assert_eq!(
            container["securityContext"],
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true})
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume.get("hostPath").is_none(), "{volume}");
            // Secrets are for the group of the pod alone.
            let of_secret = [&volume["secret"], &volume["projected"]].into_iter().find(|it| it.is_object());
            assert!(of_secret.is_none_or(|it| it["defaultMode"] == 0o440), "{volume}");
        }
        let namespace = only(&manifests, "Namespace");
        assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
        let policy = &only(&manifests, "NetworkPolicy")["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
        for rule in policy["ingress"].as_array().unwrap() {
            assert!(!rule["from"].as_array().unwrap().is_empty(), "{rule}");
        }
    }
}

// Liveness asks for what holds also without a store: an outage of the database starts no replica again.
#[test]
fn probes_ask_where_the_service_answers_and_only_readiness_asks_the_store() {
    for manifests in OVERLAYS.map(overlay) {
        let container = container(&manifests);
        let asked = |probe: &str| container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(asked("livenessProbe"), service::LIVENESS);
        assert_eq!(asked("startupProbe"), service::LIVENESS);
        assert_eq!(asked("readinessProbe"), service::READINESS);
        let ports =
            [&container["ports"][0]["name"], &only(&manifests, "Service")["spec"]["ports"][0]["targetPort"]];
        for probe in ["livenessProbe", "startupProbe", "readinessProbe"] {
            assert_eq!(&container[probe]["httpGet"]["port"], ports[0]);
        }
        assert_eq!(ports[0], ports[1]);
    }
    for manifests in OVERLAYS.map(with_components) {
        for probe in ["livenessProbe", "startupProbe", "readinessProbe"] {
            assert_eq!(container(&manifests)[probe]["httpGet"]["scheme"], "HTTPS");
        }
        assert_eq!(only(&manifests, "ServiceMonitor")["spec"]["endpoints"][0]["scheme"], "https");
        assert_eq!(only(&manifests, "Service")["spec"]["ports"][0]["appProtocol"], "https");
    }
}

#[test]
fn one_replica_never_has_another_beside_it_and_three_never_are_fewer_than_two() {
    let manifests = overlay("sqlite");
    let spec = &only(&manifests, "Deployment")["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]), (&json!(1), &json!({"type": "Recreate"})));
    assert_eq!(only(&manifests, "PersistentVolumeClaim")["metadata"]["name"], "latchkey-store");
    assert!(manifests.iter().all(|manifest| manifest["kind"] != "PodDisruptionBudget"));

    let manifests = overlay("postgresql");
    let spec = &only(&manifests, "Deployment")["spec"];
    assert_eq!(
        (&spec["replicas"], &spec["strategy"]["rollingUpdate"]["maxUnavailable"]),
        (&json!(3), &json!(0))
    );
    let budget = &only(&manifests, "PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["selector"], spec["selector"]);
    assert!(manifests.iter().all(|manifest| manifest["kind"] != "PersistentVolumeClaim"));
}

// The files are mounted where the settings look for them, and the service takes the settings.
#[test]
fn the_service_takes_the_settings_that_are_mounted() {
    for name in OVERLAYS {
        let manifests = overlay(name);
        let settings = only(&manifests, "ConfigMap")["data"]["latchkey.toml"].as_str().unwrap();
        assert_eq!(settings, text(&format!("deploy/kubernetes/overlays/{name}/latchkey.toml")));
        assert_eq!(
            container(&manifests)["args"],
            json!(["serve", "--config", "/etc/latchkey/latchkey.toml"])
        );
        let volume = &pod(&manifests)["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == "settings")
            .unwrap()["projected"];
        let named = only(&manifests, "ConfigMap")["metadata"]["name"].as_str().unwrap();
        assert_eq!(volume["sources"][0]["configMap"]["name"], named);
        assert_eq!(volume["sources"][1]["secret"]["name"], "latchkey-users");
        service::assert_understood(settings);
    }
    service::assert_serves(&text("deploy/kubernetes/overlays/sqlite/latchkey.toml"));
}

#[test]
fn only_the_components_need_what_a_cluster_may_lack() {
    for manifests in OVERLAYS.map(overlay) {
        let groups = manifests.iter().map(|manifest| manifest["apiVersion"].as_str().unwrap());
        assert!(groups.clone().all(|group| !group.contains("coreos")), "{:?}", groups.collect::<Vec<_>>());
    }
}
