//! What is true of every page, live pages, and the audit log.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION};
use latchkey_key_service::settings::ServiceSettings;
use serde_json::json;

use crate::console::browser::Browser;
use crate::service::Service;

#[tokio::test]
async fn what_others_have_named_is_text_and_nothing_else() {
    let service = Service::new().await;
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}\u{202e}";
    let body = json!({
        "name": hostile,
        "role_descriptors": {"<img src=x onerror=alert(3)>": {"cluster": ["monitor"]}},
        "metadata": {hostile: hostile},
    });
    let key = service.elastic().make(&body.to_string()).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let revoke = format!("/console/revoke?id={}", key.id);
    for page in [
        "/console/keys".to_owned(),
        format!("/console/key?id={}", key.id),
        format!("/console/key/rotate?id={}", key.id),
        revoke,
        "/console/audit?actor=%3Cscript%3Ealert(1)%3C/script%3E&key=%22%3E%3Cimg%20src=x%3E".to_owned(),
        "/console/keys?q=%3Cscript%3Ealert(1)%3C/script%3E&owner=%22%3E%3Cimg%20src=x%3E".to_owned(),
        "/console/login?next=%22%3E%3Cimg%20src=x%3E".to_owned(),
    ] {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        assert!(
            !answer.text.contains("<script>") && !answer.text.contains("<img"),
            "{page}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn every_answer_holds_the_browser_to_what_a_page_may_do() {
    let service = Service::new().await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let far = format!("/console/edges?from={}", usize::MAX);
    assert_eq!(browser.get(&far).await.status, StatusCode::OK, "a page beyond the last is empty");
    for page in ["/console", "/console/login", "/console/keys", "/console/nowhere", "/console/key?id=x"] {
        let answer = browser.get(page).await;
        if page != "/console" {
            assert!(answer.header(CONTENT_SECURITY_POLICY).starts_with("default-src 'none';"), "{page}");
            assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{page}");
        }
        assert!(!answer.text.contains(" style=") && !answer.text.contains(" onclick="), "{page}");
    }
    let login = browser.get("/console/login").await;
    let sheet = login.between("stylesheet\" href=\"", "\"").to_owned();
    let answer = browser.get(&sheet).await;
    assert_eq!(answer.header(CACHE_CONTROL), "public, max-age=31536000, immutable");
    let other = sheet.replace("/assets/", "/assets/0");
    assert_eq!(browser.get(&other).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_live_page_sends_what_has_changed_and_ends_with_the_session() {
    let service = Service::with(ServiceSettings::default()).await;
    let key = service.elastic().make(r#"{"name":"k"}"#).await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let revoke = format!("/console/revoke?id={}", key.id);
    let answer = browser.send_form(&revoke, "/console/revoke", &[("id", &key.id)]).await;
    let events = answer.header(LOCATION).replace("/console/watch?", "/console/watch/events?");
    let followed = browser.get(&events).await;
    assert!(followed.text.contains("event: part\ndata: <div id=\"progress\""), "{}", followed.text);
    assert!(followed.text.ends_with("event: over\ndata: over\n\n"), "{}", followed.text);

    let mut following = browser.clone();
    let audit = tokio::spawn({
        let events = following.get_owned("/console/audit/events?after=0");
        async move { tokio::time::timeout(Duration::from_secs(30), events).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    browser.send_form("/console/me", "/console/logout", &[]).await;
    let followed = audit.await.unwrap().expect("it ends with the session");
    assert!(followed.text.contains("data: <tr id=\"event-"), "{}", followed.text);
}

#[tokio::test]
async fn the_audit_log_is_filtered_paged_and_exported() {
    let service = Service::new().await;
    for number in 0..60 {
        service.elastic().make(&json!({"name": format!("k{number}")}).to_string()).await;
    }
    service.user("security").put("/_security/role/r", "{}").await;
    let mut browser = Browser::logged_in(&service, "elastic").await;
    let page = browser.get("/console/audit").await;
    assert_eq!(page.text.matches("<tr id=\"event-").count(), 50);
    let older = page.between("rel=\"next\">", "<").to_owned();
    assert_eq!(older, "Older");
    let path = page.between("<a class=\"button\" href=\"/console/audit?before=", "\"").to_owned();
    let page = browser.get(&format!("/console/audit?before={path}")).await;
    assert_eq!(page.text.matches("<tr id=\"event-").count(), 11);
    let page = browser.get("/console/audit?actor=security").await;
    assert_eq!((page.text.matches("<tr id=\"event-").count(), page.text.contains("put role")), (1, true));
    let page = browser.get("/console/audit?action=put+role").await;
    assert_eq!(page.text.matches("<tr id=\"event-").count(), 1, "an action may be said as lines say it");
    let page = browser.get("/console/audit?action=revoke&actor=security").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let told = "there is no action [revoke] -&#62; did you mean [invalidate_api_keys]?";
    assert!(page.text.contains(told) && page.text.contains("value=\"security\""), "{}", page.text);
    let export = browser.get("/console/audit/export?action=create_api_key").await;
    let lines: Vec<serde_json::Value> =
        export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["number"], &lines[59]["number"]), (60, &json!(1), &json!(60)));
}
