use axum::http::StatusCode;
use latchkey_key_service::limits::ROLES_AT_ONCE_MAX;
use serde_json::json;

use crate::service::Service;

const KEEPER: &str = r#"{"cluster":["manage_own_api_key"],"indices":[{"names":"logs-*","privileges":["read"],"query":{"match_all":{}}}],"run_as":["own"],"metadata":{"v":1},"description":"keeps keys"}"#;

// Public documentation, "Create or update roles", "Get roles", "Delete roles".
#[tokio::test]
async fn a_role_is_made_shown_and_removed() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for created in [true, false] {
        let answer = elastic.post("/_security/role/keeper?refresh=true", KEEPER).await;
        assert_eq!(
            (answer.status, answer.text),
            (StatusCode::OK, format!(r#"{{"role":{{"created":{created}}}}}"#))
        );
    }
    let answer = service.user("read").get("/_security/role/keeper,nobody").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.json(),
        json!({"keeper": {
            "cluster": ["manage_own_api_key"],
            "indices": [{"names": ["logs-*"], "privileges": ["read"], "query": "{\"match_all\":{}}", "allow_restricted_indices": false}],
            "applications": [],
            "run_as": ["own"],
            "metadata": {"v": 1},
            "transient_metadata": {"enabled": true},
            "description": "keeps keys",
        }})
    );
    for (found, status) in [(true, StatusCode::OK), (false, StatusCode::NOT_FOUND)] {
        let answer = elastic.delete_nothing("/_security/role/keeper").await;
        assert_eq!((answer.status, answer.json()), (status, json!({ "found": found })));
    }
    let answer = elastic.get("/_security/role/keeper").await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_FOUND, "{}"));
}

// Reserved roles are shown among the others; those of the file are not managed over the interface.
#[tokio::test]
async fn lists_reserved_roles_and_none_of_the_file() {
    let service = Service::new().await;
    service.elastic().put("/_security/role/keeper", KEEPER).await;
    let json = service.elastic().get("/_security/role").await.json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), ["keeper", "superuser"]);
    assert_eq!(json["superuser"]["metadata"], json!({"_reserved": true}));
    assert_eq!(service.elastic().get("/_security/role/own").await.status, StatusCode::NOT_FOUND);
}

// A role counts for users of every realm, from the next request on, and stops to.
#[tokio::test]
async fn a_role_counts_from_the_next_request_on() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put("/_security/user/bob", r#"{"password":"123456","roles":["keeper"]}"#).await;
    let bob = service.basic("bob", "123456");
    assert_eq!(bob.post("/_security/api_key", r#"{"name":"x"}"#).await.status, StatusCode::FORBIDDEN);
    elastic.put("/_security/role/keeper", KEEPER).await;
    let made = bob.make(r#"{"name":"x"}"#).await;
    let listed = elastic.get(&format!("/_security/api_key?id={}&with_limited_by=true", made.id)).await.json();
    assert_eq!(listed["api_keys"][0]["limited_by"][0]["keeper"]["cluster"], json!(["manage_own_api_key"]));
    elastic.delete_nothing("/_security/role/keeper").await;
    bob.post("/_security/api_key", r#"{"name":"x"}"#).await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/api_key/create] is unauthorized for user [bob] with effective roles [] (assigned roles [keeper] were not found), this action is granted by the cluster privileges [manage_own_api_key,manage_api_key,manage_security,all]",
    );
}

// A stored role never takes the place of one of the file or of a reserved one.
#[tokio::test]
async fn a_role_of_the_file_goes_before_a_stored_one() {
    let service = Service::new().await;
    let answer = service.elastic().put("/_security/role/own", r#"{"cluster":["all"]}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(service.user("own").get("/_security/user").await.status, StatusCode::FORBIDDEN);
}

// There is no `failed to parse field` around the cause, because the role is the whole body.
#[tokio::test]
async fn refuses_roles_that_make_no_sense() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let long = "x".repeat(1001);
    for (name, body, kind, reason) in [
        ("r", String::new(), "parse_exception", "request body is required"),
        (
            "r",
            "[]".into(),
            "parse_exception",
            "failed to parse role [r]. expected an object but found [START_ARRAY] instead",
        ),
        (
            "r",
            r#"{"clutser":[]}"#.into(),
            "parse_exception",
            "failed to parse role [r]. unexpected field [clutser]",
        ),
        (
            "r",
            r#"{"restriction":{"workflows":["search_application_query"]}}"#.into(),
            "parse_exception",
            "failed to parse role [r]. unexpected field [restriction]",
        ),
        (
            "superuser",
            "{}".into(),
            "action_request_validation_exception",
            "Validation Failed: 1: Role [superuser] is reserved and may not be used.;",
        ),
        (
            "r",
            r#"{"metadata":{"_a":1}}"#.into(),
            "action_request_validation_exception",
            "Validation Failed: 1: role descriptor metadata keys may not start with [_];",
        ),
        (
            "r",
            format!(r#"{{"description":"{long}"}}"#),
            "action_request_validation_exception",
            "Validation Failed: 1: Role description must be less than 1000 characters.;",
        ),
    ] {
        let answer = elastic.put(&format!("/_security/role/{name}"), &body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason.to_owned()), "{body}");
    }
    let answer = elastic.put("/_security/role/%20r", "{}").await;
    assert_eq!(answer.error().1, "validation_exception");
    let answer = elastic.put("/_security/role/r", r#"{"cluster":["zzz"]}"#).await;
    assert!(answer.error().2.contains("unknown cluster privilege [zzz]"), "{}", answer.text);
    elastic.delete_nothing("/_security/role/superuser").await.assert_error(
        400,
        "illegal_argument_exception",
        "role [superuser] is reserved and cannot be deleted",
    );
    assert_eq!(elastic.get("/_security/role").await.json().as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn several_roles_are_written_each_by_itself() {
    let service = Service::new().await;
    let elastic = service.elastic();
    assert_eq!(elastic.put("/_security/role/old", "{}").await.status, StatusCode::OK);
    let body = json!({"roles": {
        "new": {"cluster": ["monitor"]},
        "old": {"run_as": ["ann"]},
        "odd": {"cluster": ["zzz"]},
        "viewer": {},
    }});
    let written = elastic.post("/_security/role", &body.to_string()).await.json();
    assert_eq!((&written["created"], &written["updated"]), (&json!(["new"]), &json!(["old"])));
    assert_eq!(written["errors"]["count"], 2);
    let details = &written["errors"]["details"];
    assert!(
        details["odd"]["reason"].as_str().unwrap().contains("unknown cluster privilege [zzz]"),
        "{details}"
    );
    let reserved = "Validation Failed: 1: Role [viewer] is reserved and may not be used.;";
    assert_eq!(details["viewer"]["reason"], reserved);
    assert_eq!(elastic.get("/_security/role/old").await.json()["old"]["run_as"], json!(["ann"]));

    let removed = elastic.delete("/_security/role", r#"{"names":["new","gone","superuser"]}"#).await.json();
    assert_eq!((&removed["deleted"], &removed["not_found"]), (&json!(["new"]), &json!(["gone"])));
    assert_eq!(removed["errors"]["count"], 1);
    assert_eq!(elastic.get("/_security/role/new").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn refuses_no_roles_and_too_many() {
    let service = Service::new().await;
    let names = |number: usize| json!({"names": (0..number).map(|it| format!("r{it}")).collect::<Vec<_>>()});
    let most = service.elastic().delete("/_security/role", &names(ROLES_AT_ONCE_MAX).to_string()).await;
    assert_eq!(most.json()["not_found"].as_array().unwrap().len(), ROLES_AT_ONCE_MAX);
    for (number, complaint) in [
        (0, "[names] must not be empty"),
        (ROLES_AT_ONCE_MAX + 1, "[names] must not hold more than 1000 roles"),
    ] {
        let refused = service.elastic().delete("/_security/role", &names(number).to_string()).await.error();
        assert_eq!(refused.0, 400);
        assert!(refused.2.contains(complaint), "{}", refused.2);
    }
    let body = r#"{"roles":{"r":{"zzz":1}}}"#;
    assert_eq!(service.elastic().post("/_security/role", body).await.error().0, 400);
    let refused = service.user("manage").post("/_security/role", r#"{"roles":{"r":{}}}"#).await;
    assert_eq!(refused.error().0, 403);
}
