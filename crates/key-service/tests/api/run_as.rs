use axum::http::StatusCode;
use serde_json::json;

use crate::service::Service;

const PATH: &str = "/_security/_authenticate";

// The target's name, the runner's realm, the target's realm.
#[tokio::test]
async fn acts_as_another_user() {
    let service = Service::new().await;
    let answer = service.elastic().running_as("own").get(PATH).await;
    assert_eq!(
        answer.text,
        r#"{"username":"own","roles":["own"],"full_name":"Owen Own","email":"own@example.org","metadata":{"office":7},"enabled":true,"authentication_realm":{"name":"reserved","type":"reserved"},"lookup_realm":{"name":"file","type":"file"},"authentication_type":"realm"}"#
    );
    // The key is an ordinary one of the target's.
    let made = service.elastic().running_as("own").make(r#"{"name":"x"}"#).await;
    assert_eq!(service.user("own").get("/_security/api_key?owner=true").await.ids(), [made.id]);
}

// An API key may, when what it may do includes it.
#[tokio::test]
async fn a_key_acts_as_another_user() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let key = service.key(&made);
    let answer = key.running_as("own").get(PATH).await.json();
    assert_eq!(
        (&answer["username"], &answer["authentication_realm"]["name"], &answer["api_key"]),
        (&json!("own"), &json!("_es_api_key"), &json!(null))
    );
    key.running_as("own").get("/_security/user").await.assert_error(
        403,
        "security_exception",
        &format!("action [cluster:admin/xpack/security/user/get] is unauthorized for API key id [{}] of user [elastic] run as [own] with effective roles [own], this action is granted by the cluster privileges [read_security,manage_security,all]", made.id),
    );
}

// Refused when privileges are checked, even for what anybody may do. The answer does not tell whether the
// target exists.
#[tokio::test]
async fn is_refused_where_it_is_not_granted() {
    let service = Service::new().await;
    for target in ["elastic", "nobody"] {
        service.user("own").running_as(target).get(PATH).await.assert_error(
            403,
            "security_exception",
            &format!("action [cluster:admin/xpack/security/user/authenticate] is unauthorized for user [own] with effective roles [own], because user [own] is unauthorized to run as [{target}]"),
        );
    }
    let (status, _, reason) = service.elastic().running_as("nobody").get(PATH).await.error();
    assert_eq!(status, 403);
    assert!(reason.starts_with("action [cluster:admin/xpack/security/user/authenticate] is unauthorized for user [elastic] run as [nobody] with effective roles []"), "{reason}");
    // A bad body is found before.
    assert_eq!(
        service.user("own").running_as("elastic").post("/_security/api_key", "{").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn is_refused_without_a_name_or_for_a_disabled_user() {
    let service = Service::new().await;
    for target in ["", "disabled"] {
        service.elastic().running_as(target).get(PATH).await.assert_error(
            401,
            "security_exception",
            "unable to authenticate user [elastic] for REST request [/_security/_authenticate]",
        );
    }
    service.anonymous().running_as("elastic").get(PATH).await.assert_error(
        401,
        "security_exception",
        "missing authentication credentials for REST request [/_security/_authenticate]",
    );
}

// A role may grant it, for some users.
#[tokio::test]
async fn a_role_grants_it_for_the_users_it_names() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put("/_security/role/runner", r#"{"run_as":["ow*"]}"#).await;
    elastic.put("/_security/user/bob", r#"{"password":"123456","roles":["runner"]}"#).await;
    let bob = service.basic("bob", "123456");
    assert_eq!(bob.running_as("own").get(PATH).await.status, StatusCode::OK);
    assert_eq!(bob.running_as("elastic").get(PATH).await.status, StatusCode::FORBIDDEN);
    // The rights are those of the target, not of both.
    assert_eq!(bob.running_as("own").get("/_security/user").await.status, StatusCode::FORBIDDEN);
}

// Seen: with nine hundred patterns such a request took half a minute of a thread that serves others.
#[tokio::test]
async fn patterns_that_take_too_long_run_as_nobody() {
    let service = Service::new().await;
    let hostile: Vec<String> = (0..900).map(|n| format!("*{}b{n}", "a".repeat(900))).collect();
    let roles = json!({"name": "x", "role_descriptors": {"r": {"run_as": hostile}}});
    let key = service.elastic().make(&roles.to_string()).await;
    let refused = service.key(&key).running_as(&"a".repeat(1_900)).get(PATH).await;
    let reason = "the request takes more than [200000] steps of work; ask for less at once";
    refused.assert_error(400, "illegal_argument_exception", reason);
    // As many that are like names are no trouble.
    let ordinary: Vec<String> =
        (0..900).map(|n| format!("svc-of-team-{n}-*")).chain(["own".to_owned()]).collect();
    let roles = json!({"name": "x", "role_descriptors": {"r": {"run_as": ordinary}}});
    let key = service.elastic().make(&roles.to_string()).await;
    assert_eq!(service.key(&key).running_as("own").get(PATH).await.status, StatusCode::OK);
}
