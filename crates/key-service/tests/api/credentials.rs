use axum::body::Body;
use axum::http::header::AUTHORIZATION;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use latchkey_key_service::settings::ServiceSettings;
use serde_json::json;

use crate::service::{Answer, PASSWORD, Service};

const PATH: &str = "/_security/_authenticate";
const REJECTED: &str =
    "unable to authenticate with provided credentials and anonymous access is not allowed for this request";
const BASIC: &str = "Basic realm=\"security\", charset=\"UTF-8\"";

/// That an answer is the 401 for this cause, with the challenges in the headers and twice in the body.
#[track_caller]
fn assert_refused(answer: &Answer, reason: &str, unsuccessful: Option<&str>, challenges: &[&str]) {
    answer.assert_error(401, "security_exception", reason);
    assert_eq!(answer.header("www-authenticate"), challenges);
    let header = match challenges {
        [only] => json!(only),
        several => json!(several),
    };
    let error = &answer.json()["error"];
    for level in [error, &error["root_cause"][0]] {
        assert_eq!(level["reason"], reason);
        assert_eq!(level["header"]["WWW-Authenticate"], header);
        assert_eq!(level["additional_unsuccessful_credentials"].as_str(), unsuccessful);
    }
    assert_eq!(error["root_cause"].as_array().unwrap().len(), 1);
}

// Absent, a scheme alone, an unknown scheme. The URI is shown with its query.
#[tokio::test]
async fn without_a_credential_the_answer_says_so() {
    let service = Service::new().await;
    for client in [
        service.anonymous(),
        service.presenting("ApiKey"),
        service.presenting("ApiKey "),
        service.presenting("Foo bar"),
        service.presenting("Bearer abc"),
    ] {
        let answer = client.get("/_security/api_key?id=x&pretty=false").await;
        assert_refused(
            &answer,
            "missing authentication credentials for REST request [/_security/api_key?id=x&pretty=false]",
            None,
            &[BASIC, "ApiKey"],
        );
    }
}

#[tokio::test]
async fn a_malformed_key_is_told_how() {
    let service = Service::new().await;
    for (credential, message) in [
        ("a_b".to_owned(), "Illegal base64 character 5f"),
        ("id:secret".to_owned(), "Illegal base64 character 3a"),
        (" aWQ6cw==".to_owned(), "Illegal base64 character 20"),
        ("aWQ6c".to_owned(), "Last unit does not have enough valid bits"),
        ("aWQ6cw=".to_owned(), "Input byte array has wrong 4-byte ending unit"),
        (STANDARD.encode("nocolon"), "invalid ApiKey value"),
        (STANDARD.encode(":secret"), "invalid ApiKey value"),
    ] {
        let answer = service.presenting(format!("ApiKey {credential}")).get(PATH).await;
        assert_refused(&answer, REJECTED, Some(&format!("API key: {message}")), &[BASIC, "ApiKey"]);
    }
}

// Of an invalidated key with a wrong secret the answer says that it was invalidated, of an expired one that
// the secret is wrong.
#[tokio::test]
async fn a_key_that_does_not_do_is_told_why() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x","expiration":"10s"}"#).await;
    let id = &made.id;
    let present =
        |secret: &str| service.presenting(format!("ApiKey {}", STANDARD.encode(format!("{id}:{secret}"))));
    let refused = async |client: crate::service::Client<'_>, message: &str| {
        let answer = client.get(PATH).await;
        assert_refused(&answer, REJECTED, Some(&format!("API key: {message}")), &[BASIC, "ApiKey"]);
    };
    let unknown = service.presenting(format!("ApiKey {}", STANDARD.encode("nobody:secret")));
    refused(unknown, "unable to find apikey with id nobody").await;
    let wrong = format!("invalid credentials for API key [{id}]");
    refused(present("wrong"), &wrong).await;
    refused(present(""), &wrong).await;
    service.clock.advance_ms(9_999);
    assert_eq!(service.key(&made).get(PATH).await.status, StatusCode::OK, "a millisecond before its end");
    service.clock.advance_ms(1);
    refused(service.key(&made), "api key is expired").await;
    refused(present("wrong"), &wrong).await;
    service.elastic().delete("/_security/api_key", &json!({"ids": [id]}).to_string()).await;
    refused(service.key(&made), &format!("api key [{id}] has been invalidated")).await;
    refused(present("wrong"), &format!("api key [{id}] has been invalidated")).await;
}

#[tokio::test]
async fn accepts_every_spelling_of_a_good_key() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let unpadded = STANDARD_NO_PAD.encode(format!("{}:{}", made.id, made.secret));
    for authorization in
        [format!("ApiKey {}", made.encoded), format!("apikey {}", made.encoded), format!("APIKEY {unpadded}")]
    {
        assert_eq!(
            service.presenting(&authorization).get(PATH).await.status,
            StatusCode::OK,
            "{authorization}"
        );
    }
    // The other alphabet differs in two signs, of which `???` makes one.
    let url_safe = URL_SAFE.encode("???:x");
    let answer = service.presenting(format!("ApiKey {url_safe}")).get(PATH).await;
    assert_refused(&answer, REJECTED, Some("API key: Illegal base64 character 5f"), &[BASIC, "ApiKey"]);
}

// One reason for a wrong password, an unknown and a disabled user.
#[tokio::test]
async fn a_user_who_is_refused_is_not_told_why() {
    let service = Service::new().await;
    for (username, password) in
        [("own", "wrong"), ("nobody", PASSWORD), ("disabled", PASSWORD), ("elastic", ""), ("", PASSWORD)]
    {
        let credential = STANDARD.encode(format!("{username}:{password}"));
        let answer = service.presenting(format!("Basic {credential}")).get(&format!("{PATH}?pretty")).await;
        let reason = format!(
            "unable to authenticate user [{username}] for REST request [/_security/_authenticate?pretty]"
        );
        assert_refused(&answer, &reason, None, &[BASIC, "ApiKey"]);
    }
}

// The challenge lists only Basic.
#[tokio::test]
async fn a_malformed_basic_credential_is_told_how() {
    let service = Service::new().await;
    for (authorization, reason) in [
        ("Basic !".to_owned(), "invalid basic authentication header encoding"),
        (format!("Basic {}", STANDARD.encode("nocolon")), "invalid basic authentication header value"),
    ] {
        assert_refused(&service.presenting(authorization).get(PATH).await, reason, None, &[BASIC]);
    }
}

// Without API keys, the scheme is not looked at and not offered.
#[tokio::test]
async fn without_api_keys_nobody_is_offered_one() {
    let service = Service::with(ServiceSettings { api_keys: false, ..ServiceSettings::default() }).await;
    let answer = service.presenting("ApiKey aWQ6cw==").get(PATH).await;
    let reason = "missing authentication credentials for REST request [/_security/_authenticate]";
    assert_refused(&answer, reason, None, &[BASIC]);
    assert_eq!(service.elastic().get(PATH).await.status, StatusCode::OK);
}

#[tokio::test]
async fn refuses_two_authorization_headers() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let good = format!("ApiKey {}", made.encoded);
    let request = Request::get(PATH).header(AUTHORIZATION, &good).header(AUTHORIZATION, &good);
    let answer = service.send(request.body(Body::empty()).unwrap()).await;
    assert_refused(
        &answer,
        REJECTED,
        Some("several Authorization headers are not supported"),
        &[BASIC, "ApiKey"],
    );
}

// Clients look for the product on successes only.
#[tokio::test]
async fn a_refusal_does_not_name_the_product() {
    let service = Service::new().await;
    assert_eq!(service.elastic().get(PATH).await.header("x-elastic-product"), ["Elasticsearch"]);
    assert_eq!(service.anonymous().get(PATH).await.header("x-elastic-product"), Vec::<String>::new());
}
