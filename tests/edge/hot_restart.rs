//! One Envoy takes over from another while requests come (hot restart).

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::time::SystemTime;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::{self, Http1Connection};
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{self, configure, encoded, epoch, key, parameter};
use crate::traffic;

/// A port that both processes name, at an address where nobody else listens.
fn listening_at(options: &mut EnvoyOptions, address: SocketAddr) {
    options.config.set_listener_port(address.port()).unwrap();
    options.config.listener().unwrap()["address"]["socket_address"]["address"] =
        json!(address.ip().to_string());
    // The one before drains for a second, and has ended after two.
    let times = ["--drain-time-s", "1", "--parent-shutdown-time-s", "2"];
    options.arguments = times.map(str::to_owned).to_vec();
}

fn with_key(id: &str) -> Request {
    Request::get(&format!("/hot-restart-{id}")).api_key(&encoded(id, "secret"))
}

fn revoke(keys: &FakeKeyService, id: &str) {
    keys.remove(KeyId::try_from(id).unwrap());
}

/// As whom the edge has asked, from that request on.
fn instances(keys: &FakeKeyService, from: usize) -> BTreeSet<String> {
    let asked = keys.requests();
    asked.iter().skip(from).filter_map(|target| Some(parameter(target, "instance")?.to_owned())).collect()
}

#[test]
fn a_hot_restart_refuses_no_good_key_and_both_processes_hear_of_revocations() {
    let edge = TcpListener::bind("127.0.0.5:0").unwrap().local_addr().unwrap();
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    for id in ["good", "before", "meanwhile", "after"] {
        keys.put(key(id, "secret"));
    }
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let table_file = folder.path().join("table");
    let mut options = stage::options(keys.address(), &upstream, |config| {
        if is_native() {
            configure(config, "/table_file", json!({"path": table_file, "interval": "1s"}));
        }
    });
    listening_at(&mut options, edge);
    let mut first = EnvoyProcess::start_replaceable(&options).unwrap();
    let answered = |id: &str, status: u16| {
        wait::until(id, || Ok((http1::exchange(edge, &with_key(id))?.status == status).then_some(())))
            .unwrap();
    };
    answered("good", 200);
    revoke(&keys, "before");
    answered("before", 401);

    let second = traffic::during(edge, &[(with_key("good"), 200), (with_key("before"), 401)], || {
        let mut of_first = Http1Connection::open(edge).unwrap();
        assert_eq!(of_first.exchange(&with_key("meanwhile")).unwrap().status, 200);
        let second = first.replaced(&options).unwrap();
        revoke(&keys, "meanwhile");
        // A connection that drains is closed at some time, and is of the first process until then.
        wait::until("the first process hears of it", || {
            let answer = of_first.exchange(&with_key("meanwhile"));
            Ok(answer.map_or(true, |answer| answer.status == 401).then_some(()))
        })
        .unwrap();
        answered("meanwhile", 401);
        wait::until("the first process has ended", || first.ended()).unwrap();
        second
    });
    let asked = keys.requests().len();
    revoke(&keys, "after");
    answered("after", 401);
    answered("good", 200);
    assert_eq!(instances(&keys, 0).len(), 2, "each process is an instance of the edge");
    wait::until("the second process asks again", || Ok((!instances(&keys, asked).is_empty()).then_some(())))
        .unwrap();
    assert_eq!(instances(&keys, asked).len(), 1, "the process that has ended asks no more");
    // Envoy hands the metrics of one process over to the next.
    let keys_held = || second.admin().stat("wasmcustom.latchkey.table.keys");
    wait::until("the gauges are those of one process", || Ok((keys_held()? == 1).then_some(()))).unwrap();
    if is_native() {
        // Until then it is the file of the first process, which has not acknowledged the last change.
        let answered_at = SystemTime::now();
        wait::until("the second process writes the table file", || {
            let written_at = fs::metadata(&table_file).and_then(|file| file.modified());
            Ok(written_at.is_ok_and(|at| at > answered_at).then_some(()))
        })
        .unwrap();
        drop(second);
        keys.behave(FeedManner::Status(503));
        let _third = EnvoyProcess::start(&options).unwrap();
        for (id, status) in [("good", 200), ("before", 401), ("meanwhile", 401), ("after", 401)] {
            assert_eq!(
                http1::exchange(edge, &with_key(id)).unwrap().status,
                status,
                "{id}, by the table file"
            );
        }
    }
}
