//! Readers on threads of their own while the table changes.
//!
//! The swap itself is that of `arc-swap`, which no model checker can look into, so this is a stress: many
//! readers, one writer, and the rule that what was applied before a look-up began is seen by it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use latchkey_filter::refresh::FeedSink as _;
use latchkey_filter::table::{FeedStanding, FeedTable as _};
use latchkey_filter::testing::any_table::{refresh, rights_told, told};
use latchkey_filter::testing::feed_answers::{Answer, gone, key_id, row};
use latchkey_key_feed::Cursor;

use super::Process;

const READERS: usize = 3;
/// Fewer where each step is checked by an interpreter.
const CHANGES: u64 = if cfg!(miri) { 12 } else { 1_000 };

/// By which change a key is what it is.
fn change_of(told: &str) -> u64 {
    told.strip_prefix("as of ").unwrap_or_else(|| panic!("{told}")).parse().unwrap()
}

#[test]
fn no_look_up_finds_a_key_older_than_what_was_acknowledged_before_it_began() {
    let process = Process::new();
    let mut live = process.load(&[row(1, "k")]);
    let (acknowledged, is_over) = (AtomicU64::new(1), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..READERS {
            let reader = process.reader();
            let (acknowledged, is_over) = (&acknowledged, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let before = acknowledged.load(Ordering::Acquire);
                    let seen = change_of(&told(&reader, "k"));
                    assert!(seen >= before, "sees {seen}, and {before} was acknowledged");
                }
            });
        }
        for seq in 2..CHANGES {
            // Now and then the table is loaded anew, by which everything changes at once.
            live = if seq % 7 == 0 {
                process.load(&[row(seq, "k")])
            } else {
                process.apply(&live, &[row(seq, "k")]);
                let standing = FeedStanding::Current(refresh());
                process.sink.table().advance(&live, Cursor(seq), 1, standing).unwrap()
            };
            acknowledged.store(seq, Ordering::Release);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_revocation_that_was_applied_is_seen_by_every_later_look_up_on_every_thread() {
    let process = Process::new();
    let rounds = CHANGES / 10;
    let mut live = process.load(&[]);
    let revoked = AtomicU64::new(0);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..READERS {
            let reader = process.reader();
            let (revoked, is_over) = (&revoked, &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let number = revoked.load(Ordering::Acquire);
                    if number > 0 {
                        let seen = told(&reader, &format!("key-{number}"));
                        assert_eq!(seen, "removed");
                    }
                }
            });
        }
        for number in 1..=rounds {
            let id = format!("key-{number}");
            process.apply(&live, &[row(2 * number, &id)]);
            process.apply(&live, &[gone(2 * number + 1, &id)]);
            let standing = FeedStanding::MoreFollows { purged: Cursor(0) };
            live = process.sink.table().advance(&live, Cursor(2 * number + 1), 1, standing).unwrap();
            revoked.store(number, Ordering::Release);
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn no_reader_finds_a_key_without_its_set_of_rights() {
    let process = Process::new();
    let live = process.load(&[row(1, "k")]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..READERS {
            let (reader, is_over) = (process.reader(), &is_over);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let told = rights_told(&reader, "k");
                    assert!(told.contains("cluster") || told == "no rights", "{told}");
                }
            });
        }
        for seq in 2..CHANGES {
            let mut answer = Answer::of(&[row(seq, "k")]);
            let rights = format!(r#"{{"limited_by":{{"cluster":["set-{seq}"]}}}}"#);
            answer.rights = [(key_id("k"), rights)].into();
            process.sink.table().apply(&live, &answer.changes()).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
