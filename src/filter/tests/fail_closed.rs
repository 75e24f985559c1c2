//! Each call of the host fails in turn: a request may be refused or held then, but it never passes without
//! its identity, nor with anything that a client made up.

use serde_json::json;

use super::model::{Edge, FORGED, authorization, least, with};
use crate::filter::Flow;
use crate::table::sample_keys::{key, live};
use crate::testing::HostCall;

/// A request with a good key, and all that a client may make up.
fn ask(edge: &mut Edge) -> Flow {
    let authorization = authorization("good", "secret of good");
    edge.request(1, &[&FORGED[..], &[("authorization", &authorization)]].concat())
}

/// What the upstream may see of a request that has passed as `good`.
#[track_caller]
fn check_identity(edge: &Edge, failed: HostCall) {
    let state = edge.state(1);
    let forged = |(_, value): &(Vec<u8>, Vec<u8>)| value == b"forged";
    assert!(!state.headers.iter().any(forged), "{failed:?}: {state:?}");
    assert!(state.values("authorization").is_empty(), "{failed:?}");
    assert_eq!(state.values("x-api-key-id"), ["good"], "{failed:?}");
    assert_eq!(state.values("x-api-key-owner"), ["alice"], "{failed:?}");
    assert!(state.filter_state.contains(&("latchkey.id".to_owned(), "good".to_owned())), "{failed:?}");
    assert_eq!(state.reply, None, "{failed:?}");
}

/// Calls without which no request passes.
const NEEDED: [HostCall; 5] = [
    HostCall::AddHeader,
    HostCall::Headers,
    HostCall::RemoveHeader,
    HostCall::SetFilterState,
    HostCall::Wall,
];

#[test]
fn whichever_call_fails_a_request_passes_as_its_key_or_not_at_all() {
    let mut whole = Edge::loaded(&least());
    let before = whole.host.calls();
    assert_eq!(ask(&mut whole), Flow::Continue);
    let calls = whole.host.calls_since(before);
    assert!(NEEDED.iter().all(|needed| calls.contains(needed)), "{calls:?}");
    for (number, failed) in calls.into_iter().enumerate() {
        let mut edge = Edge::loaded(&least());
        edge.host.fail_call(number);
        match ask(&mut edge) {
            Flow::Continue => {
                assert!(!NEEDED.contains(&failed), "passed although {failed:?} had failed");
                check_identity(&edge, failed);
            }
            Flow::Hold => {
                let is_answered = edge.reply(1).is_some_and(|(status, _)| status == 503);
                assert!(is_answered || failed == HostCall::ReadShared, "{failed:?}: {:?}", edge.reply(1));
                assert_eq!(edge.body(1), Flow::Hold, "{failed:?}");
            }
        }
    }
}

#[test]
fn whichever_call_fails_a_request_without_a_key_passes_as_nobody_or_not_at_all() {
    let optional = with("authentication", json!("optional"));
    let mut whole = Edge::loaded(&optional);
    let before = whole.host.calls();
    assert_eq!(whole.request(1, &FORGED), Flow::Continue);
    for (number, failed) in whole.host.calls_since(before).into_iter().enumerate() {
        let mut edge = Edge::loaded(&optional);
        edge.host.fail_call(number);
        match edge.request(1, &FORGED) {
            Flow::Continue => assert!(edge.state(1).headers.is_empty(), "{failed:?}: {:?}", edge.state(1)),
            Flow::Hold => assert_eq!(edge.reply(1).unwrap().1, "latchkey_host_failed", "{failed:?}"),
        }
    }
}

#[test]
fn whichever_call_fails_a_bad_key_does_not_pass() {
    let wrong = authorization("good", "wrong");
    let headers = [("authorization", wrong.as_str())];
    let mut whole = Edge::loaded(&least());
    let before = whole.host.calls();
    assert_eq!(whole.request(1, &headers), Flow::Hold);
    for number in 0..whole.host.calls() - before {
        let mut edge = Edge::loaded(&least());
        edge.host.fail_call(number);
        assert_eq!(edge.request(1, &headers), Flow::Hold);
        assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
    }
}

/// A plugin at the end of its first load, with a request that waits. The next tick makes the table live and
/// wakes it.
fn waiting() -> Edge {
    let mut edge = Edge::new(&least());
    assert_eq!(ask(&mut edge), Flow::Hold);
    edge.tick();
    edge.answer(&[live(1, key("good"))], 1);
    assert_eq!(edge.resumed(), [0; 0], "it is looked at with the tick");
    edge
}

#[test]
fn whichever_call_fails_a_request_that_waited_is_resumed_as_its_key_or_not_at_all() {
    let mut whole = waiting();
    let before = whole.host.calls();
    whole.tick();
    assert_eq!(whole.resumed(), [1]);
    let calls = whole.host.calls_since(before);
    assert!(NEEDED.iter().all(|needed| calls.contains(needed)), "{calls:?}");
    for (number, failed) in calls.into_iter().enumerate() {
        let mut edge = waiting();
        edge.host.fail_call(number);
        edge.tick();
        if edge.resumed() == [1] || failed == HostCall::Resume {
            assert!(!NEEDED.contains(&failed), "resumed although {failed:?} had failed");
            check_identity(&edge, failed);
        } else {
            assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold), "{failed:?}");
        }
    }
}
