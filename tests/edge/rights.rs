//! What a key may do changes in the real key service, and the next request is decided by it.

use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::CreatedKey;
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::{wait, workers};
use serde_json::{Value, json};

use crate::stage::configure;

/// A gate that asks for the privilege `read` of the application `shop` on an order, and a connection to each
/// of its workers.
fn gate() -> (LocalStack, Vec<Http1Connection>) {
    let privilege = json!({"application": "shop", "privilege": "read", "resource": "orders/{id}"});
    let rule =
        json!({"name": "orders", "match": {"paths": ["/orders/{id}"]}, "require": {"privilege": privilege}});
    let edit = |config: &mut _| {
        configure(config, "/rules", json!([rule]));
        Ok(())
    };
    let stack = LocalStack::start(StackOptions::default(), edit).unwrap();
    let workers = workers::connection_to_each(stack.envoy.admin()).unwrap();
    (stack, workers)
}

/// A key that has these privileges on orders, of an owner who may do everything.
fn key_with(stack: &LocalStack, privileges: &[&str]) -> CreatedKey {
    stack.admitted_key(&json!({"name": "reads", "role_descriptors": orders(privileges)})).unwrap()
}

fn orders(privileges: &[&str]) -> Value {
    json!({"reads": {"applications": [
        {"application": "shop", "privileges": privileges, "resources": ["orders/*"]}]}})
}

fn administer(stack: &LocalStack, request: Request) -> Value {
    let answer = stack.key_service.client().send(request).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().unwrap()
}

fn register(stack: &LocalStack, actions: &[&str]) {
    let privileges = json!({"shop": {"read": {"actions": actions}}});
    administer(stack, Request::new("PUT", "/_security/privilege").json(&privileges));
}

/// Updates a key, and waits until every edge has that change, and so all that were made before.
#[track_caller]
fn update(stack: &LocalStack, key: &CreatedKey, body: &Value) {
    let path = format!("/_security/api_key/{}?wait_for_edges=60s", key.id);
    let told = administer(stack, Request::new("PUT", &path).json(body));
    assert_eq!((&told["updated"], &told["edges"]["complete"]), (&json!(true), &json!(true)), "{told}");
}

/// The answers of all workers to the very next request of each.
fn answers(workers: &mut [Http1Connection], key: &CreatedKey) -> Vec<u16> {
    let request = Request::get("/orders/7").api_key(&key.encoded);
    workers.iter_mut().map(|worker| worker.exchange(&request).unwrap().status).collect()
}

#[test]
fn an_update_of_a_keys_descriptors_takes_a_right_away_and_gives_it_back() {
    let (stack, mut workers) = gate();
    let key = key_with(&stack, &["read"]);
    // Whoever knows the first change knows that the key is there.
    update(&stack, &key, &json!({"metadata": {"round": 0}}));
    assert_eq!(answers(&mut workers, &key), [200, 200]);
    for descriptors in [
        // Nothing at all, another privilege, and another place.
        json!({"reads": {}}),
        orders(&["write"]),
        json!({"reads": {"applications": [
            {"application": "shop", "privileges": ["read"], "resources": ["orders/8"]}]}}),
    ] {
        update(&stack, &key, &json!({"role_descriptors": descriptors}));
        assert_eq!(answers(&mut workers, &key), [403, 403], "{descriptors}");
        update(&stack, &key, &json!({"role_descriptors": orders(&["read"])}));
        assert_eq!(answers(&mut workers, &key), [200, 200], "after {descriptors}");
    }
}

#[test]
fn a_change_of_a_registered_privilege_and_its_removal_reach_the_edge() {
    let (stack, mut workers) = gate();
    register(&stack, &["data:read/*"]);
    // By the action, so that what `read` stands for decides.
    let key = key_with(&stack, &["data:read/*"]);
    let mut round = 0;
    let mut arrived = |stack: &LocalStack| {
        round += 1;
        update(stack, &key, &json!({"metadata": {"round": round}}));
    };
    arrived(&stack);
    assert_eq!(answers(&mut workers, &key), [200, 200]);

    register(&stack, &["data:read/*", "data:audit/*"]);
    arrived(&stack);
    assert_eq!(answers(&mut workers, &key), [403, 403], "the privilege stands for more");
    register(&stack, &["data:read/one"]);
    arrived(&stack);
    assert_eq!(answers(&mut workers, &key), [200, 200], "the privilege stands for less");

    administer(&stack, Request::new("DELETE", "/_security/privilege/shop/read"));
    arrived(&stack);
    assert_eq!(answers(&mut workers, &key), [403, 403], "the name stands for nothing but itself");
    register(&stack, &["data:read/*"]);
    arrived(&stack);
    assert_eq!(answers(&mut workers, &key), [200, 200]);
}

#[test]
fn the_upstream_reads_the_privileges_that_the_key_has_and_no_others() {
    let edit = |config: &mut _| {
        configure(config, "/identity/privileges", json!({"application": "shop"}));
        Ok(())
    };
    let stack = LocalStack::start(StackOptions::default(), edit).unwrap();
    let all = json!({"read": {"actions": ["data:read/*"]}, "see": {"actions": ["data:read/one"]}, "write": {"actions": ["data:write/*"]}});
    administer(&stack, Request::new("PUT", "/_security/privilege").json(&json!({"shop": all})));
    let key = key_with(&stack, &["read"]);
    let mut round = 0;
    let mut told = |body: &Value| {
        update(&stack, &key, body);
        round += 1;
        let path = format!("/told/{round}");
        let forged =
            Request::get(&path).header("x_api_key_privileges", "all").header("x-api-key-privileges", "all");
        assert_eq!(stack.ask(&forged.api_key(&key.encoded)).unwrap().status, 200);
        let seen = stack.upstream.requests_to(&path).pop().unwrap();
        assert!(seen.header_values("x_api_key_privileges").is_empty());
        seen.header_values("x-api-key-privileges")
    };
    assert_eq!(
        told(&json!({"metadata": {"round": 0}})),
        [r#"[{"privileges":["read","see"],"resources":["orders/*"]}]"#]
    );
    assert_eq!(
        told(&json!({"role_descriptors": orders(&["write", "see"])})),
        [r#"[{"privileges":["see","write"],"resources":["orders/*"]}]"#]
    );
    assert_eq!(told(&json!({"role_descriptors": {"reads": {}}})), ["[]"]);
    administer(&stack, Request::new("DELETE", "/_security/privilege/shop/see"));
    assert_eq!(
        told(&json!({"role_descriptors": orders(&["see", "write"])})),
        [r#"[{"privileges":["write"],"resources":["orders/*"]}]"#],
        "what is not registered is not told"
    );
    let stat = |name: &str| stack.envoy.admin().stat(&format!("wasmcustom.latchkey.{name}"));
    wait::until("all are counted", || Ok((stat("admitted")? >= round).then_some(()))).unwrap();
    assert_eq!(stat("privileges_untold").unwrap(), 0);
}
