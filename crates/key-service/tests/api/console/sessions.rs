//! Logging in and out, and what a session is.

use axum::http::StatusCode;
use axum::http::header::{LOCATION, SET_COOKIE};
use latchkey_console::limits::{FORM_LEN_MAX, LOGIN_FORM_LEN_MAX};
use latchkey_key_service::limits::authentication_limits::FAILED_LOGINS_BURST;
use latchkey_key_service::security::login_throttle::FailedLoginRate;
use latchkey_key_service::settings::{LimitSettings, ServiceSettings};
use serde_json::json;

use crate::console::browser::Browser;
use crate::service::{PASSWORD, Service};

/// Pages that everybody who is logged in may ask for, or that say why not.
const PAGES: [&str; 12] = [
    "/console/keys",
    "/console/keys/new",
    "/console/key?id=x",
    "/console/key/rotate?id=x",
    "/console/revoke?id=x",
    "/console/watch?epoch=e&change=1",
    "/console/watch/events?epoch=e&change=1",
    "/console/edges",
    "/console/edges/events",
    "/console/audit",
    "/console/audit/export",
    "/console/me",
];

/// What changes something.
const FORMS: [&str; 4] = ["/console/keys/new", "/console/key/rotate", "/console/revoke", "/console/logout"];

#[tokio::test]
async fn nobody_sees_a_page_or_sends_a_form_without_a_log_in() {
    let service = Service::new().await;
    let mut browser = Browser::new(&service);
    for page in PAGES {
        let answer = browser.get(page).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{page}");
        assert!(answer.header(LOCATION).starts_with("/console/login?next=%2Fconsole%2F"), "{page}");
    }
    for form in FORMS {
        let answer = browser.post(form, &[("token", "x")]).await;
        assert_eq!(
            (answer.status, answer.header(LOCATION)),
            (StatusCode::SEE_OTHER, "/console/login?why=lost"),
            "{form}"
        );
    }
    assert!(browser.get("/console/login?why=lost").await.text.contains("nothing was done"));
}

#[tokio::test]
async fn a_log_in_leads_to_the_first_page_that_there_is_for_the_user() {
    let service = Service::new().await;
    for (user, page) in [
        ("own", "/console/keys"),
        ("read", "/console/keys"),
        ("feed", "/console/edges"),
        ("nothing", "/console/me"),
    ] {
        let mut browser = Browser::logged_in(&service, user).await;
        assert_eq!(browser.get("/console/first").await.header(LOCATION), page, "{user}");
        assert_eq!(browser.get(page).await.status, StatusCode::OK, "{user}");
    }
}

#[tokio::test]
async fn a_password_a_key_and_a_token_log_in_and_what_is_wrong_does_not() {
    let service = Service::new().await;
    let key = service
        .user("own")
        .make(r#"{"name":"night","role_descriptors":{"r":{"cluster":["manage_own_api_key"]}}}"#)
        .await;
    for (fields, who) in [
        (&[("username", "own"), ("password", PASSWORD)][..], Some("own")),
        (&[("credential", &key.encoded)], Some("own (by key night)")),
        (&[("credential", &format!("{}:{}", key.id, key.secret))], Some("own (by key night)")),
        (&[("username", "own"), ("password", "wrong")], None),
        (&[("username", "nobody"), ("password", PASSWORD)], None),
        (&[("username", "disabled"), ("password", PASSWORD)], None),
        (&[("credential", "bm90OmtleQ==")], None),
        (&[("credential", "token")], None),
    ] {
        let mut browser = Browser::new(&service);
        let answer = browser.post("/console/login", fields).await;
        let page = browser.get("/console/me").await;
        match who {
            Some(who) => {
                assert_eq!(answer.header(LOCATION), "/console/first");
                assert!(page.text.contains(&format!(">{who}<")), "{who}: {}", page.text);
            }
            None => {
                assert_eq!((answer.status, page.status), (StatusCode::UNAUTHORIZED, StatusCode::SEE_OTHER));
                assert!(answer.text.contains("Wrong user, password, key or token"));
            }
        }
    }
}

#[tokio::test]
async fn log_ins_that_fail_are_throttled_as_those_of_the_interface() {
    let limits =
        LimitSettings { failed_logins: FailedLoginRate::try_from(60).ok(), ..LimitSettings::default() };
    let service = Service::with(ServiceSettings { limits, ..ServiceSettings::default() }).await;
    let mut browser = Browser::new(&service).from("192.0.2.1:5");
    for _ in 0..FAILED_LOGINS_BURST {
        let answer = browser.post("/console/login", &[("username", "own"), ("password", "wrong")]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let right = [("username", "own"), ("password", PASSWORD)];
    assert_eq!(browser.post("/console/login", &right).await.status, StatusCode::TOO_MANY_REQUESTS);
    let mut elsewhere = Browser::new(&service).from("192.0.2.2:5");
    assert_eq!(elsewhere.post("/console/login", &right).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_has_another_name_after_each_log_in_and_ends_on_the_server() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let first = browser.cookies();
    browser.log_in("own").await;
    assert_ne!(browser.cookies(), first);
    let mut earlier = Browser::new(&service).over(&browser).with_cookies(first);
    assert_eq!(
        earlier.get("/console/me").await.status,
        StatusCode::SEE_OTHER,
        "it ended with the new log-in"
    );
    let kept = browser.cookies();
    browser.send_form("/console/me", "/console/logout", &[]).await;
    assert!(browser.cookies().is_empty());
    let mut stolen = Browser::new(&service).over(&browser).with_cookies(kept);
    assert_eq!(stolen.get("/console/me").await.status, StatusCode::SEE_OTHER, "it ended on the server");
}

#[tokio::test]
async fn a_session_ends_by_itself_and_with_the_credential_it_was_begun_with() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "own").await;
    service.clock.advance_ms(29 * 60 * 1_000);
    assert_eq!(browser.get("/console/me").await.status, StatusCode::OK);
    service.clock.advance_ms(30 * 60 * 1_000);
    assert_eq!(browser.get("/console/me").await.status, StatusCode::SEE_OTHER);

    let key = service.elastic().make(r#"{"name":"k"}"#).await;
    let mut browser = Browser::new(&service);
    browser.post("/console/login", &[("credential", &key.encoded)]).await;
    assert_eq!(browser.get("/console/me").await.status, StatusCode::OK);
    service.elastic().delete("/_security/api_key", &json!({"ids": [key.id]}).to_string()).await;
    let answer = browser.get("/console/me").await;
    assert_eq!(answer.header(LOCATION), "/console/login?why=ended");
    assert!(browser.get("/console/login?why=ended").await.text.contains("not valid any more"));
}

#[tokio::test]
async fn a_form_that_no_page_of_the_session_has_shown_changes_nothing() {
    let service = Service::new().await;
    let key = service.user("own").make(r#"{"name":"k","role_descriptors":{"r":{}}}"#).await;
    let mut browser = Browser::logged_in(&service, "own").await;
    let token = browser.token("/console/me").await;
    let others = Browser::logged_in(&service, "own").await.token("/console/me").await;
    let id = ("id", key.id.as_str());
    for (said, header) in [
        (&[id][..], None),
        (&[id, ("token", "")], None),
        (&[id, ("token", &others)], None),
        (&[id, ("token", &token)], Some(("sec-fetch-site", "cross-site"))),
        (&[id, ("token", &token)], Some(("origin", "https://evil.example"))),
    ] {
        let answer = browser.post_with("/console/revoke", said, header).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{said:?} {header:?}");
        assert!(answer.text.contains("nothing was done"));
    }
    let login = [("username", "own"), ("password", PASSWORD)];
    let answer = browser.post_with("/console/login", &login, Some(("sec-fetch-site", "cross-site"))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "nobody is logged in as somebody else by another site");
    let shown = service.user("own").get(&format!("/_security/api_key?owner=true&id={}", key.id)).await.json();
    assert_eq!(shown["api_keys"][0]["invalidated"], false);
    let answer = browser.post("/console/revoke", &[id, ("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
}

#[tokio::test]
async fn a_cookie_is_secure_where_the_browser_speaks_tls() {
    let service = Service::new().await;
    let login = [("username", "own"), ("password", PASSWORD)];
    let mut plain = Browser::new(&service);
    let set = plain.post("/console/login", &login).await.header(SET_COOKIE).to_owned();
    assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let https = Some(("x-forwarded-proto", "https"));
    let set =
        Browser::new(&service).post_with("/console/login", &login, https).await.header(SET_COOKIE).to_owned();
    assert!(set.starts_with("__Host-latchkey_console=") && set.ends_with("; Secure"), "{set}");
}

#[tokio::test]
async fn a_form_up_to_its_limit_is_read_and_no_longer_one() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let token = browser.token("/console/me").await;
    let rest = format!("metadata=&token={token}").len();
    let most = "x".repeat(FORM_LEN_MAX - rest);
    let answer = browser.post("/console/keys/new", &[("metadata", &most), ("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "it was read: the name is missing");
    let login = |len: usize| format!("password={}", "x".repeat(len - "password=".len()));
    let answer = browser.post_text("/console/login", login(LOGIN_FORM_LEN_MAX)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "it was read: the user is missing");
    let answer = browser.post_text("/console/login", login(LOGIN_FORM_LEN_MAX + 1)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let more = format!("{most}x");
    let answer = browser.post("/console/keys/new", &[("metadata", &more), ("token", &token)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
