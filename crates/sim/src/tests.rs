//! The simulation itself, with as many seeds as a test may take.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::shrink::shrink_while;
use crate::{Act, Case, Step, Tables};

/// Seeds of each kind of tables that every test run takes; `LATCHKEY_TEST_SEEDS` takes more or fewer.
const SEEDS: u64 = 800;

fn seeds() -> u64 {
    std::env::var("LATCHKEY_TEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

fn check(tables: Tables) {
    for seed in 0..seeds() {
        if let Err(broken) = Case::of(seed, tables).run() {
            panic!("{broken}\nreplay it: make sim SEED={seed} TABLES={}", tables.name());
        }
    }
}

#[test]
fn every_promise_holds_whatever_happens_to_a_fleet_of_wasm_filters() {
    check(Tables::Paged);
}

#[test]
fn every_promise_holds_whatever_happens_to_a_fleet_of_native_modules() {
    check(Tables::Memory);
}

/// A guard that is not where its patch looks for it is not taken away any more.
#[test]
fn the_patch_of_each_guard_applies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guards: Vec<_> =
        fs::read_dir(root.join("crates/sim/guards")).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(guards.len() >= 10, "{guards:?}");
    for guard in guards {
        let mut git = Command::new("git");
        let checked = git.args(["apply", "--check"]).arg(&guard).current_dir(&root).status().unwrap();
        assert!(checked.success(), "{}", guard.display());
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..20 {
        let [one, other] = [(); 2].map(|()| Case::of(seed, Tables::Paged).tell());
        assert_eq!(one, other, "{seed}");
    }
}

#[test]
fn a_failure_is_shrunk_to_the_steps_that_it_needs() {
    let needed = |step: &Step| matches!(step.act, Act::Invalidate(_));
    let case = (0..).map(|seed| Case::of(seed, Tables::Paged)).find(|case| case.schedule.iter().any(needed));
    let case = case.unwrap();
    let least = shrink_while(&case, &|case| case.schedule.iter().any(needed));
    assert_eq!(least.schedule.len(), 1);
    assert!(needed(&least.schedule[0]) && least.schedule[0].meanwhile.is_empty());
}
