use axum::http::StatusCode;
use serde_json::json;

use crate::service::Service;

const PATH: &str = "/_security/api_key";

#[tokio::test]
async fn ends_a_key_for_ever() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, StatusCode::OK);
    let answer = service.elastic().delete(PATH, &json!({"ids": [made.id]}).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.text,
        format!(
            r#"{{"invalidated_api_keys":["{}"],"previously_invalidated_api_keys":[],"error_count":0}}"#,
            made.id
        )
    );
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
    // Ids that are unknown or were ended before vanish from the answer.
    let again = service.elastic().delete(PATH, &json!({"ids": [made.id, "nobody"]}).to_string()).await;
    assert_eq!(
        again.text,
        r#"{"invalidated_api_keys":[],"previously_invalidated_api_keys":[],"error_count":0}"#
    );
}

// A bare string, several, partly unknown; expired keys can be ended.
#[tokio::test]
async fn takes_one_id_or_several_known_or_not() {
    let service = Service::new().await;
    let expired = service.elastic().make(r#"{"name":"x","expiration":"0"}"#).await.id;
    let other = service.elastic().make(r#"{"name":"y"}"#).await.id;
    let one = service.elastic().delete(PATH, &json!({"ids": expired}).to_string()).await.json();
    assert_eq!(one["invalidated_api_keys"], json!([expired]));
    let some = service.elastic().delete(PATH, &json!({"ids": ["nobody", other]}).to_string()).await.json();
    assert_eq!(some["invalidated_api_keys"], json!([other]));
}

// Name with a trailing star, username, realm, owner.
#[tokio::test]
async fn selects_by_name_and_owner() {
    let service = Service::new().await;
    let ids =
        |answer: crate::service::Answer| answer.json()["invalidated_api_keys"].as_array().unwrap().len();
    for _ in 0..2 {
        for username in ["own", "other-own", "elastic"] {
            for name in ["ci-1", "ci-2", "job"] {
                service.user(username).make(&json!({"name": name}).to_string()).await;
            }
        }
    }
    for (body, count) in [
        (json!({"name": "ci-1", "owner": true}), 2),
        (json!({"name": "ci*"}), 10),
        (json!({"username": "own", "realm_name": "reserved"}), 0),
        (json!({"username": "own"}), 2),
        (json!({"realm_name": "reserved"}), 2),
        (json!({"owner": "false", "name": "*"}), 2),
    ] {
        assert_eq!(ids(service.elastic().delete(PATH, &body.to_string()).await), count, "{body}");
    }
}

// Elasticsearch, `InvalidateApiKeyRequest#validate`.
#[tokio::test]
async fn refuses_requests_that_select_nothing_or_contradict() {
    let service = Service::new().await;
    let nothing = "One of [api key id(s), api key name, username, realm name] must be specified if [owner] flag is false";
    let with_key =
        "username or realm name must not be specified when the api key id(s) or api key name are specified";
    let with_owner = "neither username nor realm-name may be specified when invalidating owned API keys";
    let both = "only one of [api key id(s), api key name] can be specified";
    for (body, problems) in [
        (json!({}), format!("1: {nothing};")),
        (json!({"name": " ", "owner": false}), format!("1: {nothing};")),
        (json!({"ids": ["a"], "username": "b"}), format!("1: {with_key};")),
        (json!({"owner": true, "realm_name": "b"}), format!("1: {with_owner};")),
        (json!({"ids": ["a"], "name": "b"}), format!("1: {both};")),
        (
            json!({"ids": ["a"], "name": "b", "owner": true, "username": "c"}),
            format!("1: {with_key};2: {with_owner};3: {both};"),
        ),
    ] {
        let answer = service.elastic().delete(PATH, &body.to_string()).await;
        answer.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
}

// Elasticsearch validates the ids while the request object is made, so the parser's error is around the
// complaint.
#[tokio::test]
async fn refuses_ids_that_are_none() {
    let service = Service::new().await;
    for (body, problem) in [
        (json!({"ids": []}), "Field [ids] cannot be an empty array"),
        (
            json!({"ids": [" "]}),
            "Field [ids] must not contain blank id, but got blank id at index position: [0]",
        ),
        (
            json!({"ids": ["", "a", ""]}),
            "Field [ids] must not contain blank id, but got blank ids at index positions: [0, 2]",
        ),
    ] {
        let answer = service.elastic().delete(PATH, &body.to_string()).await;
        answer.assert_error(
            400,
            "x_content_parse_exception",
            "Failed to build [invalidate_api_key] after last required field arrived",
        );
        assert_eq!(answer.cause(), format!("Validation Failed: 1: {problem};"));
    }
}

#[tokio::test]
async fn refuses_bodies_of_the_wrong_shape() {
    let service = Service::new().await;
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required"),
        (
            r#"{"id":"x"}"#,
            "x_content_parse_exception",
            "[1:2] [invalidate_api_key] unknown field [id] did you mean [ids]?",
        ),
        (
            r#"{"owner":1}"#,
            "x_content_parse_exception",
            "[1:10] [invalidate_api_key] owner doesn't support values of type: VALUE_NUMBER",
        ),
    ] {
        let answer = service.elastic().delete(PATH, body).await;
        assert_eq!(answer.error(), (400, kind.to_owned(), reason.to_owned()), "{body}");
    }
}

// Elasticsearch, `ManageOwnApiKeyClusterPrivilege`.
#[tokio::test]
async fn whoever_may_manage_own_keys_must_say_that_they_are_own() {
    let service = Service::new().await;
    let mine = service.user("own").make(r#"{"name":"mine"}"#).await.id;
    let theirs = service.user("other-own").make(r#"{"name":"theirs"}"#).await.id;
    let own = service.user("own");
    for body in [
        json!({"ids": [mine]}),
        json!({"name": "mine"}),
        json!({"username": "own"}),
        json!({"realm_name": "file"}),
        json!({"username": "other-own", "realm_name": "file"}),
    ] {
        let answer = own.delete(PATH, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{body}");
    }
    let foreign = own.delete(PATH, &json!({"ids": [theirs], "owner": true}).to_string()).await.json();
    assert_eq!(foreign["invalidated_api_keys"], json!([]));
    let by_flag = own.delete(PATH, &json!({"ids": [mine], "owner": true}).to_string()).await.json();
    assert_eq!(by_flag["invalidated_api_keys"], json!([mine]));
    let second = own.make(r#"{"name":"second"}"#).await.id;
    let by_name =
        own.delete(PATH, &json!({"username": "own", "realm_name": "file"}).to_string()).await.json();
    assert_eq!(by_name["invalidated_api_keys"], json!([second]));
}

#[tokio::test]
async fn needs_a_privilege_that_ends_keys() {
    let service = Service::new().await;
    let body = r#"{"ids":["nobody"]}"#;
    for (username, status) in
        [("manage", 200), ("security", 200), ("elastic", 200), ("read", 403), ("feed", 403)]
    {
        assert_eq!(service.user(username).delete(PATH, body).await.status.as_u16(), status, "{username}");
    }
    service.user("read").delete(PATH, body).await.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/api_key/invalidate] is unauthorized for user [read] with effective \
         roles [read], this action is granted by the cluster privileges [manage_api_key,manage_security,all]",
    );
}

#[tokio::test]
async fn a_key_may_end_itself_and_no_other() {
    let service = Service::new().await;
    let key = service.user("own").make(r#"{"name":"a"}"#).await;
    let sibling = service.user("own").make(r#"{"name":"b"}"#).await;
    for body in [
        json!({"ids": [sibling.id]}),
        json!({"ids": [key.id, sibling.id]}),
        json!({"name": "a"}),
        json!({"owner": true}),
        json!({"username": "own", "realm_name": "file"}),
    ] {
        let answer = service.key(&key).delete(PATH, &body.to_string()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{body}");
    }
    let itself = service.key(&key).delete(PATH, &json!({"ids": [key.id]}).to_string()).await.json();
    assert_eq!(itself["invalidated_api_keys"], json!([key.id]));
    assert_eq!(service.key(&key).get("/_security/_authenticate").await.status, StatusCode::UNAUTHORIZED);
}
