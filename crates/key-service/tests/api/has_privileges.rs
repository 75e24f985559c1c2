use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::service::Service;

const PATH: &str = "/_security/user/_has_privileges";

// Names in several blocks share an entry.
#[tokio::test]
async fn answers_by_privilege_index_and_application() {
    let service = Service::new().await;
    let body = r#"{"cluster":["monitor","manage_security"],"index":[{"names":["a","b*"],"privileges":["read"]},{"names":["a"],"privileges":["write"]}],"application":[{"application":"shop","privileges":["data:read"],"resources":["*"]}]}"#;
    for (answer, held) in [
        (service.elastic().post(PATH, body).await, true),
        (service.user("nothing").post(PATH, body).await, false),
    ] {
        assert_eq!(answer.status, StatusCode::OK);
        let username = if held { "elastic" } else { "nothing" };
        assert_eq!(
            answer.text,
            format!(
                r#"{{"username":"{username}","has_all_requested":{held},"cluster":{{"manage_security":{held},"monitor":{held}}},"index":{{"a":{{"read":{held},"write":{held}}},"b*":{{"read":{held}}}}},"application":{{"shop":{{"*":{{"data:read":{held}}}}}}}}}"#
            )
        );
    }
    let answer =
        service.user("own").post("/_security/user/own/_has_privileges", r#"{"cluster":["monitor"]}"#).await;
    assert_eq!(
        answer.text,
        r#"{"username":"own","has_all_requested":true,"cluster":{"monitor":true},"index":{},"application":{}}"#
    );
    let source = "?source=%7B%22cluster%22%3A%5B%22all%22%5D%7D&source_content_type=application/json";
    assert_eq!(
        service.user("own").get(&format!("{PATH}{source}")).await.json()["has_all_requested"],
        json!(false)
    );
}

// Elasticsearch, `RoleDescriptor#parsePrivilegesToCheck`, `HasPrivilegesRequest#validate`.
#[tokio::test]
async fn refuses_questions_that_make_no_sense() {
    let service = Service::new().await;
    let (parse, whole) = ("parse_exception", "action_request_validation_exception");
    for (body, kind, reason) in [
        ("", parse, "request body or source parameter is required"),
        (
            "[]",
            parse,
            "failed to parse privileges check [own/has_privileges]. expected an object but found [START_ARRAY] instead",
        ),
        (
            r#"{"indices":[]}"#,
            parse,
            "failed to parse privileges check [own/has_privileges]. unexpected field [indices]",
        ),
        (
            "{}",
            parse,
            "failed to parse privileges check [own/has_privileges]. All privilege fields [cluster,index,applications] are missing",
        ),
        (
            r#"{"cluster":[],"index":[],"applications":[]}"#,
            whole,
            "Validation Failed: 1: must specify at least one privilege;",
        ),
        (
            r#"{"index":[{"names":["a"],"privileges":["read"],"query":{"match_all":{}}}]}"#,
            parse,
            "Field [query] is not supported in a has_privileges request",
        ),
        (
            r#"{"index":[{"names":["a"],"privileges":["read"],"field_security":{"grant":["a"]}}]}"#,
            parse,
            "Field [field_security] is not supported in a has_privileges request",
        ),
        (
            r#"{"application":[{"application":"sh*","privileges":["x"],"resources":["r"]}]}"#,
            whole,
            "Validation Failed: 1: Application names may not contain '*' (found 'sh*');",
        ),
    ] {
        let answer = service.user("own").post(PATH, body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason.to_owned()), "{body}");
    }
    let (status, kind, reason) = service.user("own").post(PATH, r#"{"cluster":["zzz"]}"#).await.error();
    assert_eq!((status, kind.as_str()), (400, "illegal_argument_exception"));
    assert!(reason.starts_with("unknown cluster privilege [zzz]. "), "{reason}");
}

#[tokio::test]
async fn nobody_asks_about_somebody_else() {
    let service = Service::new().await;
    let body = r#"{"cluster":["monitor"]}"#;
    let path = "/_security/user/other-own/_has_privileges";
    service.user("own").post(path, body).await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/user/has_privileges] is unauthorized for user [own] with effective roles [own], this action is granted by the cluster privileges [read_ccr,read_security,manage_ccr,manage_security,all]",
    );
    service.elastic().post(path, body).await.assert_error(
        400,
        "illegal_argument_exception",
        "users may only check the privileges of their own account",
    );
}

// What the key's own and its owner's roles have in common, under the owner's name.
#[tokio::test]
async fn a_key_is_answered_about_the_intersection() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"x","role_descriptors":{"r":{"cluster":["all"]}}}"#).await;
    let answer = service.key(&made).post(PATH, r#"{"cluster":["monitor","all"]}"#).await.json();
    assert_eq!(
        (&answer["username"], &answer["cluster"]),
        (&json!("own"), &json!({"all": false, "monitor": true}))
    );
}

// A registered privilege means its actions.
#[tokio::test]
async fn registered_privileges_are_looked_up() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic
        .put(
            "/_security/role/reader",
            r#"{"applications":[{"application":"shop","privileges":["read"],"resources":["*"]}]}"#,
        )
        .await;
    elastic.put("/_security/user/bob", r#"{"password":"123456","roles":["reader"]}"#).await;
    let ask = async || -> Value {
        let body =
            r#"{"application":[{"application":"shop","privileges":["data:read/one"],"resources":["x"]}]}"#;
        service.basic("bob", "123456").post(PATH, body).await.json()["application"]["shop"]["x"]["data:read/one"].clone()
    };
    assert_eq!(ask().await, json!(false));
    elastic.put("/_security/privilege", r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await;
    assert_eq!(ask().await, json!(true));
}
