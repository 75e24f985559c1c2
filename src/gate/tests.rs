use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::format_limits::RECORD_LEN_MAX;
use latchkey_key_feed::{Cursor, Epoch, FeedRow, KeySecret, MonotonicMillis, SecretDigest};

use super::*;
use crate::credential::CredentialSources;
use crate::headers::HeaderPairs;
use crate::rules::{
    Captures, CorsPreflight, Matcher, Mode, Otherwise, PathPattern, Question, QuestionId, Requirement,
    Resource, RightsUnknown, Rule, Rules,
};
use crate::table::sample_keys::{build, key, live, refreshed_at, removed, shape};
use crate::table::{FeedIdentity, FeedTable as _, PagedRecord, SharedNames, TableReader, TableWriter};
use crate::testing::FakeSharedData;

mod opaque;

/// The clocks are far apart, so that whoever mixes them up is found.
const NOW: Moment = Moment { wall: UnixMillis(1_000_000_000), monotonic: MonotonicMillis(5_000_000) };
const LIMITS: StalenessLimits =
    StalenessLimits { stale_after: Duration::from_secs(60), refuse_after: Duration::from_secs(3_600) };

fn names() -> SharedNames {
    SharedNames::of(&FeedIdentity::of("key_service", "key_service", "/_latchkey/feed"), shape())
}

/// A process whose table holds an active key, one that ends at [`NOW`] plus a second, one with far too long a
/// name, and one that was revoked.
fn shared_data() -> FakeSharedData {
    let shared = FakeSharedData::default();
    let mut ending = key("ending");
    ending.expiration = Some(NOW.wall.plus_millis(1_000));
    let mut long = key("long");
    long.name = "n".repeat(RECORD_LEN_MAX);
    load(&shared, &[live(1, key("active")), live(2, ending), live(3, long), removed(4, "revoked")]);
    shared
}

fn load(shared: &FakeSharedData, rows: &[FeedRow]) {
    let writer = TableWriter::new(shared.clone(), names());
    let build = build(&writer, rows);
    let epoch = Epoch::try_from("e".to_owned()).unwrap();
    writer
        .publish(&build, &epoch, Cursor(rows.len() as u64), rows.len() as u64, Some(refreshed_at(NOW)))
        .unwrap();
}

fn authorization(id: &str, secret: &str) -> HeaderPairs {
    let encoded = STANDARD.encode(format!("{id}:{secret}"));
    HeaderPairs::from_iter([("authorization", format!("ApiKey {encoded}"))])
}

fn secret_of(id: &str) -> String {
    format!("secret of {id}")
}

fn later(millis: u64) -> Moment {
    Moment { wall: NOW.wall.plus_millis(millis), monotonic: NOW.monotonic.plus_millis(millis) }
}

fn presented(headers: &HeaderPairs) -> impl FnOnce() -> Result<Option<Presented>, MalformedCredential> {
    || CredentialSources::default().extract(headers)
}

fn decide_at(shared: &FakeSharedData, headers: &HeaderPairs, now: Moment) -> Verdict<PagedRecord> {
    decide_if(Authentication::Required, shared, headers, now)
}

fn decide_if(
    authentication: Authentication,
    shared: &FakeSharedData,
    headers: &HeaderPairs,
    now: Moment,
) -> Verdict<PagedRecord> {
    let table = TableReader::new(shared.clone(), names());
    decide(
        presented(headers),
        &Asked::only(authentication),
        &table,
        &RightsUnknown,
        &LIMITS,
        WaitingTime::Left,
        now,
    )
}

fn required() -> Asked<'static> {
    Asked::only(Authentication::Required)
}

/// The verdict in a word: "admitted", "passes", "waits", or the reason of the denial.
fn outcome(verdict: &Verdict<PagedRecord>) -> &'static str {
    match verdict {
        Verdict::Admit(_) => "admitted",
        Verdict::Pass => "passes",
        Verdict::Forbid(_, denial) => denial.reason(),
        Verdict::Deny(refusal) => refusal.denial.reason(),
        Verdict::Wait => "waits",
    }
}

#[track_caller]
fn check(id: &str, secret: &str, passed_ms: u64, expected: &str) {
    let verdict = decide_at(&shared_data(), &authorization(id, secret), later(passed_ms));
    assert_eq!(outcome(&verdict), expected);
}

#[test]
fn admits_only_the_right_secret_of_an_active_key() {
    check("active", &secret_of("active"), 0, "admitted");
    check("active", "wrong", 0, "secret_wrong");
    check("active", "", 0, "secret_wrong");
    check("active", &secret_of("ending"), 0, "secret_wrong");
    check("nobody", &secret_of("nobody"), 0, "key_unknown");
    check("revoked", &secret_of("revoked"), 0, "key_revoked");
}

#[test]
fn a_refusal_names_the_id_that_was_presented_and_no_other_text() {
    let claimed = |headers: &HeaderPairs| match decide_at(&shared_data(), headers, later(1_000)) {
        Verdict::Deny(refusal) => refusal.claimed_id.map(String::from),
        other => panic!("{other:?}"),
    };
    for (id, secret) in [
        ("active", "wrong"),
        ("nobody", "x"),
        ("revoked", "x"),
        ("ending", "secret of ending"),
        ("long", "secret of long"),
    ] {
        assert_eq!(claimed(&authorization(id, secret)).as_deref(), Some(id));
    }
    assert_eq!(claimed(&HeaderPairs::default()), None);
    for malformed in ["ApiKey !", "ApiKey aWRzZWNyZXQ=", "ApiKey OnNlY3JldA=="] {
        assert_eq!(claimed(&HeaderPairs::from_iter([("authorization", malformed)])), None, "{malformed}");
    }
}

#[test]
fn where_authentication_is_optional_only_a_request_without_credential_passes() {
    let optional =
        |headers: &HeaderPairs| outcome(&decide_if(Authentication::Optional, &shared_data(), headers, NOW));
    let authorized = |value: &str| HeaderPairs::from_iter([("authorization", value)]);
    assert_eq!(optional(&HeaderPairs::default()), "passes");
    assert_eq!(optional(&authorized("Bearer token")), "passes");
    assert_eq!(optional(&authorized("ApiKey")), "credential_empty");
    assert_eq!(optional(&authorized("apikey\taWQ6c2VjcmV0")), "credential_space_missing");
    assert_eq!(optional(&authorization("active", &secret_of("active"))), "admitted");
    assert_eq!(optional(&authorization("active", "wrong")), "secret_wrong");
    assert_eq!(optional(&authorization("revoked", "any")), "key_revoked");
    assert_eq!(optional(&authorized("ApiKey !")), "credential_bad_base64");
    assert_eq!(optional(&authorized("Bearer a, ApiKey aWQ6c2VjcmV0")), "credential_duplicate");
    let empty = FakeSharedData::default();
    let good = authorization("active", &secret_of("active"));
    assert_eq!(outcome(&decide_if(Authentication::Optional, &empty, &good, NOW)), "waits");
    assert_eq!(outcome(&decide_if(Authentication::Optional, &empty, &HeaderPairs::default(), NOW)), "passes");
}

#[test]
fn where_authentication_is_off_no_credential_is_looked_at() {
    let empty = FakeSharedData::default();
    for headers in [
        HeaderPairs::default(),
        authorization("active", "wrong"),
        HeaderPairs::from_iter([("authorization", "ApiKey !")]),
    ] {
        assert_eq!(outcome(&decide_if(Authentication::Off, &empty, &headers, NOW)), "passes");
    }
}

#[test]
fn a_key_ends_at_its_expiration() {
    check("ending", &secret_of("ending"), 999, "admitted");
    check("ending", &secret_of("ending"), 1_000, "key_expired");
    // Only who knows the secret learns that the key has expired, and only from the log.
    check("ending", "wrong", 1_000, "secret_wrong");
}

#[test]
fn a_key_whose_identity_cannot_be_told_is_trouble_and_not_a_bad_key() {
    check("long", &secret_of("long"), 0, "row_set_aside");
    check("long", "wrong", 0, "secret_wrong");
}

#[test]
fn a_stale_table_serves_until_the_operators_limit() {
    let minute = 60_000;
    let headers = authorization("active", &secret_of("active"));
    for (age_ms, expected) in
        [(minute - 1, Freshness::Fresh), (minute, Freshness::Stale), (60 * minute - 1, Freshness::Stale)]
    {
        let Verdict::Admit(admission) = decide_at(&shared_data(), &headers, later(age_ms)) else {
            panic!("refused at {age_ms} ms")
        };
        assert_eq!(admission.freshness, expected, "{age_ms} ms");
    }
    check("active", &secret_of("active"), 60 * minute, "table_too_old");
    check("active", "wrong", 60 * minute, "table_too_old");
}

#[test]
fn each_question_has_its_clock() {
    let headers = authorization("ending", &secret_of("ending"));
    // The wall clock was set back by an hour: the table is as old as it is, and a key that has expired is
    // valid again.
    let set_back = |passed_ms: u64| Moment { wall: UnixMillis(NOW.wall.0 - 3_600_000), ..later(passed_ms) };
    assert_eq!(outcome(&decide_at(&shared_data(), &headers, set_back(3_599_999))), "admitted");
    assert_eq!(outcome(&decide_at(&shared_data(), &headers, set_back(3_600_000))), "table_too_old");
    // It was set forward: what has expired by it has expired.
    let set_forward = Moment { wall: later(60_000).wall, ..NOW };
    let active = authorization("active", &secret_of("active"));
    assert_eq!(outcome(&decide_at(&shared_data(), &active, set_forward)), "admitted");
    assert_eq!(outcome(&decide_at(&shared_data(), &headers, set_forward)), "key_expired");
}

#[test]
fn where_the_machine_may_have_slept_a_request_waits_for_the_next_answer() {
    let (shared, headers) = (shared_data(), authorization("active", &secret_of("active")));
    let table = TableReader::new(shared, names());
    let woken = Moment { wall: later(3_600_000).wall, ..NOW };
    let decide_with = |waiting_time| {
        decide(presented(&headers), &required(), &table, &RightsUnknown, &LIMITS, waiting_time, woken)
    };
    assert_eq!(outcome(&decide_with(WaitingTime::Left)), "waits");
    assert_eq!(outcome(&decide_with(WaitingTime::Over)), "table_too_old");
}

#[test]
fn a_table_serves_no_longer_than_the_service_was_told() {
    // The operator allows more now, and the service does not know it yet.
    let told = TableAge { ms: 45_000, wall_ms: 0, serves_ms: 45_000 };
    assert_eq!(Freshness::of(told, &LIMITS), Freshness::TooOld);
    assert_eq!(Freshness::of(TableAge { ms: 44_999, ..told }, &LIMITS), Freshness::Fresh);
    // Another plugin of the table may admit for longer than this one.
    let patient = TableAge { ms: 3_600_000, wall_ms: 0, serves_ms: u64::MAX };
    assert_eq!(Freshness::of(patient, &LIMITS), Freshness::TooOld);
}

#[test]
fn a_missing_or_bad_credential_is_told_whatever_the_table_is() {
    let empty = FakeSharedData::default();
    assert_eq!(outcome(&decide_at(&empty, &HeaderPairs::default(), NOW)), "credential_missing");
    let malformed = HeaderPairs::from_iter([("authorization", "ApiKey !")]);
    assert!(outcome(&decide_at(&empty, &malformed, NOW)).starts_with("credential_"));
}

#[test]
fn without_a_table_a_request_waits_and_then_is_refused() {
    let table = TableReader::new(FakeSharedData::default(), names());
    let headers = authorization("active", "any");
    let decide_with = |waiting_time| {
        decide(presented(&headers), &required(), &table, &RightsUnknown, &LIMITS, waiting_time, NOW)
    };
    assert_eq!(outcome(&decide_with(WaitingTime::Left)), "waits");
    assert_eq!(outcome(&decide_with(WaitingTime::Over)), "table_absent");
}

#[test]
fn foreign_bytes_in_shared_data_are_trouble_and_not_a_bad_key() {
    let shared = shared_data();
    let headers = authorization("active", &secret_of("active"));
    shared.overwrite(names().header(), b"?");
    assert_eq!(outcome(&decide_at(&shared, &headers, NOW)), "table_unreadable");
}

#[test]
fn the_identity_of_a_verified_key_is_that_of_its_record() {
    let headers = authorization("ending", &secret_of("ending"));
    let Verdict::Admit(Admission { key, .. }) = decide_at(&shared_data(), &headers, NOW) else {
        panic!("refused")
    };
    assert_eq!(key.id.as_str(), "ending");
    let shown = IdentityField::ALL.map(|field| key.value(field).unwrap_or_default());
    assert_eq!(
        shown,
        ["ending", "name-of-ending", "alice", "native", "reader", "", "ops", "1000001000", "", ""]
    );
}

#[test]
fn the_secret_before_a_rotation_is_admitted_until_its_time_is_over_and_told() {
    let mut rotated = key("rotated");
    let next = KeySecret::presented(b"next secret".to_vec());
    let next = SecretDigest::of(&rotated.secrets.salt, &next);
    rotated.secrets = rotated.secrets.rotated(next, NOW.wall.plus_millis(1_000));
    let shared = FakeSharedData::default();
    load(&shared, &[live(1, rotated)]);
    let told = |secret: &str, now| match decide_at(&shared, &authorization("rotated", secret), now) {
        Verdict::Admit(Admission { key, .. }) => {
            key.value(IdentityField::SecretUsed).unwrap_or("nothing").to_owned()
        }
        verdict => outcome(&verdict).to_owned(),
    };
    let before = secret_of("rotated");
    for (secret, millis, expected) in [
        (before.as_str(), 999, "previous"),
        (&before, 1_000, "secret_wrong"),
        ("next secret", 0, "nothing"),
        ("next secret", 1_000, "nothing"),
        ("another", 0, "secret_wrong"),
    ] {
        assert_eq!(told(secret, later(millis)), expected, "{secret} after {millis} ms");
    }
}

#[test]
fn an_id_that_is_not_plain_ascii_is_encoded_in_its_header() {
    let shared = FakeSharedData::default();
    load(&shared, &[live(1, key("clé 1"))]);
    let headers = authorization("clé 1", &secret_of("clé 1"));
    let Verdict::Admit(Admission { key, .. }) = decide_at(&shared, &headers, NOW) else { panic!("refused") };
    assert_eq!(key.value(IdentityField::Id), Some("cl%C3%A9%201"));
}

/// Whoever answers yes about one resource, no about another, and nothing about the rest.
struct FakeRights<'q>(&'q [Question]);

impl RightsOf<PagedRecord> for FakeRights<'_> {
    fn holds(&self, _: &PagedRecord, question: QuestionId, captures: &Captures<'_>) -> Held {
        let Question::Application { resource, .. } = &self.0[question.0] else { return Held::Unknown };
        match resource.with(captures).as_deref() {
            Some("orders/mine") => Held::Yes,
            Some("orders/theirs") => Held::No,
            _ => Held::Unknown,
        }
    }
}

#[test]
fn a_verified_key_needs_what_the_rule_requires() {
    let privilege = Question::Application {
        application: "shop".to_owned(),
        privilege: "read".to_owned(),
        resource: Resource::parse("orders/{id}").unwrap(),
    };
    let rule = Rule {
        name: "orders".to_owned(),
        matcher: Matcher { paths: vec![PathPattern::parse("/orders/{id}").unwrap()], ..Matcher::default() },
        authentication: Authentication::Required,
        requirement: Some(Requirement::Right(QuestionId(0))),
        mode: Mode::Enforce,
    };
    let otherwise = Otherwise {
        authentication: Authentication::Required,
        mode: Mode::Enforce,
        cors_preflight: CorsPreflight::Refuse,
    };
    let rules = Rules::new(vec![rule], vec![privilege], otherwise);
    let table = TableReader::new(shared_data(), names());
    for (path, secret, expected) in [
        ("/orders/mine", "secret of active", "admitted"),
        ("/orders/%6Dine", "secret of active", "admitted"),
        ("/orders/theirs", "secret of active", "right_missing"),
        ("/orders/other", "secret of active", "rights_unknown"),
        // Whoever does not prove a key learns nothing of its rights.
        ("/orders/mine", "wrong", "secret_wrong"),
        ("/orders/theirs", "wrong", "secret_wrong"),
    ] {
        let line = HeaderPairs::from_iter([(":method", "GET"), (":path", path)]);
        let asked = rules.ask(&line).unwrap();
        let headers = authorization("active", secret);
        let rights = FakeRights(rules.questions());
        let verdict = decide(presented(&headers), &asked, &table, &rights, &LIMITS, WaitingTime::Over, NOW);
        assert_eq!(outcome(&verdict), expected, "{path} {secret}");
    }
}
