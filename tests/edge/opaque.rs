//! Keys that are one opaque text: at the edge, in every place, with the feed of a service that has such keys and of
//! one that has none.

use latchkey_key_feed::{OpaqueDigest, OpaqueKeyPepper};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::wait;
use serde_json::{Value, json};

use crate::stage::{Stage, configure, encoded, epoch, key_of_bytes};

#[path = "../cases/opaque.rs"]
mod cases;

use cases::{OPAQUE, OPAQUE_CASES, OPAQUE_REVOKED, OPAQUE_SOURCES, OpaqueOutcome};

fn with_sources(config: &mut EnvoyConfig) {
    configure(config, "/credential_sources", serde_json::from_str(OPAQUE_SOURCES).unwrap());
}

fn pepper() -> OpaqueKeyPepper {
    OpaqueKeyPepper::from_bytes([6; 32])
}

/// The id and the secret of that text.
fn credential_of(text: &str) -> (String, Vec<u8>) {
    let credential = pepper().credential(&OpaqueDigest::of(text.as_bytes()));
    (String::from_utf8(credential.id).unwrap(), credential.secret.expose().to_vec())
}

/// A service with a key of [`OPAQUE`], and one that was revoked.
fn keys() -> FakeKeyService {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    for text in [OPAQUE, OPAQUE_REVOKED] {
        let (id, secret) = credential_of(text);
        keys.put(key_of_bytes(&id, &secret));
    }
    keys.remove(credential_of(OPAQUE_REVOKED).0.as_str().try_into().unwrap());
    keys
}

fn request(index: usize, target: &str, headers: &[(&str, &str)]) -> Request {
    let target = format!("/case-{index}{target}");
    headers.iter().fold(Request::get(&target), |request, (name, value)| request.header(name, value))
}

/// The reason of the only refusal to a path that begins so.
fn reason(stage: &Stage, index: usize) -> String {
    let entry = || {
        let log = stage.envoy.log().stdout();
        let mut entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = format!("/case-{index}/");
        entries.find(|entry| entry["path"].as_str().is_some_and(|logged| logged.starts_with(&path)))
    };
    stage.until("the access log has the request", || entry().is_some());
    entry().unwrap()["details"].as_str().unwrap().replacen("latchkey_", "", 1)
}

/// Fails when anything that Envoy has written, or an upstream has got, holds the text or its secret.
#[track_caller]
fn assert_no_text(stage: &Stage, targets: &[String]) {
    let log = [stage.envoy.log().stderr(), stage.envoy.log().stdout()].concat();
    let seen: Vec<_> = targets.iter().flat_map(|target| stage.upstream.requests_to(target)).collect();
    assert_eq!(seen.len(), targets.len());
    let secret = String::from_utf8(credential_of(OPAQUE).1).unwrap();
    for text in [OPAQUE, &secret, &pepper().to_base64()] {
        assert!(!log.contains(text), "the log holds {text}:\n{log}");
        assert!(!format!("{seen:?}").contains(text), "{seen:?}");
    }
}

#[test]
fn every_case_means_at_the_edge_what_it_means_to_the_gate() {
    let keys = keys();
    keys.tell_opaque_key_pepper(pepper());
    let stage = Stage::start(keys, with_sources);
    stage.await_table();
    let mut arrived = Vec::new();
    for (index, case) in OPAQUE_CASES.iter().enumerate() {
        let answer = stage.send(&request(index, case.target, case.headers));
        match case.outcome {
            OpaqueOutcome::Admitted(target) => {
                assert_eq!(answer.status, 200, "{}: {}", case.name, answer.text());
                arrived.push(format!("/case-{index}{target}"));
                let seen = &stage.upstream.requests_to(arrived.last().unwrap())[0];
                assert_eq!(seen.header_values("x-api-key-id"), [credential_of(OPAQUE).0], "{}", case.name);
            }
            OpaqueOutcome::Refused(expected) => {
                assert_eq!((answer.status, reason(&stage, index).as_str()), (401, expected), "{}", case.name);
            }
        }
    }
    assert_no_text(&stage, &arrived);
    stage.assert_no_vm_died();
}

#[test]
fn where_there_are_no_such_keys_a_text_is_malformed_until_the_first_one_comes() {
    let stage = Stage::start(keys(), with_sources);
    stage.await_table();
    for (index, case) in OPAQUE_CASES.iter().enumerate() {
        let answer = stage.send(&request(index, case.target, case.headers));
        assert_eq!((answer.status, reason(&stage, index).as_str()), (401, case.without), "{}", case.name);
    }
    let (id, secret) = credential_of(OPAQUE);
    assert_eq!(stage.status_for(&encoded(&id, &secret)), 200, "it has an id and a secret, as every key");
    stage.keys.tell_opaque_key_pepper(pepper());
    stage.keys.put(key_of_bytes("another", b"secret"));
    let shows = || stage.send(&Request::get("/first").header("x-api-key", OPAQUE)).status;
    stage.until("the first opaque key is admitted", || shows() == 200);
    stage.keys.remove(id.as_str().try_into().unwrap());
    stage.until("it is revoked", || shows() == 401);
    stage.assert_no_vm_died();
}

#[test]
fn a_request_that_waits_for_the_first_table_is_not_called_malformed() {
    let keys = keys();
    keys.tell_opaque_key_pepper(pepper());
    keys.behave(FeedManner::Status(500));
    let stage = Stage::start(keys, |config| {
        with_sources(config);
        configure(config, "/start_up_wait", json!("1m"));
    });
    let statuses = std::thread::scope(|scope| {
        let send = |target: String, header: (&'static str, String)| {
            let (address, request) = (stage.address, Request::get(&target).header(header.0, header.1));
            scope
                .spawn(move || latchkey_local_stack::http::http1::exchange(address, &request).unwrap().status)
        };
        let waiting = [
            send("/good".to_owned(), ("x-api-key", OPAQUE.to_owned())),
            send(format!("/in-the-query?api_key={OPAQUE}"), ("x-other", String::new())),
            send("/wrong".to_owned(), ("x-api-key", format!("{OPAQUE}r"))),
        ];
        stage.until("the requests wait", || stage.stat("waited") >= 3);
        stage.keys.behave(FeedManner::Truthful);
        waiting.map(|one| one.join().unwrap())
    });
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!(stage.details("/wrong"), "latchkey_key_unknown");
    assert_no_text(&stage, &["/good".to_owned(), "/in-the-query".to_owned()]);
    stage.assert_no_vm_died();
}

#[test]
fn a_key_that_was_brought_along_opens_the_gate_and_can_be_revoked() {
    let stack = LocalStack::start(StackOptions::default(), |config| {
        with_sources(config);
        Ok(())
    })
    .unwrap();
    let administer = |method: &str, path: &str, body: &Value| {
        let answer = stack.key_service.client().send(Request::new(method, path).json(body)).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        answer.json().unwrap()
    };
    let key =
        json!({"key": OPAQUE, "owner": "elastic", "name": "brought", "role_descriptors": {"reader": {}}});
    let path = "/_latchkey/api_key/_import?wait_for_edges=20s";
    let imported = administer("POST", path, &json!({"keys": [key]}));
    let id = imported["keys"][0]["id"].as_str().unwrap();
    let status = |text: &str| stack.ask(&Request::get("/brought").header("x-api-key", text)).unwrap().status;
    wait::until("the edge knows the key", || Ok((status(OPAQUE) == 200).then_some(()))).unwrap();
    let seen = &stack.upstream.requests_to("/brought")[0];
    assert_eq!(seen.header_values("x-api-key-id"), [id]);
    assert_eq!(seen.header_values("x-api-key-roles"), ["reader"]);
    assert_eq!(seen.header_values("x-api-key"), Vec::<String>::new());
    assert_eq!(status(&format!("{OPAQUE}r")), 401);
    let ended = administer("DELETE", "/_security/api_key?wait_for_edges=20s", &json!({"ids": [id]}));
    assert_eq!(ended["edges"]["complete"], true, "{ended}");
    assert_eq!(status(OPAQUE), 401);
}
