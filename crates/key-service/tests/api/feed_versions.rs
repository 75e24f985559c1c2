//! The versions of the feed: who gets which, and what becomes of a follower that goes from one to the other.

use std::time::Duration;

use axum::http::StatusCode;
use latchkey_budget::{Allowance, Budget};
use latchkey_key_feed::format_limits::{APPLICATION_PRIVILEGES_LEN_MAX, RIGHTS_LEN_MAX};
use latchkey_key_feed::{Cursor, FEED_VERSION_HEADER, FeedPage, FeedPageWithRights, KeyId};
use latchkey_privileges::application_privilege::{ApplicationActions, RegisteredPrivileges};
use latchkey_privileges::rights::Rights;
use serde_json::{Value, json};

use crate::service::{Answer, Client, PASSWORD, Service};

const FEED: &str = "/_latchkey/feed";
const KEYS: &str = "/_security/api_key";
const PRIVILEGES: &str = "/_security/privilege";

const EDGE: &str = r#"{"name":"edge","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#;

async fn ask(client: &Client<'_>, after: u64, query: &str) -> Answer {
    client.get_with(&format!("{FEED}?after={after}{query}"), FEED_VERSION_HEADER, "2").await
}

async fn page(client: &Client<'_>, after: u64, query: &str) -> FeedPageWithRights {
    let answer = ask(client, after, query).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    FeedPageWithRights::parse(answer.text.as_bytes(), Cursor(after)).unwrap()
}

#[tokio::test]
async fn whoever_says_nothing_gets_version_1_and_caches_tell_both_apart() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    service.elastic().put(PRIVILEGES, r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await;
    let feed = service.user("feed");
    let old = feed.get(FEED).await;
    // The writer's bytes are fixed in the crate that has it.
    let written = FeedPage::parse(old.text.as_bytes(), Cursor(0)).unwrap().to_json().unwrap();
    assert_eq!(old.text, String::from_utf8(written).unwrap());
    assert!(!old.text.contains("version") && !old.text.contains("rights"), "{}", old.text);
    let new = ask(&feed, 0, "").await;
    assert!(new.text.starts_with(r#"{"epoch":"epoch.2","version":2,"cursor":3,"#), "{}", new.text);
    let one = feed.get_with(FEED, FEED_VERSION_HEADER, "1").await;
    let later = feed.get_with(FEED, FEED_VERSION_HEADER, "7").await;
    let nonsense = feed.get_with(FEED, FEED_VERSION_HEADER, "two").await;
    assert_eq!((&one.text, &nonsense.text, &later.text), (&old.text, &old.text, &new.text));
    assert_ne!(old.header("etag"), new.header("etag"));
    for answer in [old, new] {
        assert!(
            answer.header("vary").contains(&FEED_VERSION_HEADER.to_owned()),
            "{:?}",
            answer.header("vary")
        );
    }
}

#[tokio::test]
async fn a_follower_that_goes_to_the_other_version_and_back_loads_anew() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    let feed = service.user("feed");
    let second = page(&feed, 0, "").await.page;
    assert_eq!((second.epoch.as_str(), second.cursor), ("epoch.2", Cursor(2)));
    assert!(!page(&feed, 2, "&epoch=epoch.2").await.page.reset);
    // Its table was read by a service of before, or the service is one again.
    let reset = page(&feed, 2, "&epoch=epoch&wait=60s").await.page;
    assert_eq!((reset.reset, reset.epoch.as_str()), (true, "epoch.2"));
    let first = feed.get(&format!("{FEED}?after=2&epoch=epoch.2&wait=60s")).await;
    let first = FeedPage::parse(first.text.as_bytes(), Cursor(2)).unwrap();
    assert_eq!((first.reset, first.epoch.as_str()), (true, "epoch"));
}

// An older service does not know the header.
#[tokio::test]
async fn a_follower_of_version_2_reads_what_an_older_service_sends() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    let ignored = service.user("feed").get(FEED).await;
    let read = FeedPageWithRights::parse(ignored.text.as_bytes(), Cursor(0)).unwrap();
    assert_eq!((read.page.keys.len(), read.rights.len(), read.applications.len()), (1, 0, 0));
    assert_eq!(read.page.epoch.as_str(), "epoch");
}

#[tokio::test]
async fn a_registered_privilege_wakes_whoever_waits_and_acknowledgements_of_version_2_count() {
    let service = Service::new().await;
    let key = service.elastic().make(r#"{"name":"a"}"#).await;
    let feed = service.user("feed");
    let edge = format!("&edge=e&instance={:032x}&refuse_after=3600s&epoch=epoch.2", 7);
    let loaded = page(&feed, 0, &edge).await.page.cursor.0;
    page(&feed, loaded, &edge).await;
    let waiting = format!("{edge}&wait=60s");
    let (woken, _) = tokio::join!(page(&feed, loaded, &waiting), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        service.elastic().put(PRIVILEGES, r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await
    });
    let [shop] = woken.applications.as_slice() else { panic!("{woken:?}") };
    assert_eq!((shop.application.as_str(), shop.seq), ("shop", woken.page.cursor));
    let after = woken.page.cursor.0;
    let ids = json!({"ids": [key.id]}).to_string();
    let (told, ()) = tokio::join!(
        async { service.elastic().delete(&format!("{KEYS}?wait_for_edges=60s"), &ids).await },
        async {
            let changed = page(&feed, after, &waiting).await.page.cursor.0;
            page(&feed, changed, &edge).await;
        }
    );
    assert_eq!(told.json()["edges"]["complete"], json!(true), "{}", told.text);
}

#[tokio::test]
async fn the_last_page_of_version_2_has_rights_too() {
    let service = Service::new().await;
    let edge = service.elastic().make(EDGE).await;
    let client = service.key(&edge);
    let identity = format!("&edge=e&instance={:032x}&refuse_after=3600s&epoch=epoch.2", 7);
    let cursor = page(&client, 0, &identity).await.page.cursor.0;
    page(&client, cursor, &identity).await;
    let made = service.elastic().make(r#"{"name":"b"}"#).await;
    service.elastic().put(PRIVILEGES, r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await;
    service.elastic().delete(KEYS, &json!({"ids": [edge.id]}).to_string()).await;
    service.elastic().put(PRIVILEGES, r#"{"bank":{"pay":{"actions":["pay:*"]}}}"#).await;
    let last = page(&client, cursor, &identity).await;
    assert!(last.page.ended && !last.page.more, "{last:?}");
    assert_eq!(last.rights.keys().map(KeyId::as_str).collect::<Vec<_>>(), [made.id.as_str()]);
    let applications: Vec<_> = last.applications.iter().map(|it| it.application.as_str()).collect();
    assert_eq!(applications, ["shop"], "nothing newer than the end of its key");
    let first = service.key(&edge).get(&format!("{FEED}?after={cursor}{identity}")).await;
    assert_eq!(first.status, StatusCode::UNAUTHORIZED, "its place is in the other version");
}

// The feed says what a key may do, and the key itself asks.
#[tokio::test]
async fn an_edge_can_answer_as_has_privileges_does() {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put(PRIVILEGES, r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await;
    let block = json!({"application": "shop", "privileges": ["read"], "resources": ["orders/*"]});
    let roles = json!({"r": {"cluster": ["monitor"], "applications": [block]}});
    let key = elastic.make(&json!({"name": "k", "role_descriptors": roles}).to_string()).await;
    let fed = page(&service.user("feed"), 0, "").await;
    let rights = Rights::of_json(fed.rights[&KeyId::try_from(key.id.as_str()).unwrap()].as_bytes()).unwrap();
    let mut registered = RegisteredPrivileges::default();
    let actions = ApplicationActions::of_json(fed.applications[0].privileges.as_ref().unwrap().as_bytes());
    registered.set("shop", actions.unwrap());
    let budget = || Budget::alone(Allowance { steps: 1_000_000, bytes: 1_000_000 });
    for (privilege, resource) in
        [("read", "orders/7"), ("data:read/one", "orders/7"), ("write", "orders/7"), ("read", "items/7")]
    {
        let asked = json!({"application": [
            {"application": "shop", "privileges": [privilege], "resources": [resource]}]});
        let answer =
            service.key(&key).post("/_security/user/_has_privileges", &asked.to_string()).await.json();
        let permission = rights.permission();
        let held = permission.application_resources("shop", privilege, &registered, &mut budget()).unwrap();
        let held = held.contains(resource, &mut budget()).unwrap();
        assert_eq!(answer["application"]["shop"][resource][privilege], json!(held), "{privilege} {resource}");
        assert_eq!(held, privilege != "write" && resource == "orders/7");
    }
}

/// Role descriptors that come to more rights than an edge reads.
fn too_many_rights() -> Value {
    let names: Vec<String> = (0..RIGHTS_LEN_MAX / 10).map(|number| format!("index-{number:06}")).collect();
    json!({"r": {"indices": [{"names": names, "privileges": ["read"]}]}})
}

#[tokio::test]
async fn every_way_to_give_a_key_more_rights_than_an_edge_reads_is_refused() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let key = elastic.make(r#"{"name":"x"}"#).await;
    let long = || json!({"name": "long", "role_descriptors": too_many_rights()});
    let grant = |field: &str, value: Value| {
        let mut body = json!({"grant_type": "password", "username": "own", "password": PASSWORD});
        body[field] = value;
        body.to_string()
    };
    let update = json!({"role_descriptors": too_many_rights()}).to_string();
    let bulk = json!({"ids": [key.id], "role_descriptors": too_many_rights()}).to_string();
    for answer in [
        elastic.post(KEYS, &long().to_string()).await,
        elastic.post(&format!("{KEYS}/grant"), &grant("api_key", long())).await,
        elastic
            .post(&format!("{KEYS}/_bulk_grant"), &grant("api_keys", json!([{"name": "small"}, long()])))
            .await,
        elastic.put(&format!("{KEYS}/{}", key.id), &update).await,
    ] {
        let (status, kind, reason) = answer.error();
        assert_eq!((status, kind.as_str()), (400, "action_request_validation_exception"), "{reason}");
        assert!(reason.contains("bytes as JSON, at most 65536 are allowed"), "{reason}");
    }
    let answer = elastic.post(&format!("{KEYS}/_bulk_update"), &bulk).await;
    assert!(answer.text.contains("at most 65536 are allowed"), "{}", answer.text);
    // The roles that the owner has got since the key was made.
    let role = too_many_rights()["r"].to_string();
    assert_eq!(elastic.put("/_security/role/long", &role).await.status, StatusCode::OK);
    let roles = json!({"password": PASSWORD, "roles": ["own"]}).to_string();
    elastic.put("/_security/user/many", &roles).await;
    let many = service.user("many");
    let made = many.make(r#"{"name":"x"}"#).await;
    let roles = json!({"roles": ["long", "own"]}).to_string();
    assert_eq!(elastic.put("/_security/user/many", &roles).await.status, StatusCode::OK);
    for answer in [
        many.post(KEYS, r#"{"name":"x"}"#).await,
        many.put(&format!("{KEYS}/{}", made.id), r#"{"metadata":{}}"#).await,
    ] {
        assert!(answer.error().2.contains("by the roles of the owner, has"), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_application_that_registers_too_much_is_told_how_much() {
    let service = Service::new().await;
    let put = async |name: &str, len: usize| {
        let privilege = json!({"actions": [format!("data:{}", "x".repeat(len))]});
        service.elastic().put(PRIVILEGES, &json!({"shop": {name: privilege}}).to_string()).await
    };
    assert_eq!(put("a", APPLICATION_PRIVILEGES_LEN_MAX - 100_000).await.status, StatusCode::OK);
    let refused = put("b", 200_000).await;
    refused.assert_error(
        400,
        "illegal_argument_exception",
        "the privileges of the application [shop] have 1148605 bytes as JSON, at most 1048576 are allowed",
    );
    let shown = service.elastic().get(&format!("{PRIVILEGES}/shop/b")).await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
}
