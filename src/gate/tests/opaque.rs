//! Keys that are one opaque text.

use latchkey_key_feed::{KeptSecrets, OpaqueDigest, OpaqueKeyPepper, Salt};

use super::*;
use crate::config::Config;
use crate::table::Changes;
use crate::testing::feed_answers::{Answer, gone, row};

#[path = "../../../tests/cases/opaque.rs"]
mod cases;
use cases::{OPAQUE, OPAQUE_CASES, OPAQUE_REVOKED, OPAQUE_SOURCES, OpaqueOutcome};

fn pepper() -> OpaqueKeyPepper {
    OpaqueKeyPepper::from_bytes([3; 32])
}

/// The id and the secret of that text.
fn credential_of(text: &str) -> (String, KeySecret) {
    let credential = pepper().credential(&OpaqueDigest::of(text.as_bytes()));
    (String::from_utf8(credential.id).unwrap(), credential.secret)
}

fn sources() -> CredentialSources {
    let config = format!(
        r#"{{"key_service": {{"cluster": "keys", "credential": {{"inline": "aWQ6c2VjcmV0"}}}},
            "credential_sources": {OPAQUE_SOURCES}}}"#
    );
    Config::parse(config.as_bytes(), |_| None).unwrap().credential_sources
}

/// A process whose table has a key of [`OPAQUE`], and of a service that tells by what such keys are found or not.
fn process(pepper: Option<OpaqueKeyPepper>) -> FakeSharedData {
    let (id, secret) = credential_of(OPAQUE);
    let FeedRow::Live { seq, mut record } = row(1, &id) else { panic!("it lives") };
    let salt = Salt::from_bytes([5; 16]);
    record.secrets = KeptSecrets::one(salt, SecretDigest::of(&salt, &secret));
    let rows = [FeedRow::Live { seq, record }, gone(2, &credential_of(OPAQUE_REVOKED).0)];
    let answer = Answer { pepper, ..Answer::of(&rows) };
    let shared = FakeSharedData::default();
    let writer = TableWriter::new(shared.clone(), names());
    let mut build = writer.begin(2, 7).unwrap();
    let (head, changes) = Changes::read(&answer.to_json(), Cursor(0), names().shape()).unwrap();
    writer.collect(&mut build, &changes).unwrap();
    while writer.lay_out(&mut build).unwrap() == crate::table::Progress::Continues {}
    writer.publish(&build, &head.epoch, Cursor(2), 1, Some(refreshed_at(NOW))).unwrap();
    shared
}

fn decided(
    shared: &FakeSharedData,
    request: &HeaderPairs,
    authentication: Authentication,
) -> Verdict<PagedRecord> {
    let (table, sources) = (TableReader::new(shared.clone(), names()), sources());
    let asked = Asked::only(authentication);
    decide(|| sources.extract(request), &asked, &table, &RightsUnknown, &LIMITS, WaitingTime::Left, NOW)
}

fn request(target: &str, headers: &[(&str, &str)]) -> HeaderPairs {
    [(":path", target)].iter().chain(headers).copied().collect()
}

#[test]
fn a_text_in_no_other_form_is_a_key_where_there_are_such_keys() {
    let (with, without, sources) = (process(Some(pepper())), process(None), sources());
    for case in OPAQUE_CASES {
        let request = request(case.target, case.headers);
        let verdict = decided(&with, &request, Authentication::Required);
        match case.outcome {
            OpaqueOutcome::Admitted(_) => assert_eq!(outcome(&verdict), "admitted", "{}", case.name),
            OpaqueOutcome::Refused(reason) => assert_eq!(outcome(&verdict), reason, "{}", case.name),
        }
        let verdict = decided(&without, &request, Authentication::Required);
        assert_eq!(outcome(&verdict), case.without, "{}", case.name);
        // Nothing of it is left, whatever it was.
        assert_eq!(sources.strip(&request).is_empty(), case.without == "credential_missing", "{}", case.name);
    }
}

#[test]
fn a_request_is_told_by_the_id_of_its_key_and_never_by_its_text() {
    let shared = process(Some(pepper()));
    let key = request("/", &[("x-api-key", OPAQUE)]);
    let Verdict::Admit(admission) = decided(&shared, &key, Authentication::Required) else {
        panic!("admitted")
    };
    assert_eq!(admission.key.id().as_str(), credential_of(OPAQUE).0);
    let other = request("/", &[("x-api-key", "another-text")]);
    let Verdict::Deny(refusal) = decided(&shared, &other, Authentication::Required) else { panic!("denied") };
    assert_eq!(refusal.claimed_id.map(String::from), Some(credential_of("another-text").0));
    assert!(!format!("{:?}", sources().extract(&other)).contains("another-text"));
}

#[test]
fn where_a_key_is_optional_whoever_shows_a_text_that_is_none_does_not_pass_as_nobody() {
    let shared = process(Some(pepper()));
    let shows =
        |header: (&str, &str)| outcome(&decided(&shared, &request("/", &[header]), Authentication::Optional));
    assert_eq!(shows(("x-api-key", OPAQUE)), "admitted");
    assert_eq!(shows(("x-api-key", "another-text")), "key_unknown");
    assert_eq!(shows(("authorization", "Bearer another-text")), "key_unknown");
    assert_eq!(shows(("authorization", "Basic another-text")), "passes");
}

#[test]
fn before_the_first_table_a_text_waits_and_is_not_called_malformed() {
    let shared = FakeSharedData::default();
    let key = request("/", &[("x-api-key", OPAQUE)]);
    assert_eq!(outcome(&decided(&shared, &key, Authentication::Required)), "waits");
    let no_key = request("/", &[("authorization", "ApiKey !")]);
    assert_eq!(outcome(&decided(&shared, &no_key, Authentication::Required)), "credential_bad_base64");
    let (table, sources) = (TableReader::new(shared, names()), sources());
    let over = |asked: &Asked<'_>| {
        decide(|| sources.extract(&key), asked, &table, &RightsUnknown, &LIMITS, WaitingTime::Over, NOW)
    };
    assert_eq!(outcome(&over(&required())), "table_absent");
}
