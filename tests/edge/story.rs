//! The demo is a test: its steps are performed and checked.

use latchkey_local_stack::demo;
use latchkey_local_stack::stack::Ports;

#[test]
fn every_step_of_the_demo_holds() {
    let mut told = Vec::new();
    if let Err(error) = demo::run(&mut told, Ports::default()) {
        panic!("{}\n{error:#}", String::from_utf8_lossy(&told));
    }
    let told = String::from_utf8(told).unwrap();
    let last = told.trim_end().lines().last().unwrap();
    assert!(last.starts_with("demo: all ") && last.ends_with(" steps held"), "the last line is {last}");
}
