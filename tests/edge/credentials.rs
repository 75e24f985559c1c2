//! What an `authorization` header means at the edge: the same cases as beside the parser.

use std::collections::BTreeSet;

use latchkey_filter::limits::CREDENTIAL_LEN_MAX;
use latchkey_key_feed::KeyId;
use latchkey_key_feed::format_limits::KEY_ID_LEN_MAX;
use latchkey_local_stack::http::{Request, Response, http2};
use serde_json::json;

use crate::stage::{self, Stage, configure, encoded, key, key_of_bytes};

#[path = "../cases/credentials.rs"]
mod cases;

use cases::{CASES, Outcome};

/// Cases that Envoy turns into another before anybody sees them. It joins equal headers, and an empty one
/// leaves no trace: the filter and the upstream both see the other value alone.
const JOINED_WITHOUT_TRACE: [&str; 2] = ["two headers, the first empty", "two headers, the second empty"];

const THE_OTHER: Outcome = Outcome::Credential { id: "id", secret: b"secret" };

#[test]
fn every_case_means_at_the_edge_what_it_means_to_the_parser() {
    let stage = Stage::with_keys(Vec::new(), |_| {});
    for (index, (name, values, outcome)) in CASES.iter().enumerate() {
        let path = format!("/case-{index}");
        let request =
            values.iter().fold(Request::get(&path), |request, value| request.header("authorization", value));
        match if JOINED_WITHOUT_TRACE.contains(name) { &THE_OTHER } else { outcome } {
            Outcome::Credential { id, secret } => {
                // Several cases have one id and different secrets, so the key is made for the case.
                stage.keys.put(key_of_bytes(id, secret));
                stage.await_admitted(&encoded(id, secret));
                assert_eq!(stage.send(&request).status, 200, "{name}");
            }
            Outcome::Absent => refused(&stage, name, &request, "latchkey_credential_missing"),
            Outcome::Malformed(reason) => refused(&stage, name, &request, &format!("latchkey_{reason}")),
        }
    }
    stage.assert_no_vm_died();
}

// Seen: with a tab for the space, a request passed as nobody where a key is optional.
#[test]
fn where_a_key_is_optional_whoever_shows_a_malformed_one_is_refused() {
    let stage = Stage::with_keys(Vec::new(), |config| {
        configure(config, "/authentication", json!("optional"));
    });
    stage.await_table();
    for (index, (name, values, outcome)) in CASES.iter().enumerate() {
        let path = format!("/optional-{index}");
        let request =
            values.iter().fold(Request::get(&path), |request, value| request.header("authorization", value));
        match outcome {
            Outcome::Absent => assert_eq!(stage.send(&request).status, 200, "{name}"),
            Outcome::Malformed(reason) => refused(&stage, name, &request, &format!("latchkey_{reason}")),
            Outcome::Credential { .. } => refused(&stage, name, &request, "latchkey_key_unknown"),
        }
    }
    stage.assert_no_vm_died();
}

#[track_caller]
fn refused(stage: &Stage, name: &str, request: &Request, details: &str) {
    assert_eq!(stage.send(request).status, 401, "{name}");
    assert_eq!(stage.details(&request.target), details, "{name}");
    assert!(stage.upstream.requests_to(&request.target).is_empty(), "{name}: it reached the upstream");
}

#[test]
fn a_credential_of_any_length_is_judged() {
    let stage = stage::shared();
    let lengths = [
        ("/long-id", "i".repeat(KEY_ID_LEN_MAX), "latchkey_key_unknown"),
        ("/too-long-id", "i".repeat(KEY_ID_LEN_MAX + 1), "latchkey_credential_id_too_long"),
        ("/too-long", "i".repeat(CREDENTIAL_LEN_MAX), "latchkey_credential_too_long"),
        ("/far-too-long", "i".repeat(40_000), "latchkey_credential_too_long"),
    ];
    for (path, id, details) in lengths {
        assert_eq!(stage.send(&Request::get(path).api_key(&encoded(&id, "secret"))).status, 401, "{path}");
        assert_eq!(stage.details(path), details);
    }
}

#[test]
fn two_credentials_are_refused_by_http2_too() {
    let stage = stage::shared();
    let wrong = encoded("anybody", "wrong");
    for (path, first, second) in
        [("/two-a", &good(), &good()), ("/two-b", &good(), &wrong), ("/two-c", &wrong, &good())]
    {
        let request = Request::get(path).api_key(first).api_key(second);
        assert_eq!(http2::exchange(stage.address, &request).unwrap().status, 401, "{path}");
        assert_eq!(stage.details(path), "latchkey_credential_duplicate", "{path}");
        assert!(stage.upstream.requests_to(path).is_empty(), "{path} reached the upstream");
    }
}

#[test]
fn a_missing_credential_is_challenged() {
    let stage = stage::shared();
    let answer = stage.send(&Request::get("/missing?a=b"));
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header_values("www-authenticate"), ["ApiKey"]);
    assert_eq!(
        reason(&answer),
        "missing authentication credentials for REST request [/missing?a=b]",
        "{}",
        answer.text()
    );
}

#[test]
fn every_bad_key_has_the_same_answer() {
    let stage = stage::shared();
    let mut expired = key("expired", "secret");
    expired.expiration = Some(latchkey_key_feed::UnixMillis(1));
    stage.keys.put(expired);
    stage.keys.put(key("revoked", "secret"));
    stage.await_admitted(&encoded("revoked", "secret"));
    stage.keys.remove(KeyId::try_from("revoked").unwrap());
    stage.await_refused(&encoded("revoked", "secret"));

    let bad = [
        ("/unknown", encoded("nobody", "secret"), "latchkey_key_unknown"),
        ("/wrong", encoded("anybody", "wrong"), "latchkey_secret_wrong"),
        ("/expired", encoded("expired", "secret"), "latchkey_key_expired"),
        ("/revoked", encoded("revoked", "secret"), "latchkey_key_revoked"),
        // Whoever does not know the secret does not learn that the key has expired.
        ("/expired-wrong", encoded("expired", "wrong"), "latchkey_secret_wrong"),
        ("/malformed", "*".to_owned(), "latchkey_credential_bad_base64"),
    ];
    let mut answers = BTreeSet::new();
    for (path, credential, details) in bad {
        let answer = stage.send(&Request::get(path).api_key(&credential));
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header_values("www-authenticate"), ["ApiKey"], "{path}");
        assert_eq!(answer.header("content-type").as_deref(), Some("application/json"), "{path}");
        assert_eq!(stage.details(path), details);
        answers.insert(answer.text());
    }
    assert_eq!(answers.len(), 1, "the answers differ: {answers:?}");
    let claimed = |path: &str| stage.envoy.logged_request(path).unwrap()["claimed_key_id"].clone();
    for (path, id) in [
        ("/unknown", "nobody"),
        ("/wrong", "anybody"),
        ("/expired", "expired"),
        ("/revoked", "revoked"),
        ("/expired-wrong", "expired"),
    ] {
        assert_eq!(claimed(path), json!(id), "{path}");
    }
    assert_eq!(claimed("/malformed"), json!(null));
}

#[test]
fn no_admitted_request_has_a_claimed_id_and_no_refused_one_an_identity() {
    let stage = stage::shared();
    stage.send(&Request::get("/has-identity").api_key(&good()));
    stage.send(&Request::get("/has-none").api_key(&encoded("ünknown\n", "secret")));
    let named = |path: &str| {
        let entry = stage.envoy.logged_request(path).unwrap();
        ["key_id", "claimed_key_id", "owner"].map(|field| entry[field].clone())
    };
    assert_eq!(named("/has-identity"), [json!("anybody"), json!(null), json!("alice")]);
    assert_eq!(named("/has-none"), [json!(null), json!("%C3%BCnknown%0A"), json!(null)]);
}

#[test]
fn a_refusal_is_counted_by_its_reason() {
    let stage = stage::shared();
    let before = stage.stat("denied.reason.key_unknown");
    stage.send(&Request::get("/counted").api_key(&encoded("never-made", "secret")));
    // Other cases may refuse unknown keys at the same time.
    assert!(stage.stat("denied.reason.key_unknown") > before);
    let labelled = stage.envoy.admin().get("/stats/prometheus").unwrap().text();
    assert!(labelled.contains(r#"latchkey_denied{reason="key_unknown"}"#), "no label: {labelled}");
}

#[test]
fn bytes_that_are_no_text_kill_no_vm() {
    let stage = stage::shared();
    for name in ["authorization", "x-api-key-owner", "x-anything", "content-type", "cookie"] {
        for value in [&b"\xFF\xFE"[..], b"ApiKey \xC3", b"\x80", b"ApiKey aWQ6c2VjcmV0\xFF"] {
            let request = Request::get("/bytes").header(name, value);
            assert_eq!(stage.send(&request).status, 401, "{name}: {value:?} by HTTP/1.1");
            assert_eq!(
                http2::exchange(stage.address, &request).unwrap().status,
                401,
                "{name}: {value:?} by HTTP/2"
            );
        }
    }
    let admitted = stage.send(&Request::get("/bytes-good").header("x-anything", b"\xFF").api_key(&good()));
    assert_eq!(admitted.status, 200);
    let seen = stage.upstream.requests_to("/bytes-good");
    assert!(seen[0].headers.contains(&("x-anything".to_owned(), b"\xFF".to_vec())), "{seen:?}");
    stage.assert_no_vm_died();
}

fn good() -> String {
    encoded("anybody", "any-secret")
}

/// The public reason, checked to stand wherever Elasticsearch's clients look for it.
#[track_caller]
fn reason(answer: &Response) -> String {
    let body = answer.json().unwrap();
    assert_eq!(body["status"], json!(answer.status));
    assert_eq!(body["error"]["type"], "security_exception");
    assert_eq!(body["error"]["root_cause"][0]["reason"], body["error"]["reason"]);
    body["error"]["reason"].as_str().unwrap().to_owned()
}
