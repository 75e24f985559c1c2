//! What the real key service accepts, every edge can hold; and what of it is a fact.

use std::cell::Cell;

use latchkey_filter::table::{Changes, RecordShape, RecordText};
use latchkey_key_feed::Cursor;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::key_service::{KeyServiceClient, KeyServiceProcess};
use latchkey_local_stack::stack::{LocalStack, StackOptions};
use latchkey_local_stack::wait;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use crate::stage::configure;

const KEYS: &str = "/_security/api_key";

/// Somebody who may make keys of her own, and nothing else.
fn key_maker(root: &KeyServiceClient) -> KeyServiceClient {
    for (path, body) in [
        ("/_security/role/key-maker", json!({"cluster": ["manage_own_api_key"]})),
        ("/_security/user/alice", json!({"password": "wonderland", "roles": ["key-maker"]})),
    ] {
        let answer = root.send(Request::new("PUT", path).json(&body)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    KeyServiceClient::of_user(root.address(), "alice", "wonderland")
}

fn create(client: &KeyServiceClient, body: &Value) -> (u16, String) {
    let answer = client.send(Request::new("POST", KEYS).json(body)).unwrap();
    (answer.status, answer.text())
}

/// Texts of all lengths up to where a key is refused, of letters that take one byte, nine or twelve in a
/// header.
fn text() -> impl Strategy<Value = String> {
    let letter = prop_oneof![Just("x"), Just("%"), Just("鍵"), Just("😀"), Just("\u{1}")];
    let len = prop_oneof![3 => 0_usize..40, 1 => 0_usize..2_000, 1 => 0_usize..15_000];
    (letter, len).prop_map(|(letter, len)| letter.repeat(len))
}

fn metadata() -> impl Strategy<Value = Map<String, Value>> {
    let name = (0_u8..20, prop_oneof![Just(1_usize), 1_usize..300, 900_usize..1_100])
        .prop_map(|(letter, len)| char::from(b'a' + letter).to_string().repeat(len));
    let leaf = prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (0_usize..2_100).prop_map(|count| json!(vec![1; count])),
        1 => (1_usize..40).prop_map(|depth| (0..depth).fold(json!(1), |inner, _| json!({ "d": inner }))),
        1 => (0_usize..1_500)
            .prop_map(|count| Value::Object((0..count).map(|n| (n.to_string(), json!(n))).collect())),
    ];
    let tree = leaf.prop_recursive(3, 12, 4, move |inner| {
        prop::collection::btree_map("[a-c]{1,3}", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map(name, tree, 0..5).prop_map(|map| map.into_iter().collect())
}

prop_compose! {
    fn extreme_key()(
        name in text(),
        roles in prop::collection::btree_map("[a-z]{1,400}", Just(json!({})), 0..12),
        metadata in metadata(),
    ) -> Value {
        let name: String = name.chars().take(300).collect();
        json!({"name": format!("n{name}n"), "role_descriptors": roles, "metadata": metadata})
    }
}

/// The dotted paths of all values, of which a record would hold each twice: as a claim and as a fact.
fn paths(prefix: &str, fields: &Map<String, Value>, into: &mut Vec<RecordText>) {
    for (name, value) in fields {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(fields) => paths(&format!("{path}."), fields, into),
            _ => into.extend([true, false].map(|claims| RecordText::Metadata { path: path.clone(), claims })),
        }
    }
}

/// A record that holds whatever can be told of a key with this metadata.
fn everything(metadata: &Map<String, Value>) -> RecordShape {
    let mut texts = vec![
        RecordText::Name,
        RecordText::Owner,
        RecordText::OwnerRealm,
        RecordText::Roles,
        RecordText::ClaimedRoles,
        RecordText::LimitedBy,
    ];
    paths("", metadata, &mut texts);
    RecordShape::of(texts)
}

#[test]
fn whatever_key_the_service_makes_an_edge_holds_whole() {
    let directory = tempfile::tempdir().unwrap();
    let service = KeyServiceProcess::start(
        ([127, 0, 0, 1], 0).into(),
        &directory.path().join("data"),
        directory.path(),
    )
    .unwrap();
    let root = service.client();
    let alice = key_maker(root);
    let (made, refused, after) = (Cell::new(0), Cell::new(0), Cell::new(Cursor(0)));
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(extreme_key(), any::<bool>()), |(key, by_root)| {
        let (status, answer) = create(if by_root { root } else { &alice }, &key);
        if status == 400 {
            refused.set(refused.get() + 1);
            return Ok(());
        }
        prop_assert_eq!(status, 200, "{}", answer);
        made.set(made.get() + 1);
        let path = format!("/_latchkey/feed?after={}", after.get().0);
        let page = root.send(Request::get(&path)).unwrap();
        let metadata = key.get("metadata").and_then(Value::as_object).unwrap();
        let (head, changes) =
            Changes::read(page.text().as_bytes(), after.get(), &everything(metadata)).unwrap();
        after.set(head.cursor);
        prop_assert_eq!(changes.count(), 1);
        prop_assert_eq!(changes.set_aside().count, 0, "{:?}", key.get("name"));
        prop_assert!(!page.text().contains("\"removed\":true"));
        Ok(())
    });
    outcome.unwrap();
    let (made, refused) = (made.get(), refused.get());
    assert!(made > 10 && refused > 10, "{made} made, {refused} refused");
}

#[test]
fn nobody_takes_the_edge_down_by_making_a_key() {
    let stack = LocalStack::start(StackOptions::default(), |config| {
        configure(config, "/identity/metadata_headers", json!({"x-team": "team"}));
        Ok(())
    })
    .unwrap();
    let alice = key_maker(stack.key_service.client());
    let many: Map<String, Value> = (0..80_000).map(|number| (number.to_string(), json!(1))).collect();
    let product = json!({"name": "x", "metadata": {"n".repeat(60_000): many}});
    let japanese = json!({"name": "x", "metadata": {"team": "鍵".repeat(3_700)}});
    for body in [product, japanese] {
        let (status, text) = create(&alice, &body);
        assert!(status == 400 && text.contains("bytes as header values, at most"), "{status} {text}");
    }
    // As large as a key can be.
    let largest = json!({"name": "x", "metadata": {"team": "x".repeat(14_000)}});
    let largest = stack.admitted_key(&largest).unwrap();
    let answer = stack.ask(&Request::get("/largest").api_key(&largest.encoded)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = stack.upstream.requests_to("/largest").pop().unwrap().header_values("x-team").concat();
    assert_eq!(told.len(), 14_000);
    stack.admitted_key_of(&alice, &json!({"name": "later"})).unwrap();
    let reloads = stack.envoy.admin().stats(r"^wasm\..*vm_reload").unwrap();
    assert!(reloads.values().all(|count| *count == 0), "a VM was reloaded: {reloads:?}");
}

/// What the upstream reads of a request with this key.
fn told(stack: &LocalStack, path: &str, encoded: &str) -> [String; 2] {
    let answer = stack.ask(&Request::get(path).api_key(encoded)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let request = stack.upstream.requests_to(path).pop().unwrap();
    ["x-api-key-roles", "x-tenant"].map(|name| request.header_values(name).concat())
}

#[test]
fn an_upstream_is_told_roles_and_tenants_that_somebody_vouches_for_and_no_others() {
    let stack = LocalStack::start(StackOptions::default(), |config| {
        configure(config, "/identity/metadata_headers", json!({"x-tenant": "tenant"}));
        Ok(())
    })
    .unwrap();
    let root = stack.key_service.client();
    let alice = key_maker(root);
    let body = json!({"name": "x", "role_descriptors": {"admin": {}, "superuser": {}}, "metadata": {"tenant": "acme"}});
    let self_made = stack.admitted_key_of(&alice, &body).unwrap();
    assert_eq!(told(&stack, "/self-made", &self_made.encoded), ["", ""]);
    let by_root = stack.admitted_key(&body).unwrap();
    assert_eq!(told(&stack, "/by-root", &by_root.encoded), ["admin,superuser", "acme"]);
    let same = json!({"name": "x", "role_descriptors": {"key-maker": {"cluster": ["manage_own_api_key"]}, "admin": {}}});
    let same = stack.admitted_key_of(&alice, &same).unwrap();
    assert_eq!(told(&stack, "/same", &same.encoded), ["key-maker", ""]);
    let inheriting = stack.admitted_key_of(&alice, &json!({"name": "x"})).unwrap();
    assert_eq!(told(&stack, "/inheriting", &inheriting.encoded), ["key-maker", ""]);

    let grant =
        json!({"grant_type": "password", "username": "alice", "password": "wonderland", "api_key": body});
    let granted =
        root.send(Request::new("POST", "/_security/api_key/grant").json(&grant)).unwrap().json().unwrap();
    let text = |field: &str| granted[field].as_str().unwrap().to_owned();
    let encoded = text("encoded");
    wait::until("the edge admits the granted key", || {
        Ok((stack.ask(&Request::get("/wait").api_key(&encoded))?.status == 200).then_some(()))
    })
    .unwrap();
    assert_eq!(told(&stack, "/granted", &encoded), ["admin,superuser", "acme"]);
    let change = Request::new("PUT", &format!("{KEYS}/{}", text("id")))
        .json(&json!({"metadata": {"tenant": "other"}}));
    assert_eq!(alice.send(change).unwrap().status, 200);
    let mut path = 0;
    wait::until("the change has reached the edge", || {
        path += 1;
        Ok((told(&stack, &format!("/changed-{path}"), &encoded) == ["admin,superuser", ""]).then_some(()))
    })
    .unwrap();
}
