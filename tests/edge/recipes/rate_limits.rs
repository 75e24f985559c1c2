//! Limits by key and by owner.

use latchkey_local_stack::rate_limit_service::RateLimitService;

use super::*;

/// Two keys of alice, one of an alice of another realm, and one of bob.
fn keys() -> Vec<KeyRecord> {
    let mut second = key_of("alice", "native", &[]);
    second.id = latchkey_key_feed::KeyId::try_from("alice-second").unwrap();
    vec![key_of("alice", "native", &[]), second, key_of("alice", "file", &[]), key_of("bob", "native", &[])]
}

/// How many of so many requests pass, one after another; the others are refused by the limit.
#[track_caller]
fn passing(stage: &Stage, id: &str, requests: usize) -> usize {
    let statuses: Vec<u16> =
        (0..requests).map(|_| stage.send(&by(id, Request::get("/limited"))).status).collect();
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

/// Why a request of a key that has used up its limit is refused.
fn refused_for(stage: &Stage, id: &str) -> String {
    assert_eq!(stage.send(&by(id, Request::get("/refused"))).status, 429);
    stage.details("/refused")
}

#[test]
fn each_key_and_each_owner_has_a_limit_in_the_process() {
    let stage = Stage::with_keys(keys(), |config| {
        configure(config, "/authentication", json!("optional"));
        let mut limit = sample("envoy/rate-limit-local.yaml");
        // The numbers of the sample, without a refill while the test runs.
        for place in ["/token_bucket", "/descriptors/0/token_bucket", "/descriptors/1/token_bucket"] {
            limit["typed_config"].pointer_mut(place).unwrap()["fill_interval"] = json!("3600s");
        }
        insert_after_the_gate(config, limit);
    });
    assert_eq!(passing(&stage, "alice-native", 65), 60, "of one key");
    assert_eq!(
        passing(&stage, "alice-second", 45),
        40,
        "of another key of the same owner, up to the owner's limit"
    );
    assert_eq!(passing(&stage, "alice-file", 65), 60, "of an owner of the same name in another realm");
    assert_eq!(passing(&stage, "bob-native", 10), 10, "of another owner");
    assert_eq!(refused_for(&stage, "alice-native"), "local_rate_limited");
    // What a client calls itself is nobody's bucket; and a bad key takes nothing from the good one.
    let forged = Request::get("/limited").header("x-api-key-id", "alice-native");
    assert_eq!(stage.send(&forged).status, 200);
    for _ in 0..60 {
        let bad = Request::get("/limited").api_key(&encoded("bob-native", "wrong"));
        assert_eq!(stage.send(&bad).status, 401);
    }
    assert_eq!(passing(&stage, "bob-native", 10), 10);
}

#[test]
fn a_service_limits_each_key_and_each_owner() {
    let service = RateLimitService::start(|descriptor| if descriptor.len() == 1 { 3 } else { 5 }).unwrap();
    let stage = Stage::with_keys(keys(), |config| {
        configure(config, "/authentication", json!("optional"));
        // All values come from filter state.
        for header in ["id", "owner", "owner_realm"] {
            configure(config, &format!("/identity/headers/{header}"), json!(null));
        }
        let parts = samples("envoy/rate-limit-global.yaml");
        let [filter, limits, cluster] = parts.as_slice() else { panic!("{parts:?}") };
        insert_after_the_gate(config, filter.clone());
        routes(config)[0]["route"]["rate_limits"] = limits["rate_limits"].clone();
        config.bootstrap()["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster.clone());
        config.set_cluster_address("rate_limit", service.address()).unwrap();
    });
    assert_eq!(passing(&stage, "alice-native", 4), 3, "of one key");
    assert_eq!(
        passing(&stage, "alice-second", 4),
        1,
        "of another key of the same owner, up to the owner's limit"
    );
    assert_eq!(passing(&stage, "alice-file", 4), 3, "of an owner of the same name in another realm");
    assert_eq!(refused_for(&stage, "alice-native"), "request_rate_limited");
    let entry = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let counts = service.counts();
    assert_eq!(counts[&vec![entry("key_id", "alice-native")]], 5);
    assert_eq!(counts[&vec![entry("owner", "alice"), entry("realm", "native")]], 9);
    // Without a key nothing is asked, whatever the client calls itself.
    assert_eq!(stage.send(&Request::get("/limited").header("x-api-key-id", "alice-native")).status, 200);
    assert_eq!(service.counts(), counts);
}
