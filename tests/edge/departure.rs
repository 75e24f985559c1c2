//! What is left of a table, and what the key service hears, when its last plugin ends.

use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::wait;
use serde_json::json;

use crate::dynamic::Dynamic;
use crate::stage::{configure, epoch, key, parameter};

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
