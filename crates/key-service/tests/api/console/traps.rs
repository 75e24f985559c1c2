//! What goes wrong for a person in a hurry: pages that are loaded again, links that are old, keys that something needs.

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use serde_json::json;

use crate::console::browser::Browser;
use crate::service::{PASSWORD, Service};

#[tokio::test]
async fn a_form_that_is_sent_again_makes_and_rotates_nothing_again() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get("/console/keys/new").await;
    let hidden = |name: &str| page.between(&format!("name=\"{name}\" value=\""), "\"").to_owned();
    let (token, ticket) = (hidden("token"), hidden("ticket"));
    let fields = [("name", "k"), ("life", "1d"), ("labels", "r"), ("token", &token), ("ticket", &ticket)];
    let made = browser.post("/console/keys/new", &fields).await;
    let credential = made.between("<code id=\"credential\" tabindex=\"0\">", "</code>").to_owned();
    let again = browser.post("/console/keys/new", &fields).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    assert!(again.text.contains("nothing was done again"));
    let keys = service.elastic().get("/_security/api_key").await.json();
    assert_eq!(keys["api_keys"].as_array().unwrap().len(), 1);

    let id = keys["api_keys"][0]["id"].as_str().unwrap();
    let page = browser.get(&format!("/console/key/rotate?id={id}")).await;
    let ticket = page.between("name=\"ticket\" value=\"", "\"").to_owned();
    let fields = [("id", id), ("overlap", "24h"), ("token", &token), ("ticket", &ticket)];
    assert_eq!(browser.post("/console/key/rotate", &fields).await.status, StatusCode::OK);
    assert_eq!(browser.post("/console/key/rotate", &fields).await.status, StatusCode::CONFLICT);
    let first = service.presenting(format!("ApiKey {credential}")).get("/_security/_authenticate").await;
    assert_eq!(first.status, StatusCode::OK, "the first secret works on for its overlap");
    let page = browser.get(&format!("/console/key/rotate?id={id}")).await;
    assert!(page.text.contains("If you rotate the key again, that secret stops now."), "{}", page.text);
    let without = [("id", id), ("overlap", "24h"), ("token", &token)];
    assert_eq!(browser.post("/console/key/rotate", &without).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_key_that_works_is_never_said_to_be_revoked() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"works"}"#).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get(&format!("/console/watch?epoch=epoch&change=1&id={}", key.id)).await;
    assert!(page.text.contains("is NOT revoked"), "{}", page.text);
}

#[tokio::test]
async fn a_key_with_which_edges_follow_is_revoked_only_when_that_is_confirmed() {
    let service = Service::new().await;
    let body = r#"{"name":"edges","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#;
    let key = service.elastic().make(body).await;
    let followed = service.key(&key).get("/_latchkey/feed?after=0&edge=gateway-1").await;
    assert_eq!(followed.status, StatusCode::OK, "{}", followed.text);
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let question = format!("/console/revoke?id={}", key.id);
    let page = browser.get(&question).await;
    assert!(page.text.contains("gateway-1") && page.text.contains("Cut these edges off"), "{}", page.text);
    let refused = browser.send_form(&question, "/console/revoke", &[("id", &key.id)]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("Confirm that these edges are to be cut off."));
    assert_eq!(service.key(&key).get("/_security/_authenticate").await.status, StatusCode::OK);
    let confirmed = [("id", key.id.as_str()), ("edges_too", "on")];
    let done = browser.send_form(&question, "/console/revoke", &confirmed).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
}

#[tokio::test]
async fn keys_that_have_ended_are_not_asked_about_and_twice_is_told_as_such() {
    let service = Service::new().await;
    let (one, other) = (
        service.elastic().make(r#"{"name":"one"}"#).await,
        service.elastic().make(r#"{"name":"other"}"#).await,
    );
    service.elastic().delete("/_security/api_key", &json!({"ids": [one.id]}).to_string()).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get(&format!("/console/revoke?id={}&id={}", one.id, other.id)).await;
    assert!(page.text.contains("Revoke it now") && page.text.contains("ended before"), "{}", page.text);
    let page = browser.get(&format!("/console/revoke?id={}", one.id)).await;
    assert!(page.text.contains("Nothing is to be done: the keys have ended before."), "{}", page.text);
    let again = browser.send_form("/console/me", "/console/revoke", &[("id", &one.id)]).await;
    assert!(again.text.contains("The keys had been revoked before."), "{}", again.text);
}

#[tokio::test]
async fn a_key_whose_owner_is_disabled_is_not_shown_as_active() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let owner = json!({"service_account": true, "roles": ["superuser"]}).to_string();
    assert_eq!(elastic.put("/_security/user/team", &owner).await.status, StatusCode::OK);
    let key = elastic.running_as("team").make(r#"{"name":"k"}"#).await;
    assert_eq!(elastic.put_nothing("/_security/user/team/_disable").await.status, StatusCode::OK);
    let mut browser = Browser::logged_in(&service, "elastic").await;
    for page in ["/console/keys".to_owned(), format!("/console/key?id={}", key.id)] {
        let page = browser.get(&page).await;
        assert!(
            page.text.contains("suspended with its owner") && page.text.contains("Revoke"),
            "{}",
            page.text
        );
    }
}

#[tokio::test]
async fn a_leaked_credential_leads_to_its_key_and_stands_in_no_address() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"leaked"}"#).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    for found in [
        key.encoded.clone(),
        format!("Authorization: ApiKey {}", key.encoded),
        format!("{}:{}", key.id, key.secret),
    ] {
        let answer =
            browser.send_form("/console/keys", "/console/keys/find", &[("credential", &found)]).await;
        assert_eq!(answer.header(LOCATION), format!("/console/key?id={}", key.id));
    }
    let answer =
        browser.send_form("/console/keys", "/console/keys/find", &[("credential", "nonsense")]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_secret_that_ends_after_a_leak_is_watched_too() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"leaked"}"#).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = format!("/console/key/rotate?id={}", key.id);
    let fields = [("id", key.id.as_str()), ("overlap", "0")];
    let made = browser.send_form(&page, "/console/key/rotate", &fields).await;
    let watch = made.between("<a class=\"button primary\" href=\"", "\"").replace("&#38;", "&");
    let page = browser.get(&watch).await;
    assert!(page.text.contains("has another secret; the old one stops"), "{}", page.text);
    assert!(!page.text.contains("is NOT revoked"));
    // Logged in by a key, one is not offered what a key may not do.
    let mut by_key = Browser::new(&service);
    let login = [("username", "elastic"), ("password", PASSWORD)];
    by_key.post("/console/login", &login).await;
    assert!(by_key.get(&format!("/console/key?id={}", key.id)).await.text.contains("Rotate…"));
    let other = service.elastic().make(r#"{"name":"other"}"#).await;
    let mut by_key = Browser::new(&service);
    by_key.post("/console/login", &[("credential", &other.encoded)]).await;
    let page = by_key.get(&format!("/console/key?id={}", key.id)).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(!page.text.contains("Rotate…"));
}

#[tokio::test]
async fn a_key_with_a_mistyped_privilege_is_asked_about_first_where_the_user_may_look() {
    let service = Service::new().await;
    let read = json!({"shop": {"read": {"actions": ["data:read/*"]}}}).to_string();
    assert_eq!(service.elastic().put("/_security/privilege", &read).await.status, StatusCode::OK);
    let form = "/console/keys/new";
    let fields = |privileges| {
        [
            ("name", "k"),
            ("life", "1d"),
            ("rights", "application"),
            ("application", "shop"),
            ("resources", "*"),
            ("privileges", privileges),
        ]
    };
    let count = async || {
        service.elastic().get("/_security/api_key").await.json()["api_keys"].as_array().unwrap().len()
    };
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let asked = browser.send_form(form, form, &fields("read, raed")).await;
    assert_eq!(asked.status, StatusCode::BAD_REQUEST);
    assert!(asked.text.contains("No such privilege is stored: raed of shop."), "{}", asked.text);
    let stale = fields("read, wriet").into_iter().chain([("unknown_confirmed", "raed of shop")]);
    let asked = browser.send_form(form, form, &stale.collect::<Vec<_>>()).await;
    assert!(asked.text.contains("No such privilege is stored: wriet of shop."), "{}", asked.text);
    assert_eq!(count().await, 0);
    let confirmed = fields("read, raed").into_iter().chain([("unknown_confirmed", "raed of shop")]);
    let made = browser.send_form(form, form, &confirmed.collect::<Vec<_>>()).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert_eq!(browser.send_form(form, form, &fields("read")).await.status, StatusCode::OK);
    // Who may not look at what is stored is told nothing of it.
    let mut browser = Browser::logged_in(&service, "own").await;
    assert_eq!(browser.send_form(form, form, &fields("raed")).await.status, StatusCode::OK);
    assert_eq!(count().await, 3);
}
