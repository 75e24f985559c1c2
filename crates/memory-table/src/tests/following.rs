//! Followers of a process whose threads share memory.

use std::time::Duration;

use latchkey_filter::clock::Moment;
use latchkey_filter::refresh::{
    Answer, CallId, Candidate, FeedEndpoint, Follower, FollowerId, FollowerTurn as _, Poll, Register, Step,
    TableNumber, instance_of,
};
use latchkey_filter::testing::START;
use latchkey_filter::testing::any_table::{after_start, told};
use latchkey_filter::testing::feed_answers::{self, gone, row, table_names};
use latchkey_key_feed::{EdgeName, FeedVersion};

use crate::limits::TURN_SILENT_MS;
use crate::{MemorySink, MemoryTables};

const ONE: FollowerId = FollowerId(1);
const TWO: FollowerId = FollowerId(2);

pub(super) fn endpoint(number: TableNumber) -> FeedEndpoint {
    FeedEndpoint {
        path: "/_latchkey/feed".to_owned(),
        edge: EdgeName::try_from("edge".to_owned()).unwrap(),
        instance: instance_of(number, b"", table_names().table()),
        version: FeedVersion::V2,
        wait: Duration::from_secs(20),
        fetch_timeout: Duration::from_secs(5),
    }
}

fn follower(tables: &MemoryTables) -> Follower<MemorySink> {
    let names = table_names();
    let number = Register::new(tables.entries().clone(), &names).enter(7, 60_000).unwrap();
    let id = FollowerId::allocate(tables.entries(), &names);
    assert_eq!(number, TableNumber(7));
    Follower::new(id, tables.sink(&names), endpoint(number), START)
}

fn answered(
    follower: &mut Follower<MemorySink>,
    step: &Step,
    now: Moment,
    answer: &feed_answers::Answer,
) -> Step {
    assert!(step.poll.is_some(), "a request to send");
    follower.sent(CallId(1), now);
    follower.answered(CallId(1), Answer::Page(&answer.to_json()), now, 0)
}

fn poll(step: &Step) -> &Poll {
    step.poll.as_ref().expect("it asks for what follows")
}

#[test]
fn a_table_is_loaded_and_followed_and_each_request_acknowledges_what_all_see() {
    let tables = MemoryTables::new();
    let reader = tables.table(&table_names());
    let mut follower = follower(&tables);
    let asks = follower.tick(Candidate::Idle, START, 0);
    assert!(poll(&asks).path.contains("after=0&"));
    let first = feed_answers::Answer::of(&[row(1, "one"), row(2, "two")]);
    let next = answered(&mut follower, &asks, after_start(0), &first);
    assert_eq!([told(&reader, "one"), told(&reader, "two")], ["as of 1", "as of 2"]);
    assert!(poll(&next).path.contains("after=2&"), "{}", poll(&next).path);
    assert!(poll(&next).path.contains("refuse_after=60000ms"), "{}", poll(&next).path);
    let revoked = feed_answers::Answer { after: 2, ..feed_answers::Answer::of(&[gone(3, "one")]) };
    let next = answered(&mut follower, &next, after_start(10), &revoked);
    assert_eq!([told(&reader, "one"), told(&reader, "two")], ["removed", "as of 2"]);
    assert_eq!(told(&reader, "three"), "unknown");
    assert!(poll(&next).path.contains("after=3&"), "{}", poll(&next).path);
}

#[test]
fn one_plugin_follows_for_all_of_a_table_until_it_ends() {
    let tables = MemoryTables::new();
    let (mut one, mut two) = (follower(&tables), follower(&tables));
    assert!(one.tick(Candidate::Idle, START, 0).poll.is_some());
    let later = START.plus_millis(TURN_SILENT_MS / 2);
    one.tick(Candidate::Idle, later, 0);
    let much_later = START.plus_millis(TURN_SILENT_MS + 1);
    assert!(two.tick(Candidate::Idle, much_later, 0).poll.is_none());
    assert_eq!(two.current(much_later), Some(ONE));
    one.resign(much_later);
    assert!(two.tick(Candidate::Idle, much_later, 0).poll.is_some());
    assert_eq!(one.current(much_later), Some(TWO));
}

#[test]
fn after_failures_the_turn_is_free_when_the_delay_is_over() {
    let tables = MemoryTables::new();
    let sink = tables.sink(&table_names());
    assert_eq!(sink.take(ONE, Candidate::Idle, START), Some(0));
    let until = START.plus_millis(500);
    sink.hand_over(TWO, until, 9);
    assert_eq!(sink.holder(START), Some(ONE), "only its holder hands it over");
    sink.hand_over(ONE, until, 3);
    assert_eq!((sink.holder(START), sink.keep(ONE, START)), (None, false));
    assert_eq!(sink.take(TWO, Candidate::Serving, START), None);
    assert_eq!(sink.take(TWO, Candidate::Serving, until), Some(3));
    assert!(sink.keep(TWO, until));
}

#[test]
fn a_holder_that_gives_no_sign_loses_its_turn_in_the_end() {
    let tables = MemoryTables::new();
    let sink = tables.sink(&table_names());
    assert_eq!(sink.take(ONE, Candidate::Idle, START), Some(0));
    let silent = START.plus_millis(TURN_SILENT_MS);
    assert_eq!(sink.take(TWO, Candidate::Idle, silent.plus_millis(0)), Some(0));
    assert!(!sink.keep(ONE, silent));
}
