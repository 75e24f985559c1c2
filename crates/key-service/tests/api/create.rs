use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_service::settings::ServiceSettings;
use serde_json::json;

use crate::service::{BEGINNING, Service};

const PATH: &str = "/_security/api_key";

#[tokio::test]
async fn answers_the_new_key_in_elasticsearchs_form_and_order() {
    let service = Service::new().await;
    let answer = service.elastic().put(PATH, r#"{"name":"ci","expiration":"1d"}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    let created = answer.json();
    let (id, secret) = (created["id"].as_str().unwrap(), created["api_key"].as_str().unwrap());
    assert_eq!((id.len(), secret.len()), (20, 22));
    let expiration = BEGINNING + 86_400_000;
    assert_eq!(
        answer.text,
        format!(
            r#"{{"id":"{id}","name":"ci","expiration":{expiration},"api_key":"{secret}","encoded":"{}"}}"#,
            STANDARD.encode(format!("{id}:{secret}"))
        )
    );
}

#[tokio::test]
async fn a_key_without_an_end_shows_none() {
    let service = Service::new().await;
    let created = service.elastic().post(PATH, r#"{"name":"ci"}"#).await.json();
    assert_eq!(created.get("expiration"), None);
}

#[tokio::test]
async fn names_may_repeat_and_refresh_is_accepted() {
    let service = Service::new().await;
    for query in ["", "?refresh", "?refresh=true", "?refresh=false", "?refresh=wait_for", "?pretty&human"] {
        let answer = service.elastic().post(&format!("{PATH}{query}"), r#"{"name":"same"}"#).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
    }
    service.elastic().post(&format!("{PATH}?refresh=later"), r#"{"name":"same"}"#).await.assert_error(
        400,
        "illegal_argument_exception",
        "Unknown value for refresh: [later].",
    );
}

#[tokio::test]
async fn refuses_bodies_of_the_wrong_shape() {
    let service = Service::new().await;
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required"),
        ("{}", "illegal_argument_exception", "Required [name]"),
        (
            r#"{"nam":"x"}"#,
            "x_content_parse_exception",
            "[1:2] [api_key_request] unknown field [nam] did you mean [name]?",
        ),
        (
            r#"{"name":5}"#,
            "x_content_parse_exception",
            "[1:9] [api_key_request] name doesn't support values of type: VALUE_NUMBER",
        ),
        (
            r#"{"name":null}"#,
            "x_content_parse_exception",
            "[1:9] [api_key_request] name doesn't support values of type: VALUE_NULL",
        ),
        (
            r#"{"name":"x","role_descriptors":[]}"#,
            "x_content_parse_exception",
            "[1:32] [api_key_request] role_descriptors doesn't support values of type: START_ARRAY",
        ),
    ] {
        let answer = service.elastic().post(PATH, body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason.to_owned()), "{body}");
    }
}

// Elasticsearch, `AbstractCreateApiKeyRequest#validate`: all complaints are numbered together.
#[tokio::test]
async fn lists_what_is_wrong_with_the_request_as_a_whole() {
    let service = Service::new().await;
    let long = "x".repeat(257);
    for (body, problems) in [
        (json!({"name": ""}), "1: api key name is required;"),
        (json!({"name": long}), "1: api key name may not be more than 256 characters long;"),
        (json!({"name": " x"}), "1: api key name may not begin or end with whitespace;"),
        (json!({"name": "_x"}), "1: api key name may not begin with an underscore;"),
        (
            json!({"name": "_x ", "metadata": {"_m": 1, "ok": {"_nested": 1}}}),
            "1: api key name may not begin or end with whitespace;\
             2: api key name may not begin with an underscore;\
             3: API key metadata keys may not start with [_];",
        ),
    ] {
        let answer = service.elastic().post(PATH, &body.to_string()).await;
        answer.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
    // The longest name, and a no-break space at an end, which Java does not trim.
    for name in ["x".repeat(256), "x\u{a0}".to_owned()] {
        let answer = service.elastic().post(PATH, &json!({"name": name}).to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
    }
}

// The parser says which field it is, its cause what is wrong.
#[tokio::test]
async fn refuses_expirations_that_are_no_duration() {
    let service = Service::new().await;
    for (text, cause) in [
        (
            "10",
            "failed to parse setting [expiration] with value [10] as a time value: unit is missing or unrecognized",
        ),
        (
            "1w",
            "failed to parse setting [expiration] with value [1w] as a time value: unit is missing or unrecognized",
        ),
        (
            "-5s",
            "failed to parse setting [expiration] with value [-5s] as a time value: negative durations are not supported",
        ),
        ("1.5d", "failed to parse [1.5d], fractional time values are not supported"),
    ] {
        let answer =
            service.elastic().post(PATH, &json!({"name": "x", "expiration": text}).to_string()).await;
        answer.assert_error(
            400,
            "x_content_parse_exception",
            "Failed to build [api_key_request] after last required field arrived",
        );
        assert_eq!(answer.cause(), cause);
    }
}

// Parts of a second are cut off. A key may be expired from the start.
#[tokio::test]
async fn reckons_expirations_in_whole_seconds() {
    let service = Service::new().await;
    for (text, millis) in [("1999ms", 1_000), ("500ms", 0), ("0", 0), ("-1", 0), ("1h", 3_600_000)] {
        let body = json!({"name": "x", "expiration": text}).to_string();
        let created = service.elastic().post(PATH, &body).await.json();
        assert_eq!(created["expiration"], BEGINNING + millis, "{text}");
    }
    let far = json!({"name": "x", "expiration": format!("{}d", i64::MAX)}).to_string();
    let created = service.elastic().post(PATH, &far).await.json();
    assert_eq!(created["expiration"], i64::MAX);
    let dead = service.elastic().make(r#"{"name":"x","expiration":"0"}"#).await;
    assert_eq!(service.key(&dead).get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn refuses_role_descriptors_that_are_none() {
    let service = Service::new().await;
    let answer =
        service.elastic().post(PATH, r#"{"name":"x","role_descriptors":{"r":{"clutser":[]}}}"#).await;
    assert_eq!(answer.error().1, "x_content_parse_exception");
    assert_eq!(answer.cause(), "failed to parse role [r]. unexpected field [clutser]");
    let answer =
        service.elastic().post(PATH, r#"{"name":"x","role_descriptors":{"r":{"cluster":["mange"]}}}"#).await;
    let (status, kind, reason) = answer.error();
    assert_eq!((status, kind.as_str()), (400, "action_request_validation_exception"));
    assert!(reason.starts_with("Validation Failed: 1: unknown cluster privilege [mange]."), "{reason}");
}

#[tokio::test]
async fn authentication_comes_before_the_body_and_the_body_before_authorization() {
    let service = Service::new().await;
    assert_eq!(service.anonymous().post(PATH, "{").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.user("nothing").post(PATH, "{").await.status, StatusCode::BAD_REQUEST);
    let unknown = service.user("nothing").post(&format!("{PATH}?zzz=1"), r#"{"name":"x"}"#).await;
    unknown.assert_error(
        400,
        "illegal_argument_exception",
        "request [/_security/api_key] contains unrecognized parameter: [zzz]",
    );
    let invalid = service.user("nothing").post(PATH, r#"{"name":"_x"}"#).await;
    assert_eq!(invalid.error().1, "action_request_validation_exception");
    assert_eq!(service.user("nothing").post(PATH, r#"{"name":"x"}"#).await.status, StatusCode::FORBIDDEN);
}

// Who may make a key, and the words for who may not.
#[tokio::test]
async fn needs_a_privilege_that_makes_keys() {
    let service = Service::new().await;
    for (username, status) in
        [("own", 200), ("manage", 200), ("security", 200), ("elastic", 200), ("read", 403), ("feed", 403)]
    {
        let answer = service.user(username).post(PATH, r#"{"name":"x"}"#).await;
        assert_eq!(answer.status.as_u16(), status, "{username}: {}", answer.text);
    }
    let refused = service.user("read").post(PATH, r#"{"name":"x"}"#).await;
    refused.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/api_key/create] is unauthorized for user [read] with effective roles \
         [read], this action is granted by the cluster privileges \
         [manage_own_api_key,manage_api_key,manage_security,all]",
    );
    assert_eq!(refused.header("www-authenticate"), Vec::<String>::new());
    let refused = service.user("nothing").post(PATH, r#"{"name":"x"}"#).await;
    assert!(refused.error().2.contains("for user [nothing] with effective roles [],"), "{}", refused.text);
}

#[tokio::test]
async fn a_key_makes_powerless_keys_only() {
    let service = Service::new().await;
    let parent = service.user("manage").make(r#"{"name":"parent"}"#).await;
    for body in [
        r#"{"name":"child"}"#,
        r#"{"name":"child","role_descriptors":{}}"#,
        r#"{"name":"child","role_descriptors":{"r":{"cluster":["monitor"]}}}"#,
        r#"{"name":"child","role_descriptors":{"r":{"metadata":{"a":1}}}}"#,
        r#"{"name":"child","role_descriptors":{"r":{},"s":{"run_as":["x"]}}}"#,
    ] {
        service.key(&parent).post(PATH, body).await.assert_error(
            400,
            "illegal_argument_exception",
            "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
        );
    }
    let child =
        service.key(&parent).make(r#"{"name":"child","role_descriptors":{"r":{"cluster":[]}}}"#).await;
    let shown = service.elastic().get(&format!("{PATH}?id={}&with_limited_by", child.id)).await.json();
    let shown = &shown["api_keys"][0];
    assert_eq!((&shown["username"], &shown["realm"]), (&json!("manage"), &json!("_es_api_key")));
    assert_eq!(shown["limited_by"], json!([{}]));
    // It is somebody, it may look at itself, and that is all.
    let me = service.key(&child).get("/_security/_authenticate").await;
    assert_eq!((me.status, &me.json()["username"]), (StatusCode::OK, &json!("manage")));
    assert_eq!(service.key(&child).get(&format!("{PATH}?id={}", child.id)).await.status, StatusCode::OK);
    assert_eq!(service.key(&child).get(PATH).await.status, StatusCode::FORBIDDEN);
    let grandchild = r#"{"name":"grandchild","role_descriptors":{"r":{}}}"#;
    assert_eq!(service.key(&child).post(PATH, grandchild).await.status, StatusCode::FORBIDDEN);
}

// The rights of a key are what was assigned, as far as its owner could do it when the key was made.
#[tokio::test]
async fn a_key_can_do_what_it_was_given_and_its_owner_could() {
    let service = Service::new().await;
    for (username, roles, can_list, can_make) in [
        ("manage", "", true, true),
        ("manage", r#","role_descriptors":{}"#, true, true),
        ("manage", r#","role_descriptors":{"r":{"cluster":["monitor"]}}"#, false, false),
        ("manage", r#","role_descriptors":{"r":{"cluster":["all"]}}"#, true, true),
        ("own", r#","role_descriptors":{"r":{"cluster":["all"]}}"#, false, true),
        ("elastic", r#","role_descriptors":{"r":{"cluster":["read_security"]}}"#, true, false),
    ] {
        let made = service.user(username).make(&format!(r#"{{"name":"x"{roles}}}"#)).await;
        let listed = service.key(&made).get(PATH).await.status == StatusCode::OK;
        let child = r#"{"name":"y","role_descriptors":{"r":{}}}"#;
        let created = service.key(&made).post(PATH, child).await.status == StatusCode::OK;
        assert_eq!((listed, created), (can_list, can_make), "{username} {roles}");
    }
}

#[tokio::test]
async fn without_api_keys_the_endpoints_say_so() {
    let service = Service::with(ServiceSettings { api_keys: false, ..ServiceSettings::default() }).await;
    let answer = service.elastic().post(PATH, r#"{"name":"x"}"#).await;
    answer.assert_error(400, "feature_not_enabled_exception", "api keys are not enabled");
    assert_eq!(answer.json()["error"]["disabled.feature"], "api_keys");
    let answer = service.elastic().get(PATH).await;
    answer.assert_error(400, "feature_not_enabled_exception", "api keys are not enabled");
    let answer = service.elastic().delete(PATH, r#"{"ids":["x"]}"#).await;
    answer.assert_error(400, "feature_not_enabled_exception", "api keys are not enabled");
}
