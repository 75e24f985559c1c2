use super::*;

pub(super) fn known(rows: Vec<EdgeRow>) -> KnownEdges {
    KnownEdges { rows, begun: UnixMillis(0) }
}

impl EdgeLedger {
    /// Writes what is to be written.
    pub(super) fn store(&mut self, now: Moment) -> Vec<EdgeRow> {
        let rows = self.take_unstored(now);
        self.note_stored(&rows, now);
        rows
    }
}

#[test]
fn a_row_is_written_for_what_is_new_and_not_for_each_request() {
    let mut ledger = ledger();
    assert!(ledger.note_request(at("a", 0), 60_000, moment(0)).needs_row);
    let [row] = ledger.store(moment(0)).try_into().unwrap();
    assert!(row.may_admit_until >= UnixMillis(5_000 + 120_000 + 600_000), "{row:?}");
    assert!(!ledger.note_request(at("a", 0), 60_000, moment(10)).needs_row);
    assert_eq!(ledger.store(moment(10)), []);
    assert!(
        !ledger.note_request(at("a", 3), 60_000, moment(20)).needs_row,
        "a first acknowledgement need not be waited for"
    );
    assert_eq!(ledger.store(moment(20)).len(), 1);
    for time in (30..300_000).step_by(100) {
        assert!(!ledger.note_request(at("a", time), 60_000, moment(time)).needs_row, "{time}");
    }
    assert_eq!(ledger.store(moment(300_000)), []);
    ledger.sweep(moment(300_000));
    assert_eq!(ledger.store(moment(300_000)), [], "it is written far ahead");
    ledger.note_request(at("a", 9), 0, moment(400_000));
    ledger.sweep(moment(400_000));
    assert_eq!(ledger.store(moment(400_000)).len(), 1, "and again when half of that is over");
}

#[test]
fn a_row_is_written_for_another_key_or_another_time_to_refuse() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 1), 0, moment(0));
    ledger.store(moment(0));
    let longer = EdgeRequest { refuse_after_ms: 6_000, ..at("a", 1) };
    assert!(ledger.note_request(longer.clone(), 0, moment(1)).needs_row);
    assert_eq!(ledger.store(moment(1))[0].refuse_after_ms, 6_000);
    let rotated = EdgeRequest { holder: holder("new", "a"), ..longer };
    assert!(ledger.note_request(rotated.clone(), 0, moment(2)).needs_row);
    assert_eq!(ledger.store(moment(2))[0].holder, rotated.holder);
    ledger.leave(&rotated.id, &rotated.holder, moment(3));
    assert!(ledger.store(moment(3))[0].has_left);
    assert!(ledger.note_request(rotated, 0, moment(4)).needs_row, "it has come back");
    assert!(!ledger.store(moment(4))[0].has_left);
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 1), 0, moment(0));
    let rows = ledger.take_unstored(moment(0));
    assert!(ledger.note_request(at("a", 1), 0, moment(1)).needs_row);
    ledger.put_back(rows);
    assert_eq!(ledger.store(moment(2)).len(), 1);
}

#[test]
fn another_process_knows_from_the_store_what_may_admit() {
    let mut before = ledger();
    before.note_request(at("a", 4), 0, moment(1_000));
    let rows = before.store(moment(1_000));
    let mut after = ledger();
    // It has another monotonic clock.
    let now = |wall| Moment { wall: UnixMillis(wall), steady: MonotonicMillis(wall - 1_000) };
    assert!(after.merge(known(rows.clone()), now(1_200)));
    assert!(after.is_sure(now(1_200)));
    assert_eq!(after.waits_for(5, now(1_200)), (1, vec!["a".to_owned()]));
    assert_eq!(after.waits_for(4, now(1_200)), (1, vec![]));
    assert!(matches!(after.state_of("a", now(1_200)), EdgeState::Silent { .. }));
    assert_eq!(after.waits_for(5, now(65_999)).0, 1);
    assert_eq!(after.waits_for(5, now(1_200 + 125_000 + 600_000)).0, 0, "no longer than was written");
    assert!(!after.merge(known(rows), now(1_300)), "the same again is no news");
}

#[test]
fn edges_of_which_nothing_was_written_make_a_ledger_doubt_for_as_long_as_one_may_admit() {
    let mut ledger = ledger();
    let begun = UnixMillis(100_000);
    // It does not matter what the clock says.
    let now = |steady, wall| Moment { wall: UnixMillis(wall), steady: MonotonicMillis(steady) };
    ledger.merge(KnownEdges { rows: Vec::new(), begun }, now(100_000, 9_000_000));
    assert!(!ledger.is_sure(moment(160_999)));
    assert_eq!(ledger.unknown_that_are_over(moment(160_999)), None);
    ledger.merge(KnownEdges { rows: Vec::new(), begun }, now(160_999, 0));
    assert!(ledger.is_sure(moment(161_000)));
    assert_eq!(ledger.unknown_that_are_over(moment(161_000)), Some(begun), "which the store is told");
    ledger.note_known_again(begun);
    assert_eq!(ledger.unknown_that_are_over(moment(161_001)), None);
    let next = UnixMillis(200_000);
    ledger.merge(KnownEdges { rows: Vec::new(), begun: next }, moment(200_000));
    assert!(!ledger.is_sure(moment(260_999)));
    ledger.merge(known(Vec::new()), moment(261_000));
    assert!(ledger.is_sure(moment(261_000)));
}

#[test]
fn the_store_is_told_how_much_less_time_is_left_and_a_start_does_not_count_it_anew() {
    let mut one = ledger();
    let longer = EdgeRequest { refuse_after_ms: 3_600_000, ..at("a", 4) };
    one.note_request(longer.clone(), 0, moment(0));
    let [mut row] = one.store(moment(0)).try_into().unwrap();
    for minute in 1..=61 {
        let now = moment(minute * 60_000);
        one.sweep(now);
        assert_eq!(one.store(now), [], "{minute}");
        for time in one.take_times_to_shorten(now) {
            row = shortened(&row, &time);
        }
        let left = row.may_admit_for_ms();
        let may_admit_for = 3_660_000 - now.steady.0;
        assert!((may_admit_for..may_admit_for + 300_000).contains(&left), "{minute}: {left}");
    }
    assert_eq!(row.may_admit_for_ms(), 0);
    let mut other = ledger();
    other.merge(known(vec![row]), moment(3_660_001));
    assert_eq!(other.waits_for(5, moment(3_660_001)).0, 0);
    assert_eq!(other.counts(Cursor(4), moment(3_660_001)).known, 1, "it is listed");
}

#[test]
fn an_answer_after_the_store_was_told_that_less_time_is_left_is_written() {
    let mut ledger = ledger();
    let longer = EdgeRequest { refuse_after_ms: 3_600_000, ..at("a", 4) };
    ledger.note_request(longer.clone(), 0, moment(0));
    let [row] = ledger.store(moment(0)).try_into().unwrap();
    assert_eq!(ledger.take_times_to_shorten(moment(0)), []);
    let [time] = ledger.take_times_to_shorten(moment(300_000)).try_into().unwrap();
    assert!(ledger.note_request(longer, 0, moment(300_001)).needs_row);
    let [again] = ledger.store(moment(300_001)).try_into().unwrap();
    // In any order of writing.
    assert_eq!(shortened(&kept(Some(&row), &again), &time).may_admit_for_ms(), 4_320_000);
    assert_eq!(kept(Some(&shortened(&row, &time)), &again).may_admit_for_ms(), 4_320_000);
}

#[test]
fn what_this_replica_wrote_itself_tells_it_nothing() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(0));
    let rows = ledger.store(moment(0));
    assert!(!ledger.merge(known(rows), moment(5)));
    assert_eq!(ledger.waits_for(5, moment(64_999)).0, 1);
    assert_eq!(ledger.waits_for(5, moment(65_000)).0, 0, "not as long as was written ahead");
}

#[test]
fn what_others_have_answered_counts_whatever_their_clocks_say() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 4), 0, moment(100_000));
    let [row] = ledger.store(moment(100_000)).try_into().unwrap();
    // The clock of the other replica was set back: it writes an older request, and a later end.
    let until = UnixMillis(row.may_admit_until.0 + 60_000);
    let noted = UnixMillis(until.0 - 80_000);
    let others = EdgeRow { seen: UnixMillis(1), may_admit_until: until, noted, ..row };
    ledger.merge(known(vec![others]), moment(110_000));
    assert_eq!(ledger.waits_for(5, moment(189_999)).0, 1);
    assert_eq!(ledger.waits_for(5, moment(190_000)).0, 0);
}

#[test]
fn hands_out_what_it_has_heard_and_not_what_it_was_told() {
    let mut one = ledger();
    one.note_request(at("a", 1), 0, moment(1));
    let mut other = ledger();
    other.note_request(at("b", 2), 0, moment(1));
    assert!(one.merge(known(other.store(moment(1))), moment(2)));
    assert_eq!(one.changed_since(0, moment(2)).1, [], "first it is to be kept");
    one.store(moment(2));
    let (version, told) = one.changed_since(0, moment(2));
    assert_eq!(told.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [id("a", 1)]);
    assert_eq!(one.changed_since(version, moment(3)), (version, Vec::new()));
    one.note_request(at("b", 3), 0, moment(7));
    let (_, told) = one.changed_since(version, moment(7));
    assert_eq!((told.len(), told[0].acknowledged), (1, Cursor(3)));
}

#[test]
fn who_has_left_elsewhere_has_left_and_comes_back() {
    let (mut one, mut other) = (ledger(), ledger());
    one.note_request(at("a", 1), 0, moment(1));
    other.merge(known(one.store(moment(1))), moment(2));
    assert_eq!(other.waits_for(5, moment(2)).0, 1);
    let edge = at("a", 1);
    one.leave(&edge.id, &edge.holder, moment(3));
    let gone = one.store(moment(3));
    assert!(other.merge(known(gone.clone()), moment(4)));
    assert_eq!(other.waits_for(5, moment(4)).0, 0);
    assert!(!ledger().merge(known(gone), moment(4)), "one that nobody knew is nobody");
    one.note_request(edge, 0, moment(5));
    other.merge(known(one.store(moment(5))), moment(6));
    assert_eq!(other.waits_for(5, moment(6)).0, 1);
}

#[test]
fn a_goodbye_is_not_undone_by_a_row_that_was_read_before_it() {
    let mut ledger = ledger();
    let edge = at("a", 1);
    ledger.note_request(edge.clone(), 0, moment(1));
    let read_before = ledger.store(moment(1));
    ledger.leave(&edge.id, &edge.holder, moment(2));
    ledger.merge(known(read_before), moment(3));
    assert!(ledger.store(moment(3))[0].has_left);
    assert_eq!(ledger.waits_for(5, moment(3)).0, 0);
}

#[test]
fn an_answer_by_another_replica_is_seen_though_what_this_one_wrote_ahead_covers_it() {
    let (mut one, mut other) = (ledger(), ledger());
    one.note_request(at("a", 4), 0, moment(0));
    other.merge(known(one.store(moment(0))), moment(1));
    // It was cut off and is gone according to the first replica, and comes back to the other one.
    assert_eq!(one.waits_for(5, moment(65_000)).0, 0);
    assert!(other.note_request(at("a", 4), 0, moment(66_000)).needs_row);
    let rows = other.store(moment(66_000));
    one.merge(known(rows.clone()), moment(66_001));
    assert_eq!(one.waits_for(5, moment(66_001)), (1, vec!["a".to_owned()]));
    // The same with a clock that was set back: what is written is later than what was.
    let (mut one, mut other) = (ledger(), ledger());
    let set_back = |steady| Moment { wall: UnixMillis(steady), steady: MonotonicMillis(steady) };
    let before = Moment { wall: UnixMillis(9_000_000), steady: MonotonicMillis(0) };
    one.note_request(at("a", 4), 0, before);
    other.merge(known(one.store(before)), before);
    assert!(other.note_request(at("a", 4), 0, set_back(66_000)).needs_row);
    one.merge(known(other.store(set_back(66_000))), set_back(66_001));
    assert_eq!(one.waits_for(5, set_back(66_001)).0, 1);
}

#[test]
fn an_answer_that_was_almost_over_is_written_again() {
    let (mut one, mut other) = (ledger(), ledger());
    other.note_request(at("a", 4), 0, moment(0));
    one.merge(known(other.store(moment(0))), moment(1));
    one.note_request(at("a", 4), 0, moment(2));
    other.merge(known(one.store(moment(2))), moment(3));
    assert!(!other.note_request(at("a", 4), 0, moment(10_000)).needs_row);
    assert!(other.note_request(at("a", 4), 0, moment(70_000)).needs_row, "others may hear of it too late");
}

#[test]
fn replicas_that_answer_in_turn_do_not_raise_the_time_by_more_than_is_written_ahead() {
    let (mut one, mut other) = (ledger(), ledger());
    let mut rows = Vec::new();
    for turn in 0..40 {
        let now = moment(turn * 66_000);
        let (answering, hearing) =
            if turn % 2 == 0 { (&mut one, &mut other) } else { (&mut other, &mut one) };
        answering.merge(known(rows), now);
        answering.note_request(at("a", 4), 0, now);
        answering.sweep(now);
        rows = answering.store(now);
        hearing.merge(known(rows.clone()), now);
        hearing.sweep(now);
        assert_eq!(hearing.store(now), [], "{turn}: nobody answered it here");
    }
    let last = moment(39 * 66_000);
    let (_, missing) = one.wait_for(Cursor(5), Waiting::ForAll, last);
    let MayAdmit { until, .. } = one.still_missing(&missing, last)[0];
    assert!(until.0 <= last.wall.0 + 65_000 + 720_000 + 100, "{}", until.0 - last.wall.0);
}

#[test]
fn gone_rows_take_no_room_from_others_and_those_that_may_admit_are_never_left_out() {
    let mut writer = EdgeLedger::new(epoch("first"), EdgeRules { instances_per_key_max: 10, ..RULES });
    for number in 0..10 {
        writer.note_request(EdgeRequest { id: id("a", number), ..at("a", 1) }, 0, moment(0));
    }
    let rows = writer.store(moment(0));
    let mut ledger = ledger();
    let over = rows[0].may_admit_until.0;
    let gone = rows.iter().map(|row| EdgeRow { noted: row.may_admit_until, ..row.clone() }).collect();
    ledger.merge(known(gone), moment(over));
    assert_eq!(ledger.counts(Cursor(1), moment(over)).known, 3, "three of a key are remembered");
    ledger.note_request(EdgeRequest { id: id("a", 77), ..at("a", 1) }, 0, moment(over));
    let living: Vec<EdgeRow> = rows
        .iter()
        .map(|row| EdgeRow {
            id: EdgeId { name: name("b"), ..row.id.clone() },
            may_admit_until: UnixMillis(over + 9),
            noted: UnixMillis(over),
            ..row.clone()
        })
        .collect();
    ledger.merge(known(living), moment(over));
    assert_eq!(ledger.waits_for(5, moment(over)).0, 11, "all that may admit");
    assert_eq!(ledger.counts(Cursor(1), moment(over)).known, 11, "and none that is gone");
    let one_more = EdgeRequest { id: id("a", 78), ..at("a", 1) };
    assert_eq!(ledger.claim(&one_more, moment(over)), Err(ClaimRefusal::TooManyOfHolder(3)));
}

#[test]
fn what_has_given_way_is_not_taken_in_again_unless_others_have_answered_it() {
    let mut ledger = EdgeLedger::new(epoch("first"), EdgeRules { instances_per_key_max: 1, ..RULES });
    ledger.note_request(at("a", 1), 0, moment(0));
    let [row] = ledger.store(moment(0)).try_into().unwrap();
    let next = EdgeRequest { id: id("a", 2), ..at("a", 1) };
    ledger.claim(&next, moment(65_000)).unwrap();
    ledger.note_request(next, 0, moment(65_000));
    assert!(row.may_admit_until > UnixMillis(65_000), "it is written ahead");
    assert!(ledger.has_unwritten());
    assert!(!ledger.merge(known(vec![row.clone()]), moment(65_001)));
    assert_eq!(ledger.waits_for(5, moment(65_001)).0, 1);
    let gone = ledger.evicted();
    assert_eq!(gone.iter().map(|gone| gone.id.clone()).collect::<Vec<_>>(), [id("a", 1)]);
    // Nor by a reading that had begun before the store was told.
    ledger.note_marked_gone(gone, true);
    assert_eq!(ledger.evicted(), []);
    assert!(!ledger.merge(known(vec![row.clone()]), moment(65_001)));
    assert_eq!(ledger.waits_for(5, moment(65_001)).0, 1);
    let answered = EdgeRow { may_admit_until: row.may_admit_until.plus_millis(1), ..row };
    assert!(ledger.merge(known(vec![answered]), moment(65_002)));
    assert_eq!(ledger.waits_for(5, moment(65_002)).0, 2);
}

#[test]
fn a_goodbye_does_not_win_over_a_later_sighting_though_the_clock_was_set_back() {
    let set_back = |steady| Moment { wall: UnixMillis(500 + steady), steady: MonotonicMillis(steady) };
    let edge = at("a", 1);
    let (mut one, mut other) = (ledger(), ledger());
    one.note_request(edge.clone(), 0, moment(1_000));
    other.merge(known(one.store(moment(1_000))), moment(1_001));
    one.leave(&edge.id, &edge.holder, moment(1_002));
    let goodbye = one.store(moment(1_002));
    // It comes back to the replica to which it said goodbye, whose last read of the store is older.
    one.note_request(edge.clone(), 0, set_back(1_100));
    let back = one.store(set_back(1_100));
    one.merge(known(goodbye.clone()), set_back(1_101));
    assert_eq!(one.waits_for(5, set_back(1_101)).0, 1);
    // Or to a replica that does not know of the goodbye.
    other.note_request(edge, 0, set_back(1_102));
    other.merge(known(goodbye), set_back(1_103));
    assert_eq!(other.waits_for(5, set_back(1_103)).0, 1);
    let [again] = other.store(set_back(1_103)).try_into().unwrap();
    assert!(!again.has_left && again.seen > back[0].seen, "and all hear of it");
}

#[test]
fn drops_who_has_been_gone_for_long() {
    let mut ledger = ledger();
    ledger.note_request(at("a", 1), 0, moment(0));
    ledger.note_request(at("b", 1), 0, moment(0));
    ledger.leave(&id("b", 1), &at("b", 1).holder, moment(0));
    ledger.sweep(moment(600_000));
    assert_eq!(ledger.counts(Cursor(1), moment(600_000)).known, 2);
    ledger.sweep(moment(600_100));
    assert_eq!(ledger.counts(Cursor(1), moment(600_100)).known, 1);
    ledger.sweep(moment(65_000 + 24 * 3_600_000));
    assert_eq!(ledger.counts(Cursor(1), moment(600_100)).known, 0);
}
