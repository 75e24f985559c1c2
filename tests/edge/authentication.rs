//! Gates that let requests pass without a key: nobody's identity comes through them either.

use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, Response, http1, http2};
use latchkey_local_stack::upstream::SeenRequest;
use serde_json::json;

use crate::stage::{Stage, configure, encoded, epoch, key};

/// Marks whatever a client forged.
const FORGED: &str = "mallory";

/// What a client could forge: default names, a configured one, and look-alikes of both.
const FORGERIES: [&str; 9] = [
    "x-api-key-id",
    "x-api-key-owner",
    "x_api_key_owner",
    "X.Api.Key.Roles",
    "x-api-key-claimed-roles",
    "X_Api.Key-Privileges",
    "x-caller",
    "x_caller",
    "x-team",
];

fn stage(authentication: &str) -> Stage {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    Stage::start(keys, |config| {
        configure(config, "/authentication", json!(authentication));
        configure(config, "/identity/headers/owner", json!("x-caller"));
        configure(config, "/identity/metadata_headers", json!({"x-team": "team"}));
    })
}

/// A request in which everything is forged, in headers and trailers.
fn forging(path: &str) -> Request {
    let request = Request::new("POST", path).body("body").trailer("x-checksum", "kept");
    FORGERIES.iter().fold(request, |request, name| {
        request.header(&name.to_ascii_lowercase(), FORGED).trailer(&name.to_ascii_lowercase(), FORGED)
    })
}

/// Sends it by both protocols, and says what the upstream saw of the last.
#[track_caller]
fn passes(stage: &Stage, request: &Request) -> SeenRequest {
    assert_eq!(http1::exchange(stage.address, request).unwrap().status, 200, "by HTTP/1.1");
    assert_eq!(http2::exchange(stage.address, request).unwrap().status, 200, "by HTTP/2");
    let seen = stage.upstream.requests_to(&request.target);
    assert_eq!(seen.len(), 2);
    for seen in &seen {
        let fields = || seen.headers.iter().chain(&seen.trailers);
        assert!(!fields().any(|(_, value)| value == FORGED.as_bytes()), "{seen:?}");
        assert!(fields().any(|(name, _)| name == "x-checksum"), "no trailer arrives at all");
    }
    seen.into_iter().next_back().unwrap()
}

#[track_caller]
fn refused(stage: &Stage, request: &Request, status: u16, details: &str) {
    let answer: Response = stage.send(request);
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(stage.details(&request.target), details);
    assert!(stage.upstream.requests_to(&request.target).is_empty(), "it reached the upstream");
}

/// What the access log knows of the caller.
fn logged(stage: &Stage, path: &str) -> [serde_json::Value; 2] {
    let entry = stage.envoy.logged_request(path).unwrap();
    ["key_id", "owner"].map(|field| entry[field].clone())
}

#[test]
fn where_a_key_is_required_nothing_else_passes() {
    let stage = stage("required");
    stage.await_table();
    refused(&stage, &forging("/none"), 401, "latchkey_credential_missing");
    refused(
        &stage,
        &forging("/bearer").header("authorization", "Bearer t"),
        401,
        "latchkey_credential_missing",
    );
    let seen = passes(&stage, &forging("/key").api_key(&encoded("id", "secret")));
    assert_eq!(seen.header_values("x-caller"), ["alice"]);
}

#[test]
fn where_a_key_is_optional_a_request_passes_as_nobody_or_as_its_key() {
    let stage = stage("optional");
    stage.await_table();
    let nobody = passes(&stage, &forging("/none"));
    assert!(!nobody.headers.iter().any(|(name, _)| name.starts_with("x-api-key-")), "{nobody:?}");
    assert_eq!(logged(&stage, "/none"), [json!(null), json!(null)]);

    let bearer = passes(&stage, &forging("/bearer").header("authorization", "Bearer t"));
    assert_eq!(bearer.header_values("authorization"), ["Bearer t"]);

    let known = passes(&stage, &forging("/key").api_key(&encoded("id", "secret")));
    assert_eq!(
        (known.header_values("x-caller"), known.header_values("x-team")),
        (vec!["alice".to_owned()], vec!["search".to_owned()])
    );
    assert!(known.header_values("authorization").is_empty());
    assert_eq!(logged(&stage, "/key"), [json!("id"), json!("alice")]);

    refused(&stage, &forging("/wrong").api_key(&encoded("id", "wrong")), 401, "latchkey_secret_wrong");
    refused(&stage, &forging("/unknown").api_key(&encoded("nobody", "x")), 401, "latchkey_key_unknown");
    refused(
        &stage,
        &forging("/malformed").header("authorization", "ApiKey !"),
        401,
        "latchkey_credential_bad_base64",
    );
    stage.until("those who passed are counted", || stage.stat("passed_without_key") == 4);
    stage.assert_no_vm_died();
}

#[test]
fn where_a_key_is_optional_one_that_cannot_be_verified_is_refused() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.behave(FeedManner::Status(500));
    let stage = Stage::start(keys, |config| {
        configure(config, "/authentication", json!("optional"));
        configure(config, "/start_up_wait", json!("100ms"));
    });
    refused(&stage, &forging("/key").api_key(&encoded("id", "secret")), 503, "latchkey_table_absent");
    assert_eq!(stage.send(&Request::get("/none")).status, 200);
}

#[test]
fn where_authentication_is_off_every_request_passes_as_nobody() {
    let stage = stage("off");
    let credential = format!("ApiKey {}", encoded("id", "secret"));
    for (path, value) in [("/none", None), ("/key", Some(credential.as_str())), ("/bad", Some("ApiKey !"))] {
        let request =
            value.iter().fold(forging(path), |request, value| request.header("authorization", value));
        let seen = passes(&stage, &request);
        assert!(!seen.headers.iter().any(|(name, _)| name.starts_with("x-api-key-")), "{seen:?}");
        assert_eq!(
            seen.header_values("authorization"),
            value.into_iter().collect::<Vec<_>>(),
            "it is not the gate's"
        );
        assert_eq!(logged(&stage, path), [json!(null), json!(null)]);
    }
    assert!(stage.keys.requests().is_empty(), "what is not needed is not asked for");
    stage.until("those who passed are counted", || stage.stat("passed_without_key") == 6);
}
