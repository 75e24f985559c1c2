use super::*;

/// An instance that asks with this key of this owner.
fn asking(edge: &str, instance: u128, key: &str, owner: &str) -> EdgeRequest {
    EdgeRequest { id: id(edge, instance), holder: holder(key, owner), ..at(edge, 1) }
}

/// An edge of an older filter, which names no instance.
fn of_older(edge: &str, key: &str, owner: &str) -> EdgeRequest {
    let holder = holder(key, owner);
    let id = EdgeId { name: name(edge), instance: InstanceId::of_holder(&holder) };
    EdgeRequest { id, holder, ..at(edge, 0) }
}

impl EdgeLedger {
    fn lets_in(&mut self, asking: &EdgeRequest, now: Moment) -> bool {
        let outcome = self.claim(asking, now);
        if outcome.is_ok() {
            self.note_request(asking.clone(), 0, now);
        }
        outcome.is_ok()
    }
}

#[test]
fn a_name_is_its_holders_until_nothing_of_it_may_admit_or_its_key_has_ended() {
    let mut ledger = ledger();
    assert!(ledger.lets_in(&asking("a", 1, "one", "alice"), moment(0)));
    let stranger = asking("a", 2, "stolen", "mallory");
    let refusal = ledger.claim(&stranger, moment(64_999)).unwrap_err();
    let taken = ClaimRefusal::NameTaken { name: name("a"), holders: vec![holder("one", "alice")] };
    assert_eq!(refusal, taken);
    assert!(ledger.claim(&asking("a", 1, "stolen", "mallory"), moment(1)).is_err(), "nor as the instance");
    assert!(ledger.claim(&of_older("a", "stolen", "mallory"), moment(1)).is_err());
    assert!(ledger.claim(&asking("b", 1, "stolen", "mallory"), moment(1)).is_ok(), "another name");
    assert!(ledger.claim(&stranger, moment(65_000)).is_ok());
    ledger.note_ended(&name("a"), &[holder("one", "alice")]);
    assert!(ledger.lets_in(&stranger, moment(1)), "the key has ended");
}

#[test]
fn who_has_promised_nothing_keeps_nobody_from_a_name_and_all_count() {
    let mut ledger = ledger();
    let squatting = EdgeRequest { acknowledged: Cursor(0), ..asking("a", 1, "stolen", "mallory") };
    assert!(ledger.lets_in(&squatting, moment(0)));
    let edge = asking("a", 2, "one", "alice");
    assert!(ledger.lets_in(&edge, moment(1)));
    assert_eq!(ledger.waits_for(1, moment(1)), (2, vec!["a".to_owned()]), "it may admit all the same");
    let as_it = EdgeRequest { id: id("a", 1), ..edge.clone() };
    assert!(ledger.claim(&as_it, moment(1)).is_err(), "nobody speaks for it");
    let others = EdgeRequest { id: id("a", 3), ..squatting };
    assert!(ledger.claim(&others, moment(1)).is_err(), "the edge has acknowledged");
    // In a new epoch nobody has acknowledged anything yet.
    ledger.turn_to(&epoch("second"));
    assert!(ledger.claim(&others, moment(1)).is_err(), "the name is held on");
}

#[test]
fn a_new_key_of_the_same_owner_rotates_an_edge_and_acknowledges_for_no_other_instance() {
    let mut ledger = ledger();
    assert!(ledger.lets_in(&asking("a", 1, "old", "ops"), moment(0)));
    // A restarted proxy: another instance.
    assert!(ledger.lets_in(&asking("a", 2, "new", "ops"), moment(1)));
    let acknowledgement = EdgeRequest { acknowledged: Cursor(9), ..asking("a", 2, "new", "ops") };
    ledger.note_request(acknowledgement, 0, moment(2));
    assert_eq!(ledger.waits_for(9, moment(2)), (2, vec!["a".to_owned()]), "the old instance has not");
    // A proxy that gets a new key while it runs keeps its instance, which nobody else knows.
    assert!(ledger.lets_in(&asking("a", 1, "new", "ops"), moment(3)));
    let acknowledgement = EdgeRequest { acknowledged: Cursor(9), ..asking("a", 1, "new", "ops") };
    ledger.note_request(acknowledgement, 0, moment(3));
    assert_eq!(ledger.waits_for(9, moment(3)), (2, vec![]));
}

#[test]
fn an_older_filter_is_an_instance_for_each_credential() {
    let mut ledger = ledger();
    assert!(ledger.lets_in(&of_older("a", "old", "ops"), moment(0)));
    assert!(ledger.lets_in(&of_older("a", "new", "ops"), moment(1)));
    ledger.note_request(EdgeRequest { acknowledged: Cursor(9), ..of_older("a", "new", "ops") }, 0, moment(2));
    assert_eq!(ledger.waits_for(9, moment(2)), (2, vec!["a".to_owned()]));
}

#[test]
fn one_key_has_so_many_instances_and_others_are_not_touched() {
    let mut ledger = ledger();
    for number in 0..3 {
        assert!(ledger.lets_in(&asking(&format!("e{number}"), 1, "stolen", "mallory"), moment(0)));
    }
    let one_more = asking("e3", 1, "stolen", "mallory");
    assert_eq!(ledger.claim(&one_more, moment(1)), Err(ClaimRefusal::TooManyOfHolder(3)));
    assert!(ledger.lets_in(&asking("e0", 1, "stolen", "mallory"), moment(1)), "known ones go on");
    assert!(ledger.lets_in(&asking("edge", 1, "one", "alice"), moment(1)));
    assert_eq!(ledger.waits_for(1, moment(1)).0, 4);
    assert!(ledger.claim(&one_more, moment(64_999)).is_err());
    assert!(ledger.claim(&one_more, moment(65_000)).is_ok(), "those can admit no more");
}

#[test]
fn what_is_gone_of_a_key_gives_way_to_its_own_and_takes_nobody_elses_place() {
    let mut ledger = ledger();
    let briefly = |edge: &str, instance, key, owner| EdgeRequest {
        refuse_after_ms: 1_000,
        ..asking(edge, instance, key, owner)
    };
    assert!(ledger.lets_in(&briefly("edge", 1, "one", "alice"), moment(0)));
    for minute in 0..100 {
        let now = moment(minute * 61_000);
        for number in 0..3 {
            let invented = briefly(&format!("e{minute}"), number, "stolen", "mallory");
            assert!(ledger.lets_in(&invented, now), "{minute} {number}");
        }
        let one_more = briefly("more", 1, "stolen", "mallory");
        assert_eq!(ledger.claim(&one_more, now), Err(ClaimRefusal::TooManyOfHolder(3)));
        assert_eq!(ledger.counts(Cursor(0), now).known, 4, "{minute}");
        let gone = ledger.evicted();
        assert_eq!(gone.len(), if minute == 0 { 0 } else { 3 }, "they are gone in the store too");
        ledger.note_marked_gone(gone, false);
    }
    assert_eq!(ledger.state_of("edge", moment(6_100_000)), EdgeState::Gone, "another's is listed on");
}

#[test]
fn who_left_gives_way_at_once_and_the_oldest_first() {
    let mut ledger = ledger();
    for number in 0..3 {
        assert!(ledger.lets_in(&asking("e", number, "one", "alice"), moment(number as u64)));
    }
    assert!(ledger.claim(&asking("e", 3, "one", "alice"), moment(3)).is_err());
    for number in [1, 0] {
        ledger.leave(&id("e", number), &holder("one", "alice"), moment(4));
    }
    assert!(ledger.lets_in(&asking("e", 3, "one", "alice"), moment(5)));
    let left: Vec<EdgeId> = ledger.list(Cursor(0), moment(5)).into_iter().map(|status| status.id).collect();
    assert_eq!(left, [id("e", 1), id("e", 2), id("e", 3)]);
    let rotated = asking("e", 2, "two", "alice");
    assert!(ledger.lets_in(&rotated, moment(6)), "it counts for its new key");
    assert!(ledger.lets_in(&asking("e", 4, "one", "alice"), moment(6)));
    assert_eq!(ledger.counts(Cursor(0), moment(6)).known, 4);
}

#[test]
fn the_log_is_told_of_a_key_that_has_too_many_once_a_minute() {
    let mut ledger = ledger();
    let stolen = holder("stolen", "mallory");
    ledger.lets_in(&asking("e", 0, "stolen", "mallory"), moment(0));
    let told = [0, 1, 59_999, 60_000, 60_001].map(|time| ledger.tells_log_of(&stolen, moment(time)));
    assert_eq!(told, [true, false, false, true, false]);
}

#[test]
fn who_says_goodbye_does_not_count_and_only_its_own_key_can_say_it() {
    let mut ledger = ledger();
    ledger.lets_in(&asking("a", 1, "one", "alice"), moment(0));
    ledger.lets_in(&asking("b", 1, "two", "alice"), moment(0));
    let (_, missing) = ledger.wait_for(Cursor(5), Waiting::ForAll, moment(1));
    assert!(!ledger.leave(&id("a", 1), &holder("two", "alice"), moment(1)));
    assert!(!ledger.leave(&id("a", 2), &holder("one", "alice"), moment(1)), "nobody");
    assert_eq!(ledger.names_of(&missing, moment(1)), ["a", "b"]);
    assert!(ledger.leave(&id("a", 1), &holder("one", "alice"), moment(1)));
    assert_eq!(ledger.names_of(&missing, moment(1)), ["b"]);
    assert_eq!((ledger.waits_for(5, moment(1)).0, ledger.state_of("a", moment(1))), (1, EdgeState::Gone));
    assert!(ledger.lets_in(&asking("a", 1, "one", "alice"), moment(3)));
    assert_eq!(ledger.waits_for(5, moment(3)).0, 2, "it has come back");
    ledger.leave(&id("a", 1), &holder("one", "alice"), moment(4));
    assert!(ledger.lets_in(&asking("a", 2, "another", "bob"), moment(5)), "the name is free");
}

#[test]
fn forgets_what_is_silent_or_has_no_key_and_keeps_who_still_asks() {
    let mut ledger = ledger();
    ledger.lets_in(&asking("a", 1, "one", "alice"), moment(0));
    ledger.lets_in(&asking("a", 2, "one", "alice"), moment(200));
    ledger.lets_in(&asking("b", 1, "two", "alice"), moment(200));
    let by_name = Forgetting::Name(name("a"));
    assert_eq!(ledger.holders_of(&by_name), [holder("one", "alice")]);
    let forgotten = ledger.forget(&by_name, &[], moment(250));
    assert_eq!(forgotten, Forgotten { forgotten: vec![id("a", 1)], live: 1 });
    assert_eq!(ledger.waits_for(5, moment(250)).0, 2);
    let forgotten = ledger.forget(&by_name, &[holder("one", "alice")], moment(250));
    assert_eq!(forgotten, Forgotten { forgotten: vec![id("a", 2)], live: 0 }, "its key has ended");
    let by_key = Forgetting::Key("two".to_owned());
    assert_eq!(ledger.forget(&by_key, &[], moment(301)).forgotten, [id("b", 1)]);
    assert_eq!(ledger.waits_for(5, moment(301)).0, 0);
}

#[test]
fn a_full_ledger_turns_away_who_is_new_and_forgets_nobody_who_may_admit() {
    let rules = EdgeRules { instances_per_key_max: usize::MAX, ..RULES };
    let mut ledger = EdgeLedger::new(epoch("first"), rules);
    for number in 0..crate::limits::EDGES_MAX {
        ledger.note_request(at(&number.to_string(), 1), 0, moment(0));
    }
    assert_eq!(ledger.claim(&at("one more", 1), moment(64_999)), Err(ClaimRefusal::TooMany));
    assert_eq!(ledger.waits_for(1, moment(64_999)).0, crate::limits::EDGES_MAX);
    assert!(ledger.claim(&at("7", 1), moment(64_999)).is_ok());
    assert!(ledger.claim(&at("one more", 1), moment(65_000)).is_ok(), "at once when one is gone");
    assert!(ledger.counts(Cursor(1), moment(65_000)).known >= crate::limits::EDGES_MAX - 256);
}
