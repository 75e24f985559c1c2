//! A VM that traps: with less memory than a request or a table needs, which is a limit of Envoy's like any
//! other. Only the Wasm filter has VMs; `native.rs` has what a fault of the module does.

use std::fs;
use std::path::Path;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::{places, workers};
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{Stage, configure, encoded, epoch, key};

/// What a VM may allocate beyond what it begins with, in pages of WebAssembly, each of 64 KiB. Enough for the
/// table of the test and its requests.
const GROWTH_PAGES: u64 = 32;

/// What no such VM can hold.
const TOO_LARGE: usize = 6 * 1024 * 1024;

/// The built filter with a limit of its memory.
fn with_little_memory(into: &Path) {
    let mut module = walrus::Module::from_file(places::filter_module()).unwrap();
    for memory in module.memories.iter_mut() {
        memory.maximum = Some(memory.initial + GROWTH_PAGES);
    }
    fs::write(into, module.emit_wasm()).unwrap();
}

fn start(module: &Path) -> Stage {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    for id in ["good", "revoked", "last"] {
        keys.put(key(id, "secret"));
    }
    let stage = Stage::start(keys, |config: &mut EnvoyConfig| {
        config.set_module(module).unwrap();
        configure(config, "/key_service/wait", json!("1s"));
        // A request may be as large as Envoy lets it.
        config.connection_manager().unwrap()["max_request_headers_kb"] = json!(8192);
    });
    stage.await_admitted(&encoded("good", "secret"));
    stage.keys.remove(KeyId::try_from("revoked").unwrap());
    stage.await_refused(&encoded("revoked", "secret"));
    stage
}

/// How many VMs Envoy has started in the place of dead ones.
fn replaced(stage: &Stage) -> u64 {
    stage.envoy.admin().stats(r"^wasm\..*vm_reload_success").unwrap().values().sum()
}

/// Asks with a good key and a revoked one, one after the other, until so many VMs were replaced. A request that
/// comes to a dead VM gets 503, and no other wrong answer is given.
#[track_caller]
fn ask_until_replaced(stage: &Stage, count: u64) {
    let expected = [("good", 200), ("revoked", 401)].map(|(id, status)| (encoded(id, "secret"), status));
    stage.until("VMs are replaced", || {
        for (credential, status) in &expected {
            let answered = stage.status_for(credential);
            assert!([503, *status].contains(&answered), "{answered} in place of {status}");
        }
        replaced(stage) >= count
    });
}

#[test]
fn a_vm_that_traps_lets_nobody_in_and_the_next_one_goes_on_with_the_table() {
    if is_native() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("latchkey-filter.wasm");
    with_little_memory(&module);
    let stage = start(&module);

    // A request that no VM can hold ends the VM of each worker.
    let loads = stage.stat("feed.loads");
    let too_large = Request::get("/too-large")
        .api_key(&encoded("good", "secret"))
        .header("x-large", vec![b'a'; TOO_LARGE]);
    for connection in &mut workers::connection_to_each(stage.envoy.admin()).unwrap() {
        assert_eq!(connection.exchange(&too_large).unwrap().status, 503);
    }
    assert!(stage.upstream.requests_to("/too-large").is_empty(), "a request passed without a verdict");
    ask_until_replaced(&stage, 2);
    stage.await_admitted(&encoded("good", "secret"));
    stage.await_refused(&encoded("revoked", "secret"));
    assert_eq!(stage.stat("feed.loads"), loads, "the table has gone with the VM");
    let log = stage.envoy.log().stderr();
    assert!(log.contains("memory allocation of") && log.contains("bytes failed"), "{log}");

    // A page that no VM can hold ends each that follows: that of the main thread, which Envoy does not replace,
    // and then that of a worker.
    let blank = " ".repeat(TOO_LARGE);
    let page = format!(
        r#"{{"epoch":"first","cursor":9,"purged":0,"total":1,"more":false,"reset":false,"keys":[{blank}]}}"#
    );
    stage.keys.behave(FeedManner::Body(page.into_bytes()));
    ask_until_replaced(&stage, 3);
    stage.keys.behave(FeedManner::Truthful);
    stage.keys.remove(KeyId::try_from("last").unwrap());
    stage.await_refused(&encoded("last", "secret"));
    stage.await_admitted(&encoded("good", "secret"));
    stage.await_refused(&encoded("revoked", "secret"));
}
