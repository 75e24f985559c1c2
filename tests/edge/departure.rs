//! What is left of a table, and what the key service hears, when its last plugin ends.

use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::wait;
use serde_json::json;

use crate::dynamic::Dynamic;
use crate::stage::{configure, epoch, key, parameter};

/// Keys of a table that comes to several MB.
const KEYS: usize = 4_000;

/// Bytes of text that the table holds of each.
const NAME_LEN: usize = 2_000;

/// What the tables of [`KEYS`] keys hold at least.
const TABLE_LEN: u64 = (KEYS * NAME_LEN) as u64;

fn goodbyes(keys: &FakeKeyService) -> Vec<String> {
    let requests = keys.requests();
    requests.into_iter().filter(|target| parameter(target, "leaving").is_some()).collect()
}

#[test]
fn an_edge_that_is_sent_to_another_key_service_says_goodbye_to_the_first() {
    let (keys, other_keys) = [(); 2].map(|()| FakeKeyService::start(epoch("first")).unwrap()).into();
    keys.put(key("id", "secret"));
    other_keys.put(key("id", "secret"));
    let mut dynamic = Dynamic::hasty(keys, |config| {
        let mut cluster = config.cluster("key_service").unwrap().clone();
        cluster["name"] = json!("other");
        config.bootstrap()["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        config.set_cluster_address("other", other_keys.address()).unwrap();
    });
    dynamic.await_admitted();
    // Another configuration of the same feed is no end of its table.
    dynamic.update(|config| configure(config, "/identity/headers/owner", json!("x-caller")));
    dynamic.await_updates(2);
    let last = dynamic.keys.requests().last().unwrap().clone();
    let instance = parameter(&last, "instance").unwrap();

    dynamic.update(|config| configure(config, "/key_service/cluster", json!("other")));
    wait::until("the edge says goodbye", || Ok((!goodbyes(&dynamic.keys).is_empty()).then_some(()))).unwrap();
    let goodbyes = goodbyes(&dynamic.keys);
    assert_eq!(goodbyes.len(), 1, "{goodbyes:?}");
    assert_eq!(parameter(&goodbyes[0], "instance"), Some(instance));
    assert_eq!(dynamic.keys.requests().last(), Some(&goodbyes[0]), "it asks after its goodbye");
    let other = other_keys.requests().last().unwrap().clone();
    assert_ne!(parameter(&other, "instance"), Some(instance));
    dynamic.await_admitted();
}

#[test]
fn an_edge_that_is_told_to_look_at_no_credential_says_goodbye() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    let mut dynamic = Dynamic::hasty(keys, |_| {});
    dynamic.await_admitted();
    dynamic.update(|config| configure(config, "/authentication", json!("off")));
    wait::until("the edge says goodbye", || Ok((!goodbyes(&dynamic.keys).is_empty()).then_some(()))).unwrap();
    assert_eq!(
        dynamic.keys.requests().last(),
        Some(&goodbyes(&dynamic.keys)[0]),
        "it asks after its goodbye"
    );
    let edge = dynamic.envoy.listener().unwrap();
    let answer = http1::exchange(edge, &Request::get("/off").header("x-api-key-owner", "mallory")).unwrap();
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("mallory"), "the upstream tells what it saw: {}", answer.text());
}

/// Bytes that Envoy has in use (`/memory`, of its allocator).
fn allocated(dynamic: &Dynamic) -> u64 {
    let answer = dynamic.envoy.admin().get("/memory").unwrap().json().unwrap();
    answer["allocated"].as_str().unwrap().parse().unwrap()
}

fn keys_with_long_names() -> FakeKeyService {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    let records = (0..KEYS).map(|number| {
        let mut record = key(&format!("key-{number}"), "secret");
        record.name = format!("{number:0>NAME_LEN$}");
        record
    });
    keys.restore(epoch("first"), records.chain([key("id", "secret")]).collect());
    keys
}

// Seen: the tables of the authorities that were configured before stayed for the life of the process.
#[test]
fn tables_that_nobody_uses_any_more_hold_no_memory() {
    let mut dynamic = Dynamic::hasty(keys_with_long_names(), |_| {});
    dynamic.await_admitted();
    let first = allocated(&dynamic);
    assert!(first > TABLE_LEN, "the table itself is not seen: {first} bytes");
    let mut replaced_by = |round: usize| {
        let said = goodbyes(&dynamic.keys).len();
        dynamic.update(|config| {
            configure(config, "/key_service/authority", json!(format!("round-{round}.example")));
        });
        wait::until("the table that was left is cleared", || {
            Ok((goodbyes(&dynamic.keys).len() > said).then_some(()))
        })
        .unwrap();
        dynamic.await_admitted();
        allocated(&dynamic)
    };
    let held: Vec<u64> = (0..8).map(&mut replaced_by).collect();
    // While one table takes the place of another there are two of them.
    let most = held.iter().max().unwrap();
    assert!(*most < first + 3 * TABLE_LEN, "at first {first} bytes, and then {held:?}");
}
