//! Refusals as the operator wants them, by the filter and by Envoy.

use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, http2};
use latchkey_local_stack::places;
use serde_json::{Value, json};

use crate::stage::{Stage, configure, encoded, epoch, key};

/// An edge without a table, which answers at once.
fn without_table(edit: impl FnOnce(&mut EnvoyConfig)) -> Stage {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.behave(FeedManner::Status(500));
    Stage::start(keys, |config| {
        configure(config, "/start_up_wait", json!("0s"));
        edit(config);
    })
}

fn call(path: &str) -> Request {
    Request::new("POST", path).header("content-type", "application/grpc").header("te", "trailers")
}

#[test]
fn a_refusal_is_problem_details_with_the_operators_words_and_realm() {
    let stage = without_table(|config| {
        configure(
            config,
            "/replies",
            json!({
                "format": "problem+json", "texts": {"401": "Bring a key: ä"}, "realm": "orders", "table_absent_status": 429
            }),
        );
        configure(config, "/credential_sources", json!([{"authorization": ["Basic"]}]));
    });
    let missing = stage.send(&Request::get("/missing"));
    assert_eq!(missing.status, 401);
    assert_eq!(missing.header("content-type").as_deref(), Some("application/problem+json"));
    assert_eq!(missing.header_values("www-authenticate"), ["Basic realm=\"orders\", charset=\"UTF-8\""]);
    let problem =
        json!({"type": "about:blank", "title": "Unauthorized", "status": 401, "detail": "Bring a key: ä"});
    assert_eq!(missing.json().unwrap(), problem);

    let credential = format!("Basic {}", encoded("id", "secret"));
    let absent = stage.send(&Request::get("/absent").header("authorization", &credential));
    assert_eq!((absent.status, absent.header("retry-after").as_deref()), (429, Some("1")));
    assert_eq!(absent.json().unwrap()["title"], json!("Too Many Requests"));
    assert_eq!(stage.details("/absent"), "latchkey_table_absent");

    let missing = http2::exchange(stage.address, &call("/grpc/Missing")).unwrap();
    assert_eq!((missing.status, missing.grpc_status().as_deref()), (200, Some("16")));
    assert_eq!(missing.header("grpc-message").as_deref(), Some("Bring a key: %C3%A4"));
    let absent = call("/grpc/Absent").header("authorization", &credential);
    assert_eq!(http2::exchange(stage.address, &absent).unwrap().grpc_status().as_deref(), Some("14"));
    stage.assert_no_vm_died();
}

#[test]
fn a_refusal_can_be_the_words_alone() {
    let stage = without_table(|config| configure(config, "/replies", json!({"format": "text"})));
    let missing = stage.send(&Request::get("/missing"));
    assert_eq!(missing.text(), "missing authentication credentials for REST request [/missing]");
    assert_eq!(missing.header_values("content-type"), ["text/plain; charset=utf-8"]);
    let absent = stage.send(&Request::get("/absent").api_key(&encoded("id", "secret")));
    assert_eq!(
        (absent.status, absent.text().as_str()),
        (503, "API keys cannot be verified at the moment, try again later")
    );
}

#[test]
fn envoy_writes_the_bodies_of_all_local_replies_in_one_form() {
    let sample = std::fs::read_to_string(places::repository().join("envoy/local-reply.yaml")).unwrap();
    let sample: Value = serde_saphyr::from_str(&sample).unwrap();
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        configure(config, "/replies", json!({"format": "text"}));
        config.connection_manager().unwrap()["local_reply_config"] = sample;
        // Nobody listens there.
        let nowhere = ([127, 0, 0, 1], 1).into();
        config.set_cluster_address("upstream", nowhere).unwrap();
    });
    let missing = stage.send(&Request::get("/missing"));
    assert_eq!((missing.status, missing.header_values("www-authenticate")), (401, vec!["ApiKey".to_owned()]));
    assert_eq!(missing.header_values("content-type"), ["application/problem+json"]);
    let body = missing.json().unwrap();
    assert_eq!(body["title"], json!("A key is needed"));
    assert_eq!(body["status"], json!(401));
    assert_eq!(body["detail"], json!("missing authentication credentials for REST request [/missing]"));
    assert_eq!(stage.details("/missing"), "latchkey_credential_missing");

    let lost = stage.send(&Request::get("/lost").api_key(&encoded("id", "secret")));
    assert_eq!(
        (lost.status, lost.header_values("content-type")),
        (503, vec!["application/problem+json".to_owned()])
    );
    assert!(lost.json().unwrap()["detail"].as_str().unwrap().contains("upstream"), "{}", lost.text());

    let call = http2::exchange(stage.address, &call("/grpc/Missing")).unwrap();
    assert_eq!((call.status, call.grpc_status().as_deref()), (200, Some("16")));
    let message = "missing authentication credentials for REST request [/grpc/Missing]";
    assert_eq!(call.header("grpc-message").as_deref(), Some(message));
}
