//! The key with which an edge reads the feed comes to an end.

use latchkey_key_feed::KeyId;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{Stage, configure, encoded, epoch, key, parameter};

const ENDED: &str = "the key with which this edge reads the feed has ended";

fn impatient(config: &mut latchkey_local_stack::envoy_config::EnvoyConfig) {
    configure(config, "/key_service/wait", json!("1s"));
    configure(config, "/key_service/fetch_timeout", json!("1s"));
    configure(config, "/staleness/stale_after", json!("3s"));
    configure(config, "/staleness/refuse_after", json!("6s"));
    configure(config, "/start_up_wait", json!("100ms"));
}

#[test]
fn an_edge_whose_key_was_revoked_with_others_refuses_those_at_once_and_grows_old() {
    let stage = Stage::with_keys(vec![key("id", "secret"), key("revoked", "secret")], impatient);
    let (good, revoked) = (encoded("id", "secret"), encoded("revoked", "secret"));
    assert_eq!((stage.status_for(&good), stage.status_for(&revoked)), (200, 200));
    stage.keys.remove(KeyId::try_from("revoked").unwrap());
    stage.keys.end_credential();
    stage.keys.put(key("later", "secret"));
    stage.await_refused(&revoked);
    stage.until("the last change is acknowledged", || {
        stage.keys.requests().iter().any(|target| parameter(target, "after") == Some("3"))
    });
    stage.until("the gauge says why", || stage.stat("feed.credential_ended") == 1);
    stage.until("the table is too old", || stage.status_for(&good) == 503);
    assert_eq!(stage.stat("table.cursor"), 3, "a change that is not for this key was applied");

    stage.keys.mend_credential();
    stage.await_admitted(&encoded("later", "secret"));
    stage.until("the gauge says that all is well", || stage.stat("feed.credential_ended") == 0);
    let log = stage.envoy.log().stderr();
    assert_eq!(log.matches(ENDED).count(), 1, "{log}");
    assert!(log.contains("the key with which this edge reads the feed is taken again"), "{log}");
    stage.assert_no_vm_died();
}

#[test]
fn a_key_that_has_ended_makes_no_first_table() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    keys.end_credential();
    let stage = Stage::start(keys, impatient);
    stage.until("the edge is told", || stage.stat("feed.credential_ended") == 1);
    assert_eq!(stage.status_for(&encoded("id", "secret")), 503);
    assert_eq!(stage.stat("table.generation"), 0);
    stage.keys.mend_credential();
    stage.await_admitted(&encoded("id", "secret"));
}

#[test]
fn a_key_that_is_not_taken_is_told_as_that() {
    let stage = Stage::with_keys(vec![key("id", "secret")], impatient);
    stage.keys.behave(FeedManner::Status(401));
    let told = "from cluster key_service: the key service refuses this proxy's own key (401): it is revoked, expired or unknown";
    stage.until("the log says why", || stage.envoy.log().stderr().contains(told));
}

// Envoy fails all calls of a filter when it ends, and that of the feed always waits for an answer.
#[test]
fn a_proxy_that_ends_in_peace_complains_of_nothing() {
    let mut stage = Stage::with_keys(vec![key("id", "secret")], |_| {});
    assert_eq!(stage.status_for(&encoded("id", "secret")), 200);
    assert!(stage.envoy.terminate().unwrap().success());
    let log = stage.envoy.log().stderr();
    // Only of the sandbox it is known that it never ticks again.
    assert!(is_native() || !log.contains("could not be read"), "{log}");
}
