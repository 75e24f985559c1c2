//! A good credential with something wrong in it: the edge says what the parser says, byte for byte.

use std::cell::RefCell;

use latchkey_filter::credential::{CredentialSources, Presented};
use latchkey_filter::headers::HeaderPairs;
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::{Http1Connection, rendered};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use crate::stage::{self, encoded};

/// One thing done to the value of the header.
#[derive(Clone, Debug)]
enum Mutation {
    Insert(Index, u8),
    Remove(Index),
    Replace(Index, u8),
    Truncate(Index),
}

#[test]
fn no_altered_credential_is_read_differently_at_the_edge() {
    let stage = stage::shared();
    stage.await_admitted(&good());
    let connection = RefCell::new(Http1Connection::open(stage.address).unwrap());
    let config = ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let values = proptest::collection::vec(value(), 1..=2);
    let outcome = runner.run(&values, |values| {
        let request = values
            .iter()
            .fold(Request::get("/mutated"), |request, value| request.header("authorization", value));
        let mut connection = connection.borrow_mut();
        connection.send(&rendered(&request)).unwrap();
        let status = connection.receive().unwrap().status;
        prop_assert_eq!(status, if is_good(&as_envoy_joins(values)) { 200 } else { 401 });
        Ok(())
    });
    outcome.unwrap();
    stage.assert_no_vm_died();
}

/// The header of a good credential after at most three mutations; as often as not after none.
fn value() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(mutation(), 0..=3).prop_map(|mutations| {
        let mut value = format!("ApiKey {}", good()).into_bytes();
        for mutation in mutations {
            apply(&mutation, &mut value);
        }
        value
    })
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // What a header value may hold (RFC 9110, section 5.5), and what matters here more often.
    let byte = || prop_oneof![Just(b' '), Just(b','), Just(b'='), Just(b':'), 0x21..=0x7E_u8, 0x80..=0xFF_u8];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(place, byte)| Mutation::Insert(place, byte)),
        any::<Index>().prop_map(Mutation::Remove),
        (any::<Index>(), byte()).prop_map(|(place, byte)| Mutation::Replace(place, byte)),
        any::<Index>().prop_map(Mutation::Truncate),
    ]
}

fn apply(mutation: &Mutation, value: &mut Vec<u8>) {
    match mutation {
        Mutation::Insert(place, byte) => value.insert(place.index(value.len() + 1), *byte),
        Mutation::Remove(_) | Mutation::Replace(..) if value.is_empty() => {}
        Mutation::Remove(place) => {
            value.remove(place.index(value.len()));
        }
        Mutation::Replace(place, byte) => {
            let place = place.index(value.len());
            value[place] = *byte;
        }
        Mutation::Truncate(place) => value.truncate(place.index(value.len() + 1)),
    }
}

/// Equal headers become one, empty ones vanish.
fn as_envoy_joins(values: Vec<Vec<u8>>) -> Vec<u8> {
    let trimmed = values.iter().map(|value| value.trim_ascii());
    trimmed.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(&b',')
}

fn is_good(value: &[u8]) -> bool {
    let read = CredentialSources::default().extract(&HeaderPairs::from_iter([("authorization", value)]));
    let read = read.and_then(|read| read.map(Presented::without_opaque_keys).transpose());
    matches!(read, Ok(Some(read)) if read.id.as_str() == "anybody" && read.secret.expose() == b"any-secret")
}

fn good() -> String {
    encoded("anybody", "any-secret")
}
