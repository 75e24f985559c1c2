use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use crate::service::{Answer, Client, PASSWORD, Service};

const PATH: &str = "/_security/oauth2/token";
const WHO: &str = "/_security/_authenticate";
const EXPIRED: &str =
    "Bearer realm=\"security\", error=\"invalid_token\", error_description=\"The access token expired\"";

/// A pair as its maker sees it once.
struct Pair {
    access: String,
    refresh: String,
}

/// A service with tokens.
async fn service() -> Service {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    Service::with(ServiceSettings { tokens, ..ServiceSettings::default() }).await
}

fn bearer<'a>(service: &'a Service, token: &str) -> Client<'a> {
    service.presenting(format!("Bearer {token}"))
}

fn password_grant(username: &str) -> String {
    json!({"grant_type": "password", "username": username, "password": PASSWORD}).to_string()
}

async fn pair(client: &Client<'_>, username: &str) -> Pair {
    let answer = client.post(PATH, &password_grant(username)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    of(&answer)
}

fn of(answer: &Answer) -> Pair {
    let json = answer.json();
    let text = |field: &str| json[field].as_str().unwrap().to_owned();
    Pair { access: text("access_token"), refresh: text("refresh_token") }
}

async fn refresh(client: &Client<'_>, token: &str) -> Answer {
    client.post(PATH, &json!({"grant_type": "refresh_token", "refresh_token": token}).to_string()).await
}

#[track_caller]
fn assert_oauth(answer: &Answer, code: &str, description: &str) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json(), json!({"error": code, "error_description": description}));
}

#[track_caller]
fn assert_counts(answer: &Answer, status: u16, invalidated: u64, previously: u64) {
    let body = format!(
        r#"{{"invalidated_tokens":{invalidated},"previously_invalidated_tokens":{previously},"error_count":0}}"#
    );
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, body.as_str()));
}

// Contract 14.1: the fields in their order; 13.1: the copy of the identity says realm, the token itself says token.
#[tokio::test]
async fn answers_a_grant_by_password_in_elasticsearchs_form_and_order() {
    let service = service().await;
    let answer = service.user("tokens").post(PATH, &password_grant("own")).await;
    assert_eq!(answer.status, StatusCode::OK);
    let Pair { access, refresh } = of(&answer);
    let identity = |kind: &str| {
        format!(
            "{{\"username\":\"own\",\"roles\":[\"own\"],\"full_name\":\"Owen Own\",\"email\":\"own@example.org\",\
             \"metadata\":{{\"office\":7}},\"enabled\":true,\"authentication_realm\":{{\"name\":\"file\",\"type\":\"file\"}},\
             \"lookup_realm\":{{\"name\":\"file\",\"type\":\"file\"}},\"authentication_type\":\"{kind}\"}}"
        )
    };
    assert_eq!(
        answer.text,
        format!(
            "{{\"access_token\":\"{access}\",\"type\":\"Bearer\",\"expires_in\":1200,\"refresh_token\":\"{refresh}\",\
             \"authentication\":{}}}",
            identity("realm")
        )
    );
    assert_eq!(answer.header("cache-control"), ["no-store"]);
    assert!(STANDARD.decode(&access).unwrap().len() >= 16, "128 bits at least");
    assert_eq!(bearer(&service, &access).get(WHO).await.text, identity("token"));
}

// Contract 14.1: whatever scope is asked for, the answer names the one there is.
#[tokio::test]
async fn names_the_scope_when_one_was_asked_for() {
    let service = service().await;
    for (scope, shown) in
        [(json!("x"), json!("full")), (json!(""), json!("full")), (Value::Null, Value::Null)]
    {
        let body = json!({"grant_type": "client_credentials", "scope": scope}).to_string();
        let answer = service.user("tokens").post(PATH, &body).await.json();
        assert_eq!(answer["scope"], shown, "{body}");
        assert_eq!(answer.get("refresh_token"), None);
        assert_eq!(answer["authentication"]["username"], "tokens");
    }
}

// Contract 14.1: every row of the validation table, in the form of OAuth.
#[tokio::test]
async fn refuses_grants_with_fields_missing_or_excess() {
    let service = service().await;
    let types =
        "1: grant_type only supports the values: [password, _kerberos, refresh_token, client_credentials];";
    for (body, code, problems) in [
        (json!({}), "unsupported_grant_type", types),
        (json!({"grant_type": null}), "unsupported_grant_type", types),
        (json!({"grant_type": "Password"}), "unsupported_grant_type", types),
        (json!({"grant_type": "authorization_code"}), "unsupported_grant_type", types),
        (
            json!({"grant_type": "password"}),
            "invalid_request",
            "1: username is missing;2: password is missing;",
        ),
        (
            json!({"grant_type": "password", "username": "", "password": "x"}),
            "invalid_request",
            "1: username is missing;",
        ),
        (
            json!({"grant_type": "password", "username": "u", "password": "x", "refresh_token": "r"}),
            "unsupported_grant_type",
            "1: refresh_token is not supported with the password grant_type;",
        ),
        (
            json!({"grant_type": "password", "kerberos_ticket": "", "username": "u"}),
            "unsupported_grant_type",
            "1: kerberos_ticket is not supported with the password grant_type;2: password is missing;",
        ),
        (json!({"grant_type": "refresh_token"}), "invalid_request", "1: refresh_token is missing;"),
        (
            json!({"grant_type": "refresh_token", "refresh_token": "r", "username": "u"}),
            "unsupported_grant_type",
            "1: username is not supported with the refresh_token grant_type;",
        ),
        (json!({"grant_type": "_kerberos"}), "invalid_request", "1: kerberos_ticket is missing;"),
        (
            json!({"grant_type": "client_credentials", "username": "u", "password": "p", "kerberos_ticket": "k",
                   "refresh_token": "r"}),
            "unsupported_grant_type",
            "1: username is not supported with the client_credentials grant_type;\
             2: password is not supported with the client_credentials grant_type;\
             3: kerberos_ticket is not supported with the client_credentials grant_type;\
             4: refresh_token is not supported with the client_credentials grant_type;",
        ),
    ] {
        // Contract 1.1: what is wrong with the request comes before what the caller may do.
        for caller in ["tokens", "nothing"] {
            let answer = service.user(caller).post(PATH, &body.to_string()).await;
            assert_oauth(&answer, code, &format!("Validation Failed: {problems}"));
        }
    }
    let kerberos = json!({"grant_type": "_kerberos", "kerberos_ticket": "YQ=="}).to_string();
    assert_oauth(
        &service.user("tokens").post(PATH, &kerberos).await,
        "unsupported_grant_type",
        "grant_type [_kerberos] is not supported because there is no Kerberos realm",
    );
}

// Contract 14.1, 1.3: errors of shape are in the usual envelope. Nothing they quote is a value.
#[tokio::test]
async fn refuses_bodies_of_the_wrong_shape() {
    let service = service().await;
    let deep = format!(r#"{{"scope":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for (method, body, kind, reason) in [
        (Method::POST, "", "parse_exception", "request body is required"),
        (
            Method::POST,
            "[]",
            "x_content_parse_exception",
            "[1:1] [token_request] Expected START_OBJECT but was: START_ARRAY",
        ),
        (
            Method::POST,
            r#"{"grant_typ":"x"}"#,
            "x_content_parse_exception",
            "[1:2] [token_request] unknown field [grant_typ] did you mean [grant_type]?",
        ),
        (
            Method::POST,
            r#"{"password":5}"#,
            "x_content_parse_exception",
            "[1:13] [token_request] password doesn't support values of type: VALUE_NUMBER",
        ),
        (
            Method::POST,
            r#"{"username":["a"]}"#,
            "x_content_parse_exception",
            "[1:13] [token_request] username doesn't support values of type: START_ARRAY",
        ),
        (Method::DELETE, "", "parse_exception", "request body is required"),
        (
            Method::DELETE,
            r#"{"tokens":"x"}"#,
            "x_content_parse_exception",
            "[1:2] [invalidate_token] unknown field [tokens] did you mean [token]?",
        ),
        (
            Method::DELETE,
            r#"{"token":null}"#,
            "x_content_parse_exception",
            "[1:10] [invalidate_token] token doesn't support values of type: VALUE_NULL",
        ),
        (
            Method::DELETE,
            r#"{"realm_name":{}}"#,
            "x_content_parse_exception",
            "[1:15] [invalidate_token] realm_name doesn't support values of type: START_OBJECT",
        ),
    ] {
        let answer = service.user("tokens").request(method.clone(), PATH, Some(body)).await;
        if body.is_empty() {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        }
        answer.assert_error(400, kind, reason);
    }
    for body in [deep.as_str(), r#"{"scope":"a","scope":"b"}"#, r#"{"scope":"#, "\u{0}"] {
        for method in [Method::POST, Method::DELETE] {
            let answer = service.user("tokens").request(method, PATH, Some(body)).await;
            assert_eq!(answer.error().0, 400, "{body}");
            assert_eq!(answer.error().1, "x_content_parse_exception", "{body}");
        }
    }
    let unknown = service.user("tokens").post(&format!("{PATH}?x=1"), &password_grant("own")).await;
    unknown.assert_error(
        400,
        "illegal_argument_exception",
        "request [/_security/oauth2/token] contains unrecognized parameter: [x]",
    );
}

// Contract 3: who may, in the words of the refusal.
#[tokio::test]
async fn only_who_may_manage_tokens_makes_refreshes_or_ends_them() {
    let service = service().await;
    let refusal = |action: &str, privileges: &str| {
        format!(
            "action [cluster:admin/xpack/security/token/{action}] is unauthorized for user [own] with effective roles \
             [own], this action is granted by the cluster privileges [{privileges}]"
        )
    };
    let own = service.user("own");
    for (answer, reason) in [
        (own.post(PATH, &password_grant("own")).await, refusal("create", "manage_token,manage_security,all")),
        (refresh(&own, "x").await, refusal("refresh", "manage_saml,manage_token,manage_security,all")),
        (
            own.delete(PATH, r#"{"token":"x"}"#).await,
            refusal("invalidate", "delegate_pki,manage_saml,manage_token,manage_security,all"),
        ),
    ] {
        answer.assert_error(403, "security_exception", &reason);
    }
    let anonymous = service.anonymous().post(PATH, "{}").await;
    anonymous.assert_error(
        401,
        "security_exception",
        "missing authentication credentials for REST request [/_security/oauth2/token]",
    );
    assert_eq!(
        anonymous.header("www-authenticate"),
        ["Basic realm=\"security\", charset=\"UTF-8\"", "Bearer realm=\"security\"", "ApiKey"]
    );
}

// Contract 14.1: an ordinary 401, which names the action.
#[tokio::test]
async fn a_wrong_password_inside_the_grant_is_an_ordinary_401() {
    let service = service().await;
    let body = json!({"grant_type": "password", "username": "own", "password": "wrong"}).to_string();
    let answer = service.user("tokens").post(PATH, &body).await;
    answer.assert_error(
        401,
        "security_exception",
        "unable to authenticate user [own] for action [cluster:admin/xpack/security/token/create]",
    );
    assert_eq!(answer.header("www-authenticate").len(), 3);
}

// Contract 2.2: unknown or undecodable; expired or invalidated.
#[tokio::test]
async fn a_token_that_does_not_do_is_told_how() {
    let service = service().await;
    let client = service.user("tokens");
    let good = pair(&client, "own").await;
    let unknown = STANDARD.encode([7; 24]);
    for token in ["x", "a.b.c", "*", unknown.as_str(), good.refresh.as_str(), &format!(" {}", good.access)] {
        let answer = bearer(&service, token).get(WHO).await;
        answer.assert_error(
            401,
            "security_exception",
            "unable to authenticate with provided credentials and anonymous access is not allowed for this request",
        );
        let error = &answer.json()["error"];
        assert_eq!(error["additional_unsuccessful_credentials"], "oauth2 token: invalid token", "{token}");
    }
    let expired = async |token: &str| {
        let answer = bearer(&service, token).get(WHO).await;
        answer.assert_error(401, "security_exception", "token expired");
        assert_eq!(answer.header("www-authenticate"), [EXPIRED]);
        assert_eq!(answer.json()["error"]["header"]["WWW-Authenticate"], EXPIRED);
    };
    let dead = pair(&client, "own").await;
    client.delete(PATH, &json!({"token": dead.access}).to_string()).await;
    expired(&dead.access).await;
    service.clock.advance_ms(1_199_999);
    assert_eq!(bearer(&service, &good.access).get(WHO).await.status, StatusCode::OK);
    service.clock.advance_ms(1);
    expired(&good.access).await;
}

// Contract 14.1: single use, the very same pair within 30 s, then refused; the old access token lives on.
#[tokio::test]
async fn a_refresh_token_gives_one_new_pair() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "own").await;
    service.clock.advance_ms(1_000);
    let answer = refresh(&client, &first.refresh).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["authentication"]["username"], "own");
    let second = of(&answer);
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    for token in [&first.access, &second.access] {
        assert_eq!(bearer(&service, token).get(WHO).await.json()["username"], "own");
    }
    service.clock.advance_ms(30_000);
    assert_eq!(refresh(&client, &first.refresh).await.text, answer.text, "the very same");
    service.clock.advance_ms(1);
    assert_oauth(
        &refresh(&client, &first.refresh).await,
        "invalid_grant",
        "token has already been refreshed more than 30 seconds in the past",
    );
    assert_eq!(refresh(&client, &second.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_used_at_once_by_many_gives_all_the_same_pair() {
    let service = service().await;
    let client = service.user("tokens");
    let first = pair(&client, "own").await;
    let answers = futures_util::future::join_all((0..8).map(|_| refresh(&client, &first.refresh))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (StatusCode::OK, &answers[0].text));
    }
}

// Contract 14.1: the table of invalid_grant.
#[tokio::test]
async fn a_refresh_token_that_does_not_do_is_told_why() {
    let service = service().await;
    let client = service.user("tokens");
    let made = pair(&client, "own").await;
    let unknown = STANDARD.encode([7; 24]);
    for token in ["x", unknown.as_str(), made.access.as_str(), "\u{e9}"] {
        assert_oauth(
            &refresh(&client, token).await,
            "invalid_grant",
            "could not refresh the requested token",
        );
    }
    let key = client.make(r#"{"name":"k"}"#).await;
    for other in [service.user("other-tokens"), service.elastic(), service.key(&key)] {
        assert_oauth(
            &refresh(&other, &made.refresh).await,
            "invalid_grant",
            "tokens must be refreshed by the creating client",
        );
    }
    let dead = pair(&client, "own").await;
    client.delete(PATH, &json!({"refresh_token": dead.refresh}).to_string()).await;
    assert_oauth(&refresh(&client, &dead.refresh).await, "invalid_grant", "token has been invalidated");
    assert_eq!(bearer(&service, &dead.access).get(WHO).await.status, StatusCode::OK, "the other half lives");
    service.clock.advance_ms(24 * 60 * 60 * 1_000);
    assert_oauth(&refresh(&client, &made.refresh).await, "invalid_grant", "token document has expired");
}

// Contract 14.1, 6.5, 13.1: a token got by an API key is that key, and ends with it.
#[tokio::test]
async fn a_token_of_an_api_key_acts_as_that_key() {
    let service = service().await;
    let made = service
        .user("tokens")
        .make(r#"{"name":"k","role_descriptors":{"r":{"cluster":["manage_token","manage_own_api_key"]}}}"#)
        .await;
    let answer = service.key(&made).post(PATH, r#"{"grant_type":"client_credentials"}"#).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["authentication"]["authentication_type"], "api_key");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let who = bearer(&service, &token).get(WHO).await.json();
    assert_eq!((&who["username"], &who["authentication_type"]), (&json!("tokens"), &json!("token")));
    assert_eq!(who["api_key"], json!({"id": made.id, "name": "k", "managed_by": "elasticsearch"}));
    assert_eq!(who["authentication_realm"]["name"], "_es_api_key");
    let itself = bearer(&service, &token).get(&format!("/_security/api_key?id={}", made.id)).await;
    assert_eq!(itself.ids(), [made.id.as_str()]);
    bearer(&service, &token).post("/_security/api_key", r#"{"name":"d"}"#).await.assert_error(
        400,
        "illegal_argument_exception",
        "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
    );
    bearer(&service, &token).make(r#"{"name":"d","role_descriptors":{"r":{}}}"#).await;
    service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
    bearer(&service, &token).get(WHO).await.assert_error(401, "security_exception", "token expired");
}

// Contract 14.2: what is sent with what.
#[tokio::test]
async fn refuses_invalidations_that_select_nothing_or_too_much() {
    let service = service().await;
    let client = service.user("tokens");
    let both = client.delete(PATH, r#"{"token":"a","refresh_token":"b"}"#).await;
    both.assert_error(
        400,
        "x_content_parse_exception",
        "Failed to build [invalidate_token] after last required field arrived",
    );
    assert_eq!(both.cause(), "only one of [token, refresh_token] may be sent per request");
    let none = "1: token string must be provided when not specifying a realm name or a username;";
    let excess = "1: token string must not be provided when realm name or username is specified;\
                  2: token type must not be provided when realm name or username is specified;";
    for (body, problems) in [
        (json!({}), none),
        (json!({"token": "", "username": " "}), none),
        (json!({"token": "a", "username": "u"}), excess),
        (json!({"refresh_token": "a", "realm_name": "u"}), excess),
    ] {
        let answer = client.delete(PATH, &body.to_string()).await;
        answer.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
}

// Contract 14.2: before the first token, and after.
#[tokio::test]
async fn a_token_nobody_knows_is_not_found() {
    let service = service().await;
    let client = service.user("tokens");
    let unknown = STANDARD.encode([7; 24]);
    let bodies = [json!({"token": unknown}).to_string(), json!({"refresh_token": "dGhpcw=="}).to_string()];
    for body in &bodies {
        client.delete(PATH, body).await.assert_error(400, "security_exception", "failed to invalidate token");
    }
    assert_counts(&client.delete(PATH, r#"{"token":"not base64!"}"#).await, 404, 0, 0);
    let made = pair(&client, "own").await;
    for body in bodies.iter().chain(&[json!({"refresh_token": made.access}).to_string()]) {
        assert_counts(&client.delete(PATH, body).await, 404, 0, 0);
    }
    assert_eq!(bearer(&service, &made.access).get(WHO).await.status, StatusCode::OK);
}

// Contract 14.2: counts by token, user and realm.
#[tokio::test]
async fn ends_tokens_by_token_user_and_realm_and_counts_them() {
    let service = service().await;
    let client = service.user("tokens");
    let end = async |body: Value| client.delete(PATH, &body.to_string()).await;
    assert_counts(&end(json!({"username": "own"})).await, 200, 0, 0);
    let first = pair(&client, "own").await;
    assert_counts(&end(json!({"token": first.access})).await, 200, 1, 0);
    assert_counts(&end(json!({"token": first.access})).await, 200, 0, 1);
    assert_counts(&end(json!({"refresh_token": first.refresh})).await, 200, 1, 0);
    let second = pair(&client, "own").await;
    pair(&client, "nothing").await;
    assert_counts(&end(json!({"username": "own", "realm_name": "native"})).await, 200, 0, 0);
    assert_counts(&end(json!({"username": "own"})).await, 200, 2, 0);
    assert_oauth(&refresh(&client, &second.refresh).await, "invalid_grant", "token has been invalidated");
    assert_counts(&end(json!({"realm_name": "file"})).await, 200, 2, 0);
    assert_counts(&end(json!({"realm_name": "file"})).await, 200, 0, 0);
}

// Contract 5.3, 2.4: off by default; then the scheme is not looked at, and not offered.
#[tokio::test]
async fn without_the_service_there_are_no_tokens() {
    let service = Service::new().await;
    for answer in [
        service.elastic().post(PATH, r#"{"grant_type":"client_credentials"}"#).await,
        refresh(&service.elastic(), "x").await,
        service.elastic().delete(PATH, r#"{"token":"x"}"#).await,
    ] {
        answer.assert_error(400, "feature_not_enabled_exception", "security tokens are not enabled");
        assert_eq!(answer.json()["error"]["disabled.feature"], "security_tokens");
    }
    let answer = bearer(&service, "x").get(WHO).await;
    answer.assert_error(
        401,
        "security_exception",
        "missing authentication credentials for REST request [/_security/_authenticate]",
    );
    assert_eq!(answer.header("www-authenticate"), ["Basic realm=\"security\", charset=\"UTF-8\"", "ApiKey"]);
}
