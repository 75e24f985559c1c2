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
    Reply::to(denial, Some(&request(path, "application/json")), Some(path), Duration::from_secs(5))
}

fn grpc(denial: Denial, content_type: &str) -> Reply {
    let path = b"/pkg.Service/Call";
    Reply::to(denial, Some(&request(path, content_type)), Some(path), Duration::from_secs(5))
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
fn retry_after_is_whole_seconds_rounded_up_and_never_zero() {
    for (millis, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
        let reply = Reply::to(TABLE_ABSENT, None::<&HeaderPairs>, None, Duration::from_millis(millis));
        assert_eq!(reply.headers[0], ("retry-after", seconds.to_owned()));
    }
    let longest = Reply::to(TABLE_ABSENT, None::<&HeaderPairs>, None, Duration::MAX);
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
    let reply = Reply::to(MISSING, None::<&HeaderPairs>, None, Duration::ZERO);
    assert_eq!(reason(&reply), "missing authentication credentials for REST request []");
}

proptest! {
    #[test]
    fn any_path_gives_a_short_json_body(path in prop::collection::vec(any::<u8>(), 0..1024)) {
        let reply = reply(MISSING, &path);
        prop_assert!(serde_json::from_str::<Value>(&reply.body).is_ok());
        prop_assert!(reply.body.len() < 14 * REPLY_PATH_LEN_MAX + 500);
    }
}
