use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::credential::HEADER;
use latchkey_key_feed::format_limits::KEY_ID_LEN_MAX;
use proptest::prelude::*;

use super::*;
use crate::headers::HeaderPairs;

#[path = "../../tests/cases/credentials.rs"]
mod cases;
mod sources;
use cases::{CASES, Outcome};

fn extract(headers: &HeaderPairs) -> Result<Option<Credential>, MalformedCredential> {
    CredentialSources::default()
        .extract(headers)
        .and_then(|found| found.map(Presented::without_opaque_keys).transpose())
}

fn is_present(headers: &HeaderPairs) -> bool {
    !CredentialSources::default().strip(headers).is_empty()
}

fn headers(values: &[&[u8]]) -> HeaderPairs {
    values.iter().map(|value| (HEADER, value)).collect()
}

fn joined(values: &[&[u8]]) -> HeaderPairs {
    if values.is_empty() { HeaderPairs::default() } else { headers(&[&values.join(&b',')]) }
}

#[track_caller]
fn check(name: &str, headers: &HeaderPairs, expected: Outcome) {
    let found = extract(headers);
    match (&found, expected) {
        (Ok(None), Outcome::Absent) => {}
        (Ok(Some(credential)), Outcome::Credential { id, secret }) => {
            assert_eq!((credential.id.as_str(), credential.secret.expose()), (id, secret), "{name}");
        }
        (Err(malformed), Outcome::Malformed(reason)) => assert_eq!(malformed.reason(), reason, "{name}"),
        _ => panic!("{name}: {found:?} is not {expected:?}"),
    }
}

fn refusal(credential: &[u8]) -> MalformedCredential {
    let value = [b"ApiKey ", STANDARD.encode(credential).as_bytes()].concat();
    extract(&headers(&[&value])).unwrap_err()
}

#[test]
fn every_case_holds_before_and_after_a_proxy_joins_the_headers() {
    for (name, values, expected) in CASES {
        check(name, &headers(values), *expected);
        check(name, &joined(values), *expected);
    }
}

#[test]
fn refuses_two_authorization_headers_whatever_they_hold_and_however_they_are_spelt() {
    let credential = "ApiKey aWQ6c2VjcmV0";
    for (first, second) in
        [("Bearer a", "Basic YTpi"), ("", ""), ("", credential), (credential, ""), (credential, credential)]
    {
        let pairs = [("Authorization", first), ("x-other", ""), ("AUTHORIZATION", second)];
        assert_eq!(
            extract(&pairs.into_iter().collect::<HeaderPairs>()).unwrap_err(),
            MalformedCredential::Duplicate
        );
    }
}

#[test]
fn reads_no_other_header() {
    for name in ["proxy-authorization", "x-api-key", "authorization-", "cookie"] {
        let pairs = HeaderPairs::from_iter([(name, "ApiKey aWQ6c2VjcmV0")]);
        assert!(extract(&pairs).unwrap().is_none(), "{name}");
        assert!(!is_present(&pairs), "{name}");
    }
}

#[test]
fn accepts_up_to_the_longest_credential_and_not_one_byte_more() {
    let of_len = |len| headers(&[&[b"ApiKey ", "A".repeat(len).as_bytes()].concat()]);
    assert_eq!(extract(&of_len(CREDENTIAL_LEN_MAX)).unwrap_err(), MalformedCredential::ColonMissing);
    assert_eq!(extract(&of_len(CREDENTIAL_LEN_MAX + 1)).unwrap_err(), MalformedCredential::TooLong);
}

#[test]
fn accepts_up_to_the_longest_id_and_not_one_byte_more() {
    let longest = [&[b'i'; KEY_ID_LEN_MAX], b":s".as_slice()].concat();
    let value = [b"ApiKey ", STANDARD.encode(&longest).as_bytes()].concat();
    let credential = extract(&headers(&[&value])).unwrap().unwrap();
    assert_eq!(credential.id.as_str().len(), KEY_ID_LEN_MAX);
    assert_eq!(refusal(&[b"i", longest.as_slice()].concat()), MalformedCredential::IdTooLong);
}

#[test]
fn a_secret_without_id_is_not_taken_for_an_id() {
    assert_eq!(refusal(b":secret"), MalformedCredential::IdEmpty);
    assert_eq!(refusal(b"::"), MalformedCredential::IdEmpty);
}

#[test]
fn sees_what_must_not_reach_the_upstream_even_when_it_is_malformed() {
    for value in
        ["ApiKey x", "apikey", "ApiKey\tx", "ApiKey:x", "ApiKey=x", "Basic YTpi,ApiKey x", " ApiKey  x"]
    {
        assert!(is_present(&headers(&[value.as_bytes()])), "{value}");
    }
    for value in ["", "Basic YTpi", "Bearer ApiKey", "ApiKeys x", "ApiKey-v2 x"] {
        assert!(!is_present(&headers(&[value.as_bytes()])), "{value}");
    }
}

#[test]
fn nothing_of_the_secret_is_printed() {
    let credential = extract(&headers(&[b"ApiKey aWQ6c2VjcmV0"])).unwrap().unwrap();
    assert_eq!(format!("{credential:?}"), "Credential { id: KeyId(\"id\"), secret: KeySecret }");
}

proptest! {
    #[test]
    fn any_bytes_are_absent_a_credential_or_malformed(
        values in prop::collection::vec(any::<Vec<u8>>(), 0..3),
        scheme in any::<bool>(),
    ) {
        let prefix: &[u8] = if scheme { b"ApiKey " } else { b"" };
        let values: Vec<Vec<u8>> = values.iter().map(|value| [prefix, value].concat()).collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        if let Ok(Some(_)) = extract(&headers(&values)) {
            prop_assert!(values.len() == 1 && !values[0].contains(&b','));
            prop_assert!(is_present(&headers(&values)));
        }
    }

    #[test]
    fn a_joined_value_that_names_the_scheme_is_never_admitted(before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
        for value in [format!("{before},ApiKey aWQ6c2VjcmV0"), format!("ApiKey aWQ6c2VjcmV0,{after}")] {
            prop_assert_eq!(
                extract(&headers(&[value.as_bytes()])).unwrap_err(),
                MalformedCredential::Duplicate
            );
        }
    }
}
