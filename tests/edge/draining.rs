//! Connections that are open when their listener is replaced, drained or removed.

use latchkey_key_feed::KeyId;
use latchkey_local_stack::fake_key_service::FakeKeyService;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::{self, Http1Connection};
use latchkey_local_stack::wait;
use serde_json::json;

use crate::dynamic::Dynamic;
use crate::stage::{configure, encoded, epoch, key};

fn with_key(id: &str) -> Request {
    Request::get("/draining").api_key(&encoded(id, "secret"))
}

/// Revokes a key that was admitted, and waits until each of the connections, which stay open, refuses it.
#[track_caller]
fn assert_a_revocation_is_heard(dynamic: &Dynamic, connections: &mut [Http1Connection], id: &str) {
    for connection in &mut *connections {
        assert_eq!(connection.exchange(&with_key(id)).unwrap().status, 200, "{id}");
    }
    dynamic.keys.remove(KeyId::try_from(id).unwrap());
    for connection in connections {
        wait::until(id, || Ok((connection.exchange(&with_key(id))?.status == 401).then_some(()))).unwrap();
        assert_eq!(connection.exchange(&with_key("id")).unwrap().status, 200, "{id}: a good key is refused");
    }
}

#[test]
fn a_connection_that_drains_hears_of_revocations_for_as_long_as_it_is_open() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    for id in ["id", "replaced", "drained", "stopped"] {
        keys.put(key(id, "secret"));
    }
    let mut dynamic = Dynamic::lasting(keys, |_| {});
    dynamic.await_admitted();
    let edge = dynamic.envoy.listener().unwrap();
    let mut connections = [(); 4].map(|()| Http1Connection::open(edge).unwrap());

    dynamic.update(|config| configure(config, "/identity/headers/owner", json!("x-caller")));
    wait::until("the new configuration is in force", || {
        let answer = http1::exchange(edge, &with_key("id"))?;
        Ok(answer.text().contains("x-caller").then_some(()))
    })
    .unwrap();
    assert_a_revocation_is_heard(&dynamic, &mut connections, "replaced");

    let admin = dynamic.envoy.admin();
    for (drain, id) in [("/drain_listeners?graceful", "drained"), ("/drain_listeners", "stopped")] {
        let answer = http1::exchange(admin.address(), &Request::new("POST", drain)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_a_revocation_is_heard(&dynamic, &mut connections, id);
    }
    wait::until("nobody else comes in", || Ok(Http1Connection::open(edge).is_err().then_some(()))).unwrap();
}
