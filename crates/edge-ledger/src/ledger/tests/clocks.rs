//! Clocks that are wrong, or differ.

use super::stores::known;
use super::*;

#[test]
fn whoever_reads_a_row_counts_the_time_that_it_says_whatever_the_clocks_say() {
    let hour = 3_600_000;
    let mut writer = ledger();
    let began = Moment { wall: UnixMillis(100 * hour), steady: MonotonicMillis(0) };
    writer.note_request(at("a", 4), 0, began);
    let rows = writer.store(began);
    for wall in [0, 97 * hour, 100 * hour, 103 * hour, 10_000 * hour] {
        let now =
            |steady| Moment { wall: UnixMillis(wall + steady), steady: MonotonicMillis(7_000 + steady) };
        let mut reader = ledger();
        reader.merge(known(rows.clone()), now(0));
        assert_eq!(reader.waits_for(5, now(64_999)), (1, vec!["a".to_owned()]), "{wall}");
        assert_eq!(reader.waits_for(5, now(725_000)).0, 0, "{wall}: nor for much longer");
        // Nothing that it does makes others count it anew.
        reader.sweep(now(1));
        assert_eq!(reader.store(now(1)), [], "{wall}");
    }
}

#[test]
fn replicas_whose_clocks_differ_know_what_the_other_has_answered_and_raise_nothing_for_ever() {
    let skewed = |steady, ahead| Moment {
        wall: UnixMillis(10_000_000 + steady + ahead),
        steady: MonotonicMillis(steady),
    };
    let (mut one, mut other) = (ledger(), ledger());
    let mut row: Option<EdgeRow> = None;
    for turn in 0..400_u64 {
        let (at_one, at_other) = (skewed(turn * 60_000, 0), skewed(turn * 60_000, 7_200_000));
        if turn < 3 {
            other.note_request(at("a", 4), 0, at_other);
        }
        for (ledger, now) in [(&mut other, at_other), (&mut one, at_one)] {
            ledger.sweep(now);
            for written in ledger.store(now) {
                row = Some(kept(row.as_ref(), &written));
            }
            for time in ledger.take_times_to_shorten(now) {
                row = row.map(|row| shortened(&row, &time));
            }
            ledger.merge(known(row.clone().into_iter().collect()), now);
        }
        for (ledger, now) in [(&mut other, at_other), (&mut one, at_one)] {
            let counts = ledger.waits_for(5, now).0;
            let latest = (turn * 60_000).saturating_sub(120_000);
            assert!(counts == 1 || latest > 65_000, "{turn}");
            assert!(counts == 0 || latest < 65_000 + 720_000 + 60_000, "{turn}");
        }
    }
}

// The later end hid that the other replica answers the edge, and the one called a revocation complete while
// it still admitted.
#[test]
fn a_replica_whose_clock_is_ahead_sees_that_another_answers_what_it_had_answered() {
    let skewed = |steady, ahead| Moment {
        wall: UnixMillis(10_000_000 + steady + ahead),
        steady: MonotonicMillis(steady),
    };
    let (one, other) = (|steady| skewed(steady, 180_000), |steady| skewed(steady, 0));
    let (mut ahead, mut right) = (ledger(), ledger());
    let mut row = None;
    let store = |ledger: &mut EdgeLedger, now, row: &mut Option<EdgeRow>| {
        for written in ledger.store(now) {
            *row = Some(kept(row.take().as_ref(), &written));
        }
    };
    ahead.note_request(at("a", 4), 0, one(0));
    store(&mut ahead, one(0), &mut row);
    // The next request comes to the other replica, before it has read the row.
    right.note_request(at("a", 4), 0, other(1));
    store(&mut right, other(1), &mut row);
    for steady in (10_000..=240_000).step_by(10_000) {
        right.note_request(at("a", 4), 0, other(steady));
        for (ledger, now) in [(&mut right, other(steady)), (&mut ahead, one(steady))] {
            ledger.sweep(now);
            store(ledger, now, &mut row);
            for time in ledger.take_times_to_shorten(now) {
                row = row.map(|row| shortened(&row, &time));
            }
            ledger.merge(known(row.clone().into_iter().collect()), now);
        }
        assert_eq!(ahead.waits_for(5, one(steady)).0, 1, "{steady}");
        assert!(row.as_ref().is_some_and(|row| row.may_admit_for_ms() >= 65_000), "{steady}");
    }
}

/// An edge that keeps its table in a file goes on as the instance that it was, with what it had acknowledged, and
/// admits by the file no longer than it was allowed to after its last answer.
#[test]
fn an_instance_that_begins_again_with_its_file_is_waited_for_as_long_as_the_file_may_admit() {
    let mut ledger = ledger();
    let answered = 1_000;
    ledger.note_request(at("a", 4), 0, moment(answered));
    let file_admits_until = answered + at("a", 4).refuse_after_ms;
    // It ends, and begins again where it cannot reach the service.
    for now in answered..=file_admits_until {
        assert_eq!(ledger.waits_for(5, moment(now)), (1, vec!["a".to_owned()]), "{now}");
    }
    // It reaches the service, and says first what its file holds: nothing of what it had said is taken back.
    let update = ledger.note_request(at("a", 4), 0, moment(file_admits_until));
    assert_eq!((update.before, update.took_back), (Some(Cursor(4)), false));
    assert_eq!(ledger.waits_for(5, moment(file_admits_until)).1, ["a"]);
    ledger.note_request(at("a", 5), 0, moment(file_admits_until));
    assert_eq!(ledger.waits_for(5, moment(file_admits_until)).1, Vec::<String>::new());
}
