use proptest::prelude::*;

use super::*;
use crate::limits::TICK_MS;
use crate::testing::{FakeClocks, START, WALL_START};

#[test]
fn a_request_after_a_tick_reads_one_clock_and_knows_both() {
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    clock.tick().unwrap();
    let reads = clocks.monotonic_reads();
    clocks.pass(TICK_MS);
    let now = Moment { wall: WALL_START.plus_millis(TICK_MS), monotonic: START.plus_millis(TICK_MS) };
    assert_eq!(clock.now(), Ok(now));
    assert_eq!(clocks.monotonic_reads(), reads);
}

#[test]
fn before_the_first_tick_and_long_after_the_last_a_request_reads_the_monotonic_clock() {
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    assert_eq!(clock.now().unwrap().monotonic, START);
    clock.tick().unwrap();
    clocks.pass(3_600_000);
    assert_eq!(clock.now().unwrap().monotonic, START.plus_millis(3_600_000));
}

#[test]
fn a_wall_clock_set_back_changes_no_age() {
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    clock.tick().unwrap();
    clocks.pass(50);
    clocks.step(-90_000);
    assert_eq!(clock.now().unwrap().monotonic, START.plus_millis(50));
    assert!(clock.tick().unwrap().clock_stepped);
    clocks.pass(50);
    assert!(!clock.tick().unwrap().clock_stepped);
}

#[test]
fn a_late_tick_is_no_step() {
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    clock.tick().unwrap();
    clocks.pass(600_000);
    assert!(!clock.tick().unwrap().clock_stepped);
}

#[test]
fn a_clock_that_fails_is_no_time() {
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    clock.tick().unwrap();
    clocks.lose_wall();
    assert_eq!((clock.now(), clock.tick()), (Err(ClockFailed), Err(ClockFailed)));
    // The other one fails: what the last tick noted is not trusted for longer than until the next.
    let clocks = FakeClocks::new();
    let clock = VmClock::new(clocks.clone());
    clock.tick().unwrap();
    clocks.lose_monotonic();
    assert_eq!((clock.tick(), clock.now()), (Err(ClockFailed), Err(ClockFailed)));
}

proptest! {
    #[test]
    fn however_the_wall_clock_jumps_a_request_is_never_far_from_the_true_time(
        events in proptest::collection::vec((0..400_u64, -7_200_000..7_200_000_i64, any::<bool>()), 1..40),
    ) {
        let clocks = FakeClocks::new();
        let clock = VmClock::new(clocks.clone());
        clock.tick().unwrap();
        for (passed, step, ticks) in events {
            clocks.pass(passed);
            clocks.step(step);
            let (told, truth) = (clock.now().unwrap().monotonic.0, clocks.true_monotonic().0);
            prop_assert!(told.abs_diff(truth) <= TICK_LATE_MS_MAX, "{told} for {truth}");
            if ticks {
                clock.tick().unwrap();
                prop_assert_eq!(clock.now().unwrap().monotonic.0, truth);
            }
        }
    }
}
