use axum::http::StatusCode;
use latchkey_key_service::model::realm_name::RealmName;
use latchkey_key_service::security::anonymous::AnonymousAccess;
use latchkey_key_service::settings::ServiceSettings;
use serde_json::json;

use crate::service::{PASSWORD, Service};

const PATH: &str = "/_security/_authenticate";

fn realm(name: &str, realm_type: &str) -> RealmName {
    RealmName { name: name.to_owned(), realm_type: realm_type.to_owned() }
}

async fn anonymous(roles: &[&str], authz_exception: bool) -> Service {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    let anonymous = AnonymousAccess { username: "guest".to_owned(), roles, authz_exception };
    Service::with(ServiceSettings { anonymous: Some(anonymous), ..ServiceSettings::default() }).await
}

// Elasticsearch, "Realm chains": a realm whose user has another password leaves the question to the next.
#[tokio::test]
async fn realms_are_asked_in_their_order() {
    for (order, first) in [
        (vec![realm("file", "file"), realm("native", "native")], "file"),
        (vec![realm("people", "native"), realm("file", "file")], "people"),
    ] {
        let service = Service::with(ServiceSettings { realms: order, ..ServiceSettings::default() }).await;
        let elastic = service.elastic();
        let same = format!(r#"{{"password":"{PASSWORD}","roles":[]}}"#);
        elastic.put("/_security/user/own", &same).await;
        let realm_of = async |password: &str| {
            service.basic("own", password).get(PATH).await.json()["lookup_realm"]["name"].clone()
        };
        assert_eq!(realm_of(PASSWORD).await, json!(first));
        elastic.put("/_security/user/own/_password", r#"{"password":"another one"}"#).await;
        assert_eq!(realm_of(PASSWORD).await, json!("file"));
        assert_ne!(realm_of("another one").await, json!("file"));
        assert_eq!(realm_of("neither").await, json!(null));
    }
}

#[tokio::test]
async fn a_realm_that_is_switched_off_lets_nobody_in() {
    let settings = ServiceSettings { realms: vec![RealmName::file()], ..ServiceSettings::default() };
    let service = Service::with(settings).await;
    service.elastic().put("/_security/user/bob", r#"{"password":"123456","roles":[]}"#).await;
    assert_eq!(service.basic("bob", "123456").get(PATH).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.user("own").get(PATH).await.status, StatusCode::OK);
}

// Never in place of a token or a key, well-formed or not, nor of a wrong password.
#[tokio::test]
async fn anonymous_access_is_never_in_place_of_a_credential() {
    let service = anonymous(&["own"], true).await;
    let answer = service.anonymous().get(PATH).await;
    assert_eq!(
        answer.text,
        r#"{"username":"guest","roles":["own"],"full_name":null,"email":null,"metadata":{"_reserved":true},"enabled":true,"authentication_realm":{"name":"__anonymous","type":"__anonymous"},"lookup_realm":{"name":"__anonymous","type":"__anonymous"},"authentication_type":"anonymous"}"#
    );
    for (authorization, status) in [
        ("Foo bar", 200),
        ("Bearer", 200),
        ("Bearer x", 401),
        ("bearer x", 401),
        ("ApiKey x", 401),
        ("APIKEY aWQ6cw==", 401),
        ("Basic !", 401),
        ("Basic b3duOng=", 401),
    ] {
        let answer = service.presenting(authorization).get(PATH).await;
        assert_eq!(answer.status.as_u16(), status, "{authorization}");
    }
    // No login works for the anonymous user, and no request without a credential can act as another user.
    assert_eq!(service.basic("guest", "").get(PATH).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(service.anonymous().running_as("elastic").get(PATH).await.json()["username"], json!("guest"));
}

// `xpack.security.authc.anonymous.authz_exception`.
#[tokio::test]
async fn an_anonymous_caller_is_refused_or_asked_who_he_is() {
    let path = "/_security/user";
    let action = "action [cluster:admin/xpack/security/user/get]";
    anonymous(&["own"], true).await.anonymous().get(path).await.assert_error(
        403,
        "security_exception",
        &format!("{action} is unauthorized for user [guest] with effective roles [own], this action is granted by the cluster privileges [read_security,manage_security,all]"),
    );
    let service = anonymous(&["own"], false).await;
    let answer = service.anonymous().get(path).await;
    answer.assert_error(401, "security_exception", &format!("{action} requires authentication"));
    assert_eq!(answer.header("www-authenticate").len(), 2);
    assert_eq!(service.user("nothing").get(path).await.status, StatusCode::FORBIDDEN);
}

// An authenticated user can do no less than an anonymous one.
#[tokio::test]
async fn the_roles_of_the_anonymous_user_are_everybodys() {
    let service = anonymous(&["own"], true).await;
    assert_eq!(service.user("read").get(PATH).await.json()["roles"], json!(["read", "own"]));
    let made = service.user("nothing").make(r#"{"name":"x"}"#).await;
    assert_eq!(service.key(&made).get(PATH).await.status, StatusCode::OK);
    let elastic = service.elastic();
    assert_eq!(elastic.get("/_security/user/guest").await.status, StatusCode::OK);
    elastic.put("/_security/user/guest", r#"{"roles":[]}"#).await.assert_error(
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: user [guest] is anonymous and cannot be modified via the API;",
    );
    elastic.delete_nothing("/_security/user/guest").await.assert_error(
        400,
        "illegal_argument_exception",
        "user [guest] is anonymous and cannot be deleted",
    );
    elastic.put_nothing("/_security/user/guest/_disable").await.assert_error(
        400,
        "illegal_argument_exception",
        "user [guest] is anonymous and cannot be modified using the api",
    );
}
