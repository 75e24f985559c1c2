//! The edge follows the feed: changes, pages, resets, other epochs, restarts of the service.

use latchkey_filter::limits::FEED_ROWS_PER_POLL;
use latchkey_filter::metrics;
use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::revocation::RevocationTimes;
use latchkey_local_stack::stack::{FEED_CREDENTIAL_VARIABLE, LocalStack, StackOptions};
use latchkey_local_stack::{wait, workers};
use serde_json::json;

use crate::shells::lacks;
use crate::stage::{self, Stage, encoded, epoch, key};

#[test]
fn a_revocation_reaches_every_worker() {
    let stage = Stage::with_keys(vec![key("id", "secret"), key("other", "secret")], |_| {});
    let stamps = stage.envoy.admin().stats(&format!("{}\\.", metrics::TABLE_STAMP)).unwrap();
    // Its name has a number that other plugins do not know, and there is one for the whole process.
    assert_eq!(stamps.len(), usize::from(!lacks("change stamp")), "{stamps:?}");
    for (name, value) in stamps {
        let number = name.rsplit('.').next().unwrap();
        assert!(number.len() == 16 && value > 0, "{name}: {value}");
    }
    assert_a_revocation_reaches_every_worker(&stage);
}

// Then nothing tells a VM that the pages it could have kept are old, so it must keep none.
#[test]
fn a_revocation_reaches_every_worker_when_the_operator_rejects_the_change_mark() {
    let stage = Stage::with_keys(vec![key("id", "secret"), key("other", "secret")], |config| {
        config.bootstrap()["stats_config"] =
            json!({"stats_matcher": {"exclusion_list": {"patterns": [{"contains": metrics::TABLE_STAMP}]}}});
    });
    assert!(stage.envoy.admin().stats(r"table\.stamp").unwrap().is_empty());
    assert_a_revocation_reaches_every_worker(&stage);
}

fn assert_a_revocation_reaches_every_worker(stage: &Stage) {
    let mut connections = workers::connection_to_each(stage.envoy.admin()).unwrap();
    assert_eq!(connections.len(), 2);
    let request = Request::get("/each-worker").api_key(&encoded("id", "secret"));
    for connection in &mut connections {
        assert_eq!(connection.exchange(&request).unwrap().status, 200);
    }
    stage.keys.remove(KeyId::try_from("id").unwrap());
    for connection in &mut connections {
        stage.until("a worker refuses", || connection.exchange(&request).unwrap().status == 401);
        // For ever: no worker goes back to an older table.
        for _ in 0..100 {
            assert_eq!(connection.exchange(&request).unwrap().status, 401);
        }
        let other = Request::get("/each-worker").api_key(&encoded("other", "secret"));
        assert_eq!(connection.exchange(&other).unwrap().status, 200);
    }
}

#[test]
fn one_vm_follows_for_all() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |_| {});
    assert!(stage.stat("feed.follower") > 0);
    // Each change ends one long poll and begins the next; several followers would multiply the requests.
    for number in 0..10 {
        let id = format!("change-{number}");
        stage.keys.put(key(&id, "secret"));
        stage.await_admitted(&encoded(&id, "secret"));
    }
    stage.until("the last change is acknowledged", || {
        stage.keys.requests().last().is_some_and(|target| cursor_in(target) == 11)
    });
    let asked = stage.keys.requests();
    let mut cursors: Vec<u64> = asked.iter().map(|target| cursor_in(target)).collect();
    assert!(cursors.is_sorted(), "the follower went back: {asked:?}");
    cursors.dedup();
    assert_eq!(cursors, (0..=11).collect::<Vec<_>>(), "{asked:?}");
}

#[test]
fn a_feed_of_many_pages_is_read_to_its_end() {
    let names: Vec<_> = (0..500).map(|number| format!("key-{number}")).collect();
    let records: Vec<_> = names.iter().map(|name| key(name, name)).collect();
    let keys = FakeKeyService::start(epoch("pages")).unwrap();
    keys.limit_pages_to(7);
    for record in records {
        keys.put(record);
    }
    let stage = Stage::start(keys, |_| {});
    stage.await_table();
    // A table is whole or absent: with the first key comes the last.
    for name in &names {
        assert_eq!(stage.status_for(&encoded(name, name)), 200, "{name}");
    }
    assert_eq!(stage.stat("table.keys"), 500);
}

#[test]
fn a_table_grows_without_forgetting() {
    let stage = Stage::with_keys(vec![key("first", "secret")], |_| {});
    let generation = stage.stat("table.generation");
    for number in 0..3_000 {
        stage.keys.put(key(&format!("grown-{number}"), "secret"));
        if number % 500 == 0 {
            assert_eq!(stage.status_for(&encoded("first", "secret")), 200);
        }
    }
    stage.await_admitted(&encoded("grown-2999", "secret"));
    stage.until("the table is laid out anew", || stage.stat("table.generation") > generation);
    for number in (0..3_000).step_by(97) {
        assert_eq!(stage.status_for(&encoded(&format!("grown-{number}"), "secret")), 200, "grown-{number}");
    }
    assert_eq!(stage.status_for(&encoded("first", "secret")), 200);
    stage.until("the count is right", || stage.stat("table.keys") == 3_001);
}

#[test]
fn a_reset_loads_again_and_revokes_what_was_missed() {
    let stage = Stage::with_keys(vec![key("kept", "secret"), key("missed", "secret")], |_| {});
    let (kept, missed) = (encoded("kept", "secret"), encoded("missed", "secret"));
    assert_eq!(stage.status_for(&missed), 200);
    // The removal is forgotten before the edge could have read it.
    stage.keys.remove_and_purge(&KeyId::try_from("missed").unwrap());
    stage.until("a reload revokes the key", || {
        assert_eq!(stage.status_for(&kept), 200, "a good key was refused during the reload");
        stage.status_for(&missed) == 401
    });
    assert!(stage.stat("feed.resets") >= 1);
}

#[test]
fn another_epoch_replaces_every_key() {
    // A restored store may have seen fewer changes than the edge, or more.
    for restored in [1, 50] {
        let stage =
            Stage::with_keys((0..10).map(|number| key(&format!("old-{number}"), "secret")).collect(), |_| {});
        assert_eq!(stage.status_for(&encoded("old-3", "secret")), 200);
        let records = (0..restored).map(|number| key(&format!("new-{number}"), "secret")).collect();
        stage.keys.restore(epoch("second"), records);
        for number in 0..restored {
            stage.await_admitted(&encoded(&format!("new-{number}"), "secret"));
        }
        for number in 0..10 {
            stage.await_refused(&encoded(&format!("old-{number}"), "secret"));
        }
    }
}

#[test]
fn the_edge_goes_on_without_its_key_service_and_finds_it_again() {
    let mut stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let key = stack.admitted_key(&json!({"name": "survivor"})).unwrap();
    stack.key_service.kill();
    for _ in 0..20 {
        assert_eq!(stack.ask(&Request::get("/gone").api_key(&key.encoded)).unwrap().status, 200);
    }
    stack.key_service.restart().unwrap();
    let later = stack.admitted_key(&json!({"name": "later"})).unwrap();
    stack.key_service.client().invalidate(&key.id).unwrap();
    wait::until("the revocation arrives", || {
        Ok((stack.ask(&Request::get("/back").api_key(&key.encoded))?.status == 401).then_some(()))
    })
    .unwrap();
    assert_eq!(stack.ask(&Request::get("/back").api_key(&later.encoded)).unwrap().status, 200);
}

#[test]
fn a_feed_of_several_polls_is_loaded_from_the_real_service() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let mut last = None;
    // One row more than the follower asks for at once; the edge's own key is the first.
    for number in 0..FEED_ROWS_PER_POLL {
        let named = json!({"name": format!("key {number}")});
        last = Some(stack.key_service.client().create_key(&named).unwrap());
    }
    let mut options = stage::options(stack.key_service.address(), &stack.upstream, |_| {});
    options.environment = vec![(FEED_CREDENTIAL_VARIABLE.to_owned(), stack.feed_key.encoded.clone())];
    let late = EnvoyProcess::start(&options).unwrap();
    let request = Request::get("/late").api_key(&last.unwrap().encoded);
    // It waits for the first table, so the first answer is the verdict.
    assert_eq!(http1::exchange(late.listener().unwrap(), &request).unwrap().status, 200);
}

#[test]
fn revocation_can_be_measured_at_every_worker() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let times = RevocationTimes::measure(stack.envoy.admin(), stack.key_service.client(), 3).unwrap();
    assert_eq!(times.all_ms().len(), 6, "{times:?}");
}

fn cursor_in(target: &str) -> u64 {
    let after = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("after=")).unwrap();
    after.parse().unwrap()
}
