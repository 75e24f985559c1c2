mod claims;
mod clocks;
mod stores;

use proptest::prelude::*;

use latchkey_key_feed::EdgeName;

use super::claim::ClaimRefusal;
use super::leaving::{Forgetting, Forgotten};
use super::listing::EdgeCounts;
use super::missing::{MayAdmit, Missing, Waiting};
use super::*;
use crate::edge_id::InstanceId;
use crate::edge_row::{EdgeRow, KnownEdges};
use crate::testing::{KeptRows, kept, shortened};

const RULES: EdgeRules = EdgeRules { live_for_ms: 100, refuse_after_ms: 1_000, instances_per_key_max: 3 };

/// A moment at which both clocks read the same.
fn moment(millis: u64) -> Moment {
    Moment { wall: UnixMillis(millis), steady: MonotonicMillis(millis) }
}

fn ledger() -> EdgeLedger {
    EdgeLedger::new(epoch("first"), RULES)
}

fn epoch(name: &str) -> Epoch {
    Epoch::try_from(name.to_owned()).unwrap()
}

fn name(text: &str) -> EdgeName {
    EdgeName::try_from(text.to_owned()).unwrap()
}

fn holder(key: &str, username: &str) -> Holder {
    Holder { key: Some(key.to_owned().try_into().unwrap()), username: username.into(), realm: "file".into() }
}

/// An instance with a number of its own, which asks with the key of its name.
fn id(edge: &str, instance: u128) -> EdgeId {
    EdgeId { name: name(edge), instance: InstanceId::try_from(format!("{instance:032x}")).unwrap() }
}

fn at(edge: &str, acknowledged: u64) -> EdgeRequest {
    EdgeRequest {
        id: id(edge, 1),
        holder: holder(&format!("key of {edge}"), edge),
        refuse_after_ms: 5_000,
        acknowledged: Cursor(acknowledged),
    }
}

impl EdgeLedger {
    /// How many instances a change has to reach, and the names of those it has not.
    fn waits_for(&mut self, change: u64, now: Moment) -> (usize, Vec<String>) {
        let (total, missing) = self.wait_for(Cursor(change), Waiting::ForAll, now);
        (total, self.names_of(&missing, now))
    }

    fn names_of(&self, missing: &Missing, now: Moment) -> Vec<String> {
        let missing = self.still_missing(missing, now);
        missing.iter().map(|edge| edge.id.name.as_str().to_owned()).collect()
    }

    fn state_of(&self, edge: &str, now: Moment) -> EdgeState {
        self.list(Cursor(0), now).into_iter().find(|status| status.id.name == name(edge)).unwrap().state
    }
}

#[test]
fn of_ten_thousand_edges_exactly_those_are_missing_that_have_not_applied_the_change() {
    let mut ledger = ledger();
    let called = |number: usize| format!("e{number:05}");
    for number in 0..10_000 {
        let acknowledged = if number % 10 == 0 { 7 } else { 6 };
        ledger.note_request(at(&called(number), acknowledged), 0, moment(1));
    }
    let (total, missing) = ledger.wait_for(Cursor(7), Waiting::ForAll, moment(1));
    assert_eq!((total, ledger.names_of(&missing, moment(1)).len()), (10_000, 9_000));
    for number in (0..10_000).filter(|number| number % 10 != 3) {
        ledger.note_request(at(&called(number), 7 + number as u64 % 2), 0, moment(2));
        ledger.note_request(at(&called(number), 6), 0, moment(2));
    }
    let expected: Vec<String> = (0..1_000).map(|tens| called(10 * tens + 3)).collect();
    assert_eq!(ledger.names_of(&missing, moment(3)), expected);
    assert!(!missing.is_settled());
    for name in &expected {
        ledger.note_request(at(name, 9), 0, moment(3));
    }
    assert!(missing.is_settled());
    drop(missing);
    ledger.note_request(at("e", 9), 0, moment(3));
    assert!(ledger.missing.is_empty(), "nothing is kept for somebody who has gone");
}

#[test]
fn an_edge_counts_until_it_can_admit_no_more_whether_it_is_heard_of_or_not() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(1_000));
    for (now, state) in [
        (1_000, EdgeState::Live),
        (1_100, EdgeState::Live),
        (1_101, EdgeState::Silent { until: UnixMillis(66_000) }),
        (65_999, EdgeState::Silent { until: UnixMillis(66_000) }),
        (66_000, EdgeState::Gone),
    ] {
        assert_eq!(ledger.state_of("a", moment(now)), state, "{now}");
        let counts = ledger.waits_for(5, moment(now)).0;
        assert_eq!(counts, usize::from(state != EdgeState::Gone), "{now}");
    }
}

#[test]
fn two_instances_of_one_name_are_two() {
    let mut ledger = ledger();
    let two = EdgeRequest { id: id("a", 2), ..at("a", 4) };
    ledger.note_request(at("a", 4), 0, moment(1));
    ledger.note_request(two.clone(), 0, moment(1));
    ledger.note_request(at("a", 5), 0, moment(2));
    assert_eq!(ledger.waits_for(5, moment(2)), (2, vec!["a".to_owned()]));
    ledger.note_request(EdgeRequest { acknowledged: Cursor(5), ..two }, 0, moment(3));
    assert_eq!(ledger.waits_for(5, moment(3)), (2, vec![]));
}

#[test]
fn a_wall_clock_that_is_set_changes_nothing_that_is_known() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(100_000));
    let at_wall = |steady, wall| Moment { wall: UnixMillis(wall), steady: MonotonicMillis(steady) };
    for wall in [0, 100_000, 3_600_000] {
        assert_eq!(ledger.waits_for(5, at_wall(164_999, wall)).0, 1, "{wall}");
        assert_eq!(
            ledger.state_of("a", at_wall(164_999, wall)),
            EdgeState::Silent { until: UnixMillis(wall + 1) }
        );
        assert_eq!(ledger.waits_for(5, at_wall(165_000, wall)).0, 0, "{wall}");
    }
}

#[test]
fn a_shorter_time_to_refuse_does_not_shorten_what_was_promised_before() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(0));
    ledger.note_request(EdgeRequest { refuse_after_ms: 1, ..at("a", 4) }, 0, moment(1));
    assert_eq!(ledger.waits_for(5, moment(64_999)).0, 1);
}

#[test]
fn lists_each_instance_with_how_far_it_has_come_and_counts_them() {
    let mut ledger = ledger();
    ledger.note_request(at("b", 5), 0, moment(50));
    ledger.note_request(at("a", 3), 0, moment(1));
    ledger.note_request(at("a", 7), 0, moment(2));
    let rows: Vec<(String, u64, u64, bool)> = ledger
        .list(Cursor(8), moment(103))
        .into_iter()
        .map(|status| {
            let name = status.id.name.as_str().to_owned();
            (name, status.acknowledged.0, status.lag, status.state == EdgeState::Live)
        })
        .collect();
    assert_eq!(rows, [("a".to_owned(), 7, 1, false), ("b".to_owned(), 5, 3, true)]);
    let counts = EdgeCounts { known: 2, live: 1, current: 0, silent: 1, lag_max: 3, of_key_max: 1 };
    assert_eq!(ledger.counts(Cursor(8), moment(103)), counts);
}

#[test]
fn a_promise_about_one_epoch_counts_for_nothing_in_the_next() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 7), 0, moment(10));
    ledger.turn_to(&epoch("first"));
    assert_eq!(ledger.waits_for(7, moment(10)), (1, vec![]));
    ledger.turn_to(&epoch("second"));
    assert_eq!(ledger.waits_for(1, moment(10)), (1, vec!["a".to_owned()]), "it lives on");
    let heard = ledger.note_request(at("a", 3), 0, moment(11));
    assert_eq!((heard.before, heard.took_back), (Some(Cursor(0)), false));
    assert_eq!(ledger.waits_for(3, moment(11)), (1, vec![]));
}

#[test]
fn a_ledger_in_doubt_is_not_sure() {
    let mut ledger = ledger();
    assert!(ledger.is_sure(moment(1)));
    ledger.doubt_until(MonotonicMillis(5));
    ledger.doubt_until(MonotonicMillis(3));
    assert!(!ledger.is_sure(moment(4)));
    assert!(ledger.is_sure(moment(5)));
}

#[test]
fn a_promise_stays_and_taking_it_back_is_told_once() {
    let mut ledger = ledger();
    let mut told = |acknowledged| {
        let heard = ledger.note_request(at("a", acknowledged), 0, moment(1));
        (heard.before, heard.took_back)
    };
    assert_eq!(told(7), (None, false));
    assert_eq!(told(0), (Some(Cursor(7)), false), "a load says nothing");
    assert_eq!(told(5), (Some(Cursor(7)), true));
    assert_eq!(told(6), (Some(Cursor(7)), false));
    assert_eq!(ledger.waits_for(7, moment(1)), (1, vec![]));
    assert_eq!(ledger.waits_for(8, moment(1)), (1, vec!["a".to_owned()]));
}

#[test]
fn a_promise_of_one_that_is_given_nothing_new_does_not_let_it_admit_for_longer() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(0));
    let (_, missing) = ledger.wait_for(Cursor(6), Waiting::ForAll, moment(1));
    ledger.note_last_page(&id("a", 1));
    assert!(missing.is_settled(), "it is of no use to wait for it");
    assert_eq!(ledger.names_of(&missing, moment(1)), ["a"]);
    ledger.note_acknowledgement(&id("a", 1), Cursor(5), moment(64_000));
    assert_eq!(ledger.waits_for(5, moment(64_000)), (1, vec![]));
    assert_eq!(ledger.waits_for(6, moment(64_999)), (1, vec!["a".to_owned()]));
    assert_eq!(ledger.waits_for(6, moment(65_000)), (0, vec![]));
}

/// What happens to a ledger.
#[derive(Clone, Debug)]
enum Step {
    See {
        edge: String,
        instance: u128,
        acknowledged: u64,
        refuse_after_ms: u64,
    },
    Pass {
        millis: u64,
    },
    SetWall {
        wall: u64,
    },
    /// A new process begins with what the store has, and with whatever its clock says.
    StartAnew {
        wall: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => ("[a-c]", 1_u128..3, 0_u64..20, 0_u64..2_000).prop_map(
            |(edge, instance, acknowledged, refuse_after_ms)| Step::See { edge, instance, acknowledged, refuse_after_ms }
        ),
        2 => (0_u64..80_000).prop_map(|millis| Step::Pass { millis }),
        1 => (0_u64..10_000_000).prop_map(|wall| Step::SetWall { wall }),
        1 => (0_u64..10_000_000).prop_map(|wall| Step::StartAnew { wall }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    // The model keeps, of each instance, the last moment of true time at which it may admit, the most it ever
    // said, and the most of that which this process can know: a start forgets what was not written. The
    // ledger never misses one of those, however its wall is set, while it runs or while it does not; while
    // the process lives it names no other, and for each start none for more than five minutes longer than it
    // is ahead.
    #[test]
    fn no_instance_that_may_admit_is_ever_missed(steps in steps(), change in 1_u64..20) {
        let mut ledger = ledger();
        let mut now = moment(5_000_000);
        let mut model: BTreeMap<EdgeId, (u64, u64, u64)> = BTreeMap::new();
        let mut rows = KeptRows::default();
        let mut starts = 0;
        for step in steps {
            match step {
                Step::See { edge, instance, acknowledged, refuse_after_ms } => {
                    let id = id(&edge, instance);
                    let request = EdgeRequest { id: id.clone(), refuse_after_ms, ..at(&edge, acknowledged) };
                    ledger.note_request(request, 0, now);
                    let known = model.entry(id).or_default();
                    known.0 = known.0.max(now.steady.0 + refuse_after_ms + 60_000);
                    known.1 = known.1.max(acknowledged);
                    known.2 = known.2.max(acknowledged);
                }
                Step::Pass { millis } => {
                    now = Moment { wall: now.wall.plus_millis(millis), steady: now.steady.plus_millis(millis) };
                }
                Step::SetWall { wall } => now.wall = UnixMillis(wall),
                Step::StartAnew { wall } => {
                    starts += 1;
                    now.wall = UnixMillis(wall);
                    for (id, known) in &mut model {
                        known.2 = rows.row(id).map_or(0, |row| row.acknowledged.0);
                    }
                    ledger = self::ledger();
                    ledger.merge(rows.known(), now);
                }
            }
            // What the register does: it writes what is asked for, and reads the store now and then.
            ledger.sweep(now);
            let unstored = ledger.take_unstored(now);
            ledger.note_stored(&unstored, now);
            rows.keep(&unstored);
            rows.shorten(&ledger.take_times_to_shorten(now));
            let (_, missing) = ledger.wait_for(Cursor(change), Waiting::ForAll, now);
            let named: BTreeSet<EdgeId> =
                ledger.still_missing(&missing, now).into_iter().map(|edge| edge.id).collect();
            let may_admit_for_longer = |longer_ms: u64, said: fn(&(u64, u64, u64)) -> u64| -> BTreeSet<EdgeId> {
                let counts =
                    |known: &(u64, u64, u64)| known.0 + longer_ms > now.steady.0 && said(known) < change;
                model.iter().filter(|(_, known)| counts(known)).map(|(id, _)| id.clone()).collect()
            };
            let expected = may_admit_for_longer(0, |known| known.1);
            prop_assert!(named.is_superset(&expected), "{named:?} lacks some of {expected:?}");
            let ahead_ms = if starts == 0 { 0 } else { 720_000 + starts * 300_000 };
            let most = may_admit_for_longer(ahead_ms, |known| known.2);
            prop_assert!(named.is_subset(&most), "{named:?} has more than {most:?}");
            // Nor does the store drop it.
            let earliest = ledger.earliest_row_that_counts(now);
            prop_assert!(expected.iter().all(|id| rows.row(id).unwrap().may_admit_until >= earliest));
        }
    }
}
