use super::*;
use crate::store::edges::{EdgeRow, KnownEdges};

fn known(rows: Vec<EdgeRow>) -> KnownEdges {
    KnownEdges { rows, begun: UnixMillis(0) }
}

impl EdgeLedger {
    /// Writes what is to be written.
    fn store(&mut self, now: Moment) -> Vec<EdgeRow> {
        let rows = self.take_unstored(now);
        self.note_stored(&rows, now);
        rows
    }
}

#[test]
fn a_row_is_written_for_what_is_new_and_not_for_each_request() {
    let mut ledger = ledger();
    assert!(ledger.see(at("a", 0), 60_000, moment(0)).needs_row);
    let [row] = ledger.store(moment(0)).try_into().unwrap();
    assert!(row.may_admit_until >= UnixMillis(5_000 + 120_000 + 600_000), "{row:?}");
    assert!(!ledger.see(at("a", 0), 60_000, moment(10)).needs_row);
    assert_eq!(ledger.store(moment(10)), []);
    assert!(!ledger.see(at("a", 3), 60_000, moment(20)).needs_row, "a first promise need not be waited for");
    assert_eq!(ledger.store(moment(20)).len(), 1);
    for time in (30..300_000).step_by(100) {
        assert!(!ledger.see(at("a", time), 60_000, moment(time)).needs_row, "{time}");
    }
    assert_eq!(ledger.store(moment(300_000)), []);
    ledger.sweep(moment(300_000));
    assert_eq!(ledger.store(moment(300_000)), [], "it is written far ahead");
    ledger.see(at("a", 9), 0, moment(400_000));
    ledger.sweep(moment(400_000));
    assert_eq!(ledger.store(moment(400_000)).len(), 1, "and again when half of that is over");
}

#[test]
fn a_row_is_written_for_another_key_or_another_time_to_refuse() {
    let mut ledger = ledger();
    ledger.see(at("a", 1), 0, moment(0));
    ledger.store(moment(0));
    let longer = EdgeSighting { refuse_after_ms: 6_000, ..at("a", 1) };
    assert!(ledger.see(longer.clone(), 0, moment(1)).needs_row);
    assert_eq!(ledger.store(moment(1))[0].refuse_after_ms, 6_000);
    let rotated = EdgeSighting { holder: holder("new", "a"), ..longer };
    assert!(ledger.see(rotated.clone(), 0, moment(2)).needs_row);
    assert_eq!(ledger.store(moment(2))[0].holder, rotated.holder);
    ledger.leave(&rotated.id, &rotated.holder, moment(3));
    assert!(ledger.store(moment(3))[0].has_left);
    assert!(ledger.see(rotated, 0, moment(4)).needs_row, "it has come back");
    assert!(!ledger.store(moment(4))[0].has_left);
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let mut ledger = ledger();
    ledger.see(at("a", 1), 0, moment(0));
    let rows = ledger.take_unstored(moment(0));
    assert!(ledger.see(at("a", 1), 0, moment(1)).needs_row);
    ledger.put_back(rows);
    assert_eq!(ledger.store(moment(2)).len(), 1);
}

#[test]
fn another_process_knows_from_the_store_what_may_admit() {
    let mut before = ledger();
    before.see(at("a", 4), 0, moment(1_000));
    let rows = before.store(moment(1_000));
    let mut after = ledger();
    // It has another steady clock.
    let now = |wall| Moment { wall: UnixMillis(wall), steady: SteadyMillis(wall - 1_000) };
    assert!(after.merge(known(rows.clone()), now(1_200)));
    assert!(after.is_sure(now(1_200)));
    assert_eq!(after.waits_for(5, now(1_200)), (1, vec!["a".to_owned()]));
    assert_eq!(after.waits_for(4, now(1_200)), (1, vec![]));
    assert!(matches!(after.state_of("a", now(1_200)), EdgeState::Silent { .. }));
    assert_eq!(after.waits_for(5, now(65_999)).0, 1);
    assert_eq!(after.waits_for(5, now(126_000 + 661_000)).0, 0, "no longer than was written");
    assert!(!after.merge(known(rows), now(1_300)), "the same again is no news");
}

#[test]
fn edges_of_which_nothing_was_written_make_a_ledger_doubt_for_as_long_as_one_may_admit() {
    let mut ledger = ledger();
    let begun = UnixMillis(100_000);
    ledger.merge(KnownEdges { rows: Vec::new(), begun }, moment(100_000));
    assert!(!ledger.is_sure(moment(160_999)));
    // Read again after the wall was set back.
    let later = Moment { wall: UnixMillis(0), steady: SteadyMillis(160_999) };
    ledger.merge(KnownEdges { rows: Vec::new(), begun }, later);
    assert!(ledger.is_sure(moment(161_000)));
}

#[test]
fn what_this_replica_wrote_itself_tells_it_nothing() {
    let mut ledger = ledger();
    ledger.see(at("a", 4), 0, moment(0));
    let rows = ledger.store(moment(0));
    assert!(!ledger.merge(known(rows), moment(5)));
    assert_eq!(ledger.waits_for(5, moment(64_999)).0, 1);
    assert_eq!(ledger.waits_for(5, moment(65_000)).0, 0, "not as long as was written ahead");
}

#[test]
fn what_others_have_answered_counts_whatever_their_clocks_say() {
    let mut ledger = ledger();
    ledger.see(at("a", 4), 0, moment(100_000));
    let [row] = ledger.store(moment(100_000)).try_into().unwrap();
    // The other's clock was set back: it writes an older sight, and a later end.
    let until = UnixMillis(row.may_admit_until.0 + 60_000);
    let others = EdgeRow { seen: UnixMillis(1), may_admit_until: until, ..row };
    ledger.merge(known(vec![others]), moment(110_000));
    assert_eq!(ledger.waits_for(5, moment(until.0 - 1)).0, 1);
    assert_eq!(ledger.waits_for(5, moment(until.0)).0, 0);
}

#[test]
fn hands_out_what_it_has_heard_and_not_what_it_was_told() {
    let mut one = ledger();
    one.see(at("a", 1), 0, moment(1));
    let mut other = ledger();
    other.see(at("b", 2), 0, moment(1));
    assert!(one.merge(known(other.store(moment(1))), moment(2)));
    assert_eq!(one.changed_since(0, moment(2)).1, [], "first it is to be kept");
    one.store(moment(2));
    let (version, told) = one.changed_since(0, moment(2));
    assert_eq!(told.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id("a", 1)]);
    assert_eq!(one.changed_since(version, moment(3)), (version, Vec::new()));
    one.see(at("b", 3), 0, moment(7));
    let (_, told) = one.changed_since(version, moment(7));
    assert_eq!((told.len(), told[0].acknowledged), (1, Cursor(3)));
}

#[test]
fn who_has_left_elsewhere_has_left_and_comes_back() {
    let (mut one, mut other) = (ledger(), ledger());
    one.see(at("a", 1), 0, moment(1));
    other.merge(known(one.store(moment(1))), moment(2));
    assert_eq!(other.waits_for(5, moment(2)).0, 1);
    let edge = at("a", 1);
    one.leave(&edge.id, &edge.holder, moment(3));
    let gone = one.store(moment(3));
    assert!(other.merge(known(gone.clone()), moment(4)));
    assert_eq!(other.waits_for(5, moment(4)).0, 0);
    assert!(!ledger().merge(known(gone), moment(4)), "one that nobody knew is nobody");
    one.see(edge, 0, moment(5));
    other.merge(known(one.store(moment(5))), moment(6));
    assert_eq!(other.waits_for(5, moment(6)).0, 1);
}

#[test]
fn a_goodbye_is_not_undone_by_a_row_that_was_read_before_it() {
    let mut ledger = ledger();
    let edge = at("a", 1);
    ledger.see(edge.clone(), 0, moment(1));
    let read_before = ledger.store(moment(1));
    ledger.leave(&edge.id, &edge.holder, moment(2));
    ledger.merge(known(read_before), moment(3));
    assert!(ledger.store(moment(3))[0].has_left);
    assert_eq!(ledger.waits_for(5, moment(3)).0, 0);
}

#[test]
fn drops_who_has_been_gone_for_long() {
    let mut ledger = ledger();
    ledger.see(at("a", 1), 0, moment(0));
    ledger.see(at("b", 1), 0, moment(0));
    ledger.leave(&id("b", 1), &at("b", 1).holder, moment(0));
    ledger.sweep(moment(600_000));
    assert_eq!(ledger.counts(Cursor(1), moment(600_000)).known, 2);
    ledger.sweep(moment(600_100));
    assert_eq!(ledger.counts(Cursor(1), moment(600_100)).known, 1);
    ledger.sweep(moment(65_000 + 24 * 3_600_000));
    assert_eq!(ledger.counts(Cursor(1), moment(600_100)).known, 0);
}
