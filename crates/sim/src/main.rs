//! The command of the simulation: many seeds, or one that is told in full.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use latchkey_sim::{Broken, Case, Tables, shrink};

const USAGE: &str = "usage: latchkey-sim [--tables pages|memory] [--from SEED] [--seeds COUNT] [--find | --all]
       latchkey-sim [--tables pages|memory] --seed SEED

Without --tables, each seed is run with both. --find ends well only if a seed fails, and says which. --all goes on
after a failure, and names all seeds that fail.";

/// What is asked for.
#[derive(Clone, Debug)]
struct Asked {
    tables: Vec<Tables>,
    from: u64,
    seeds: u64,
    /// One seed, whose run is told.
    seed: Option<u64>,
    /// Whether a failure is what is looked for: a guard was removed.
    finds: bool,
    /// Whether the search goes on after a failure.
    goes_on: bool,
}

/// A seed that fails.
struct Failed {
    seed: u64,
    tables: Tables,
    broken: Broken,
}

/// Seeds of a run when nothing is said.
const SEEDS: u64 = 100_000;

/// How often a run tells how far it is.
const TOLD_TIMES: u64 = 20;

fn main() -> ExitCode {
    let Some(asked) = Asked::of(std::env::args().skip(1)) else {
        tell(USAGE);
        return ExitCode::from(2);
    };
    match asked.seed {
        Some(seed) => asked.tables.iter().map(|tables| replay(seed, *tables)).max().unwrap_or(0).into(),
        None => search(&asked),
    }
}

impl Asked {
    fn of(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self {
            tables: Tables::ALL.to_vec(),
            from: 0,
            seeds: SEEDS,
            seed: None,
            finds: false,
            goes_on: false,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--all" => asked.goes_on = true,
                "--find" => asked.finds = true,
                "--from" => asked.from = words.next()?.parse().ok()?,
                "--seeds" => asked.seeds = words.next()?.parse().ok()?,
                "--seed" => asked.seed = Some(words.next()?.parse().ok()?),
                "--tables" => {
                    let name = words.next()?;
                    asked.tables.retain(|tables| tables.name() == name);
                }
                _ => return None,
            }
        }
        (!asked.tables.is_empty()).then_some(asked)
    }
}

/// Runs all seeds, on all processors.
fn search(asked: &Asked) -> ExitCode {
    let began = Instant::now();
    let (next, stops) = (AtomicU64::new(0), AtomicBool::new(false));
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !stops.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= asked.seeds {
                        return;
                    }
                    let seed = asked.from + number;
                    if let Some(found) = first_failure(seed, &asked.tables) {
                        stops.store(!asked.goes_on, Ordering::Relaxed);
                        if asked.goes_on {
                            tell(&format!("sim: seed {seed}, {}: {}", found.tables.name(), found.broken));
                        }
                        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(found);
                    }
                    if (number + 1).is_multiple_of((asked.seeds / TOLD_TIMES).max(1)) {
                        tell_progress(number + 1, asked.seeds, began);
                    }
                }
            });
        }
    });
    let seeds = next.into_inner().min(asked.seeds);
    let seconds = began.elapsed().as_secs();
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        None => {
            tell(&format!("sim: every promise held in {seeds} seeds, {seconds} s"));
            if asked.finds { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Some(Failed { seed, tables, broken }) if asked.finds => {
            let number = seed - asked.from + 1;
            tell(&format!("sim: found at seed {number}, {} s, {}: {broken}", seconds, tables.name()));
            ExitCode::SUCCESS
        }
        Some(Failed { seed, tables, .. }) => {
            replay(seed, tables);
            ExitCode::FAILURE
        }
    }
}

fn first_failure(seed: u64, tables: &[Tables]) -> Option<Failed> {
    tables.iter().find_map(|tables| {
        let broken = Case::of(seed, *tables).run().err()?;
        Some(Failed { seed, tables: *tables, broken })
    })
}

/// Runs a seed again, and tells the least of it that fails.
fn replay(seed: u64, tables: Tables) -> u8 {
    let case = Case::of(seed, tables);
    let Err(broken) = case.run() else {
        tell(&format!("sim: every promise held in seed {seed}, with tables in {}", tables.name()));
        return 0;
    };
    let least = shrink(&case, broken.promise);
    let (outcome, lines) = least.tell();
    tell(&format!("{:#?}\n", least.setting));
    lines.iter().for_each(|line| tell(line));
    tell(&format!("\n{}", outcome.err().unwrap_or(broken)));
    tell(&format!("sim: seed {seed} fails, with {} of {} steps", least.schedule.len(), case.schedule.len()));
    tell(&format!("sim: replay it with: make sim SEED={seed} TABLES={}", tables.name()));
    1
}

fn tell_progress(done: u64, all: u64, began: Instant) {
    let seconds = began.elapsed().as_secs_f64();
    tell(&format!("sim: {done} of {all} seeds, {:.0} a second", done as f64 / seconds));
}

/// Nothing can be done when nobody listens.
fn tell(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}
