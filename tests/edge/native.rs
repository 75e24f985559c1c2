//! What could go wrong in a module that shares a process with Envoy.

use std::process::Command;

use latchkey_filter::metrics;
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, http1, http2};
use latchkey_local_stack::places;
use latchkey_local_stack::stack::FEED_CREDENTIAL_VARIABLE;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use serde_json::json;

use crate::samples::{assert_understood, sample};
use crate::shells::is_native;
use crate::stage::{FEED_SECRET, Stage, configure, encoded, epoch, key, options};

/// What a forced panic says, as if it quoted a secret.
const PANIC_SECRET: &str = "forced-panic-secret";

const GOOD_SECRET: &str = "good-secret-77ab";

#[test]
fn the_native_sample_is_understood_and_runs() {
    let mut bootstrap = sample("envoy/native.yaml");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/filter_config/value";
    assert_understood(&bootstrap.pointer(filter).unwrap().to_string());
    if !is_native() {
        return;
    }
    let keys = FakeKeyService::start(epoch("native")).unwrap();
    keys.put(key("id", "secret"));
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = json!(0);
    let mut config = EnvoyConfig::from(bootstrap);
    config.set_listener_port(0).unwrap();
    config.set_cluster_address("key_service", keys.address()).unwrap();
    config.set_cluster_address("upstream", upstream.address()).unwrap();
    let environment = vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), encoded("edge", FEED_SECRET))];
    let envoy = EnvoyProcess::start(&EnvoyOptions {
        config,
        concurrency: 2,
        arguments: Vec::new(),
        environment,
        filter_log_level: "info",
    })
    .unwrap();
    let edge = envoy.listener().unwrap();
    let send =
        |credential: &str| http1::exchange(edge, &Request::get("/native").api_key(credential)).unwrap();
    wait::until("the key is admitted", || Ok((send(&encoded("id", "secret")).status == 200).then_some(())))
        .unwrap();
    assert_eq!(send(&encoded("id", "wrong")).status, 401);
    // The first request has waited for the table.
    assert_eq!(envoy.logged_request("/native").unwrap()["owner"], json!("alice"));
    let metrics = envoy.admin().get("/stats/prometheus").unwrap().text();
    assert!(metrics.contains("latchkey_denied{reason=\"secret_wrong\"} 1"), "{metrics}");
}

#[test]
fn a_forged_header_does_not_choose_the_route() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        let routes = config.connection_manager().unwrap().pointer_mut("/route_config/virtual_hosts/0/routes");
        let for_owner = json!({
            "match": {"prefix": "/", "headers": [{"name": "x-api-key-owner", "string_match": {"exact": "admin"}}]},
            "direct_response": {"status": 418},
        });
        routes.unwrap().as_array_mut().unwrap().insert(0, for_owner);
    });
    for forged in ["x-api-key-owner", "X-Api-Key-Owner"] {
        let request = Request::get("/forged").header(forged, "admin").api_key(&encoded("id", "secret"));
        assert_eq!(stage.send(&request).status, 200, "{forged}");
    }
    assert_eq!(stage.upstream.requests_to("/forged").len(), 2);
}

#[test]
fn a_refused_configuration_is_told_mistake_by_mistake_and_refuses_the_proxy() {
    let keys = FakeKeyService::start(epoch("refused")).unwrap();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let options = options(keys.address(), &upstream, |config| {
        configure(config, "/staleness/refuse_after", json!("soon"));
        configure(config, "/no_such_field", json!(1));
    });
    let refused = EnvoyProcess::start(&options).unwrap_err().to_string();
    for named in ["staleness.refuse_after", "no_such_field"] {
        assert!(refused.contains(named), "the log does not name {named}:\n{refused}");
    }
}

/// Builds the module that panics where its environment says, in a directory of its own.
fn panicking_module() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let built = Command::new(places::repository().join("tools/build-module"))
        .args(["--features", "forced-panics"])
        .env("MODULE_PROFILE", "dev")
        .env("MODULE_FILE", directory.path().join("liblatchkey_filter.so"))
        .status()
        .unwrap();
    assert!(built.success());
    directory
}

#[test]
fn a_panic_in_any_hook_refuses_and_neither_ends_envoy_nor_tells_a_secret() {
    if !is_native() {
        return;
    }
    let directory = panicking_module();
    let credential = encoded("id", GOOD_SECRET);
    for hook in [
        "new",
        "request_headers",
        "request_body",
        "request_trailers",
        "scheduled",
        "destroy",
        "config_scheduled",
        "config_http_callout_done",
    ] {
        let keys = FakeKeyService::start(epoch("panics")).unwrap();
        keys.put(key("id", GOOD_SECRET));
        if hook == "scheduled" {
            keys.behave(FeedManner::Status(500));
        }
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let mut options = options(keys.address(), &upstream, |config| {
            configure(config, "/start_up_wait", json!("1s"));
        });
        let module = directory.path().to_str().unwrap().to_owned();
        options.environment.push(("ENVOY_DYNAMIC_MODULES_SEARCH_PATH".to_owned(), module));
        options.environment.push(("LATCHKEY_FORCED_PANIC".to_owned(), hook.to_owned()));
        let envoy = EnvoyProcess::start(&options).unwrap();
        let edge = envoy.listener().unwrap();
        let request =
            Request::new("POST", "/panics").api_key(&credential).body("body").trailer("x-checksum", "1");
        for exchange in [http1::exchange, http2::exchange] {
            let answer = exchange(edge, &request).unwrap();
            // Destroying comes after the verdict, whatever it does.
            let expected = if hook == "destroy" { 200 } else { 503 };
            assert_eq!(answer.status, expected, "{hook}: {}", answer.text());
            assert_eq!(answer.header_values("grpc-status"), Vec::<String>::new(), "{hook}");
        }
        if !hook.starts_with("config_") {
            let faults =
                || Ok(envoy.admin().stats(metrics::FAULTS)?.into_values().find(|faults| *faults > 0));
            wait::until(&format!("the fault in {hook} is counted"), faults).unwrap();
        }
        if ["new", "request_headers"].contains(&hook) {
            assert_eq!(
                envoy.logged_request("/panics").unwrap()["details"],
                json!("latchkey_panic"),
                "{hook}"
            );
            let call = Request::new("POST", "/grpc").header("content-type", "application/grpc").body("body");
            let answer = http2::exchange(edge, &call).unwrap();
            assert_eq!((answer.status, answer.header_values("grpc-status").concat().as_str()), (200, "14"));
        }
        let passed = upstream.requests_to("/panics").iter().filter(|seen| seen.body_len > 0).count();
        assert!(hook == "destroy" || passed == 0, "{hook}: {passed} passed");
        assert_eq!(envoy.admin().get("/ready").unwrap().status, 200, "{hook}");
        let log = [envoy.log().stderr(), envoy.log().stdout()].concat();
        assert!(log.contains("a fault of the filter at"), "{hook}: {log}");
        for secret in [PANIC_SECRET, GOOD_SECRET, &credential, FEED_SECRET] {
            assert!(!log.contains(secret), "{hook}: the log holds {secret}:\n{log}");
        }
    }
}

#[test]
fn a_panic_while_a_configuration_is_made_refuses_it() {
    if !is_native() {
        return;
    }
    let directory = panicking_module();
    let keys = FakeKeyService::start(epoch("panics")).unwrap();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut options = options(keys.address(), &upstream, |_| {});
    let module = directory.path().to_str().unwrap().to_owned();
    options.environment.push(("ENVOY_DYNAMIC_MODULES_SEARCH_PATH".to_owned(), module));
    options.environment.push(("LATCHKEY_FORCED_PANIC".to_owned(), "config_new".to_owned()));
    let refused = EnvoyProcess::start(&options).unwrap_err().to_string();
    assert!(refused.contains("a fault of the filter at") && !refused.contains(PANIC_SECRET), "{refused}");
}
