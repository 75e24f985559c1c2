//! Thousands of requests that no good client sends, byte by byte, to several gates of a real Envoy.
//!
//! A seed decides all of them. What reaches the upstream shows the identity of a key whose credential was shown,
//! and nothing that a client made up; nothing traps, and no answer tells of a fault.

mod case;
mod cast;
mod dice;
mod forgeries;
mod frames;
mod gates;
mod http1;
mod http1_framing;
mod http2;
mod http2_framing;
mod judge;
mod marks;
mod paths;
mod wire;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use latchkey_filter::identity::IdentityField;
use serde_json::Value;

use case::{Case, Protocol};
use dice::Dice;
use gates::Gates;
use judge::Judge;
use marks::Marks;
use wire::Answers;

/// How many requests are sent at least.
const REQUESTS_VARIABLE: &str = "LATCHKEY_TEST_REQUESTS";
const REQUESTS: usize = 2_500;

/// Which they are.
const SEED_VARIABLE: &str = "LATCHKEY_TEST_SEED";
const SEED: usize = 14;

/// Cases that are sent before what reached the upstream is looked at.
const BATCH: usize = 1_000;

/// Connections at a time. Most of them wait.
const CONNECTIONS: usize = 32;

/// Why Envoy answers with 5xx where nothing is wrong with the gate: by the beginning of its details.
const NO_FAULT_OF_OURS: [&str; 3] = [
    // 501 is the answer of Envoy's own parser to an unknown transfer coding (RFC 9112, section 6.1).
    "http1.invalid_transfer_encoding",
    // The upstream of these tests takes no path with bytes that are no ASCII, and no upgrade.
    "upstream_reset_before_response_started{remote_refused_stream_reset}",
    "upstream_reset_before_response_started{protocol_error}",
];

#[test]
fn no_request_reaches_the_upstream_as_somebody_else() {
    let (requests, seed) = (number(REQUESTS_VARIABLE, REQUESTS), number(SEED_VARIABLE, SEED));
    let mut gates = Gates::start();
    let mut judge = Judge::default();
    let (mut dice, mut marks) = (Dice::of(u64::try_from(seed).unwrap()), Marks::default());
    let mut kinds: BTreeMap<(&str, bool), usize> = BTreeMap::new();
    while judge.tally.requests < requests {
        let mut cases = Vec::new();
        while cases.len() < BATCH && judge.tally.requests < requests {
            let make = if dice.percent(50) { http1::case } else { http2::case };
            let case = Arc::new(make(&mut dice, &mut marks));
            judge.expect(&case);
            *kinds.entry((case.kind, case.protocol == Protocol::Http2)).or_default() += 1;
            cases.push(case);
        }
        for (case, answers) in cases.iter().zip(played(&gates, &cases)) {
            let is_right = judge.answered(case, &answers);
            let statuses = &answers.statuses;
            assert!(is_right, "{statuses:?} to {}\n{}", case.shown(), faults(&gates).join("\n"));
        }
        look(&gates, &mut judge);
    }
    // Whatever was held back has arrived by now, and every gate still does what it did before.
    look(&gates, &mut judge);
    gates.learn();
    gates.stage.assert_no_vm_died();
    assert_eq!(faults(&gates), [] as [String; 0]);
    assert!(!gates.stage.envoy.log().stderr().contains("[critical]"), "Envoy has critical complaints");
    let tally = judge.tally;
    eprintln!("seed {seed}: {tally:?}\n{kinds:?}");
    assert!(kinds.len() > 20, "hardly anything was tried: {kinds:?}");
    assert!(tally.admitted > requests / 10, "hardly anything was admitted, so little was proved: {tally:?}");
    assert!(tally.refused > requests / 10, "hardly anything was refused: {tally:?}");
}

#[test]
fn every_name_that_the_filter_owns_is_forged() {
    for field in IdentityField::ALL {
        assert!(forgeries::OWNED.contains(&field.default_header()), "{}", field.default_header());
    }
    assert!(forgeries::OWNED.contains(&latchkey_filter::identity::SHADOW_HEADER));
}

#[test]
fn a_seed_means_the_same_requests_every_time() {
    let bytes = |seed: u64| {
        let (mut dice, mut marks) = (Dice::of(seed), Marks::default());
        let cases: Vec<Case> = (0..100)
            .flat_map(|_| [http1::case(&mut dice, &mut marks), http2::case(&mut dice, &mut marks)])
            .collect();
        cases.into_iter().flat_map(|case| case.bytes).collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// Sends all of them, several at a time, and returns what came back, in the same order.
fn played(gates: &Gates, cases: &[Arc<Case>]) -> Vec<Answers> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Answers)>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                while let Some((place, case)) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    cases.get(place).map(|case| (place, case))
                } {
                    let answers = wire::play(gates.address(case.gate), case);
                    results.lock().unwrap().push((place, answers));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap();
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, answers)| answers).collect()
}

/// Looks at all that has reached the upstream, once nothing is on its way any more.
fn look(gates: &Gates, judge: &mut Judge) {
    let stage = &gates.stage;
    stage.until("nothing is on its way", || {
        let on_their_way = stage.envoy.admin().stats(r"^cluster\.upstream\.upstream_rq_active$").unwrap();
        on_their_way.values().all(|count| *count == 0)
    });
    for seen in stage.upstream.take_requests() {
        judge.seen(gates, &seen);
    }
}

/// Every answer of 5xx whose reason is not known to be none of ours, as the access log tells of it.
fn faults(gates: &Gates) -> Vec<String> {
    let log = gates.stage.envoy.log().stdout();
    let entries: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(entries.len() > 100, "the access log is not there");
    let is_fault = |entry: &Value| {
        let details = entry["details"].as_str().unwrap_or_default();
        entry["status"].as_u64().is_some_and(|status| status >= 500)
            && !NO_FAULT_OF_OURS.iter().any(|known| details.starts_with(known))
    };
    entries.iter().filter(|entry| is_fault(entry)).map(Value::to_string).collect()
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}
