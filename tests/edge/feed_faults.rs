//! A key service that answers badly: the table that is there serves for as long as it may, and without one
//! nobody is admitted.
//!
//! Every fault has a key service, a cluster and gates of its own, all in one Envoy and at the same time. So the
//! faults of one service are also seen to disturb no gate of another.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use latchkey_key_feed::KeyId;
use latchkey_key_feed::format_limits::FEED_ANSWER_LEN_MAX;
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::{Request, http1};
use serde_json::json;

use crate::shells::is_native;
use crate::stage::{Stage, configure, encoded, epoch, key};

/// One way to answer badly.
struct Fault {
    name: &'static str,
    /// `None`: nobody listens.
    manner: Option<FeedManner>,
    /// What the log says of it.
    told: &'static str,
}

/// A key service with a fault, and its gates.
struct Gates {
    fault: Fault,
    service: SocketAddr,
    keys: Option<FakeKeyService>,
    /// Where each gate listens, once Envoy runs.
    listening: BTreeMap<&'static str, SocketAddr>,
}

/// The gate whose table may grow old.
const PATIENT: &str = "patient";

/// The gate whose table may not.
const STRICT: &str = "strict";

/// More than Envoy takes of an answer before its body (60 KiB).
const HEAD_LEN: usize = 100 * 1024;

const NO_HTTP: &str = "what answers there is no key service (status 502)";
const NOT_REACHED: &str = "nothing answers there (503 of a proxy)";
const NOT_IN_TIME: &str = "nothing answers there in time (504 of a proxy)";
const NOT_WHOLE: &str = "the call ended without a whole answer";
const NO_PAGE: &str = "not a feed page";

/// Every way to answer badly.
fn faults(elsewhere: SocketAddr) -> Vec<Fault> {
    let mut faults = faults_of_the_connection();
    faults.extend(faults_of_the_status(elsewhere));
    faults.extend(faults_of_the_page());
    faults
}

fn faults_of_the_connection() -> Vec<Fault> {
    let dripping = |head: &str| Some(FeedManner::Dripping(head.as_bytes().to_vec()));
    let no_http = FeedManner::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec());
    let long_head = format!("HTTP/1.1 200 OK\r\nx-long: {}\r\n\r\n", "a".repeat(HEAD_LEN));
    listed([
        ("refused", None, NOT_REACHED),
        ("reset", Some(FeedManner::Resetting), NOT_REACHED),
        ("closed", Some(FeedManner::Closing), NOT_REACHED),
        ("hanging", Some(FeedManner::Hanging), NOT_IN_TIME),
        ("a-head-that-drips", dripping("HTTP/1.1 200 OK\r\nx-slow:"), NOT_IN_TIME),
        ("a-body-that-drips", dripping("HTTP/1.1 200 OK\r\n\r\n{"), NOT_WHOLE),
        ("a-body-cut-short", Some(FeedManner::Truncated), NOT_WHOLE),
        ("a-body-over-the-limit", Some(FeedManner::Huge(FEED_ANSWER_LEN_MAX + 1)), NOT_WHOLE),
        ("a-head-over-the-limit", Some(FeedManner::Raw(long_head.into_bytes())), NO_HTTP),
        ("no-http", Some(no_http), NO_HTTP),
    ])
}

fn faults_of_the_status(elsewhere: SocketAddr) -> Vec<Fault> {
    let status = |status| Some(FeedManner::Status(status));
    let answer = |head: &str| Some(FeedManner::Raw(format!("HTTP/1.1 {head}\r\n\r\n").into_bytes()));
    listed([
        ("no-content", answer("204 No Content"), "what answers there is no key service (status 204)"),
        (
            "redirect",
            answer(&format!("302 Found\r\nlocation: http://{elsewhere}/")),
            "what answers there is no key service (status 302)",
        ),
        ("bad-request", status(400), "the key service answers with status 400"),
        ("unauthorized", status(401), "the key service refuses this proxy's own key (401)"),
        (
            "forbidden",
            status(403),
            "the key service refuses this proxy's own key (403): it lacks read_key_feed",
        ),
        ("not-found", status(404), "the key service answers with status 404"),
        (
            "too-many",
            answer("429 Too Many Requests\r\nretry-after: 3600"),
            "what answers there is no key service (status 429)",
        ),
        ("internal-error", status(500), "the key service answers with status 500"),
        ("unavailable", status(503), "the key service answers with status 503"),
    ])
}

fn faults_of_the_page() -> Vec<Fault> {
    let row = r#"{"seq":1,"id":"intruder","removed":true}"#;
    let page = |head: &str, rows: &str| {
        let page = format!(r#"{{{head},"purged":0,"total":1,"keys":[{rows}]}}"#);
        Some(FeedManner::Body(page.into_bytes()))
    };
    let body = |body: &[u8]| Some(FeedManner::Body(body.to_vec()));
    let html = FeedManner::Raw(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>Sign in to the hotel</html>".to_vec(),
    );
    listed([
        ("garbage", body(b"\xFF\x00 no page at all"), NO_PAGE),
        ("empty", body(b""), NO_PAGE),
        ("another-object", body(br#"{"keys":[]}"#), NO_PAGE),
        ("half-a-page", body(br#"{"epoch":"first","cursor":900,"pur"#), NO_PAGE),
        ("two-pages", body(br#"{"epoch":"first","cursor":3,"purged":0,"total":1,"more":false,"reset":false,"keys":[]} {}"#), NO_PAGE),
        ("deep-nesting", body("[".repeat(100_000).as_bytes()), NO_PAGE),
        ("another-type", Some(html), NO_PAGE),
        ("no-epoch", page(r#""epoch":"","cursor":900,"more":false,"reset":false"#, ""), NO_PAGE),
        (
            "another-epoch-without-end",
            page(r#""epoch":"second","cursor":900,"more":true,"reset":false"#, ""),
            "the cursor does not advance",
        ),
        (
            "a-reset-with-rows",
            page(r#""epoch":"first","cursor":900,"more":false,"reset":true"#, row),
            "a reset carries rows",
        ),
        (
            "back-in-time",
            page(r#""epoch":"first","cursor":1,"more":false,"reset":false"#, ""),
            "the cursor lies behind the rows",
        ),
        (
            "rows-back-in-time",
            page(r#""epoch":"first","cursor":900,"more":false,"reset":false"#, row),
            "the rows do not ascend",
        ),
    ])
}

/// Faults only to who has a table: to others they are a feed.
const AFTER_THE_START: [&str; 2] = ["back-in-time", "rows-back-in-time"];

fn listed<const N: usize>(faults: [(&'static str, Option<FeedManner>, &'static str); N]) -> Vec<Fault> {
    faults.map(|(name, manner, told)| Fault { name, manner, told }).into()
}

impl Gates {
    /// Gates of a service that is well.
    fn new(fault: Fault) -> Self {
        // Nobody else is at this address, so it is free again when the service has gone.
        let keys = FakeKeyService::start_at(([127, 0, 0, 2], 0).into(), epoch("first")).unwrap();
        let service = keys.address();
        let mut gates = Self { fault, service, keys: Some(keys), listening: BTreeMap::new() };
        gates.fill();
        gates
    }

    /// The same changes each time, whoever serves them.
    fn fill(&mut self) {
        let Some(keys) = &self.keys else { return };
        for id in ["good", "revoked"] {
            keys.put(key(id, "secret"));
        }
        keys.remove(KeyId::try_from("revoked").unwrap());
    }

    fn break_down(&mut self) {
        match (&self.fault.manner, &self.keys) {
            (Some(manner), Some(keys)) => keys.behave(manner.clone()),
            _ => self.keys = None,
        }
    }

    fn mend(&mut self) {
        if self.keys.is_none() {
            self.keys = Some(FakeKeyService::start_at(self.service, epoch("first")).unwrap());
            self.fill();
        }
        let keys = self.keys.as_ref().unwrap();
        keys.behave(FeedManner::Truthful);
        keys.put(key("after", "secret"));
    }

    /// How often the edge has asked.
    fn asked(&self, stage: &Stage) -> usize {
        match &self.keys {
            Some(keys) => keys.requests().len(),
            None => {
                let refused = format!("cluster.{}.upstream_cx_connect_fail", self.fault.name);
                usize::try_from(stage.envoy.admin().stat(&refused).unwrap()).unwrap()
            }
        }
    }

    /// Asks once where the gates listen: it takes Envoy long, with as many as there are here.
    fn find(&mut self, stage: &Stage, gates: &[&'static str]) {
        let find = |gate: &'static str| {
            let name = format!("{}.{gate}", self.fault.name);
            (gate, stage.envoy.admin().listener(&name).unwrap())
        };
        self.listening = gates.iter().copied().map(find).collect();
    }

    fn status(&self, gate: &str, id: &str) -> u16 {
        let request = Request::get("/fault").api_key(&encoded(id, "secret"));
        http1::exchange(self.listening[gate], &request).unwrap().status
    }

    fn assert_told(&self, stage: &Stage) {
        let log = stage.envoy.log().stderr();
        // A line of a VM begins with `root_id`.
        let of_gate = |line: &str| is_native() || line.contains(self.fault.name);
        let told = log.lines().any(|line| {
            line.contains("the feed could not be read from cluster")
                && line.contains(self.fault.told)
                && of_gate(line)
        });
        assert!(told, "{}: the log does not tell it:\n{log}", self.fault.name);
    }
}

/// The name of a gate, and what is set for it.
type NamedGate = (&'static str, fn(&mut EnvoyConfig));

/// Adds these gates for each of the services.
fn add_gates(config: &mut EnvoyConfig, all: &[Gates], gates: &[NamedGate]) {
    let first = config.listener().unwrap().clone();
    let mut listeners = vec![first.clone()];
    for Gates { fault, service, .. } in all {
        let mut cluster = config.cluster("key_service").unwrap().clone();
        cluster["name"] = json!(fault.name);
        config.bootstrap()["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster);
        config.set_cluster_address(fault.name, *service).unwrap();
        for (gate, edit) in gates {
            *config.listener().unwrap() = first.clone();
            configure(config, "/key_service/cluster", json!(fault.name));
            config.gate().unwrap()["root_id"] = json!(fault.name);
            edit(config);
            let mut listener = config.listener().unwrap().clone();
            listener["name"] = json!(format!("{}.{gate}", fault.name));
            listeners.push(listener);
        }
    }
    config.bootstrap()["static_resources"]["listeners"] = json!(listeners);
}

/// Gives up on an answer and on the first table soon.
fn impatient(config: &mut EnvoyConfig) {
    configure(config, "/key_service/wait", json!("1s"));
    configure(config, "/key_service/fetch_timeout", json!("1s"));
    configure(config, "/start_up_wait", json!("100ms"));
}

fn strict(config: &mut EnvoyConfig) {
    impatient(config);
    configure(config, "/staleness/stale_after", json!("3s"));
    configure(config, "/staleness/refuse_after", json!("4s"));
}

#[test]
fn no_bad_answer_harms_the_table() {
    let elsewhere = FakeKeyService::start(epoch("first")).unwrap();
    let mut all: Vec<_> = faults(elsewhere.address()).into_iter().map(Gates::new).collect();
    let stage = Stage::with_keys(vec![key("good", "secret")], |config| {
        add_gates(config, &all, &[(PATIENT, impatient), (STRICT, strict)]);
    });
    for gates in &mut all {
        gates.find(&stage, &[PATIENT, STRICT]);
        for gate in [PATIENT, STRICT] {
            stage.until(gates.fault.name, || gates.status(gate, "good") == 200);
        }
        assert_eq!(gates.status(PATIENT, "revoked"), 401, "{}", gates.fault.name);
    }

    let asked: Vec<_> = all
        .iter_mut()
        .map(|gates| {
            gates.break_down();
            gates.asked(&stage)
        })
        .collect();
    for (gates, asked) in all.iter().zip(asked) {
        let name = gates.fault.name;
        stage.until(name, || gates.asked(&stage) >= asked + 2);
        assert_eq!(gates.status(PATIENT, "good"), 200, "{name}: a good key is refused");
        assert_eq!(gates.status(PATIENT, "revoked"), 401, "{name}: a revoked key is admitted");
    }
    for gates in &all {
        let name = gates.fault.name;
        stage.until(name, || match gates.status(STRICT, "good") {
            200 => false,
            status => {
                assert_eq!(status, 503, "{name}: trouble with the table is told as a bad key");
                true
            }
        });
        assert_eq!(gates.status(STRICT, "revoked"), 503, "{name}");
        assert_eq!(gates.status(PATIENT, "good"), 200, "{name}: a good key is refused");
        assert_eq!(gates.status(PATIENT, "revoked"), 401, "{name}: a revoked key is admitted");
        gates.assert_told(&stage);
    }
    assert_eq!(stage.status_for(&encoded("good", "secret")), 200, "the gate of a service that is well");

    for gates in &mut all {
        gates.mend();
    }
    for gates in &all {
        let name = gates.fault.name;
        for gate in [PATIENT, STRICT] {
            stage.until(name, || gates.status(gate, "after") == 200);
            stage.until(name, || gates.status(gate, "revoked") == 401);
        }
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new(), "a redirect was followed");
    stage.assert_no_vm_died();
}

#[test]
fn no_bad_answer_makes_a_first_table() {
    let elsewhere = FakeKeyService::start(epoch("first")).unwrap();
    let at_start = |fault: &Fault| !AFTER_THE_START.contains(&fault.name);
    let mut all: Vec<_> = faults(elsewhere.address()).into_iter().filter(at_start).map(Gates::new).collect();
    for gates in &mut all {
        gates.break_down();
    }
    let stage = Stage::with_keys(vec![key("good", "secret")], |config| {
        add_gates(config, &all, &[(PATIENT, impatient)]);
    });
    for gates in &mut all {
        gates.find(&stage, &[PATIENT]);
        let (name, address) = (gates.fault.name, gates.listening[PATIENT]);
        stage.until(name, || gates.asked(&stage) >= 2);
        let path = format!("/first-{name}");
        for (id, secret) in [("good", "secret"), ("good", "wrong"), ("nobody", "secret")] {
            let request = Request::get(&path).api_key(&encoded(id, secret));
            let answer = http1::exchange(address, &request).unwrap();
            assert_eq!(answer.status, 503, "{name}: {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), None, "{name}: trouble is told as a bad key");
        }
        assert_eq!(stage.details(&path), "latchkey_table_absent", "{name}");
        assert!(stage.upstream.requests_to(&path).is_empty(), "{name}");
        gates.assert_told(&stage);
    }
    for gates in &mut all {
        gates.mend();
    }
    for gates in &all {
        stage.until(gates.fault.name, || gates.status(PATIENT, "good") == 200);
        assert_eq!(gates.status(PATIENT, "revoked"), 401, "{}", gates.fault.name);
    }
    assert_eq!(elsewhere.requests(), Vec::<String>::new(), "a redirect was followed");
    stage.assert_no_vm_died();
}
