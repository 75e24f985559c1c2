use std::time::Duration;

use latchkey_build_info::{COMMIT, FILTER, VERSION};
use serde_json::json;

use super::model::{Edge, least, with};
use crate::filter::Flow;
use crate::host::LogLevel;
use crate::limits::{FIRST_TICK_MS, TICK_BUSY_MS, TICK_MS};
use crate::metrics;
use crate::table::sample_keys::{key, live};
use crate::testing::{FakeAnswer, HostCall};

#[test]
fn nothing_is_asked_before_the_first_tick() {
    let mut edge = Edge::new(&least());
    assert!(edge.host.sent().is_empty());
    edge.tick();
    let sent = edge.host.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].cluster, "keys");
    assert!(sent[0].path().starts_with("/_latchkey/feed?after=0&"), "{}", sent[0].path());
    assert!(sent[0].headers.contains(&("authorization".to_owned(), "ApiKey aWQ6c2VjcmV0".to_owned())));
    assert!(sent[0].headers.contains(&("user-agent".to_owned(), FILTER.to_owned())));
    assert_eq!(edge.host.metric(metrics::FEED_POLLS), 1);
}

#[test]
fn the_build_is_logged_first_and_once_and_shown_while_a_plugin_ticks() {
    let mut edge = Edge::new(&least());
    let shown =
        metrics::with_labels(metrics::BUILD_INFO, &[(metrics::VERSION, VERSION), (metrics::COMMIT, COMMIT)]);
    assert_eq!(edge.host.log_since(0).first().map(String::as_str), Some(FILTER));
    assert!(!edge.root.configure(b"{}", |_| None));
    assert!(edge.root.configure(least().to_string().as_bytes(), |_| None));
    assert_eq!(edge.host.logged(FILTER), [LogLevel::Info]);
    assert_eq!(edge.host.metric(&shown), 0, "the configuration before has left");
    edge.tick();
    assert_eq!(edge.host.metric(&shown), 1);
}

#[test]
fn ticks_come_soon_at_first_then_seldom_and_often_while_there_is_work() {
    let mut edge = Edge::new(&least());
    let millis = |edge: &Edge| edge.host.tick_periods().iter().map(Duration::as_millis).collect::<Vec<_>>();
    let [first, seldom, often] = [FIRST_TICK_MS, TICK_MS, TICK_BUSY_MS].map(u128::from);
    assert_eq!(millis(&edge), [first]);
    edge.tick();
    edge.tick();
    assert_eq!(millis(&edge), [first, seldom], "it is asked for once");
    // More keys than one slice lays out.
    let rows: Vec<_> = (1..=10).map(|seq| live(seq, key(&format!("k{seq}")))).collect();
    edge.answer(&rows, 100_000);
    assert_eq!(millis(&edge), [first, seldom, often]);
    for _ in 0..100 {
        edge.tick();
    }
    assert_eq!(millis(&edge), [first, seldom, often, seldom]);
}

#[test]
fn a_period_that_the_host_would_not_set_keeps_nothing_from_going_on() {
    let mut edge = Edge::new(&least());
    edge.host.fail_all(HostCall::SetTickPeriod);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    assert_eq!(edge.good_request(1), Flow::Continue);
}

#[test]
fn a_change_of_freshness_is_logged_once() {
    let mut edge = Edge::loaded(&with("staleness", json!({"stale_after": "60s", "refuse_after": "120s"})));
    edge.host.fail_all(HostCall::Send);
    let logged = |edge: &Edge, text: &str| edge.host.logged(text);
    assert_eq!(edge.good_request(1), Flow::Continue);
    edge.host.clocks().pass(60_000);
    for _ in 0..3 {
        edge.tick();
    }
    assert_eq!(logged(&edge, "the table is stale"), [LogLevel::Warn]);
    assert_eq!(edge.good_request(2), Flow::Continue);
    edge.host.clocks().pass(60_000);
    for _ in 0..3 {
        edge.tick();
    }
    assert_eq!(edge.host.metric(metrics::ADMITTED_STALE), 1);
    assert_eq!(logged(&edge, "the table is too old"), [LogLevel::Error]);
    assert_eq!(edge.good_request(3), Flow::Hold);
    assert_eq!(edge.reply(3), Some((503, "latchkey_table_too_old".to_owned())));
    edge.host.mend();
    let before = edge.host.metric(metrics::FEED_POLLS);
    for _ in 0..300 {
        if edge.host.metric(metrics::FEED_POLLS) == before {
            edge.tick();
        }
    }
    edge.answer(&[], 1);
    for _ in 0..5 {
        edge.tick();
    }
    assert_eq!(logged(&edge, "the table is fresh again"), [LogLevel::Info]);
    assert_eq!(logged(&edge, "the table is stale"), [LogLevel::Warn]);
    assert_eq!(edge.good_request(4), Flow::Continue);
}

#[test]
fn an_answer_that_cannot_be_read_is_a_failure_and_changes_nothing() {
    for failing in [HostCall::AnswerHeaders, HostCall::AnswerBody] {
        let mut edge = Edge::new(&least());
        edge.tick();
        edge.host.fail_all(failing);
        edge.answer(&[live(1, key("good"))], 1);
        assert_eq!(edge.host.metric(metrics::FEED_FAILURES), 1, "{failing:?}");
        assert_eq!(edge.host.metric(metrics::TABLE_KEYS), 0, "{failing:?}");
        assert!(edge.host.logged("without a whole answer").is_empty(), "a proxy that ends ticks no more");
        edge.tick();
        assert_eq!(edge.host.logged("without a whole answer").len(), 1, "{failing:?}");
    }
    let mut edge = Edge::new(&least());
    edge.tick();
    edge.root.answered(edge.host.sent()[0].call, &FakeAnswer::lost(&edge.host));
    edge.tick();
    assert_eq!(edge.host.logged("without a whole answer"), [LogLevel::Warn]);
    edge.tick();
    edge.answer_with(403, Vec::new());
    edge.tick();
    assert_eq!(edge.host.logged("it lacks read_key_feed"), [LogLevel::Warn]);
}

#[test]
fn a_request_for_the_feed_that_the_host_would_not_send_is_tried_again() {
    let mut edge = Edge::new(&least());
    edge.host.fail_all(HostCall::Send);
    edge.tick();
    assert_eq!(edge.host.metric(metrics::FEED_FAILURES), 1);
    edge.host.mend();
    for _ in 0..3 {
        edge.tick();
    }
    assert_eq!(edge.host.sent().len(), 1);
}

#[test]
fn a_clock_that_was_set_is_told_and_the_service_is_asked_at_once() {
    let mut edge = Edge::loaded(&least());
    let before = edge.host.sent().len();
    edge.host.clocks().step(3_600_000);
    edge.tick();
    edge.tick();
    assert_eq!(edge.host.logged("the clock was set").len(), 1);
    let sent = edge.host.sent();
    assert_eq!(sent.len(), before + 1);
    assert!(sent[before].path().contains("wait=0ms"), "{}", sent[before].path());
}
