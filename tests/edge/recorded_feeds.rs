//! The filter follows a service of any release: `tests/feeds` has what each answered. The other direction, this
//! service and a filter of any release, is in the API tests of the key service.

use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::recorded_feed::RecordedFeed;
use serde_json::json;

use crate::stage::{Stage, configure, encoded, epoch};

#[test]
fn a_service_of_every_release_is_followed() {
    for recorded in RecordedFeed::all().unwrap() {
        let keys = FakeKeyService::start(epoch("unheard")).unwrap();
        keys.behave(FeedManner::Recorded(recorded.answers().unwrap()));
        let stage = Stage::start(keys, |config| {
            let privilege = json!({"application": "shop", "privilege": "read", "resource": "orders/{id}"});
            let paths = json!({"paths": ["/orders/{id}"]});
            let rule = json!({"name": "orders", "match": paths, "require": {"privilege": privilege}});
            configure(config, "/rules", json!([rule]));
        });
        stage.await_table();
        let asked =
            |path: &str, name: &str| stage.send(&Request::get(path).api_key(&recorded.keys[name])).status;
        let told = recorded.path.display();
        let by_name = ["reads", "plain", "expired", "revoked"].map(|name| asked("/", name));
        assert_eq!(by_name, [200, 200, 401, 401], "{told}");
        assert_eq!(stage.status_for(&encoded("nobody", "secret")), 401, "{told}");
        // The first version of the feed does not tell what keys may do: nobody can say, so nobody passes.
        let has_rights = recorded.exchanges.iter().all(|exchange| exchange.version.is_some());
        let by_right = ["reads", "plain"].map(|name| asked("/orders/7", name));
        assert_eq!(by_right, if has_rights { [200, 403] } else { [503, 503] }, "{told}");
        stage.assert_no_vm_died();
    }
}
