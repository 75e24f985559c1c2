use axum::http::StatusCode;
use serde_json::json;

use crate::service::Service;

const PATH: &str = "/_security/privilege";

const SHOP: &str = r#"{"shop":{"read":{"actions":["data:read/*"],"metadata":{"v":1}},"all":{"application":"shop","name":"all","actions":"data:*"}}}"#;

// Public documentation, "Create or update application privileges", "Get …", "Delete …".
#[tokio::test]
async fn privileges_are_registered_shown_and_removed() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for created in [true, false] {
        let answer = elastic.put(PATH, SHOP).await;
        assert_eq!(
            answer.json(),
            json!({"shop": {"read": {"created": created}, "all": {"created": created}}})
        );
    }
    let read =
        json!({"application": "shop", "name": "read", "actions": ["data:read/*"], "metadata": {"v": 1}});
    let all = json!({"application": "shop", "name": "all", "actions": ["data:*"], "metadata": {}});
    for (path, status, body) in [
        ("", 200, json!({"shop": {"read": read, "all": all}})),
        ("/shop", 200, json!({"shop": {"read": read, "all": all}})),
        ("/shop/read,none", 200, json!({"shop": {"read": read}})),
        ("/shop/none", 404, json!({})),
        ("/none", 200, json!({})),
    ] {
        let answer = service.user("read").get(&format!("{PATH}{path}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, body), "{path}");
    }
    let answer = elastic.delete_nothing(&format!("{PATH}/shop/read,none")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({"shop": {"read": {"found": true}, "none": {"found": false}}}));
    let answer = elastic.delete_nothing(&format!("{PATH}/shop/read")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json(), json!({"shop": {"read": {"found": false}}}));
}

// Elasticsearch, `PutPrivilegesRequest#validate`: all or nothing.
#[tokio::test]
async fn refuses_privileges_that_make_no_sense() {
    let service = Service::new().await;
    let whole = "action_request_validation_exception";
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required"),
        ("[]", "parse_exception", "expected object but found START_ARRAY instead"),
        (
            r#"{"shop":[]}"#,
            "parse_exception",
            "expected the value for shop to be an object, but found START_ARRAY instead",
        ),
        (
            r#"{"shop":{"read":5}}"#,
            "parse_exception",
            "expected the value for read to be an object, but found VALUE_NUMBER instead",
        ),
        (
            r#"{"shop":{"read":{"name":"write","actions":["a:b"]}}}"#,
            "illegal_argument_exception",
            "privilege name [write] in source does not match the name provided [read]",
        ),
        ("{}", whole, "Validation Failed: 1: At least one application privilege must be provided;"),
        (
            r#"{"shop":{"read":{}}}"#,
            whole,
            "Validation Failed: 1: Application privileges must have at least one action;",
        ),
        (
            r#"{"shop":{"Read":{"actions":["a:b"]}}}"#,
            whole,
            "Validation Failed: 1: Application privilege names must match the pattern ^[a-z][a-zA-Z0-9_.-]*$ (found 'Read');",
        ),
        (
            r#"{"sh*":{"read":{"actions":["a:b"]}}}"#,
            whole,
            "Validation Failed: 1: Application names may not contain '*' (found 'sh*');",
        ),
        (
            r#"{"shop":{"read":{"actions":["a:b"],"metadata":{"_a":1}},"good":{"actions":["a:b"]}}}"#,
            whole,
            "Validation Failed: 1: metadata keys may not start with [_] (in privilege shop read);",
        ),
    ] {
        let answer = service.elastic().post(PATH, body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason.to_owned()), "{body}");
    }
    let answer = service.elastic().post(PATH, r#"{"shop":{"read":{"action":[]}}}"#).await;
    assert_eq!(
        answer.error().2,
        "[1:18] [application-privilege] unknown field [action] did you mean any of [actions, application]?"
    );
    assert_eq!(service.elastic().get(PATH).await.text, "{}");
}

// Public documentation, "Get builtin privileges".
#[tokio::test]
async fn names_the_built_in_privileges() {
    let service = Service::new().await;
    let json = service.elastic().get(&format!("{PATH}/_builtin")).await.json();
    for (kind, name) in
        [("cluster", "manage_own_api_key"), ("index", "read"), ("remote_cluster", "monitor_stats")]
    {
        let names = json[kind].as_array().unwrap();
        assert!(names.contains(&json!(name)), "{name}");
        assert!(names.is_sorted_by_key(|name| name.as_str()), "{kind}");
    }
}

// Public documentation, "Get user privileges". A key with role descriptors of its own cannot ask.
#[tokio::test]
async fn tells_callers_what_they_may_do() {
    let service = Service::new().await;
    let path = "/_security/user/_privileges";
    assert_eq!(
        service.elastic().get(path).await.text,
        r#"{"cluster":["all"],"global":[],"indices":[{"names":["*"],"privileges":["all"],"allow_restricted_indices":false},{"names":["*"],"privileges":["monitor","read","read_cross_cluster","view_index_metadata"],"allow_restricted_indices":true}],"applications":[{"application":"*","privileges":["*"],"resources":["*"]}],"run_as":["*"]}"#
    );
    let nothing = r#"{"cluster":[],"global":[],"indices":[],"applications":[],"run_as":[]}"#;
    assert_eq!(service.user("nothing").get(path).await.text, nothing);
    let own = service.user("own");
    let inherits = own.make(r#"{"name":"x"}"#).await;
    assert_eq!(service.key(&inherits).get(path).await.text, own.get(path).await.text);
    let assigned = own.make(r#"{"name":"x","role_descriptors":{"r":{"cluster":["monitor"]}}}"#).await;
    service.key(&assigned).get(path).await.assert_error(
        400,
        "illegal_argument_exception",
        "Cannot retrieve privileges for API keys with assigned role descriptors. Please use the Get API key information API https://ela.st/es-api-get-api-key",
    );
}
