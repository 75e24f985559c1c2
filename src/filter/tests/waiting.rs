use std::time::Duration;

use serde_json::json;

use super::model::{Edge, authorization, least, with};
use crate::filter::Flow;
use crate::host::RequestId;
use crate::limits::{IDLE_FIRST_MS, SETTLED_PER_TICK_MAX, TICK_BUSY_MS, TICK_MS, WAITING_REQUESTS_MAX};
use crate::metrics;
use crate::table::sample_keys::{key, live};
use crate::testing::HostCall;

#[test]
fn requests_that_came_before_the_table_are_woken_in_the_order_in_which_they_came() {
    let mut edge = Edge::new(&least());
    for id in [5, 3, 9] {
        assert_eq!(edge.good_request(id), Flow::Hold);
    }
    assert_eq!(edge.host.metric(metrics::WAITED), 3);
    edge.tick();
    assert_eq!(edge.resumed(), [0; 0]);
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [5, 3, 9]);
    for id in [5, 3, 9] {
        assert_eq!(edge.state(id).values("x-api-key-id"), ["good"]);
        assert_eq!((edge.body(id), edge.trailers(id, &[])), (Flow::Continue, Flow::Continue));
    }
    edge.tick();
    assert_eq!(edge.resumed(), [5, 3, 9], "each is woken once");
}

#[test]
fn the_body_and_the_trailers_of_a_request_wait_with_it() {
    let mut edge = Edge::new(&least());
    edge.good_request(1);
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
    edge.tick();
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
}

#[test]
fn a_request_that_waited_and_is_refused_stays_held() {
    let mut edge = Edge::new(&least());
    edge.request(1, &[("authorization", &authorization("good", "wrong"))]);
    edge.good_request(2);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.reply(1), Some((401, "latchkey_secret_wrong".to_owned())));
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
    assert_eq!(edge.resumed(), [2]);
}

// Envoy ends each of them inside the end of the one before it: some 300 in one tick ended the VM.
#[test]
fn a_tick_settles_few_of_those_who_wait_and_the_next_comes_soon() {
    let mut edge = Edge::new(&least());
    let waiting = 2 * u32::try_from(SETTLED_PER_TICK_MAX).unwrap() + 1;
    for id in 1..=waiting {
        match id % 2 {
            0 => edge.good_request(id),
            _ => edge.request(id, &[("authorization", &authorization("good", "wrong"))]),
        };
    }
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    let settled =
        |edge: &Edge| edge.resumed().len() + (1..=waiting).filter(|id| edge.reply(*id).is_some()).count();
    for expected in [SETTLED_PER_TICK_MAX, 2 * SETTLED_PER_TICK_MAX, waiting as usize] {
        edge.tick();
        assert_eq!(settled(&edge), expected);
        let soon = if expected < waiting as usize { TICK_BUSY_MS } else { TICK_MS };
        assert_eq!(edge.host.tick_periods().last(), Some(&Duration::from_millis(soon)));
    }
}

#[test]
fn whoever_comes_when_as_many_wait_as_may_is_told_to_come_back() {
    let mut edge = Edge::new(&least());
    let most = u32::try_from(WAITING_REQUESTS_MAX).unwrap();
    for id in 1..=most {
        assert_eq!(edge.good_request(id), Flow::Hold);
    }
    assert_eq!(edge.reply(most), None);
    edge.good_request(most + 1);
    assert_eq!(edge.reply(most + 1), Some((503, "latchkey_table_absent".to_owned())));
    edge.end(1);
    assert_eq!(edge.good_request(most + 2), Flow::Hold);
    assert_eq!(edge.reply(most + 2), None, "there is room again");
}

#[test]
fn who_has_waited_enough_is_refused_once() {
    let mut edge = Edge::new(&with("start_up_wait", json!("1s")));
    edge.good_request(1);
    for _ in 0..9 {
        edge.tick();
    }
    assert_eq!(edge.reply(1), None);
    edge.tick();
    assert_eq!(edge.reply(1), Some((503, "latchkey_table_absent".to_owned())));
    assert_eq!(edge.body(1), Flow::Hold);
    edge.tick();
    assert_eq!(edge.host.metric("latchkey.denied.reason.table_absent"), 1);
}

#[test]
fn while_the_clock_fails_those_who_wait_are_refused() {
    let mut edge = Edge::new(&least());
    edge.good_request(1);
    edge.host.fail_all(HostCall::Wall);
    edge.tick();
    assert_eq!(edge.reply(1), Some((503, "latchkey_host_failed".to_owned())));
    assert_eq!((edge.resumed(), edge.body(1)), (vec![], Flow::Hold));
}

#[test]
fn a_request_that_the_host_knows_no_more_keeps_nobody_from_being_woken() {
    let mut edge = Edge::new(&least());
    edge.good_request(1);
    edge.good_request(2);
    edge.host.end(RequestId(1));
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [2]);
}

#[test]
fn a_request_that_has_ended_is_not_woken() {
    let mut edge = Edge::new(&least());
    edge.good_request(1);
    edge.requests.clear();
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [0; 0]);
}

#[test]
fn a_configuration_that_comes_while_requests_wait_decides_about_later_ones_only() {
    let mut edge = Edge::new(&least());
    assert_eq!(edge.good_request(1), Flow::Hold);
    let later = with("identity", json!({"headers": {"id": "x-key"}}));
    assert!(edge.root.configure(later.to_string().as_bytes(), |_| None));
    assert_eq!(edge.good_request(2), Flow::Hold);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    edge.tick();
    assert_eq!(edge.resumed(), [2, 1]);
    assert_eq!(
        (edge.state(2).values("x-key"), edge.state(2).values("x-api-key-id")),
        (vec!["good".to_owned()], vec![])
    );
    assert_eq!(
        (edge.state(1).values("x-key"), edge.state(1).values("x-api-key-id")),
        (vec![], vec!["good".to_owned()])
    );
}

#[test]
fn a_configuration_that_is_replaced_leaves_the_feed_to_its_successor_at_once() {
    let mut edge = Edge::loaded(&least());
    let before = edge.host.sent().len();
    assert!(edge.root.configure(least().to_string().as_bytes(), |_| None));
    assert_eq!(edge.good_request(1), Flow::Continue, "its table is there already");
    for _ in 0..=IDLE_FIRST_MS / TICK_MS {
        edge.tick();
    }
    assert_eq!(edge.host.sent().len(), before + 1);
}

#[test]
fn a_configuration_that_is_refused_changes_nothing() {
    let mut edge = Edge::loaded(&least());
    assert!(!edge.root.configure(b"{", |_| None));
    assert_eq!(edge.host.logged("the configuration is refused").len(), 1);
    assert_eq!(edge.good_request(1), Flow::Continue);
}

#[test]
fn those_who_wait_for_a_configuration_that_was_replaced_are_refused_in_time() {
    let mut edge = Edge::new(&with("start_up_wait", json!("1s")));
    edge.good_request(1);
    assert!(edge.root.configure(least().to_string().as_bytes(), |_| None));
    edge.host.clocks().pass(u64::try_from(Duration::from_secs(1).as_millis()).unwrap() - TICK_MS);
    edge.tick();
    assert_eq!(edge.reply(1), Some((503, "latchkey_table_absent".to_owned())));
    assert_eq!(edge.body(1), Flow::Hold);
}
