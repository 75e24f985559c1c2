//! Owners of keys that are no people: users without a password.

use axum::http::StatusCode;
use latchkey_key_service::settings::{KeyPolicy, ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use crate::service::{Answer, Client, Made, PASSWORD, Service};

const TEAM: &str = "/_security/user/team-orders";
const KEYS: &str = "/_security/api_key";
const WHO: &str = "/_security/_authenticate";

fn settings(key_policy: KeyPolicy) -> ServiceSettings {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    ServiceSettings { tokens, key_policy, ..ServiceSettings::default() }
}

/// A service with a service account that may monitor, and a user who may act as such accounts and no more.
async fn service_with(key_policy: KeyPolicy) -> Service {
    let service = Service::with(settings(key_policy)).await;
    let elastic = service.elastic();
    elastic.put("/_security/role/orders_reader", r#"{"cluster":["monitor"]}"#).await;
    elastic.put("/_security/role/platform", r#"{"run_as":["team-*"]}"#).await;
    let body =
        r#"{"service_account":true,"roles":["orders_reader"],"full_name":"Orders","metadata":{"floor":3}}"#;
    let made = elastic.put(TEAM, body).await;
    assert_eq!((made.status, made.json()), (StatusCode::OK, json!({"created": true})));
    let bob = json!({"password": PASSWORD, "roles": ["platform"]});
    elastic.put("/_security/user/bob", &bob.to_string()).await;
    service
}

async fn service() -> Service {
    service_with(KeyPolicy::default()).await
}

/// Of two keys of the account, one made by the other, with their ids.
async fn keys(service: &Service) -> [Made; 2] {
    service.elastic().put("/_security/role/orders_reader", r#"{"cluster":["manage_own_api_key"]}"#).await;
    let first = service.user_bob().running_as("team-orders").make(r#"{"name":"a"}"#).await;
    let derived = service.key(&first).make(r#"{"name":"b","role_descriptors":{"r":{}}}"#).await;
    [first, derived]
}

trait Bob {
    fn user_bob(&self) -> Client<'_>;
}

impl Bob for Service {
    fn user_bob(&self) -> Client<'_> {
        self.basic("bob", PASSWORD)
    }
}

async fn statuses(service: &Service, keys: &[Made]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for key in keys {
        statuses.push(service.key(key).get(WHO).await.status.as_u16());
    }
    statuses
}

/// What the feed says of these keys after a position: whether each is removed.
async fn rows_after(service: &Service, cursor: u64) -> Vec<(String, bool)> {
    let page = service.user("feed").get(&format!("/_latchkey/feed?after={cursor}")).await.json();
    let rows = page["keys"].as_array().unwrap().iter();
    rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row["removed"] == json!(true))).collect()
}

async fn latest(service: &Service) -> u64 {
    service.store.latest().await.unwrap().0
}

fn ids(keys: &[Made]) -> Vec<String> {
    keys.iter().map(|key| key.id.clone()).collect()
}

#[tokio::test]
async fn is_listed_and_found_as_what_it_is() {
    let service = service().await;
    let shown = r#"{"team-orders":{"username":"team-orders","roles":["orders_reader"],"full_name":"Orders","email":null,"metadata":{"_service_account":true,"floor":3},"enabled":true}}"#;
    assert_eq!(service.user("read").get(TEAM).await.text, shown);
    let all = service.user("read").get("/_security/user").await.json();
    assert_eq!(all["team-orders"]["metadata"]["_service_account"], true);
    assert_eq!(all["bob"]["metadata"], json!({}));
    let search = r#"{"query":{"term":{"username":"team-orders"}}}"#;
    let found = service.user("read").post("/_security/_query/user", search).await.json();
    assert_eq!(found["users"][0]["metadata"]["_service_account"], true);
    // Written again, it stays what it is.
    let again = service.elastic().put(TEAM, r#"{"roles":[]}"#).await;
    assert_eq!(again.json(), json!({"created": false}));
    let all = service.user("read").get(TEAM).await.json();
    assert_eq!(all["team-orders"]["metadata"], json!({"_service_account": true}));
}

// It has no password that could be right, and is told from nobody whom the service does not know.
#[tokio::test]
async fn nobody_logs_in_as_one() {
    let service = service().await;
    let refused = |answer: Answer| (answer.status.as_u16(), answer.text);
    for password in ["", "wonderland", "null"] {
        let tried = refused(service.basic("team-orders", password).get(WHO).await);
        let unknown = refused(service.basic("team-absent", password).get(WHO).await);
        assert_eq!(tried.0, 401);
        assert_eq!(tried.1.replace("team-orders", "team-absent"), unknown.1);
    }
    let with_password = |field: &str| {
        let mut body = json!({"grant_type": "password", "username": "team-orders", "password": "wonderland"});
        if field == "api_key" {
            body["api_key"] = json!({"name": "x"});
        }
        body.to_string()
    };
    let token = service.elastic().post("/_security/oauth2/token", &with_password("")).await;
    assert_eq!(token.status, StatusCode::UNAUTHORIZED, "{}", token.text);
    let granted = service.elastic().post(&format!("{KEYS}/grant"), &with_password("api_key")).await;
    assert_eq!(granted.status, StatusCode::FORBIDDEN, "{}", granted.text);
}

#[tokio::test]
async fn is_never_given_a_password() {
    let service = service().await;
    let elastic = service.elastic();
    let reason = "Validation Failed: 1: user [team-orders] is a service account, which has no password and cannot log in;";
    let answer = elastic.put(&format!("{TEAM}/_password"), r#"{"password":"wonderland"}"#).await;
    answer.assert_error(400, "validation_exception", reason);
    let team = elastic.running_as("team-orders");
    let own = team.put("/_security/user/_password", r#"{"password":"wonderland"}"#).await;
    own.assert_error(400, "validation_exception", reason);
    elastic.put(TEAM, r#"{"roles":[],"password":"wonderland"}"#).await.assert_error(
        400,
        "validation_exception",
        reason,
    );
    elastic.put("/_security/user/bob", r#"{"roles":[],"service_account":true}"#).await.assert_error(
        400,
        "validation_exception",
        "Validation Failed: 1: user [bob] has a password and cannot become a service account;",
    );
    elastic.put(TEAM, r#"{"service_account":true,"password":"wonderland"}"#).await.assert_error(
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: roles are missing;2: a service account has no password, so neither password nor password_hash can be given;",
    );
    elastic.put(TEAM, r#"{"service_account":"yes"}"#).await.assert_error(
        400,
        "parse_exception",
        "expected field [service_account] to be of type boolean, but found [VALUE_STRING] instead",
    );
    assert_eq!(service.basic("bob", PASSWORD).get(WHO).await.status, StatusCode::OK);
}

// Its roles need not say so: whoever may act as it is there for its keys.
#[tokio::test]
async fn whoever_may_act_as_it_manages_its_keys() {
    let service = service().await;
    let team = service.user_bob().running_as("team-orders");
    let made = team.make(r#"{"name":"checkout","role_descriptors":{"all":{"cluster":["all"]}}}"#).await;
    let path = format!("{KEYS}/{}", made.id);
    let updated = team.put(&path, r#"{"metadata":{"label":"new"},"expiration":"30d"}"#).await;
    assert_eq!(updated.json(), json!({"updated": true}));
    let rotated = team.post(&format!("{path}/_rotate"), r#"{"overlap":"0"}"#).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.text);
    let made = Made::of(&rotated.json());
    let listed = team.get(&format!("{KEYS}?owner=true&with_limited_by")).await.json();
    let shown = &listed["api_keys"][0];
    assert_eq!(
        (&shown["id"], &shown["username"], &shown["metadata"], &shown["limited_by"]),
        (
            &json!(made.id),
            &json!("team-orders"),
            &json!({"label": "new"}),
            &json!([{"orders_reader": {"cluster": ["monitor"], "indices": [], "applications": [], "run_as": [], "metadata": {}, "transient_metadata": {"enabled": true}}}])
        )
    );
    // Its roles limit the key: it may not make others, though whoever acts as the account may.
    let key = service.key(&made);
    assert_eq!(key.get("/_cluster/health").await.status, StatusCode::OK);
    assert_eq!(key.post(KEYS, r#"{"name":"x"}"#).await.status, StatusCode::FORBIDDEN);
    let ended = team.delete(KEYS, &json!({"ids": [made.id], "owner": true}).to_string()).await.json();
    assert_eq!(ended["invalidated_api_keys"], json!([made.id]));
    // Others may not act as it, and it may do no more than its own keys take.
    let refused = service.user("own").running_as("team-orders").post(KEYS, r#"{"name":"x"}"#).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(team.get("/_security/user").await.status, StatusCode::FORBIDDEN);
    assert_eq!(team.get(KEYS).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_administrator_of_keys_lists_and_ends_those_of_an_account() {
    let service = service().await;
    let keys = keys(&service).await;
    let manage = service.user("manage");
    let listed = manage.get(&format!("{KEYS}?username=team-orders")).await.ids();
    assert_eq!(listed.len(), 2);
    let ended = manage.delete(KEYS, r#"{"username":"team-orders"}"#).await.json();
    assert_eq!(ended["invalidated_api_keys"].as_array().unwrap().len(), 2);
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
}

#[tokio::test]
async fn its_keys_stop_while_it_is_disabled() {
    for way in ["_disable", "put"] {
        let service = service().await;
        let keys = keys(&service).await;
        let others = service.user("own").make(r#"{"name":"x"}"#).await;
        let before = latest(&service).await;
        let set = async |enabled: bool| {
            let elastic = service.elastic();
            match (way, enabled) {
                ("put", _) => {
                    elastic
                        .put(TEAM, &json!({"roles": ["orders_reader"], "enabled": enabled}).to_string())
                        .await
                }
                (_, true) => elastic.put_nothing(&format!("{TEAM}/_enable?wait_for_edges=1s")).await,
                (_, false) => elastic.put_nothing(&format!("{TEAM}/_disable?wait_for_edges=1s")).await,
            }
        };
        let answer = set(false).await;
        assert_eq!(answer.header("warning"), [""; 0]);
        let answer = answer.json();
        assert_eq!(answer["suspended_api_keys"], json!(ids(&keys)), "{answer}");
        assert_eq!(answer["edges"].is_object(), way != "put", "{answer}");
        assert_eq!(statuses(&service, &keys).await, [401, 401]);
        assert_eq!(service.key(&others).get(WHO).await.status, StatusCode::OK);
        let removed: Vec<_> = ids(&keys).into_iter().map(|id| (id, true)).collect();
        assert_eq!(rows_after(&service, before).await, removed);
        let shown = service.user("read").get(TEAM).await.json()["team-orders"].clone();
        assert_eq!((&shown["enabled"], &shown["metadata"]["_keys_suspended"]), (&json!(false), &json!(true)));
        // Nobody acts as it meanwhile, and its keys are not invalidated.
        let acting = service.user_bob().running_as("team-orders").post(KEYS, r#"{"name":"y"}"#).await;
        assert_eq!(acting.status, StatusCode::UNAUTHORIZED);
        let listed = service.user("manage").get(&format!("{KEYS}?username=team-orders")).await.json();
        assert!(listed["api_keys"].as_array().unwrap().iter().all(|key| key["invalidated"] == false));

        let between = latest(&service).await;
        assert_eq!(set(true).await.json()["resumed_api_keys"], json!(ids(&keys)));
        assert_eq!(statuses(&service, &keys).await, [200, 200]);
        let back: Vec<_> = ids(&keys).into_iter().map(|id| (id, false)).collect();
        assert_eq!(rows_after(&service, between).await, back);
    }
}

#[tokio::test]
async fn keys_that_ended_with_their_account_stay_so() {
    let service = service().await;
    let keys = keys(&service).await;
    let elastic = service.elastic();
    let answer = elastic.put_nothing(&format!("{TEAM}/_disable?with_keys=true")).await.json();
    let mut ended: Vec<&Value> = answer["invalidated_api_keys"].as_array().unwrap().iter().collect();
    ended.sort_by_key(|id| id.as_str() != Some(&keys[0].id));
    assert_eq!(json!(ended), json!(ids(&keys)));
    assert_eq!(elastic.put_nothing(&format!("{TEAM}/_enable")).await.json(), json!({}));
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
}

#[tokio::test]
async fn a_setting_says_whether_keys_stop_with_their_account() {
    for (suspend_with_owner, end_with_owner, expected, works) in [
        (false, false, None, 200),
        (false, true, Some("invalidated_api_keys"), 401),
        (true, true, Some("suspended_api_keys"), 401),
    ] {
        let policy = KeyPolicy { suspend_with_owner, end_with_owner, ..KeyPolicy::default() };
        let service = service_with(policy).await;
        let keys = keys(&service).await;
        let answer = service.elastic().put_nothing(&format!("{TEAM}/_disable")).await;
        assert_eq!(answer.header("warning").len(), usize::from(expected.is_none()));
        let answer = answer.json();
        for field in ["invalidated_api_keys", "suspended_api_keys"] {
            assert_eq!(answer.get(field).is_some(), Some(field) == expected, "{answer}");
        }
        assert_eq!(statuses(&service, &keys).await, [works, works]);
    }
}

// Keys of nobody could be extended and rotated by nobody, and would not be missed.
#[tokio::test]
async fn an_account_is_deleted_with_its_keys() {
    let service = service().await;
    let keys = keys(&service).await;
    let elastic = service.elastic();
    elastic.delete_nothing(&format!("{TEAM}?with_keys=false")).await.assert_error(
        400,
        "illegal_argument_exception",
        "user [team-orders] is a service account, and is deleted with its keys: [with_keys] must not be false",
    );
    assert_eq!(statuses(&service, &keys).await, [200, 200]);
    let answer = elastic.delete_nothing(TEAM).await.json();
    assert_eq!(
        (&answer["found"], answer["invalidated_api_keys"].as_array().map(Vec::len)),
        (&json!(true), Some(2))
    );
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
    // Another of its name gets none of them.
    elastic.put(TEAM, r#"{"service_account":true,"roles":[]}"#).await;
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
}

// With users nothing is new.
#[tokio::test]
async fn keys_of_a_user_go_on_working() {
    let service = service().await;
    let key = service.basic("bob", PASSWORD);
    service.elastic().put("/_security/role/platform", r#"{"cluster":["manage_own_api_key"]}"#).await;
    let made = key.make(r#"{"name":"a"}"#).await;
    let answer = service.elastic().put_nothing("/_security/user/bob/_disable").await;
    assert_eq!((answer.text.as_str(), answer.header("warning").len()), ("{}", 1));
    assert_eq!(statuses(&service, &[made]).await, [200]);
    assert_eq!(service.elastic().put_nothing("/_security/user/bob/_enable").await.text, "{}");
}

// Whoever writes roles by a program says nothing of `enabled`.
#[tokio::test]
async fn a_change_of_roles_lets_no_suspended_key_work_again() {
    let service = service().await;
    let keys = keys(&service).await;
    service.elastic().put_nothing(&format!("{TEAM}/_disable")).await;
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
    let roles = r#"{"roles":["orders_reader"]}"#;
    assert_eq!(service.elastic().put(TEAM, roles).await.status, StatusCode::OK);
    assert_eq!(statuses(&service, &keys).await, [401, 401]);
    let shown = service.elastic().get(TEAM).await.json();
    assert_eq!(shown["team-orders"]["enabled"], false);
    let enabled = r#"{"roles":["orders_reader"],"enabled":true}"#;
    assert_eq!(service.elastic().put(TEAM, enabled).await.status, StatusCode::OK);
    assert_eq!(statuses(&service, &keys).await, [200, 200]);
}

#[tokio::test]
async fn its_keys_are_shown_as_suspended_and_are_none_that_work() {
    let service = service().await;
    let keys = keys(&service).await;
    let elastic = service.elastic();
    let other = elastic.make(r#"{"name":"other"}"#).await;
    elastic.put_nothing(&format!("{TEAM}/_disable")).await;
    for path in [KEYS, "/_security/_query/api_key"] {
        let shown = elastic.get(path).await.json()["api_keys"].as_array().unwrap().clone();
        let suspended: Vec<_> =
            shown.iter().filter(|key| key["suspended"] == true).map(|key| key["id"].clone()).collect();
        let expected: Vec<Value> = ids(&keys).into_iter().map(Value::String).collect();
        assert_eq!((shown.len(), suspended.len()), (3, expected.len()), "{path}");
        assert!(expected.iter().all(|id| suspended.contains(id)), "{path}: {suspended:?}");
    }
    assert_eq!(elastic.get(&format!("{KEYS}?active_only=true")).await.ids(), [other.id]);
    elastic.put_nothing(&format!("{TEAM}/_enable")).await;
    let active = elastic.get(&format!("{KEYS}?active_only=true")).await;
    assert_eq!(active.ids().len(), 3);
    assert!(!active.text.contains("suspended"), "{}", active.text);
}

#[tokio::test]
async fn an_account_that_is_made_disabled_suspends_what_somebody_of_its_name_has_left() {
    let service = service().await;
    let elastic = service.elastic();
    elastic.put("/_security/role/own", r#"{"cluster":["manage_own_api_key"]}"#).await;
    let zed = json!({"password": PASSWORD, "roles": ["own"]}).to_string();
    elastic.put("/_security/user/zed", &zed).await;
    let left = [service.basic("zed", PASSWORD).make(r#"{"name":"left"}"#).await];
    assert_eq!(elastic.delete("/_security/user/zed?with_keys=false", "").await.status, StatusCode::OK);
    assert_eq!(statuses(&service, &left).await, [200], "as in Elasticsearch");
    let account = r#"{"service_account":true,"enabled":false,"roles":["own"]}"#;
    assert_eq!(elastic.put("/_security/user/zed", account).await.status, StatusCode::OK);
    assert_eq!(statuses(&service, &left).await, [401]);
}
