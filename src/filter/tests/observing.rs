//! What an operator sees of the table and of the feed.

use latchkey_key_feed::{Cursor, Epoch, FeedPage};

use super::model::{Edge, least};
use crate::filter::Flow;
use crate::host::LogLevel;
use crate::limits::{HEADER_LIFE_MS, IDLE_FIRST_MS, SET_ASIDE_NAMED_MAX, TICK_MS};
use crate::metrics;
use crate::table::sample_keys::{key, live, removed};
use crate::table::{EntryName, TableEntry};
use crate::testing::{FakeHost, HostCall};

fn page(change: impl FnOnce(&mut FeedPage)) -> Vec<u8> {
    let mut page = FeedPage {
        epoch: Epoch::try_from("epoch".to_owned()).unwrap(),
        cursor: Cursor(2),
        purged: Cursor(0),
        total: 0,
        more: false,
        reset: false,
        ended: false,
        keys: vec![removed(2, "good")],
    };
    change(&mut page);
    page.to_json().unwrap()
}

#[test]
fn the_state_of_the_table_is_shown_with_every_tick() {
    let mut edge = Edge::loaded(&least());
    let shown = |host: &FakeHost| {
        [metrics::FEED_FOLLOWER, metrics::TABLE_CURSOR, metrics::TABLE_GENERATION, metrics::TABLE_KEYS]
            .map(|name| host.metric(name))
    };
    assert_eq!(shown(&edge.host), [1, 1, 1, 1]);
    assert_eq!(edge.host.metric(metrics::TABLE_AGE_MS), TICK_MS);
    edge.tick();
    assert_eq!(edge.host.metric(metrics::TABLE_AGE_MS), 2 * TICK_MS);
    assert_eq!(edge.host.logged("this VM follows the feed"), [LogLevel::Info]);
    assert_eq!(edge.host.logged("the table is loaded: generation 1, 1 keys"), [LogLevel::Info]);
}

#[test]
fn changes_and_loads_are_counted_by_what_they_are() {
    let mut edge = Edge::loaded(&least());
    let counted = |edge: &Edge| {
        [metrics::FEED_LOADS, metrics::FEED_RESETS, metrics::FEED_ROWS].map(|name| edge.host.metric(name))
    };
    assert_eq!(counted(&edge), [1, 0, 0]);
    edge.answer_with(200, page(|_| {}));
    assert_eq!(counted(&edge), [1, 0, 1]);
    assert_eq!(edge.good_request(1), Flow::Hold);
    assert_eq!(edge.reply(1), Some((401, "latchkey_key_revoked".to_owned())));
    edge.answer_with(200, page(|page| (page.reset, page.keys) = (true, vec![])));
    assert_eq!(counted(&edge), [2, 1, 1]);
}

#[test]
fn the_end_of_the_edges_own_key_is_shown_and_told_once() {
    let mut edge = Edge::loaded(&least());
    edge.answer_with(200, page(|page| page.ended = true));
    edge.answer_with(200, page(|page| (page.ended, page.keys) = (true, vec![])));
    // The header of the table is read anew now and then.
    for _ in 0..=HEADER_LIFE_MS / TICK_MS {
        edge.tick();
    }
    assert_eq!(edge.host.metric(metrics::FEED_CREDENTIAL_ENDED), 1);
    assert_eq!(edge.host.logged("has ended"), [LogLevel::Error]);
}

#[test]
fn a_process_without_a_node_id_says_by_which_name_it_is_known() {
    let mut edge = Edge::new(&least());
    edge.host.fail_all(HostCall::NodeId);
    edge.tick();
    assert_eq!(edge.host.logged("set `edge`"), [LogLevel::Warn]);
    assert!(edge.host.sent()[0].path().contains("&edge=unnamed-"), "{}", edge.host.sent()[0].path());
}

#[test]
fn a_plugin_that_cannot_enter_the_register_tries_again() {
    let mut edge = Edge::new(&least());
    edge.host.fail_all(HostCall::SwapShared);
    edge.tick();
    assert!(edge.host.sent().is_empty());
    edge.host.mend();
    edge.tick();
    assert_eq!(edge.host.sent().len(), 1);
}

#[test]
fn a_vm_that_serves_leaves_the_feed_to_others_for_a_while() {
    let mut edge = Edge::loaded(&least());
    let beside = |edge: &Edge| {
        let (shared, clocks) = (edge.host.shared().clone(), edge.host.clocks().clone());
        Edge::beside(&least(), shared, clocks, std::rc::Rc::default())
    };
    let (mut serving, mut idle) = (beside(&edge), beside(&edge));
    edge.tick();
    assert_eq!(serving.good_request(1), Flow::Continue);
    drop(edge);
    serving.tick();
    assert!(serving.host.sent().is_empty());
    // The third of a process stands back at first, whatever it does.
    idle.tick();
    idle.host.clocks().pass(IDLE_FIRST_MS);
    idle.tick();
    assert_eq!((serving.host.sent().len(), idle.host.sent().len()), (0, 1));
}

#[test]
fn every_tick_forgets_what_is_kept_of_the_table() {
    let mut edge = Edge::loaded(&least());
    assert_eq!(edge.good_request(1), Flow::Continue);
    // A host has lost the move of the change stamp.
    let is_page = |name: &EntryName| matches!(name, EntryName::OfTable(_, TableEntry::Page(..)));
    for name in edge.host.shared().names().into_iter().filter(is_page) {
        edge.host.shared().overwrite(name, &[]);
    }
    assert_eq!(edge.good_request(2), Flow::Continue, "the page is kept");
    edge.tick();
    assert_eq!(edge.good_request(3), Flow::Hold);
    assert_eq!(edge.reply(3), Some((401, "latchkey_key_unknown".to_owned())));
}

#[test]
fn a_row_that_no_record_can_hold_is_counted_and_named() {
    let mut edge = Edge::new(&least());
    edge.tick();
    let mut long = key("long");
    long.name = "n".repeat(latchkey_key_feed::format_limits::RECORD_LEN_MAX);
    edge.answer(&[live(1, long)], 1);
    assert_eq!(edge.host.metric(metrics::FEED_ROWS_SET_ASIDE), 1);
    assert_eq!(edge.host.logged("set aside 1 rows"), [LogLevel::Warn]);
}

#[test]
fn of_many_rows_that_no_record_can_hold_some_are_named_and_all_are_counted() {
    let mut edge = Edge::new(&least());
    edge.tick();
    let rows: Vec<_> = (0..=SET_ASIDE_NAMED_MAX as u64)
        .map(|number| {
            let mut long = key(&format!("long-{number}-"));
            long.name = "n".repeat(latchkey_key_feed::format_limits::RECORD_LEN_MAX);
            live(number + 1, long)
        })
        .collect();
    edge.answer(&rows, rows.len() as u64);
    assert_eq!(edge.host.logged("set aside 17 rows").len(), 1);
    assert_eq!(edge.host.logged("long-15-").len(), 1);
    assert_eq!(edge.host.logged("long-16-").len(), 0);
}
