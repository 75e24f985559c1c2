//! What becomes of a key in the real key service, as the upstream reads it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_local_stack::http::{Request, Response, http1};
use latchkey_local_stack::secrecy;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::wait;
use serde_json::{Value, json};

const IDENTITY: [&str; 4] =
    ["x-api-key-owner", "x-api-key-owner-realm", "x-api-key-roles", "x-api-key-limited-by"];

/// Asks the key service as its first user, who may do everything.
fn administer(stack: &LocalStack, method: &str, path: &str, body: &Value) -> Value {
    let answer = stack.key_service.client().send(Request::new(method, path).json(body)).unwrap();
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    answer.json().unwrap()
}

/// Asks the key service as a user of the native realm.
fn ask_as(stack: &LocalStack, username: &str, password: &str, request: Request) -> Response {
    let basic = format!("Basic {}", STANDARD.encode(format!("{username}:{password}")));
    http1::exchange(stack.key_service.address(), &request.header("authorization", basic)).unwrap()
}

/// What the upstream reads of a request with this key, once it reads `expected`.
#[track_caller]
fn await_identity(stack: &LocalStack, path: &str, encoded: &str, expected: [&str; 4]) {
    let mut seen = Vec::new();
    let told = wait::until("the upstream reads the identity", || {
        stack.ask(&Request::get(path).api_key(encoded))?;
        seen = stack.upstream.requests_to(path).last().map_or_else(Vec::new, |request| {
            IDENTITY.iter().map(|name| request.header_values(name).concat()).collect()
        });
        Ok((seen == expected).then_some(()))
    });
    assert!(told.is_ok(), "the upstream reads {seen:?}");
}

#[test]
fn a_granted_key_is_its_owners_and_an_update_reaches_the_upstream() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    for role in ["ops", "audit"] {
        let path = format!("/_security/role/{role}");
        administer(&stack, "PUT", &path, &json!({"cluster": ["manage_own_api_key"]}));
    }
    administer(&stack, "PUT", "/_security/user/alice", &json!({"password": "wonderland", "roles": ["ops"]}));
    let granted = administer(
        &stack,
        "POST",
        "/_security/api_key/grant",
        &json!({
            "grant_type": "password", "username": "alice", "password": "wonderland",
            "api_key": {"name": "nightly", "role_descriptors": {"reporter": {"cluster": ["monitor"]}}},
        }),
    );
    let encoded = granted["encoded"].as_str().unwrap();
    await_identity(&stack, "/granted", encoded, ["alice", "native", "reporter", "ops"]);

    administer(&stack, "PUT", "/_security/user/alice", &json!({"roles": ["ops", "audit"]}));
    let path = format!("/_security/api_key/{}", granted["id"].as_str().unwrap());
    let change = Request::new("PUT", &path).json(&json!({"role_descriptors": {"writer": {}}}));
    let updated = ask_as(&stack, "alice", "wonderland", change);
    assert_eq!(updated.json().unwrap(), json!({"updated": true}));
    // Nobody vouches for what she calls her own descriptors.
    await_identity(&stack, "/updated", encoded, ["alice", "native", "", "audit,ops"]);
}

/// What the edge answers to this credential, and what it told the upstream of the secret.
fn admitted_by(stack: &LocalStack, encoded: &str) -> (u16, String) {
    let before = stack.upstream.requests_to("/rotated").len();
    let status = stack.ask(&Request::get("/rotated").api_key(encoded)).unwrap().status;
    let told = stack.upstream.requests_to("/rotated");
    let told = told.get(before).map(|request| request.header_values("x-api-key-secret-used").concat());
    (status, told.unwrap_or_default())
}

fn rotated(stack: &LocalStack, id: &str, overlap: &str) -> String {
    let path = format!("/_security/api_key/{id}/_rotate?wait_for_edges=20s");
    let rotated = administer(stack, "POST", &path, &json!({"overlap": overlap}));
    assert_eq!(rotated["edges"]["complete"], true, "{rotated}");
    let encoded = rotated["encoded"].as_str().unwrap().to_owned();
    secrecy::watch_credential(&encoded);
    encoded
}

#[test]
fn a_rotated_key_has_two_secrets_until_its_overlap_is_over() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let made = administer(&stack, "POST", "/_security/api_key", &json!({"name": "ci"}));
    let (id, first) = (made["id"].as_str().unwrap(), made["encoded"].as_str().unwrap());
    secrecy::watch_credential(first);
    wait::until("the edge knows the key", || Ok((admitted_by(&stack, first).0 == 200).then_some(())))
        .unwrap();

    let second = rotated(&stack, id, "1h");
    assert_eq!(admitted_by(&stack, first), (200, "previous".to_owned()));
    assert_eq!(admitted_by(&stack, &second), (200, String::new()));

    let third = rotated(&stack, id, "2s");
    assert_eq!(admitted_by(&stack, first).0, 401, "a key has two secrets at most");
    // Nobody tells the edge when the time of a secret is over.
    wait::until("the secret before ends", || Ok((admitted_by(&stack, &second).0 == 401).then_some(())))
        .unwrap();

    let fourth = rotated(&stack, id, "0");
    assert_eq!(admitted_by(&stack, &third).0, 401);
    assert_eq!(admitted_by(&stack, &fourth), (200, String::new()));
}

#[test]
fn the_keys_of_a_service_account_stop_at_the_edge_while_it_is_disabled() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let account = "/_security/user/team-orders";
    administer(&stack, "PUT", "/_security/role/orders_reader", &json!({"cluster": ["monitor"]}));
    let body = json!({"service_account": true, "roles": ["orders_reader"]});
    administer(&stack, "PUT", account, &body);
    let request = Request::new("POST", "/_security/api_key").json(&json!({"name": "checkout"}));
    let request = request.header("es-security-runas-user", "team-orders");
    let made = stack.key_service.client().send(request).unwrap().json().unwrap();
    let encoded = made["encoded"].as_str().unwrap();
    secrecy::watch_credential(encoded);
    await_identity(
        &stack,
        "/of-account",
        encoded,
        ["team-orders", "native", "orders_reader", "orders_reader"],
    );

    let ask = |method: &str, path: &str| {
        let request = Request::new(method, &format!("{path}?wait_for_edges=20s"));
        let answer = stack.key_service.client().send(request).unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        assert_eq!(answer.json().unwrap()["edges"]["complete"], true, "{}", answer.text());
    };
    let set = |verb: &str| {
        ask("PUT", &format!("{account}/{verb}"));
        stack.ask(&Request::get("/of-account").api_key(encoded)).unwrap().status
    };
    assert_eq!(set("_disable"), 401, "at once, because the answer waited for the edge");
    assert_eq!(set("_enable"), 200);
    ask("DELETE", account);
    assert_eq!(stack.ask(&Request::get("/of-account").api_key(encoded)).unwrap().status, 401);
}
