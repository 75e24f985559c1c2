use latchkey_key_feed::KeyId;
use latchkey_key_feed::credential::Scheme;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::credential::MalformedCredential;
use crate::denial::Unavailable;
use crate::headers::HeaderPairs;

const MISSING: Denial = Denial::Unauthenticated(Unauthenticated::CredentialMissing);
const TABLE_ABSENT: Denial = Denial::Unavailable(Unavailable::TableAbsent);

const BAD_KEYS: [Unauthenticated; 5] = [
    Unauthenticated::CredentialMalformed(MalformedCredential::BadBase64),
    Unauthenticated::KeyExpired,
    Unauthenticated::KeyRevoked,
    Unauthenticated::KeyUnknown,
    Unauthenticated::SecretWrong,
];

fn request(path: &[u8], content_type: &str) -> HeaderPairs {
    let headers: [(&str, &[u8]); 3] =
        [(":method", b"GET"), (":path", path), ("content-type", content_type.as_bytes())];
    headers.into_iter().collect()
}

fn reply(denial: Denial, path: &[u8]) -> Reply {
    Replies::default().to(
        denial,
        Some(&request(path, "application/json")),
        Some(path),
        Duration::from_secs(5),
    )
}

fn grpc(denial: Denial, content_type: &str) -> Reply {
    let path = b"/pkg.Service/Call";
    Replies::default().to(denial, Some(&request(path, content_type)), Some(path), Duration::from_secs(5))
}

fn reason(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    body["error"]["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_missing_credential_is_told_in_elasticsearchs_words() {
    let reply = reply(MISSING, b"/index/_search?q=a");
    assert_eq!(reply.status, 401);
    assert_eq!(reply.grpc_status, 16);
    assert_eq!(reply.details, "latchkey_credential_missing");
    assert_eq!(
        reply.headers,
        [("www-authenticate", "ApiKey".to_owned()), ("content-type", "application/json".to_owned())]
    );
    let reason = "missing authentication credentials for REST request [/index/_search?q=a]";
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(
        body,
        json!({
            "error": {
                "root_cause": [{
                    "type": "security_exception", "reason": reason, "header": {"WWW-Authenticate": "ApiKey"}
                }],
                "type": "security_exception",
                "reason": reason,
                "header": {"WWW-Authenticate": "ApiKey"}
            },
            "status": 401
        })
    );
}

#[test]
fn all_bad_keys_get_one_answer_and_differ_only_in_the_details() {
    let replies = BAD_KEYS.map(|bad| reply(Denial::Unauthenticated(bad), b"/"));
    for reply in &replies {
        assert_eq!(reply.status, 401);
        let public = Reply { details: replies[0].details.clone(), ..reply.clone() };
        assert_eq!(public, replies[0]);
        assert_eq!(reason(reply), BAD_KEY);
    }
    let details = replies.map(|reply| reply.details);
    assert_eq!(
        details,
        [
            "latchkey_credential_bad_base64",
            "latchkey_key_expired",
            "latchkey_key_revoked",
            "latchkey_key_unknown",
            "latchkey_secret_wrong"
        ]
    );
}

#[test]
fn trouble_is_unavailable_and_never_a_challenge() {
    for trouble in [
        Unavailable::RowSetAside,
        Unavailable::TableAbsent,
        Unavailable::TableTooOld,
        Unavailable::TableUnreadable,
        Unavailable::HostFailed,
    ] {
        let reply = reply(Denial::Unavailable(trouble), b"/");
        assert_eq!((reply.status, reply.grpc_status), (503, 14));
        assert_eq!(
            reply.headers,
            [("retry-after", "5".to_owned()), ("content-type", "application/json".to_owned())]
        );
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let cause = json!({"type": "status_exception", "reason": UNAVAILABLE});
        let error = json!({"root_cause": [cause], "type": "status_exception", "reason": UNAVAILABLE});
        assert_eq!(body, json!({"error": error, "status": 503}));
    }
}

#[test]
fn an_ambiguous_request_is_a_bad_request() {
    for (ambiguous, details) in [
        (Ambiguous::Path, "latchkey_path_ambiguous"),
        (Ambiguous::Host, "latchkey_host_ambiguous"),
        (Ambiguous::Method, "latchkey_method_ambiguous"),
    ] {
        let reply = reply(Denial::Ambiguous(ambiguous), b"//a");
        assert_eq!((reply.status, reply.grpc_status, reply.details.as_str()), (400, 3, details));
        assert_eq!(reply.headers, [("content-type", "application/json".to_owned())]);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(body["error"]["type"], "illegal_argument_exception");
        assert!(!reply.body.contains("//a"), "nothing of it is repeated");
    }
}

#[test]
fn a_key_that_may_not_is_told_the_rule_and_its_id() {
    let id = KeyId::try_from("clé\"1").unwrap();
    let forbidden =
        Replies::default().forbidden("orders-write", &id, Some(&request(b"/", "application/json")));
    assert_eq!((forbidden.status, forbidden.grpc_status), (403, 7));
    assert_eq!(forbidden.details, "latchkey_right_missing{orders-write}");
    assert_eq!(forbidden.headers, [("content-type", "application/json".to_owned())]);
    assert_eq!(reason(&forbidden), "action [orders-write] is unauthorized for API key id [clé\"1]");
    let of_grpc = Replies::default().forbidden("orders-write", &id, Some(&request(b"/", "application/grpc")));
    assert_eq!(of_grpc.body, "action [orders-write] is unauthorized for API key id [clé\"1]");
    assert!(of_grpc.headers.is_empty());
}

#[test]
fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
        let reply =
            Replies::default().to(TABLE_ABSENT, None::<&HeaderPairs>, None, Duration::from_millis(millis));
        assert_eq!(reply.headers[0], ("retry-after", seconds.to_owned()));
    }
    let longest = Replies::default().to(TABLE_ABSENT, None::<&HeaderPairs>, None, Duration::MAX);
    assert_eq!(longest.headers[0].1, u64::MAX.to_string());
}

#[test]
fn a_grpc_client_gets_the_bare_reason() {
    for content_type in ["application/grpc", "application/grpc+proto"] {
        let refused = grpc(MISSING, content_type);
        assert_eq!(refused.body, "missing authentication credentials for REST request [/pkg.Service/Call]");
        assert_eq!(refused.headers, [("www-authenticate", "ApiKey".to_owned())]);
        assert_eq!(grpc(TABLE_ABSENT, content_type).body, UNAVAILABLE);
    }
    for content_type in
        ["", "application/json", "application/grpc-web", "application/grpcfoo", "text/application/grpc"]
    {
        assert!(grpc(MISSING, content_type).body.starts_with('{'), "{content_type}");
    }
}

#[test]
fn a_path_cannot_break_out_of_the_json() {
    let reply = reply(MISSING, b"/\"}],\\\x01\x7f\xFF");
    assert_eq!(
        reason(&reply),
        "missing authentication credentials for REST request [/\"}],\\\u{1}\u{7f}\u{FFFD}]"
    );
    assert!(!reply.body.contains('\u{1}'));
}

#[test]
fn repeats_a_path_up_to_the_limit_and_cuts_a_longer_one() {
    let repeated =
        |path: &str| reason(&reply(MISSING, path.as_bytes())).split_once('[').unwrap().1.to_owned();
    let longest = "/".repeat(REPLY_PATH_LEN_MAX);
    assert_eq!(repeated(&longest), format!("{longest}]"));
    assert_eq!(repeated(&format!("{longest}x")), format!("{longest}...]"));
    // The cut falls into the middle of a character.
    let odd = format!("/{}", "ä".repeat(REPLY_PATH_LEN_MAX));
    assert_eq!(repeated(&odd), format!("/{}...]", "ä".repeat(REPLY_PATH_LEN_MAX / 2 - 1)));
}

#[test]
fn a_request_without_a_path_is_answered_too() {
    let reply = Replies::default().to(MISSING, None::<&HeaderPairs>, None, Duration::ZERO);
    assert_eq!(reason(&reply), "missing authentication credentials for REST request []");
}

/// A reply as the operator wants it.
fn chosen(choices: ReplyChoices, schemes: &[Scheme], denial: Denial) -> Reply {
    let replies = Replies::new(choices, schemes.iter().copied());
    let path = b"/a?b";
    replies.to(denial, Some(&request(path, "application/json")), Some(path), Duration::from_secs(5))
}

fn challenges(reply: &Reply) -> Vec<&str> {
    let headers = reply.headers.iter().filter(|(name, _)| *name == "www-authenticate");
    headers.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn problem_details_say_what_elasticsearchs_error_says() {
    let choices = ReplyChoices { format: BodyFormat::ProblemJson, ..ReplyChoices::default() };
    for (denial, title, status) in
        [(MISSING, "Unauthorized", 401), (TABLE_ABSENT, "Service Unavailable", 503)]
    {
        let reply = chosen(choices.clone(), &[Scheme::ApiKey], denial);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let detail = public_reason(denial, b"/a?b");
        let expected = json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
        assert_eq!((body, reply.status), (expected, status));
        assert_eq!(reply.headers[1], ("content-type", "application/problem+json".to_owned()));
    }
}

#[test]
fn a_text_is_the_words_alone() {
    let texts = vec![(401, "Bring a \"key\".".to_owned())];
    let choices = ReplyChoices { format: BodyFormat::Text, texts, ..ReplyChoices::default() };
    let refused = chosen(choices.clone(), &[Scheme::ApiKey], MISSING);
    assert_eq!(refused.body, "Bring a \"key\".");
    assert_eq!(refused.headers[1], ("content-type", "text/plain; charset=utf-8".to_owned()));
    // Each status has words of its own.
    assert_eq!(chosen(choices, &[Scheme::ApiKey], TABLE_ABSENT).body, UNAVAILABLE);
}

#[test]
fn a_text_of_the_operators_stands_in_every_form_and_for_every_bad_key() {
    for format in [BodyFormat::Elasticsearch, BodyFormat::ProblemJson, BodyFormat::Text] {
        let texts = vec![(401, "\"Bring\\ a key".to_owned())];
        let choices = ReplyChoices { format, texts, ..ReplyChoices::default() };
        let bad =
            BAD_KEYS.map(Denial::Unauthenticated).map(|bad| chosen(choices.clone(), &[Scheme::ApiKey], bad));
        let missing = chosen(choices, &[Scheme::ApiKey], MISSING);
        assert!(bad.iter().all(|reply| reply.body == missing.body && reply.headers == missing.headers));
        let told = match format {
            BodyFormat::Elasticsearch => reason(&missing),
            BodyFormat::ProblemJson => {
                serde_json::from_str::<Value>(&missing.body).unwrap()["detail"].as_str().unwrap().to_owned()
            }
            BodyFormat::Text => missing.body,
        };
        assert_eq!(told, "\"Bring\\ a key");
    }
}

#[test]
fn the_challenges_are_those_of_the_schemes() {
    let with = |realm: Option<&str>, schemes: &[Scheme]| {
        let choices = ReplyChoices { realm: realm.map(str::to_owned), ..ReplyChoices::default() };
        chosen(choices, schemes, MISSING)
    };
    let all = with(None, &[Scheme::Basic, Scheme::ApiKey, Scheme::Bearer]);
    let expected = ["Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey", "Bearer realm=\"security\""];
    assert_eq!(challenges(&all), expected);
    let body: Value = serde_json::from_str(&all.body).unwrap();
    assert_eq!(body["error"]["root_cause"][0]["header"]["WWW-Authenticate"], json!(expected));

    let named = with(Some("orders"), &[Scheme::Bearer, Scheme::ApiKey]);
    assert_eq!(challenges(&named), ["Bearer realm=\"orders\"", "ApiKey realm=\"orders\""]);
    assert_eq!(challenges(&with(None, &[])), ["ApiKey"]);
    assert_eq!(challenges(&with(Some("orders"), &[])), ["ApiKey realm=\"orders\""]);
}

#[test]
fn a_forbidden_request_has_the_form_and_the_words_too() {
    let id = KeyId::try_from("id".to_owned()).unwrap();
    let told = |texts: Vec<(u32, String)>| {
        let choices = ReplyChoices { format: BodyFormat::ProblemJson, texts, ..ReplyChoices::default() };
        let replies = Replies::new(choices, std::iter::once(Scheme::ApiKey));
        let reply = replies.forbidden("orders", &id, Some(&request(b"/", "application/json")));
        assert_eq!((reply.status, reply.grpc_status, challenges(&reply).len()), (403, 7, 0));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((&body["title"], &body["status"]), (&json!("Forbidden"), &json!(403)));
        body["detail"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(Vec::new()), "action [orders] is unauthorized for API key id [id]");
    assert_eq!(told(vec![(401, "a".to_owned()), (403, "Ask the owner.".to_owned())]), "Ask the owner.");
}

#[test]
fn only_an_absent_table_has_a_status_of_its_own() {
    let choices = ReplyChoices { table_absent_status: Some(429), ..ReplyChoices::default() };
    let absent = chosen(choices.clone(), &[Scheme::ApiKey], TABLE_ABSENT);
    assert_eq!((absent.status, absent.grpc_status), (429, 14));
    assert_eq!(absent.headers[0], ("retry-after", "5".to_owned()));
    let body: Value = serde_json::from_str(&absent.body).unwrap();
    assert_eq!(body["status"], json!(429));
    let old = chosen(choices, &[Scheme::ApiKey], Denial::Unavailable(Unavailable::TableTooOld));
    assert_eq!(old.status, 503);
}

proptest! {
    #[test]
    fn any_path_gives_a_short_json_body(path in prop::collection::vec(any::<u8>(), 0..1024)) {
        let reply = reply(MISSING, &path);
        prop_assert!(serde_json::from_str::<Value>(&reply.body).is_ok());
        prop_assert!(reply.body.len() < 14 * REPLY_PATH_LEN_MAX + 500);
    }
}
