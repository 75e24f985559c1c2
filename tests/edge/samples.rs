//! Every configuration that is handed out is one that works.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use latchkey_filter::config::Config;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::{places, secrecy};
use latchkey_trim_module::{surface, trim};
use serde_json::{Value, json};

use crate::shells::{is_native, lacks};
use crate::stage::{FEED_SECRET, Stage, configure, encoded, epoch, key};

#[test]
fn the_local_configuration_is_understood() {
    let bootstrap: Value = sample("envoy/local.yaml");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let filter = bootstrap.pointer(filter).unwrap();
    assert_understood(filter["configuration"]["value"].as_str().unwrap());
    assert_eq!(filter["failure_policy"], "FAIL_RELOAD");
}

#[test]
fn the_local_configuration_runs_as_it_is() {
    let validated = validated(Path::new("envoy/local.yaml"));
    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stderr));
}

/// Validation goes as far as starting the filter with its configuration, and binds no port.
fn validated(config: &Path) -> Output {
    let mut envoy = Command::new(places::envoy().unwrap());
    envoy
        .args(["--mode", "validate", "--disable-hot-restart", "--config-path"])
        .arg(config)
        .env(FEED_CREDENTIAL_VARIABLE, encoded("edge", FEED_SECRET))
        .current_dir(places::repository());
    secrecy::searched_output("envoy", &mut envoy).unwrap()
}

// Every other case of these tests runs with the restriction too, because all start from that file.
#[test]
fn the_filter_is_allowed_what_it_needs_and_nothing_else() {
    let bootstrap: Value = sample("envoy/local.yaml");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let restriction = &bootstrap.pointer(filter).unwrap()["capability_restriction_config"];
    let guide = std::fs::read_to_string(places::repository().join("docs/configuration.md")).unwrap();
    let guide =
        guide.split("```yaml\ncapability_restriction_config:").nth(1).unwrap().split("```").next().unwrap();
    let guide: Value = serde_saphyr::from_str(&format!("capability_restriction_config:{guide}")).unwrap();
    assert_eq!(&guide["capability_restriction_config"], restriction);
    let allowed: Vec<&str> =
        restriction["allowed_capabilities"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(allowed.into_iter().collect::<BTreeSet<_>>(), surface::capabilities().into_iter().collect());

    let module = std::fs::read(places::filter_module()).unwrap();
    let imports = trim::imports(&module).unwrap();
    assert!(imports.contains("proxy_get_shared_data"), "{imports:?}");
    for import in &imports {
        assert!(surface::IMPORTS.contains(&import.as_str()), "the module imports {import}");
    }
}

// The host answers such a call without doing anything.
#[test]
fn what_the_filter_is_not_allowed_does_not_happen() {
    if lacks("capability_restriction_config") {
        return;
    }
    let keys = FakeKeyService::start(epoch("unheard")).unwrap();
    let stage = Stage::start(keys, |config| {
        configure(config, "/start_up_wait", json!("0s"));
        let restriction = &mut config.gate().unwrap()["capability_restriction_config"];
        let allowed = restriction["allowed_capabilities"].as_object_mut().unwrap();
        allowed.remove("proxy_http_call").unwrap();
    });
    assert_eq!(stage.status_for(&encoded("id", "secret")), 503);
    assert_eq!(stage.keys.requests(), Vec::<String>::new());
}

#[test]
fn the_istio_plugins_are_understood() {
    let plugins = samples("envoy/istio/wasmplugin.yaml");
    assert!(plugins.iter().any(|plugin| plugin["kind"] == "WasmPlugin"));
    for plugin in plugins.iter().filter(|plugin| plugin["kind"] == "WasmPlugin") {
        assert_understood(&plugin["spec"]["pluginConfig"].to_string());
        assert_eq!(plugin["spec"]["phase"], "AUTHN");
        assert_eq!(plugin["spec"]["failStrategy"], "FAIL_RELOAD");
        works_in_envoy_as_istio_sets_it(plugin);
    }
}

/// Istio hands the plugin configuration over as text, sets no `vm_id`, makes no labels of names, and names the
/// cluster of a service its own way.
fn works_in_envoy_as_istio_sets_it(plugin: &Value) {
    let cluster = plugin["spec"]["pluginConfig"]["key_service"]["cluster"].as_str().unwrap();
    assert!(cluster.starts_with("outbound|"), "{cluster}");
    let stage = Stage::with_keys(vec![key("id", "secret")], |config: &mut EnvoyConfig| {
        config.bootstrap().as_object_mut().unwrap().remove("stats_config").unwrap();
        config.cluster("key_service").unwrap()["name"] = json!(cluster);
        config.gate().unwrap()["vm_config"].as_object_mut().unwrap().remove("vm_id");
        config.set_plugin_config(&plugin["spec"]["pluginConfig"]).unwrap();
    });
    assert_eq!(stage.status_for(&encoded("id", "secret")), 200);
    assert_eq!(stage.status_for(&encoded("id", "wrong")), 401);
    // The alerts look for both.
    let denied = if is_native() {
        r#"latchkey_denied{reason="secret_wrong"}"#
    } else {
        "latchkey_denied_reason_secret_wrong{}"
    };
    let metrics = stage.envoy.admin().get("/stats/prometheus").unwrap().text();
    assert!(metrics.lines().any(|line| line.starts_with(denied)), "{metrics}");
}

#[test]
fn the_rule_by_owner_shuts_out_whom_it_names() {
    let owned_by = |owner: &str, realm: &str| {
        let mut record = key(&format!("{owner}-{realm}"), "secret");
        record.owner.username = owner.to_owned();
        record.owner.realm = realm.to_owned();
        record
    };
    let owners = [("alice", "native"), ("mallory", "native"), ("mallory", "file"), ("trudy", "native")];
    let with_rule = |config: &mut EnvoyConfig| {
        let filters = config.connection_manager().unwrap()["http_filters"].as_array_mut().unwrap();
        filters.insert(filters.len() - 1, sample("envoy/rbac.yaml"));
    };
    let records = owners.map(|(owner, realm)| owned_by(owner, realm)).to_vec();
    let statuses = |stage: &Stage| {
        owners.map(|(owner, realm)| stage.status_for(&encoded(&format!("{owner}-{realm}"), "secret")))
    };
    // Where the values cannot be declared as texts, the gate works, and a condition that compares texts does
    // not hold.
    let undeclared = Stage::with_keys(records.clone(), |config| {
        with_rule(config);
        let allowed = &mut config.gate().unwrap()["capability_restriction_config"]["allowed_capabilities"];
        allowed.as_object_mut().unwrap().remove("proxy_call_foreign_function").unwrap();
    });
    assert_eq!(statuses(&undeclared), [200, 403, 200, 200]);

    let stage = Stage::with_keys(records, with_rule);
    let by_condition = if lacks("filter state as a text in CEL") { 200 } else { 403 };
    assert_eq!(statuses(&stage), [200, 403, 200, by_condition]);
    // The same value is a text to the access log.
    let path = "/logged-too";
    stage.send(&latchkey_local_stack::http::Request::get(path).api_key(&encoded("trudy-native", "secret")));
    assert_eq!(stage.envoy.logged_request(path).unwrap()["owner"], json!("trudy"));
}

/// Holds a plugin configuration to what the filter takes.
#[track_caller]
pub(crate) fn assert_understood(plugin_config: &str) {
    let environment = |_: &str| Some(encoded("edge", FEED_SECRET));
    if let Err(mistakes) = Config::parse(plugin_config.as_bytes(), environment) {
        panic!("{mistakes}");
    }
}

/// The only document of a sample.
pub(crate) fn sample(path: &str) -> Value {
    let mut parts = samples(path);
    assert_eq!(parts.len(), 1, "{path}");
    parts.remove(0)
}

/// The documents of a sample of several parts.
pub(crate) fn samples(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(places::repository().join(path)).unwrap();
    serde_saphyr::from_multiple(&text).unwrap()
}
