//! Configuration that changes while requests pass.

use std::thread;

use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::wait;
use serde_json::json;

use crate::dynamic::Dynamic;
use crate::stage::{configure, encoded, epoch, key};
use crate::traffic;

#[test]
fn requests_pass_while_the_configuration_changes() {
    let mut dynamic = Dynamic::start();
    let edge = dynamic.envoy.listener().unwrap();
    let request = |path: &str, secret: &str| Request::get(path).api_key(&encoded("id", secret));
    let (good, bad) = (request("/during-updates", "secret"), request("/during-updates-bad", "wrong"));
    traffic::during(edge, &[(good, 200), (bad, 401)], || {
        for number in 0..5 {
            let header = format!("x-caller-{number}");
            dynamic.update(|config| configure(config, "/identity/headers/owner", json!(header)));
            wait::until("the new configuration is in force", || {
                let answer = http1::exchange(edge, &request("/probe", "secret"))?;
                Ok((answer.status != 200 || answer.text().contains(&header)).then_some(()))
            })
            .unwrap();
        }
    });
    let rebuilt = dynamic.envoy.admin().stat("wasmcustom.latchkey.table.generation").unwrap();
    assert_eq!(rebuilt, 1, "the table was loaded again, though it outlives the configuration");
    // The newest configuration still follows the feed.
    dynamic.keys.put(key("later", "secret"));
    wait::until("a later key is admitted", || {
        let answer = http1::exchange(edge, &Request::get("/later").api_key(&encoded("later", "secret")))?;
        Ok((answer.status == 200).then_some(()))
    })
    .unwrap();
    assert!(!dynamic.upstream.requests_to("/during-updates").is_empty());
    assert!(dynamic.upstream.requests_to("/during-updates-bad").is_empty());
}

#[test]
fn every_admitted_request_is_counted_whatever_is_replaced_meanwhile() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    let mut dynamic = Dynamic::hasty(keys, |_| {});
    let edge = dynamic.envoy.listener().unwrap();
    let mut admitted = 0;
    for round in 1..=3 {
        // Waiting for this takes one request that is admitted.
        dynamic.await_admitted();
        for _ in 0..20 {
            let request = Request::get("/counted").api_key(&encoded("id", "secret"));
            assert_eq!(http1::exchange(edge, &request).unwrap().status, 200);
        }
        admitted += 21;
        // What the last requests came to has hardly been told by a tick.
        dynamic.update(|config| {
            configure(config, "/identity/headers/owner", json!(format!("x-caller-{round}")));
        });
        dynamic.await_updates(round + 1);
    }
    let counted = || dynamic.envoy.admin().stat("wasmcustom.latchkey.admitted");
    wait::until("every request is counted", || Ok((counted()? >= admitted).then_some(()))).unwrap();
    assert_eq!(counted().unwrap(), admitted);
}

#[test]
fn a_request_that_waits_outlives_its_configuration() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    keys.behave(FeedManner::Status(500));
    let mut dynamic = Dynamic::following(keys, |config| configure(config, "/start_up_wait", json!("5m")));
    let edge = dynamic.envoy.listener().unwrap();
    let request = Request::new("POST", "/outlives").api_key(&encoded("id", "secret")).body("body");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| http1::exchange(edge, &request).unwrap());
        let stat = |name: &str| dynamic.envoy.admin().stat(name);
        wait::until("the request waits", || Ok((stat("http.edge.downstream_rq_active")? == 1).then_some(())))
            .unwrap();
        let before = stat("listener_manager.lds.update_success").unwrap();
        dynamic.update(|config| configure(config, "/identity/headers/owner", json!("x-caller")));
        let stat = |name: &str| dynamic.envoy.admin().stat(name);
        wait::until("the update is in force", || {
            Ok((stat("listener_manager.lds.update_success")? > before).then_some(()))
        })
        .unwrap();
        assert!(dynamic.upstream.requests_to("/outlives").is_empty(), "it passed without a verdict");
        dynamic.keys.behave(FeedManner::Truthful);
        assert_eq!(waiting.join().unwrap().status, 200);
    });
    assert_eq!(dynamic.upstream.requests_to("/outlives").len(), 1);
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_stays() {
    let mut dynamic = Dynamic::start();
    let edge = dynamic.envoy.listener().unwrap();
    dynamic.update(|config| {
        configure(config, "/staleness/refuse_after", json!("soon"));
        configure(config, "/no_such_field", json!(1));
    });
    wait::until("the update is refused", || {
        Ok((dynamic.envoy.admin().stat("listener_manager.lds.update_rejected")? > 0).then_some(()))
    })
    .unwrap();
    let log = dynamic.envoy.log().stderr();
    for named in ["staleness.refuse_after", "no_such_field"] {
        assert!(log.contains(named), "the log does not name {named}:\n{log}");
    }
    for (credential, status) in [(encoded("id", "secret"), 200), (encoded("id", "wrong"), 401)] {
        let answer = http1::exchange(edge, &Request::get("/refused-update").api_key(&credential)).unwrap();
        assert_eq!(answer.status, status);
    }
}
