//! A key service that answers badly: the table that is there stays in force, and without one nobody is
//! admitted.

use latchkey_key_feed::format_limits::FEED_ANSWER_LEN_MAX;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use serde_json::json;

use crate::stage::{Stage, configure, encoded, epoch, key};

/// Every way to answer badly.
fn faults() -> Vec<(&'static str, FeedManner)> {
    let row = r#"{"seq":1,"id":"intruder","removed":true}"#;
    let page = |more: bool, reset: bool, rows: &str| {
        format!(
            r#"{{"epoch":"first","cursor":900,"purged":0,"total":1,"more":{more},"reset":{reset},"keys":[{rows}]}}"#
        )
    };
    vec![
        ("garbage", FeedManner::Body(b"\xFF\x00 no page at all".to_vec())),
        ("an empty body", FeedManner::Body(Vec::new())),
        ("another object", FeedManner::Body(br#"{"keys":[]}"#.to_vec())),
        ("half a page", FeedManner::Body(page(false, false, "").into_bytes()[..30].to_vec())),
        ("rows before the cursor", FeedManner::Body(page(false, false, row).into_bytes())),
        ("a reset with rows", FeedManner::Body(page(false, true, row).into_bytes())),
        ("deep nesting", FeedManner::Body("[".repeat(100_000).into_bytes())),
        ("a body cut short", FeedManner::Truncated),
        ("a body over the limit", FeedManner::Huge(FEED_ANSWER_LEN_MAX + 1)),
        ("an internal error", FeedManner::Status(500)),
        ("a refused credential", FeedManner::Status(401)),
        ("no such endpoint", FeedManner::Status(404)),
        ("a redirect", FeedManner::Status(302)),
        ("a closed connection", FeedManner::Closing),
        ("no answer", FeedManner::Hanging),
    ]
}

#[test]
fn no_bad_answer_harms_the_table() {
    let stage = Stage::with_keys(vec![key("id", "secret"), key("revoked", "secret")], impatient);
    let (good, revoked) = (encoded("id", "secret"), encoded("revoked", "secret"));
    stage.keys.remove(latchkey_key_feed::KeyId::try_from("revoked").unwrap());
    stage.await_refused(&revoked);

    for (number, (what, fault)) in faults().into_iter().enumerate() {
        let failures = stage.stat("feed.failures");
        stage.keys.behave(fault);
        stage.until(what, || stage.stat("feed.failures") > failures);
        assert_eq!(stage.status_for(&good), 200, "{what}: a good key is refused");
        assert_eq!(stage.status_for(&revoked), 401, "{what}: a revoked key is admitted");

        // Nothing of the fault remains: the edge goes on where it was.
        let (id, secret) = (format!("after-{number}"), "secret");
        stage.keys.behave(FeedManner::Truthful);
        stage.keys.put(key(&id, secret));
        stage.await_admitted(&encoded(&id, secret));
    }
    stage.assert_no_vm_died();
}

#[test]
fn no_bad_answer_makes_a_first_table() {
    for (what, fault) in faults() {
        // A page of other rows is a fault only to who has a table.
        if what == "rows before the cursor" {
            continue;
        }
        let keys = FakeKeyService::start(epoch("first")).unwrap();
        keys.put(key("id", "secret"));
        keys.behave(fault);
        let stage = Stage::start(keys, impatient);
        stage.until(what, || stage.stat("feed.failures") > 0);
        let answer = stage.send(&Request::get("/first").api_key(&encoded("id", "secret")));
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
        assert!(stage.upstream.requests_to("/first").is_empty(), "{what}");
        stage.keys.behave(FeedManner::Truthful);
        stage.await_admitted(&encoded("id", "secret"));
        stage.assert_no_vm_died();
    }
}

/// Gives up on an answer and on the first table soon.
fn impatient(config: &mut latchkey_local_stack::envoy_config::EnvoyConfig) {
    configure(config, "/key_service/wait", json!("1s"));
    configure(config, "/key_service/fetch_timeout", json!("1s"));
    configure(config, "/start_up_wait", json!("100ms"));
}
