use std::process::Command;

use super::*;

/// The least that Envoy takes for a filter.
const LEAST_MODULE: &str = r#"(module (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1")) (func (export "malloc") (param i32) (result i32) i32.const 0))"#;

fn gate(identity: Identity) -> Filter {
    gate_in(Shell::Wasm, identity, 0)
}

fn gate_in(shell: Shell, identity: Identity, rules: usize) -> Filter {
    let (build, table, cluster, feed_credential) =
        (Build::Ours(shell), "table", "key_service", "aWQ6c2VjcmV0");
    let takes_bearer_keys = rules > 0;
    Filter::latchkey(&Gate { build, table, cluster, feed_credential, identity, rules, takes_bearer_keys })
        .unwrap()
}

/// Envoy reads it, starts every filter with its configuration, and binds no port.
#[track_caller]
fn assert_envoy_takes(config: EdgeConfig) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("envoy.json");
    fs::write(&file, config.finished().rendered()).unwrap();
    let validated = Command::new(places::envoy().unwrap())
        .args(["--mode", "validate", "--disable-hot-restart", "--config-path"])
        .arg(&file)
        .envs(Shell::Module.environment())
        .output()
        .unwrap();
    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stderr));
}

#[test]
fn envoy_takes_every_contender() {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("empty.wasm");
    fs::write(&module, wat::parse_str(LEAST_MODULE).unwrap()).unwrap();
    let keys = KeySet { count: 3 };
    let mut config = EdgeConfig::new().unwrap();
    config.add_listener("bare", None, Surroundings::default()).unwrap();
    for (name, surroundings) in [
        ("refusing", Surroundings { answer: Answer::Direct(401), ..Surroundings::default() }),
        ("routes", Surroundings { routes: 2000, ..Surroundings::default() }),
        ("http2", Surroundings { http2: true, answer: Answer::Upstream, ..Surroundings::default() }),
    ] {
        config.add_listener(name, None, surroundings).unwrap();
    }
    for (name, filter) in [
        ("both", gate(Identity::Both)),
        ("headers-and-id", gate(Identity::HeadersAndId)),
        ("headers", gate(Identity::Headers)),
        ("filter-state", gate(Identity::FilterState)),
        ("no-edit", gate(Identity::FilterStateAndCredential)),
        ("rules", gate_in(Shell::Wasm, Identity::Headers, 100)),
        ("native", gate_in(Shell::Module, Identity::Both, 0)),
        ("native-rules", gate_in(Shell::Module, Identity::Headers, 100)),
        ("empty", Filter::peer_in_wasm(&module, "empty").unwrap()),
        ("api-key-auth", Filter::api_key_auth(keys).unwrap()),
        ("basic-auth", Filter::basic_auth(keys).unwrap()),
        ("lua", Filter::of_file("lua").unwrap()),
        ("ext-authz-http", Filter::of_file("ext-authz-http").unwrap()),
        ("ext-authz-grpc", Filter::of_file("ext-authz-grpc").unwrap()),
    ] {
        config.add_listener(name, Some(filter), Surroundings::default()).unwrap();
    }
    for cluster in ["key_service", "key_service_middle", "key_service_large", "authoriser_http", "upstream"] {
        config.set_cluster_address(cluster, ([127, 0, 0, 1], 1234).into()).unwrap();
    }
    assert!(config.set_cluster_address("no such cluster", ([127, 0, 0, 1], 1).into()).is_err());
    assert_envoy_takes(config);
}

#[test]
fn every_file_of_a_filter_is_one_of_a_contender() {
    let files = fs::read_dir(places::repository().join("benches/envoy/filters")).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    let expected = [
        "api-key-auth.yaml",
        "basic-auth.yaml",
        "ext-authz-grpc.yaml",
        "ext-authz-http.yaml",
        "latchkey.yaml",
        "lua.yaml",
        "peer-in-wasm.yaml",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_listener_is_named_throughout_and_its_last_route_answers() {
    let mut config = EdgeConfig::new().unwrap();
    let three = Surroundings { routes: 3, ..Surroundings::default() };
    config.add_listener("many", Some(gate(Identity::Both)), three).unwrap();
    let manager =
        &config.0["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    assert_eq!(manager["stat_prefix"], "many");
    assert_eq!(manager["http_filters"][0]["name"], "latchkey");
    let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap();
    assert_eq!((routes.len(), &routes[2]["direct_response"]["status"]), (3, &json!(200)));
}
