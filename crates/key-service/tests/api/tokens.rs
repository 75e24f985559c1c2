mod invalidate;
mod refresh;

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

// The copy of the identity in the answer says `realm`; of the token itself `_authenticate` says `token`.
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

// Whatever scope is asked for, the answer names the one there is.
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

// Elasticsearch, `CreateTokenRequest#validate`, in the form of RFC 6749, section 5.2.
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
        // The request is validated before the caller is authorized.
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

// Errors of shape are in the usual envelope. They never quote a value.
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

// The error is not in OAuth's form, and names the action.
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

// Off by default; then the scheme is not looked at, and not offered.
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
