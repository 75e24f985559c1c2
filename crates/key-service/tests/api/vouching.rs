use latchkey_key_feed::{Cursor, FeedPage, FeedRow};
use serde_json::{Value, json};

use crate::service::{Client, Made, PASSWORD, Service};

const PATH: &str = "/_security/api_key";

/// What the feed says that somebody vouches for of a key: its role descriptors, and whether its metadata.
async fn vouched(service: &Service, id: &str) -> (String, bool) {
    let answer = service.user("feed").get("/_latchkey/feed").await;
    let page = FeedPage::parse(answer.text.as_bytes(), Cursor(0)).unwrap();
    page.keys
        .iter()
        .find_map(|row| match row {
            FeedRow::Live { record, .. } if record.id.as_str() == id => {
                Some((record.vouched_roles.join(","), record.metadata_vouched))
            }
            _ => None,
        })
        .unwrap()
}

fn told(names: &str, metadata: bool) -> (String, bool) {
    (names.to_owned(), metadata)
}

async fn update(client: &Client<'_>, id: &str, change: &Value) -> Value {
    let answer = client.put(&format!("{PATH}/{id}"), &change.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["updated"].clone()
}

fn body(roles: Value) -> String {
    json!({"name": "x", "role_descriptors": roles, "metadata": {"tenant": "acme"}}).to_string()
}

/// The id of a key that an answer tells.
fn made(answer: &crate::service::Answer) -> Made {
    let json = answer.json();
    let text = |field: &str| json[field].as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
    Made { id: text("id"), secret: text("api_key"), encoded: text("encoded") }
}

#[tokio::test]
async fn a_self_made_admin_is_a_claim_and_one_that_is_made_by_who_manages_security_is_not() {
    let service = Service::new().await;
    let admin = || body(json!({"admin": {}, "superuser": {}}));
    for (username, expected) in [
        ("own", told("", false)),
        ("manage", told("", false)),
        ("elastic", told("admin,superuser", true)),
        ("security", told("admin,superuser", true)),
    ] {
        let key = service.user(username).make(&admin()).await;
        assert_eq!(vouched(&service, &key.id).await, expected, "{username}");
    }
}

#[tokio::test]
async fn a_role_of_the_owner_is_vouched_for_with_its_very_content() {
    let service = Service::new().await;
    let own = service.user("own");
    let same = json!({"own": {"cluster": ["manage_own_api_key", "monitor"]}, "other": {}});
    assert_eq!(vouched(&service, &own.make(&body(same)).await.id).await, told("own", false));
    for content in [json!({}), json!({"cluster": ["monitor"]}), json!({"cluster": ["all"]})] {
        let key = own.make(&body(json!({ "own": content }))).await;
        assert_eq!(vouched(&service, &key.id).await, told("", false));
    }
}

#[tokio::test]
async fn an_update_by_the_owner_takes_it_away_for_what_it_writes() {
    let service = Service::new().await;
    let granted = service.grant_to_own(&service.elastic(), json!({"admin": {}})).await;
    assert_eq!(vouched(&service, &granted.id).await, told("admin", true));
    let own = service.user("own");
    let same = json!({"metadata": {"tenant": "acme"}, "role_descriptors": {"admin": {}}});
    assert_eq!(update(&own, &granted.id, &same).await, false, "what stays as it is is nobody else's");
    assert_eq!(vouched(&service, &granted.id).await, told("admin", true));
    assert_eq!(update(&own, &granted.id, &json!({"expiration": "1d"})).await, true);
    assert_eq!(vouched(&service, &granted.id).await, told("admin", true));
    assert_eq!(update(&own, &granted.id, &json!({"metadata": {"tenant": "other"}})).await, true);
    assert_eq!(vouched(&service, &granted.id).await, told("admin", false));
    let more = json!({"role_descriptors": {"admin": {}, "root": {}}});
    let bulk = json!({"ids": [granted.id], "role_descriptors": more["role_descriptors"]}).to_string();
    let answer = own.post(&format!("{PATH}/_bulk_update"), &bulk).await;
    assert_eq!(answer.json()["updated"], json!([granted.id]), "{}", answer.text);
    assert_eq!(vouched(&service, &granted.id).await, told("", false));
    assert_eq!(update(&own, &granted.id, &same).await, true, "nor does it come back with the content");
    assert_eq!(vouched(&service, &granted.id).await, told("", false));
}

#[tokio::test]
async fn an_owner_who_manages_security_vouches_by_an_update() {
    let service = Service::new().await;
    let granted = service.grant_to("security", &service.user("grant"), json!({"admin": {}})).await;
    assert_eq!(vouched(&service, &granted.id).await, told("", false), "who grants wrote it");
    let change = json!({"metadata": {"tenant": "other"}, "role_descriptors": {"root": {}}});
    assert_eq!(update(&service.user("security"), &granted.id, &change).await, true);
    assert_eq!(vouched(&service, &granted.id).await, told("root", true));
}

#[tokio::test]
async fn of_a_granted_key_counts_who_grants_it_and_not_whose_it_is() {
    let service = Service::new().await;
    for (grantor, expected) in [("elastic", told("admin", true)), ("grant", told("", false))] {
        let key = service.grant_to("own", &service.user(grantor), json!({"admin": {}})).await;
        assert_eq!(vouched(&service, &key.id).await, expected, "{grantor}");
        let bulk = json!({
            "grant_type": "password", "username": "security", "password": PASSWORD,
            "api_keys": [{"name": "x", "role_descriptors": {"admin": {}}, "metadata": {"tenant": "acme"}}],
        });
        let answer = service.user(grantor).post(&format!("{PATH}/_bulk_grant"), &bulk.to_string()).await;
        let id = answer.json()["created"][0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.text))
            .to_owned();
        assert_eq!(vouched(&service, &id).await, expected, "{grantor}");
    }
}

#[tokio::test]
async fn a_clone_keeps_who_vouched_for_the_descriptors_and_its_metadata_is_the_callers() {
    let service = Service::new().await;
    let by_elastic = service.grant_to_own(&service.elastic(), json!({"admin": {}})).await;
    let by_own = service.user("own").make(&body(json!({"admin": {}}))).await;
    for (source, caller, expected) in [
        (&by_elastic, "grant", told("admin", false)),
        (&by_elastic, "elastic", told("admin", true)),
        (&by_own, "grant", told("", false)),
        (&by_own, "elastic", told("", true)),
    ] {
        let request = json!({"api_key": source.encoded, "metadata": {"tenant": "acme"}}).to_string();
        let answer = service.user(caller).put(&format!("{PATH}/clone"), &request).await;
        assert_eq!(vouched(&service, &made(&answer).id).await, expected, "{caller}");
    }
}

// A key may be all-powerful by name and powerless by its owner, and the other way round.
#[tokio::test]
async fn of_a_key_that_makes_a_key_counts_what_it_may_do_itself() {
    let service = Service::new().await;
    let all = json!({"r": {"cluster": ["all"]}});
    let little = json!({"r": {"cluster": ["manage_own_api_key"]}});
    for (username, roles, expected) in [
        ("own", &all, told("", false)),
        ("elastic", &little, told("", false)),
        ("elastic", &all, told("admin", true)),
    ] {
        let parent = service.user(username).make(&body(roles.clone())).await;
        let derived = service.key(&parent).make(&body(json!({"admin": {}}))).await;
        assert_eq!(vouched(&service, &derived.id).await, expected, "{username} {roles}");
    }
}

// A caller who acts as the super-user vouches as the super-user does.
#[tokio::test]
async fn who_acts_as_somebody_else_vouches_as_that_one() {
    let service = Service::new().await;
    let key = service.elastic().running_as("own").make(&body(json!({"admin": {}}))).await;
    assert_eq!(vouched(&service, &key.id).await, told("", false));
}

// Elasticsearch's clients see nothing of it.
#[tokio::test]
async fn the_answers_of_the_api_say_nothing_of_it() {
    let service = Service::new().await;
    let key = service.elastic().make(&body(json!({"admin": {}}))).await;
    for path in [format!("{PATH}?id={}", key.id), "/_security/_query/api_key".to_owned()] {
        let answer = service.elastic().get(&path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("vouch"), "{}", answer.text);
    }
}

impl Service {
    async fn grant_to_own(&self, grantor: &Client<'_>, roles: Value) -> Made {
        self.grant_to("own", grantor, roles).await
    }

    async fn grant_to(&self, owner: &str, grantor: &Client<'_>, roles: Value) -> Made {
        let request = json!({
            "grant_type": "password", "username": owner, "password": PASSWORD,
            "api_key": {"name": "x", "role_descriptors": roles, "metadata": {"tenant": "acme"}},
        });
        made(&grantor.post(&format!("{PATH}/grant"), &request.to_string()).await)
    }
}
