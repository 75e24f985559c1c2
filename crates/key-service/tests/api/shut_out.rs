//! A user who is shut out stays out: tokens of a user who is disabled, deleted or has another password are
//! not accepted any more.

mod file_users;
mod keys;
mod late;
mod others;

use std::time::Duration;

use axum::http::StatusCode;
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::json;

use crate::other_process::OtherProcess;
use crate::scratch::ScratchLocation;
use crate::service::{Answer, Client, PASSWORD, Service, USERS};

const TOKEN: &str = "/_security/oauth2/token";
const WHO: &str = "/_security/_authenticate";
const ALICE: &str = "/_security/user/alice";

fn settings() -> ServiceSettings {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    ServiceSettings { tokens, ..ServiceSettings::default() }
}

fn alice(enabled: bool) -> String {
    let roles = json!(["token-runner"]);
    json!({"password": PASSWORD, "roles": roles, "enabled": enabled}).to_string()
}

/// A service with tokens, and a native user who may get them, run as others and make keys.
async fn service() -> Service {
    let service = Service::with(settings()).await;
    service.elastic().put(ALICE, &alice(true)).await;
    service
}

struct Pair {
    access: String,
    refresh: String,
}

fn bearer<'a>(service: &'a Service, token: &str) -> Client<'a> {
    service.presenting(format!("Bearer {token}"))
}

async fn pair(client: &Client<'_>, username: &str, password: &str) -> Pair {
    let grant = json!({"grant_type": "password", "username": username, "password": password});
    let answer = client.post(TOKEN, &grant.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    of(&answer)
}

fn of(answer: &Answer) -> Pair {
    let json = answer.json();
    let text = |field: &str| json[field].as_str().unwrap().to_owned();
    Pair { access: text("access_token"), refresh: text("refresh_token") }
}

async fn own_token(client: &Client<'_>) -> String {
    let answer = client.post(TOKEN, r#"{"grant_type":"client_credentials"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn refresh(client: &Client<'_>, token: &str) -> Answer {
    client.post(TOKEN, &json!({"grant_type": "refresh_token", "refresh_token": token}).to_string()).await
}

async fn assert_works(service: &Service, token: &str) {
    let answer = bearer(service, token).get(WHO).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

/// This access token is not accepted, neither as a credential nor inside of a grant.
async fn assert_refused(service: &Service, token: &str) {
    let answer = bearer(service, token).get(WHO).await;
    answer.assert_error(401, "security_exception", "token expired");
    let grant = json!({"grant_type": "access_token", "access_token": token, "api_key": {"name": "k"}});
    let answer = service.elastic().post("/_security/api_key/grant", &grant.to_string()).await;
    answer.assert_error(403, "security_exception", "Failed to authenticate api key grant");
}

async fn assert_not_refreshed(client: &Client<'_>, token: &str) {
    let answer = refresh(client, token).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(
        answer.json(),
        json!({"error": "invalid_grant", "error_description": "token has been invalidated"})
    );
}

/// The ways in which a user is shut out.
async fn shut_out(service: &Service, way: &str) {
    let elastic = service.elastic();
    let answer = match way {
        "disable" => elastic.put_nothing(&format!("{ALICE}/_disable")).await,
        "delete" => elastic.delete_nothing(ALICE).await,
        "put" => elastic.put(ALICE, &json!({"roles": ["token-runner"], "enabled": false}).to_string()).await,
        way => panic!("{way} is no way"),
    };
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

/// As if nothing had happened: enabled, and with the same password.
async fn let_in_again(service: &Service) {
    let answer = service.elastic().put(ALICE, &alice(true)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

// Seen: a disabled user refreshed for ever, by the own access token, and made keys with what came of it.
#[tokio::test]
async fn a_user_who_is_let_in_no_more_has_no_tokens() {
    for way in ["disable", "delete", "put"] {
        let service = service().await;
        let client = service.user("alice");
        let first = pair(&client, "alice", PASSWORD).await;
        let refreshed = refresh(&bearer(&service, &first.access), &first.refresh).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text);
        let by_itself = of(&refreshed);
        let own = bearer(&service, &by_itself.access);
        let by_another = pair(&service.user("tokens"), "alice", PASSWORD).await;
        let derived = own_token(&bearer(&service, &by_itself.access)).await;

        shut_out(&service, way).await;
        for token in [&first.access, &by_itself.access, &by_another.access, &derived] {
            assert_refused(&service, token).await;
        }
        assert_eq!(refresh(&own, &by_itself.refresh).await.status, StatusCode::UNAUTHORIZED);
        assert_not_refreshed(&service.user("tokens"), &by_another.refresh).await;

        let_in_again(&service).await;
        assert_eq!(service.user("alice").get(WHO).await.status, StatusCode::OK);
        for token in [&first.access, &by_itself.access, &by_another.access, &derived] {
            assert_refused(&service, token).await;
        }
        assert_not_refreshed(&service.user("tokens"), &by_another.refresh).await;
        assert_not_refreshed(&client, &by_itself.refresh).await;
    }
}

// A change at one replica counts at every other one at once: users are looked up in the store at every use of
// a token.
#[tokio::test]
async fn a_user_who_is_let_in_no_more_is_refused_at_every_replica() {
    let service = service().await;
    let replica = service.beside(settings(), USERS).await;
    let held = pair(&replica.user("tokens"), "alice", PASSWORD).await;
    assert_works(&replica, &held.access).await;
    shut_out(&service, "disable").await;
    assert_refused(&replica, &held.access).await;
    assert_not_refreshed(&replica.user("tokens"), &held.refresh).await;
}

// Elasticsearch keeps the access tokens. Here one can be turned into a refresh token's equal, so all end that
// the password gave.
#[tokio::test]
async fn another_password_ends_what_the_old_one_gave() {
    for way in ["other", "own", "put"] {
        let service = service().await;
        let held = pair(&service.user("tokens"), "alice", PASSWORD).await;
        let run_as = own_token(&service.user("alice").running_as("other-tokens")).await;
        let of_own = pair(&service.user("alice"), "own", PASSWORD).await;
        let password = r#"{"password":"another one"}"#;
        let answer = match way {
            "other" => service.elastic().post(&format!("{ALICE}/_password"), password).await,
            "own" => service.user("alice").post("/_security/user/_password", password).await,
            _ => {
                let body = json!({"password": "another one", "roles": ["token-runner"]});
                service.elastic().put(ALICE, &body.to_string()).await
            }
        };
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_refused(&service, &held.access).await;
        assert_refused(&service, &run_as).await;
        assert_not_refreshed(&service.user("tokens"), &held.refresh).await;
        assert_works(&service, &of_own.access).await;
        let client = service.basic("alice", "another one");
        assert_eq!(refresh(&client, &of_own.refresh).await.status, StatusCode::OK, "own's password gave it");
    }
}

#[tokio::test]
async fn the_super_user_is_shut_out_like_anybody() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "elastic", PASSWORD).await;
    let security = service.user("security");
    let answer = security.put_nothing("/_security/user/elastic/_disable").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    bearer(&service, &held.access).get(WHO).await.assert_error(401, "security_exception", "token expired");
    assert_not_refreshed(&service.user("tokens"), &held.refresh).await;
    security.put_nothing("/_security/user/elastic/_enable").await;
    assert_refused(&service, &held.access).await;
    let held = pair(&service.user("tokens"), "elastic", PASSWORD).await;
    security.post("/_security/user/elastic/_password", r#"{"password":"another one"}"#).await;
    bearer(&service, &held.access).get(WHO).await.assert_error(401, "security_exception", "token expired");
    assert_not_refreshed(&service.user("tokens"), &held.refresh).await;
}

// A role that was taken from somebody is no longer refreshed along.
#[tokio::test]
async fn a_token_acts_by_the_roles_that_its_user_has_now() {
    let service = service().await;
    let held = pair(&service.user("tokens"), "alice", PASSWORD).await;
    assert_eq!(bearer(&service, &held.access).get(WHO).await.json()["roles"], json!(["token-runner"]));
    service.elastic().put(ALICE, r#"{"roles":["read"],"full_name":"Alice"}"#).await;
    let who = bearer(&service, &held.access).get(WHO).await.json();
    assert_eq!((&who["roles"], &who["full_name"]), (&json!(["read"]), &json!("Alice")));
    let answer = refresh(&service.user("tokens"), &held.refresh).await.json();
    assert_eq!(answer["authentication"]["roles"], json!(["read"]));
}

// Her keys go on, as in Elasticsearch, but there are no new ones.
#[tokio::test]
async fn the_keys_of_a_user_who_is_let_in_no_more_make_no_keys() {
    for way in ["disable", "delete"] {
        let service = service().await;
        let first = service.user("alice").make(r#"{"name":"first"}"#).await;
        let derived = r#"{"name":"derived","role_descriptors":{"none":{}}}"#;
        let key = service.key(&first);
        assert_eq!(key.put("/_security/api_key", derived).await.status, StatusCode::OK);
        shut_out(&service, way).await;
        assert_eq!(key.get(WHO).await.status, StatusCode::OK);
        let refused = key.put("/_security/api_key", derived).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("is disabled or does not exist any more"), "{}", refused.text);
    }
}

// Proof and token are two looks at the store. Once enabled again, a user had a token of before.
#[tokio::test]
async fn a_user_who_is_shut_out_while_a_token_is_made_gets_none() {
    let service = service().await;
    // Where changes stand in one line, they can be made to wait.
    let ScratchLocation::File(file) = &service.scratch.place else { return };
    let mut blocker = OtherProcess::with(file).await;
    blocker.run("begin immediate").await;
    let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
    let grant = json!({"grant_type": "password", "username": "alice", "password": PASSWORD}).to_string();
    let client = service.user("tokens");
    let ((), granted, ()) = tokio::join!(
        shut_out(&service, "disable"),
        async {
            wait(300).await;
            client.post(TOKEN, &grant).await
        },
        async {
            wait(900).await;
            blocker.run("commit").await;
        }
    );
    let enabled = service.elastic().put_nothing(&format!("{ALICE}/_enable")).await;
    assert_eq!(enabled.status, StatusCode::OK, "{}", enabled.text);
    if granted.status == StatusCode::OK {
        assert_refused(&service, &of(&granted).access).await;
    }
    let reason = "unable to authenticate with provided credentials and anonymous access is not allowed for this request";
    granted.assert_error(401, "security_exception", reason);
}
