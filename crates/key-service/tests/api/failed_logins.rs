use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_service::limits::authentication_limits::FAILED_LOGINS_BURST;
use latchkey_key_service::security::login_throttle::FailedLoginRate;
use latchkey_key_service::settings::{LimitSettings, ServiceSettings, TokenSettings};
use serde_json::json;

use crate::service::{Answer, PASSWORD, Service};

/// Somewhere from where requests come.
const PEER: [u8; 4] = [192, 0, 2, 1];

/// A service where one failed login comes back every second.
async fn service() -> Service {
    with_trusted_proxies(&[]).await
}

async fn with_trusted_proxies(proxies: &[&str]) -> Service {
    let limits = LimitSettings {
        failed_logins: FailedLoginRate::try_from(60).ok(),
        trusted_proxies: proxies.iter().map(|block| block.parse().unwrap()).collect(),
        ..LimitSettings::default()
    };
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    Service::with(ServiceSettings { limits, tokens, ..ServiceSettings::default() }).await
}

/// A login from an address, with other headers.
async fn login(service: &Service, peer: [u8; 4], password: &str, headers: &[(&str, &str)]) -> Answer {
    let credential = STANDARD.encode(format!("own:{password}"));
    let mut request = Request::get("/_security/_authenticate")
        .extension(ConnectInfo(SocketAddr::from((peer, 5000))))
        .header("authorization", format!("Basic {credential}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

async fn fail(service: &Service, times: u32, headers: &[(&str, &str)]) {
    for _ in 0..times {
        assert_eq!(login(service, PEER, "wrong", headers).await.status, 401);
    }
}

fn assert_throttled(answer: &Answer) {
    answer.assert_error(
        429,
        "es_rejected_execution_exception",
        "too many failed logins from this source, try again in [1s]",
    );
    assert_eq!(answer.header("retry-after"), ["1"]);
}

#[tokio::test]
async fn a_source_with_too_many_failed_logins_waits_and_no_other_does() {
    let service = service().await;
    fail(&service, FAILED_LOGINS_BURST, &[]).await;
    assert_throttled(&login(&service, PEER, "wrong", &[]).await);
    assert_throttled(&login(&service, PEER, PASSWORD, &[]).await);
    assert_eq!(login(&service, [192, 0, 2, 2], PASSWORD, &[]).await.status, 200);
    service.clock.advance_ms(999);
    assert_throttled(&login(&service, PEER, PASSWORD, &[]).await);
    service.clock.advance_ms(1);
    assert_eq!(login(&service, PEER, PASSWORD, &[]).await.status, 200);
    let metrics = service.anonymous().get("/metrics").await.text;
    assert!(metrics.contains("latchkey_logins_throttled_total "), "{metrics}");
    assert!(!metrics.contains(r#"{reason="login_throttled"}"#), "a password was not looked at: {metrics}");
}

// All would be checked before the first is decided, unless each counts from its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn of_wrong_passwords_that_come_at_once_no_more_are_looked_at() {
    let service = service().await;
    let logins = (0..400).map(|_| login(&service, PEER, "wrong", &[]));
    let answers = futures_util::future::join_all(logins).await;
    let looked_at = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!(looked_at, FAILED_LOGINS_BURST as usize);
    assert!(answers.iter().all(|answer| answer.status == 401 || answer.status == 429));
    assert_throttled(&login(&service, PEER, PASSWORD, &[]).await);
}

// People behind one address may log in together: those beyond the burst wait for the others.
#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_that_come_at_once_are_all_looked_at() {
    let service = service().await;
    let logins = (0..3 * FAILED_LOGINS_BURST).map(|_| login(&service, PEER, PASSWORD, &[]));
    for answer in futures_util::future::join_all(logins).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

// The owner of one account must not gain tries at another.
#[tokio::test]
async fn a_good_login_takes_nothing_and_gives_nothing_back() {
    let service = service().await;
    for _ in 0..3 * FAILED_LOGINS_BURST {
        assert_eq!(login(&service, PEER, PASSWORD, &[]).await.status, 200);
    }
    fail(&service, FAILED_LOGINS_BURST - 1, &[]).await;
    assert_eq!(login(&service, PEER, PASSWORD, &[]).await.status, 200);
    fail(&service, 1, &[]).await;
    assert_throttled(&login(&service, PEER, PASSWORD, &[]).await);
}

// They cannot be guessed, and an edge must not suffer from a stranger behind the same address.
#[tokio::test]
async fn keys_and_tokens_are_neither_counted_nor_refused() {
    let service = service().await;
    let made = service.user("own").make(r#"{"name":"x"}"#).await;
    let credentials = json!({"grant_type": "client_credentials"}).to_string();
    let token = service.user("tokens").post("/_security/oauth2/token", &credentials).await.json();
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    for _ in 0..2 * FAILED_LOGINS_BURST {
        assert_eq!(service.presenting("ApiKey aHVudGVyMjpodW50ZXIy").get("/").await.status, 401);
        assert_eq!(service.presenting("Bearer aHVudGVyMg==").get("/").await.status, 401);
    }
    for _ in 0..FAILED_LOGINS_BURST {
        assert_eq!(service.basic("own", "wrong").get("/").await.status, 401);
    }
    assert_throttled(&service.user("own").get("/").await);
    assert_eq!(service.key(&made).get("/_security/_authenticate").await.status, 200);
    assert_eq!(service.presenting(bearer).get("/_security/_authenticate").await.status, 200);
}

// Passwords inside of a body are passwords too.
#[tokio::test]
async fn failed_grants_count_and_are_refused() {
    let service = service().await;
    let grant =
        json!({"grant_type": "password", "username": "own", "password": "wrong", "api_key": {"name": "x"}});
    let token = json!({"grant_type": "password", "username": "own", "password": "wrong"});
    let grantor = service.user("elastic").make(r#"{"name":"grantor"}"#).await;
    for path_and_body in [("/_security/api_key/grant", &grant), ("/_security/oauth2/token", &token)] {
        let (path, body) = path_and_body;
        for _ in 0..FAILED_LOGINS_BURST / 2 {
            let refused = service.key(&grantor).post(path, &body.to_string()).await.status;
            assert!(refused == 401 || refused == 403, "{refused}");
        }
    }
    for (path, body) in [("/_security/api_key/grant", &grant), ("/_security/oauth2/token", &token)] {
        assert_throttled(&service.key(&grantor).post(path, &body.to_string()).await);
    }
    assert_throttled(&service.user("own").get("/").await);
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_source_is_whom_the_proxy_names() {
    let service = with_trusted_proxies(&["192.0.2.0/24"]).await;
    let from = |address: &'static str| [("x-forwarded-for", address)];
    // What is to the left was sent by the client, and changes nothing.
    for invented in ["198.51.100.9", "1.1.1.1, 198.51.100.9", "2.2.2.2, 198.51.100.9"] {
        fail(&service, 5, &from(invented)).await;
    }
    fail(&service, FAILED_LOGINS_BURST - 15, &from("198.51.100.9, 192.0.2.7")).await;
    assert_throttled(&login(&service, PEER, PASSWORD, &from("198.51.100.9")).await);
    assert_eq!(login(&service, PEER, PASSWORD, &from("198.51.100.10")).await.status, 200);
    // From anybody else the header says nothing.
    assert_eq!(login(&service, [203, 0, 113, 1], PASSWORD, &from("198.51.100.9")).await.status, 200);
}

#[tokio::test]
async fn without_a_limit_passwords_may_be_wrong_as_often_as_anybody_likes() {
    let limits = LimitSettings { failed_logins: None, ..LimitSettings::default() };
    let service = Service::with(ServiceSettings { limits, ..ServiceSettings::default() }).await;
    fail(&service, 2 * FAILED_LOGINS_BURST, &[]).await;
    assert_eq!(login(&service, PEER, PASSWORD, &[]).await.status, 200);
}
