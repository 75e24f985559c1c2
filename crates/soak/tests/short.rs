//! Ten seconds of the soak: a restart of the service, an update of each listener, and a cut.

use latchkey_soak::{Plan, run};

#[test]
fn every_answer_of_a_short_soak_is_right() {
    let complaints = run(&Plan::short(), 1).unwrap();
    assert_eq!(complaints, Vec::<String>::new());
}
