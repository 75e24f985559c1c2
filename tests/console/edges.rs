//! What concerns edges.

use latchkey_local_stack::stack::{LocalStack, StackOptions};

use crate::browser::{Scenario, Service};

#[test]
fn a_key_is_made_used_and_revoked_and_every_edge_is_seen_to_turn() {
    let stack = LocalStack::start(StackOptions::default(), |_| Ok(())).unwrap();
    let lost = stack.another_edge(|config| config.set_edge("edge-that-is-lost")).unwrap();
    Scenario::new("revocation", &stack.key_service)
        .told("LATCHKEY_EDGE", format!("http://{}", stack.edge()))
        .told("LATCHKEY_LOST_EDGE", format!("http://{}", lost.listener().unwrap()))
        .told("LATCHKEY_LOST_EDGE_PROCESS", lost.id().to_string())
        .play();
}

#[test]
fn a_thousand_edges_are_shown() {
    let service = Service::start().process;
    Scenario::new("fleet", &service).play();
}
