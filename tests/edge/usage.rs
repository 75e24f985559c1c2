//! What the real key service shows of the uses of a key at the edge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::wait;
use serde_json::{Value, json};

fn shown(stack: &LocalStack, id: &str) -> Value {
    let path = format!("/_security/api_key?id={id}");
    let answer = stack.key_service.client().send(Request::get(&path)).unwrap();
    answer.json().unwrap()["api_keys"][0].clone()
}

#[test]
fn the_service_shows_how_often_a_key_was_used_at_the_edge_and_with_wrong_secrets() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let key = stack.admitted_key(&json!({"name": "counted"})).unwrap();
    let wrong = STANDARD.encode(format!("{}:wrong", key.id));
    let asked = |encoded: &str| stack.ask(&Request::get("/counted").api_key(encoded)).unwrap().status;
    for _ in 0..2 {
        assert_eq!(asked(&wrong), 401);
    }
    // How often it took until the edge knew the key is not known: from here on it is told with certainty.
    for _ in 0..20 {
        assert_eq!(asked(&key.encoded), 200);
    }
    let mut key_shown = Value::Null;
    let told = wait::until("the service shows all uses", || {
        key_shown = shown(&stack, &key.id);
        Ok((key_shown["uses"].as_u64() >= Some(20) && key_shown["wrong_secrets"] == json!(2)).then_some(()))
    });
    assert!(told.is_ok(), "{key_shown}");
    let edges = stack.key_service.client().send(Request::get("/_latchkey/edges")).unwrap().json().unwrap();
    let edge = &edges["edges"][0];
    assert_eq!(key_shown["last_used_edge"], edge["name"]);
    assert!(edge["version"].as_str().unwrap().contains(" (commit "), "{edge}");
    assert_eq!((&edge["wrong_secrets"], &edge["denied"]["secret_wrong"]), (&json!(2), &json!(2)), "{edge}");
    assert!(edge["keys"].as_u64() >= Some(2) && edge["uses_per_second"].is_number(), "{edge}");
    let creation = key_shown["creation"].as_u64().unwrap();
    let last_used = key_shown["last_used"].as_u64().unwrap();
    assert_eq!(last_used % 3_600_000, 0, "to the hour");
    assert!(last_used + 3_600_000 > creation);
    // The edge's own key is used at the service.
    let own = stack.key_service.client().send(Request::get("/_security/api_key?active_only=true")).unwrap();
    let own = own.json().unwrap();
    let used_at_service = |key: &&Value| key["uses"].is_u64() && key["last_used_edge"].is_null();
    assert!(own["api_keys"].as_array().unwrap().iter().any(|key| used_at_service(&key)), "{own}");
}
