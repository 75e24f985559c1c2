use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Builder;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use crate::service::{BEGINNING, Client, PASSWORD, Service};

const PATH: &str = "/_latchkey/audit";

async fn page(client: &Client<'_>, query: &str) -> Value {
    let answer = client.get(&format!("{PATH}?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    answer.json()
}

/// The actions of a page, in its order.
async fn actions(client: &Client<'_>, query: &str) -> Vec<String> {
    let page = page(client, query).await;
    let actions = page["events"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap());
    actions.map(str::to_owned).collect()
}

#[tokio::test]
async fn changes_are_shown_with_the_names_of_the_log() {
    let service = Service::new().await;
    let elastic = service.elastic();
    assert_eq!(page(&elastic, "").await, json!({"latest": 0, "events": []}));
    let made = elastic.make(r#"{"name":"a"}"#).await;
    let expected = json!({
        "number": 1, "timestamp": "2026-01-01T00:00:00Z", "at_ms": BEGINNING, "action": "create_api_key",
        "outcome": "success", "username": "elastic", "realm": "reserved", "key_ids": made.id,
    });
    assert_eq!(page(&elastic, "").await, json!({"latest": 1, "events": [expected]}));
}

#[tokio::test]
async fn changes_are_found_by_key_by_actor_by_action_and_by_time() {
    let service = Service::new().await;
    let (elastic, security) = (service.elastic(), service.user("security"));
    let made = service.user("own").make(r#"{"name":"a"}"#).await;
    let other =
        elastic.make(r#"{"name":"b","role_descriptors":{"r":{"cluster":["manage_security"]}}}"#).await;
    service.clock.advance_ms(1_000);
    service.key(&other).put("/_security/role/r", "{}").await;
    elastic.running_as("security").put("/_security/role/s", "{}").await;
    security.delete("/_security/api_key", &json!({"ids": [made.id, other.id]}).to_string()).await;
    let then = BEGINNING + 1_000;
    for (query, expected) in [
        (format!("key={}", made.id), &["invalidate_api_keys", "create_api_key"][..]),
        (format!("key={}", other.id), &["invalidate_api_keys", "put_role", "create_api_key"]),
        ("key=%2C".to_owned(), &[]),
        ("key=nobody's".to_owned(), &[]),
        ("actor=security".to_owned(), &["invalidate_api_keys", "put_role"]),
        ("actor=own".to_owned(), &["create_api_key"]),
        ("action=put_role".to_owned(), &["put_role", "put_role"]),
        ("action=put_role,invalidate_api_keys&actor=security&size=1".to_owned(), &["invalidate_api_keys"]),
        (format!("since={then}"), &["invalidate_api_keys", "put_role", "put_role"]),
        (
            "since=1s".to_owned(),
            &["invalidate_api_keys", "put_role", "put_role", "create_api_key", "create_api_key"],
        ),
        ("until=2026-01-01T00:00:01Z".to_owned(), &["create_api_key", "create_api_key"]),
        ("after=0&size=2".to_owned(), &["create_api_key", "create_api_key"]),
        ("before=3".to_owned(), &["create_api_key", "create_api_key"]),
    ] {
        assert_eq!(actions(&elastic, &query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn whoever_goes_on_with_next_sees_each_change_once() {
    let service = Service::new().await;
    let elastic = service.elastic();
    for name in ["a", "b", "c", "d", "e"] {
        elastic.put(&format!("/_security/role/{name}"), "{}").await;
    }
    for (begin, going_on, expected) in
        [("after=0", "after", ["a", "b", "c", "d", "e"]), ("", "before", ["e", "d", "c", "b", "a"])]
    {
        let (mut query, mut seen) = (begin.to_owned(), Vec::new());
        loop {
            let page = page(&elastic, &format!("{query}&size=2")).await;
            let events = page["events"].as_array().unwrap();
            seen.extend(events.iter().map(|event| event["subjects"].as_str().unwrap().to_owned()));
            assert_eq!(page["latest"], 5);
            let Some(next) = page.get("next") else { break };
            query = format!("{going_on}={next}");
        }
        assert_eq!(seen, expected, "{begin}");
    }
    let followed = page(&elastic, "after=5").await;
    assert_eq!(followed, json!({"latest": 5, "events": []}));
}

#[tokio::test]
async fn the_audit_log_is_read_by_whoever_manages_security() {
    let service = Service::new().await;
    for (username, status) in
        [("elastic", 200), ("security", 200), ("read", 403), ("manage", 403), ("own", 403), ("feed", 403)]
    {
        assert_eq!(service.user(username).get(PATH).await.status.as_u16(), status, "{username}");
    }
    let reason = service.user("nothing").get(PATH).await.error().2;
    let granted = "this action is granted by the cluster privileges [manage_security,all]";
    assert!(
        reason.starts_with("action [cluster:admin/xpack/security/latchkey/get_audit_log] is unauthorized")
            && reason.ends_with(granted),
        "{reason}"
    );
    assert_eq!(service.anonymous().get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_may_see_a_key_sees_what_was_done_to_it_and_nothing_of_others() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own.make(r#"{"name":"a"}"#).await;
    let other = service.user("other-own").make(r#"{"name":"b"}"#).await;
    service.key(&made).post("/_security/api_key", r#"{"name":"c","role_descriptors":{"r":{}}}"#).await;
    let both = json!({"ids": [made.id, other.id]}).to_string();
    service.elastic().delete("/_security/api_key", &both).await;
    let query = format!("{PATH}?key={}", made.id);
    for username in ["own", "manage", "read"] {
        let events = page(&service.user(username), &format!("key={}", made.id)).await["events"].clone();
        let seen: Vec<(&str, &str, &str)> = events
            .as_array()
            .unwrap()
            .iter()
            .map(|event| ["action", "username", "key_ids"].map(|name| event[name].as_str().unwrap()).into())
            .collect();
        let (ended, begun) = ("invalidate_api_keys", "create_api_key");
        assert_eq!(seen, [(ended, "elastic", &*made.id), (begun, "own", &*made.id)], "{username}");
    }
    for username in ["other-own", "nothing", "feed"] {
        assert_eq!(service.user(username).get(&query).await.status, StatusCode::FORBIDDEN, "{username}");
    }
    let gone = format!("{PATH}?key=gone");
    assert_eq!(own.get(&gone).await.status, StatusCode::FORBIDDEN);
    let whole = page(&service.elastic(), &format!("key={}", made.id)).await;
    assert_eq!(whole["events"][0]["key_ids"].as_str().unwrap().split(',').count(), 2);
}

#[tokio::test]
async fn a_key_sees_its_own_history() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"a"}"#).await;
    let other = service.user("own").make(r#"{"name":"b"}"#).await;
    assert_eq!(actions(&service.key(&made), &format!("key={}", made.id)).await, ["create_api_key"]);
    let refused = service.key(&made).get(&format!("{PATH}?key={}", other.id)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_is_done_to_tokens_is_shown_without_a_token() {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    let service = Service::with(ServiceSettings { tokens, ..ServiceSettings::default() }).await;
    let body = json!({"grant_type": "password", "username": "tokens", "password": PASSWORD}).to_string();
    let made = service.user("tokens").post("/_security/oauth2/token", &body).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let page = page(&service.elastic(), "").await;
    let event = &page["events"][0];
    assert_eq!((&event["action"], &event["token_username"]), (&json!("create_token"), &json!("tokens")));
    let token = made.json()["access_token"].as_str().unwrap().to_owned();
    assert!(!page.to_string().contains(&token));
}

#[tokio::test]
async fn what_was_asked_through_the_console_is_told_as_that() {
    let service = Service::new().await;
    let console = service.elastic().through_the_console();
    let made = console.make(r#"{"name":"a"}"#).await;
    console.put("/_security/role/r", "{}").await;
    service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
    let events = page(&service.elastic(), "after=0").await["events"].clone();
    let told: Vec<_> = events.as_array().unwrap().iter().map(|event| event.get("via")).collect();
    let console = json!("console");
    assert_eq!(told, [Some(&console), Some(&console), None]);
}

#[tokio::test]
async fn no_header_says_that_it_was_asked_through_the_console() {
    let service = Service::new().await;
    let body = r#"{"name":"a"}"#;
    for (name, value) in [
        ("via", "console"),
        ("x-via", "console"),
        ("asked-via", "console"),
        ("x-asked-via", "console"),
        ("askedvia", "Console"),
        ("x-latchkey-via", "console"),
        ("x-latchkey-console", "true"),
        ("forwarded", "by=console"),
        ("x-requested-with", "console"),
    ] {
        let request = Request::post(format!("/_security/api_key?{name}=console&via=console"));
        let refused = service.send(with_credential(request).header(name, value).body(body.into()).unwrap());
        assert_eq!(refused.await.status, StatusCode::BAD_REQUEST, "{name}: no parameter says it either");
        let request = with_credential(Request::post("/_security/api_key")).header(name, value);
        let made = service.send(request.body(body.into()).unwrap()).await;
        assert_eq!(made.status, StatusCode::OK, "{name}: {}", made.text);
    }
    let events = page(&service.elastic(), "").await["events"].clone();
    let events = events.as_array().unwrap();
    assert_eq!(events.len(), 9);
    assert!(events.iter().all(|event| event.get("via").is_none()), "{events:?}");
}

/// With that of `elastic`.
fn with_credential(request: Builder) -> Builder {
    let credential = STANDARD.encode(format!("elastic:{PASSWORD}"));
    request.header(AUTHORIZATION, format!("Basic {credential}")).header(CONTENT_TYPE, "application/json")
}

#[tokio::test]
async fn every_mistake_is_told() {
    let service = Service::new().await;
    let answer = service.elastic().get(&format!("{PATH}?size=1001&since=yesterday&after=1&before=2")).await;
    let (status, kind, reason) = answer.error();
    assert_eq!((status, kind.as_str()), (400, "action_request_validation_exception"));
    assert!(reason.starts_with("Validation Failed: 1: [since] must be a time ago"), "{reason}");
    assert!(reason.ends_with("3: [size] must be between 1 and 1000;"), "{reason}");
}
