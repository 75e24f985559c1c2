//! Each target on its corpus, and on a fixed number of inputs that a seed makes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::Mutator;

/// How many inputs are made for each target; `LATCHKEY_TEST_FUZZ` takes more or fewer.
const INPUTS: u64 = 4_000;

/// Where inputs that fail are put.
const FAILED: &str = "target/fuzz/failed";

/// Puts an input into a file if what follows fails.
struct Kept<'a> {
    target: &'a str,
    input: &'a [u8],
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let failed = root().join(FAILED);
            let file = failed.join(self.target);
            let _ = fs::create_dir_all(&failed).and_then(|()| fs::write(&file, self.input));
            eprintln!("to run it again: make fuzz FUZZ={0} INPUT={FAILED}/{0}", self.target);
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// The words of a dictionary in the form of libFuzzer.
fn words(target: &str) -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("fuzz/dictionaries").join(target)).unwrap();
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()).collect()
}

fn check(target: &str, run: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 3, "{target} has {} inputs", corpus.len());
    let run = |input: &[u8]| {
        let kept = Kept { target, input };
        run(kept.input);
    };
    corpus.iter().for_each(|input| run(input));
    let inputs = std::env::var("LATCHKEY_TEST_FUZZ").ok().and_then(|inputs| inputs.parse().ok());
    let mut mutator = Mutator::new(corpus, words(target), 1);
    for _ in 0..inputs.unwrap_or(INPUTS) {
        run(&mutator.next_input());
    }
}

macro_rules! targets {
    ($($target:ident),* $(,)?) => {
        $(#[test]
        fn $target() {
            check(stringify!($target), crate::$target);
        })*

        const TARGETS: &[&str] = &[$(stringify!($target)),*];
    };
}

targets![
    body_formats,
    credential,
    export_file,
    feed_answer,
    filter_config,
    headers,
    jwt,
    query,
    rest_bodies,
    role_descriptors,
    rules,
    table_page,
    time_values,
];

#[test]
fn every_target_runs_under_the_fuzzer_too() {
    let files = |folder: &str| {
        let names = fs::read_dir(root().join(folder)).unwrap().map(|it| it.unwrap().path());
        let mut names: Vec<_> =
            names.map(|it| it.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    for folder in ["fuzz/fuzz_targets", "fuzz/corpus", "fuzz/dictionaries"] {
        assert_eq!(files(folder), TARGETS, "{folder}");
    }
}

#[test]
fn a_seed_makes_the_same_inputs_every_time() {
    let made = |seed| {
        let mut mutator =
            Mutator::new(vec![b"one".to_vec(), b"other".to_vec()], vec![b"word".to_vec()], seed);
        (0..100).map(|_| mutator.next_input()).collect::<Vec<_>>()
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
}
