//! An edge that starts before its key service: requests wait for the first table, and none passes without it.

use std::net::{SocketAddr, TcpListener};
use std::thread;

use latchkey_local_stack::envoy::EnvoyProcess;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::http::{Request, http1, http2};
use latchkey_local_stack::upstream::Upstream;
use latchkey_local_stack::wait;
use serde_json::json;

use crate::stage::{self, Stage, configure, encoded, epoch, key};

/// Fits the buffer that `envoy/local.yaml` gives a connection; a longer one would be answered with 413 while
/// it waits like this.
const BODY_LEN: usize = 10_000;

/// Long enough that only the arrival of the table ends the wait.
const WAIT_FOR_EVER: &str = "5m";

/// Short enough to be waited out.
const WAIT_BRIEFLY: &str = "500ms";

#[test]
fn requests_wait_for_the_first_table_and_then_pass() {
    let address = free_address();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let options = stage::options(address, &upstream, |config| wait_at_start(config, WAIT_FOR_EVER));
    let envoy = EnvoyProcess::start(&options).unwrap();
    let edge = envoy.listener().unwrap();

    let good = Request::new("POST", "/waiting").api_key(&encoded("id", "secret")).body("body");
    let bad = Request::get("/waiting-bad").api_key(&encoded("id", "wrong"));
    thread::scope(|scope| {
        let waiting = [
            scope.spawn(|| http1::exchange(edge, &good).unwrap()),
            scope.spawn(|| http2::exchange(edge, &good).unwrap()),
            scope.spawn(|| http1::exchange(edge, &bad).unwrap()),
        ];
        wait::until("three requests wait", || {
            Ok((envoy.admin().stat("http.edge.downstream_rq_active")? == 3).then_some(()))
        })
        .unwrap();
        assert!(upstream.requests_to("/waiting").is_empty(), "a request passed without a table");

        let keys = FakeKeyService::start_at(address, epoch("late")).unwrap();
        keys.put(key("id", "secret"));
        let answers = waiting.map(|request| request.join().unwrap().status);
        assert_eq!(answers, [200, 200, 401]);
    });
    let seen = upstream.requests_to("/waiting");
    assert_eq!(seen.iter().map(|request| request.body_len).collect::<Vec<_>>(), [4, 4]);
    assert!(upstream.requests_to("/waiting-bad").is_empty());
}

// Envoy ends each of them inside the end of the one before it: some 300 in one tick ended the worker's VM.
#[test]
fn however_many_wait_for_the_first_table_each_is_answered_and_no_vm_dies() {
    const WAITING: usize = 1_200;
    let address = free_address();
    let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
    let options = stage::options(address, &upstream, |config| wait_at_start(config, WAIT_FOR_EVER));
    let envoy = EnvoyProcess::start(&options).unwrap();
    let edge = envoy.listener().unwrap();

    let request = |number: usize| {
        let secret = if number.is_multiple_of(100) { "secret" } else { "wrong" };
        http1::rendered(&Request::get("/many").api_key(&encoded("id", secret)))
    };
    let mut waiting: Vec<_> = (0..WAITING).map(|_| Http1Connection::open(edge).unwrap()).collect();
    for (number, connection) in waiting.iter_mut().enumerate() {
        connection.send(&request(number)).unwrap();
    }
    wait::until("all requests wait", || {
        Ok((envoy.admin().stat("http.edge.downstream_rq_active")? == WAITING as u64).then_some(()))
    })
    .unwrap();

    let keys = FakeKeyService::start_at(address, epoch("late")).unwrap();
    keys.put(key("id", "secret"));
    for (number, connection) in waiting.iter_mut().enumerate() {
        let expected = if number.is_multiple_of(100) { 200 } else { 401 };
        assert_eq!(connection.receive().unwrap().status, expected, "request {number}");
    }
    let reloads = envoy.admin().stats(r"^wasm\..*vm_reload").unwrap();
    assert!(reloads.values().all(|count| *count == 0), "a VM was reloaded: {reloads:?}");
}

#[test]
fn a_request_that_waited_too_long_is_told_to_come_back() {
    let stage = without_table(|config| wait_at_start(config, WAIT_BRIEFLY));
    let answer = stage.send(&Request::get("/no-table").api_key(&encoded("id", "secret")));
    assert_eq!(answer.status, 503, "{}", answer.text());
    let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(retry_after >= 1);
    let body = answer.json().unwrap();
    assert_eq!(body["error"]["type"], "status_exception");
    assert_eq!(body["status"], json!(503));
    assert_eq!(answer.header("www-authenticate"), None, "trouble with the table is told as a bad key");
    assert_eq!(stage.details("/no-table"), "latchkey_table_absent");

    let call = Request::new("POST", "/grpc/NoTable")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .api_key(&encoded("id", "secret"));
    let answer = http2::exchange(stage.address, &call).unwrap();
    assert_eq!(answer.grpc_status().as_deref(), Some("14"), "{answer:?}");

    // Who shows no credential at all learns that without any table.
    assert_eq!(stage.send(&Request::get("/no-table-no-key")).status, 401);
}

#[test]
fn no_body_slips_past_the_gate_while_its_request_waits() {
    // With this flag Envoy goes on calling the filter with the body, though the headers were told to wait.
    let goes_on = |config: &mut EnvoyConfig| {
        config.gate().unwrap()["allow_on_headers_stop_iteration"] = json!(true);
    };
    for (path, wait, table_comes, status) in
        [("/slip-refused", WAIT_BRIEFLY, false, 503), ("/slip-admitted", WAIT_FOR_EVER, true, 200)]
    {
        let stage = without_table(|config| {
            goes_on(config);
            wait_at_start(config, wait);
        });
        let request = Request::new("POST", path)
            .api_key(&encoded("id", "secret"))
            .body(vec![b'b'; BODY_LEN])
            .trailer("x-checksum", "1");
        let answer = thread::scope(|scope| {
            let waiting = scope.spawn(|| http1::exchange(stage.address, &request).unwrap());
            stage.until("the request waits", || {
                stage.envoy.admin().stat("http.edge.downstream_rq_active").unwrap() == 1
                    || waiting.is_finished()
            });
            assert!(stage.upstream.requests_to(path).is_empty(), "{path} passed without a verdict");
            if table_comes {
                stage.keys.behave(FeedManner::Truthful);
            }
            waiting.join().unwrap()
        });
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let lengths: Vec<_> = stage.upstream.requests_to(path).iter().map(|seen| seen.body_len).collect();
        assert_eq!(lengths, if table_comes { vec![BODY_LEN] } else { vec![] }, "{path}");
    }
}

#[test]
fn a_body_needs_a_verdict_whatever_envoy_calls_first() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |config| {
        config.gate().unwrap()["allow_on_headers_stop_iteration"] = json!(true);
    });
    let upload = |path: &str, secret: &str| {
        Request::new("POST", path)
            .api_key(&encoded("id", secret))
            .body(vec![b'b'; 1_000_000])
            .trailer("x-checksum", "1")
    };
    for exchange in [http1::exchange, http2::exchange] {
        assert_eq!(exchange(stage.address, &upload("/flag-good", "secret")).unwrap().status, 200);
    }
    assert_eq!(http2::exchange(stage.address, &upload("/flag-bad", "wrong")).unwrap().status, 401);
    let lengths: Vec<_> = stage.upstream.requests_to("/flag-good").iter().map(|seen| seen.body_len).collect();
    assert_eq!(lengths, [1_000_000, 1_000_000]);
    assert!(stage.upstream.requests_to("/flag-bad").is_empty());
}

#[test]
fn a_client_that_goes_away_while_it_waits_harms_nobody() {
    let stage = without_table(|config| wait_at_start(config, WAIT_FOR_EVER));
    let active = || stage.envoy.admin().stat("http.edge.downstream_rq_active").unwrap();
    for _ in 0..4 {
        let mut connection = Http1Connection::open(stage.address).unwrap();
        connection.send(&http1::rendered(&Request::get("/gone").api_key(&encoded("id", "secret")))).unwrap();
        stage.until("the request waits", || active() == 1);
        drop(connection);
        stage.until("the request is forgotten", || active() == 0);
    }
    stage.keys.behave(FeedManner::Truthful);
    stage.await_admitted(&encoded("id", "secret"));
    assert!(stage.upstream.requests_to("/gone").is_empty());
    stage.assert_no_vm_died();
}

/// An edge whose key service has the key `id` and tells nobody.
fn without_table(edit: impl FnOnce(&mut EnvoyConfig)) -> Stage {
    let keys = FakeKeyService::start(epoch("silent")).unwrap();
    keys.put(key("id", "secret"));
    keys.behave(FeedManner::Status(500));
    Stage::start(keys, edit)
}

fn wait_at_start(config: &mut EnvoyConfig, wait: &str) {
    configure(config, "/start_up_wait", json!(wait));
    // A request may wait for as long as a test says.
    config.connection_manager().unwrap()["stream_idle_timeout"] = json!("600s");
}

/// An address where nobody listens, and where nobody else will: all other tests stay at 127.0.0.1.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap()
}
