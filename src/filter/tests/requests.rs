use serde_json::json;

use super::model::{Edge, FORGED, authorization, least, with};
use crate::filter::{Flow, RequestFilter};
use crate::host::{LogLevel, RequestId};
use crate::testing::{FakeClocks, FakeHost, FakeSharedData, HostCall, RequestState};

#[test]
fn a_good_key_passes_as_itself_and_without_its_credential() {
    let mut edge = Edge::loaded(&least());
    let authorization = authorization("good", "secret of good");
    let headers = [&FORGED[..], &[("authorization", &authorization), ("accept", "*/*")]].concat();
    assert_eq!(edge.request(1, &headers), Flow::Continue);
    let state = edge.state(1);
    assert_eq!(state.values("x-api-key-id"), ["good"]);
    assert_eq!(state.values("x-api-key-owner"), ["alice"]);
    assert_eq!(state.values("accept"), ["*/*"]);
    for gone in ["authorization", "x_api_key_id", "x.api.key.roles"] {
        assert!(state.values(gone).is_empty(), "{gone}");
    }
    assert!(state.filter_state.contains(&("latchkey.id".to_owned(), "good".to_owned())));
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Continue, Flow::Continue));
}

#[test]
fn a_bad_key_is_refused_and_nothing_of_it_moves_on() {
    let mut edge = Edge::loaded(&least());
    assert_eq!(edge.request(1, &[("authorization", &authorization("good", "wrong"))]), Flow::Hold);
    assert_eq!(edge.reply(1), Some((401, "latchkey_secret_wrong".to_owned())));
    assert_eq!(edge.state(1).filter_state, [("latchkey.claimed_id".to_owned(), "good".to_owned())]);
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
    assert_eq!(edge.host.metric("latchkey.denied.reason.secret_wrong"), 1);
}

#[test]
fn where_authentication_is_off_a_request_keeps_its_credential_and_loses_what_is_ours() {
    let mut edge = Edge::new(&with("authentication", json!("off")));
    let headers = [&FORGED[..], &[("authorization", "ApiKey of-another")]].concat();
    assert_eq!(edge.request(1, &headers), Flow::Continue);
    let state = edge.state(1);
    assert_eq!(state.values("authorization"), ["ApiKey of-another"]);
    assert_eq!(state.headers.len(), 1);
    edge.tick();
    assert!(edge.host.sent().is_empty(), "it follows no feed");
}

#[test]
fn trailers_lose_what_an_upstream_could_take_for_our_headers() {
    let mut edge = Edge::loaded(&least());
    edge.good_request(1);
    let trailers = [&FORGED[..], &[("grpc-status", "0")]].concat();
    assert_eq!(edge.trailers(1, &trailers), Flow::Continue);
    assert_eq!(edge.state(1).trailers, [(b"grpc-status".to_vec(), b"0".to_vec())]);
}

#[test]
fn trailers_that_cannot_be_cleaned_are_held() {
    for failing in [HostCall::Trailers, HostCall::RemoveTrailer] {
        let mut edge = Edge::loaded(&least());
        edge.good_request(1);
        edge.host.fail_all(failing);
        assert_eq!(edge.trailers(1, &FORGED), Flow::Hold, "{failing:?}");
    }
}

#[test]
fn a_request_without_a_configuration_is_refused() {
    let host = FakeHost::new(FakeSharedData::default(), FakeClocks::new());
    let mut request = host.come(RequestId(1), RequestState::default());
    let mut filter = RequestFilter::<FakeHost>::without_configuration(RequestId(1));
    assert_eq!(filter.headers(&mut request), Flow::Hold);
    assert_eq!(host.state(RequestId(1)).reply.unwrap().details, "latchkey_table_absent");
    assert_eq!((filter.body(), filter.trailers(&mut request)), (Flow::Hold, Flow::Hold));
}

#[test]
fn before_its_headers_nothing_of_a_request_passes() {
    let edge = Edge::loaded(&least());
    let filter = edge.root.request(RequestId(1));
    assert_eq!(filter.body(), Flow::Hold);
}

#[test]
fn a_refusal_that_the_host_would_not_send_is_logged_and_the_request_stays_held() {
    let mut edge = Edge::loaded(&least());
    edge.host.fail_all(HostCall::Reply);
    assert_eq!(edge.request(1, &[]), Flow::Hold);
    assert_eq!(edge.host.logged("would not send a 401 reply"), [LogLevel::Error]);
    assert_eq!((edge.body(1), edge.trailers(1, &[])), (Flow::Hold, Flow::Hold));
}

#[test]
fn what_is_told_in_filter_state_is_declared_to_be_text() {
    let edge = Edge::new(&least());
    let declared = edge.host.declared();
    assert!(declared.contains(&"latchkey.owner".to_owned()));
    assert!(declared.contains(&"latchkey.claimed_id".to_owned()));
}
