//! The demo is a test: its steps are performed and checked.

use std::fs;

use latchkey_local_stack::demo;
use latchkey_local_stack::places;
use latchkey_local_stack::stack::Ports;

#[test]
fn every_step_of_the_demo_holds() {
    let mut told = Vec::new();
    if let Err(error) = demo::run(&mut told, Ports::default()) {
        panic!("{}\n{error:#}", String::from_utf8_lossy(&told));
    }
    let told = String::from_utf8(told).unwrap();
    let readme = fs::read_to_string(places::repository().join("README.md")).unwrap();
    let shown = readme.split("```console\n$ make demo\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(steps(shown), steps(&told), "the README shows another demo");
    let last = told.trim_end().lines().last().unwrap();
    assert!(last.starts_with("demo: all ") && last.ends_with(" steps held"), "the last line is {last}");
}

/// What the steps are called. The column after that holds ids and times.
fn steps(told: &str) -> Vec<String> {
    let steps = told.lines().filter_map(|line| line.split_once('✓'));
    steps
        .filter_map(|(_, step)| {
            step.trim_start_matches("\u{1b}[0m").trim().split("  ").next().map(str::to_owned)
        })
        .collect()
}
