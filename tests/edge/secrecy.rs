//! No secret is logged, at any level, on any path.

use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::shell::Shell;
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;

use crate::stage::{self, FEED_SECRET, encoded, epoch, key};

/// Marked, so that a leak is found.
const GOOD_SECRET: &str = "good-secret-5e8a";
const WRONG_SECRET: &str = "wrong-secret-c07d";

#[test]
fn no_secret_is_logged() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", GOOD_SECRET));
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let mut options = stage::options(keys.address(), &upstream, |_| {});
    options.filter_log_level = "trace";
    let envoy = EnvoyProcess::start(&options).unwrap();
    let edge = envoy.listener().unwrap();
    let send = |request: &Request| latchkey_local_stack::http::http1::exchange(edge, request).unwrap().status;

    let good = encoded("id", GOOD_SECRET);
    wait::until("the key is admitted", || Ok((send(&Request::get("/").api_key(&good)) == 200).then_some(())))
        .unwrap();
    let wrong = encoded("id", WRONG_SECRET);
    let bad = [
        format!("ApiKey {wrong}"),
        format!("ApiKey  {good}"),
        format!("ApiKey {good},ApiKey {good}"),
        format!("ApiKey id:{GOOD_SECRET}"),
        format!("Bearer {good}"),
    ];
    for value in &bad {
        assert_eq!(send(&Request::get("/bad").header("authorization", value)), 401);
    }
    for fault in [FeedManner::Body(b"{".to_vec()), FeedManner::Status(401), FeedManner::Closing] {
        let failures = || envoy.admin().stat("wasmcustom.latchkey.feed.failures").unwrap();
        let before = failures();
        keys.behave(fault);
        wait::until("the feed fails", || Ok((failures() > before).then_some(()))).unwrap();
    }

    let log = [envoy.log().stderr(), envoy.log().stdout()].concat();
    assert!(
        log.contains(Shell::chosen().log_component()),
        "the filter logs nothing at trace, so nothing was proved"
    );
    let secrets = [GOOD_SECRET, WRONG_SECRET, FEED_SECRET, &good, &wrong, &encoded("edge", FEED_SECRET)];
    for secret in secrets {
        assert!(!log.contains(secret), "the log holds {secret}:\n{log}");
    }
}
