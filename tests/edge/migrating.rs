//! docs/migrating.md, line by line: its commands are run, and the keys of the other gateway go through a real Envoy with
//! the configuration that the page shows.

use std::env;
use std::fs;
use std::process::Command;

use latchkey_local_stack::http::Request;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::{places, secrecy, wait};
use serde_json::{Value, json};

use crate::samples::assert_understood;

const PAGE: &str = "docs/migrating.md";

/// What stands below a heading of the page.
fn section(heading: &str) -> String {
    let page = fs::read_to_string(places::repository().join(PAGE)).unwrap();
    let (_, below) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    below.split("\n## ").next().unwrap().to_owned()
}

/// What the last block of this language holds.
fn last_block(section: &str, language: &str) -> String {
    let (_, block) = section.rsplit_once(&format!("```{language}\n")).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// A stack whose gate is configured so, and the commands of the section run against its key service, beside a file of
/// docs/migrating. What the commands printed comes with it.
fn migrated(heading: &str, plugin_config: &Value, file: &str) -> (LocalStack, String) {
    assert_understood(&plugin_config.to_string());
    let stack =
        LocalStack::start(StackOptions::default(), |config| config.set_plugin_config(plugin_config)).unwrap();
    let commands: Vec<String> =
        section(heading).lines().filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
    assert!(commands.len() > 3, "{commands:?}");
    let directory = tempfile::tempdir().unwrap();
    let sample = places::repository().join("docs/migrating").join(file);
    fs::copy(sample, directory.path().join(file)).unwrap();
    let latchkey = places::latchkey().unwrap();
    let searched = env::var_os("PATH").unwrap();
    let path = [latchkey.parent().unwrap().to_owned()].into_iter().chain(env::split_paths(&searched));
    let mut bash = Command::new("bash");
    bash.args(["-euxo", "pipefail", "-c", &commands.join("\n")])
        .current_dir(&directory)
        .env("PATH", env::join_paths(path).unwrap())
        .env("LATCHKEY_URL", format!("http://{}", stack.key_service.address()))
        .env("LATCHKEY_USER", "elastic")
        .env("LATCHKEY_PASSWORD", stack.key_service.client().password());
    let output = secrecy::searched_output("the commands of the page", &mut bash).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!directory.path().join("keys.jsonl").exists(), "a list with secrets is left");
    (stack, String::from_utf8(output.stdout).unwrap())
}

fn status(stack: &LocalStack, request: &Request) -> u16 {
    stack.ask(request).unwrap().status
}

#[track_caller]
fn await_admitted(stack: &LocalStack, request: &Request) {
    wait::until("the edge knows the key", || Ok((status(stack, request) == 200).then_some(()))).unwrap();
}

#[test]
fn a_key_of_kong_goes_on_where_it_was() {
    let plugin_config: Value =
        serde_json::from_str(&last_block(&section("From Kong's key-auth"), "json")).unwrap();
    let (stack, printed) = migrated("From Kong's key-auth", &plugin_config, "kong.yaml");
    for part in ["Would import 2 keys.", "Imported 2 keys.", "order-readers"] {
        assert!(printed.contains(part), "{part}\n{printed}");
    }
    let (billing, mobile) = ("9c1b7a52-3f0e-4a8d-b6f4-2d5e81c07a39", "4e6f0d1c-8b2a-47f5-9d3e-7a10c5b2e684");
    let with = |path: &str, key: &str| Request::get(path).header("apikey", key);
    await_admitted(&stack, &with("/orders/1", billing));
    let seen = &stack.upstream.requests_to("/orders/1")[0];
    for (header, value) in [("x-consumer-username", "billing"), ("x-consumer-custom-id", "17")] {
        assert_eq!(seen.header_values(header), [value], "{header}");
    }
    assert_eq!(seen.header_values("apikey"), Vec::<String>::new());
    assert_eq!(status(&stack, &Request::get(&format!("/orders/2?apikey={billing}"))), 200);
    // It is in no group, which Kong's plugin would refuse too.
    await_admitted(&stack, &with("/else", mobile));
    assert_eq!(status(&stack, &with("/orders/3", mobile)), 403);
    assert_eq!(status(&stack, &with("/orders/4", "9c1b7a52-3f0e-4a8d-b6f4-2d5e81c07a38")), 401);
    assert_eq!(status(&stack, &Request::get("/else")), 401);
}

#[test]
fn a_key_of_envoy_gateway_goes_on_where_it_was() {
    let shown: Value =
        serde_saphyr::from_str(&last_block(&section("From Envoy Gateway's API keys"), "yaml")).unwrap();
    let (stack, printed) = migrated("From Envoy Gateway's API keys", &shown["config"], "secrets.json");
    assert!(printed.contains("Would import 2 keys.") && printed.contains("Imported 2 keys."), "{printed}");
    let (acme, globex) = ("7d0f2c5e-1b8a-4f63-a9d4-3e0c7b915f28", "b2e7a194-6c0d-4e8f-85b3-0d9f1a62c74e");
    let with = |path: &str, key: &str| Request::get(path).header("x-api-key", key);
    await_admitted(&stack, &with("/acme", acme));
    let seen = &stack.upstream.requests_to("/acme")[0];
    assert_eq!(seen.header_values("x-client-id"), ["acme"]);
    assert_eq!(seen.header_values("x-api-key-owner"), ["partners"]);
    assert_eq!(seen.header_values("x-api-key"), Vec::<String>::new());
    await_admitted(&stack, &Request::get(&format!("/globex?key={globex}")));
    // The second of a client id counts for nothing, as in Envoy Gateway.
    assert_eq!(status(&stack, &with("/second", "d8c3f6a1-0e2b-4579-8b1c-5f3a7e9204d6")), 401);
    let listed = stack.key_service.client().send(Request::get("/_security/api_key?name=acme")).unwrap();
    let listed = listed.json().unwrap();
    assert_eq!(listed["api_keys"][0]["metadata"], json!({"secret": "shop/partners"}));
}
