use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use crate::service::{BEGINNING, Service};

const PATH: &str = "/_security/api_key";

// Fields, their order, and what is absent.
#[tokio::test]
async fn shows_a_key_as_elasticsearch_does() {
    let service = Service::new().await;
    let body = json!({
        "name": "ci", "expiration": "1h", "metadata": {"team": "x", "size": 2.5},
        "role_descriptors": {"r": {"index": [{"names": "logs-*", "privileges": ["read"], "query": {"match_all": {}}}]}},
    });
    let made = service.user("own").make(&body.to_string()).await;
    let shown = service.elastic().get(&format!("{PATH}?id={}", made.id)).await;
    let role = r#"{"cluster":[],"indices":[{"names":["logs-*"],"privileges":["read"],"query":"{\"match_all\":{}}","allow_restricted_indices":false}],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}}"#;
    assert_eq!(
        shown.text,
        format!(
            r#"{{"api_keys":[{{"id":"{}","name":"ci","type":"rest","creation":{BEGINNING},"expiration":{},"invalidated":false,"username":"own","realm":"file","realm_type":"file","metadata":{{"size":2.5,"team":"x"}},"role_descriptors":{{"r":{role}}}}}]}}"#,
            made.id,
            BEGINNING + 3_600_000,
        )
    );
}

// `limited_by` is an array of one object.
#[tokio::test]
async fn shows_what_the_owner_could_do_when_asked() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"x"}"#).await;
    let plain = service.elastic().get(&format!("{PATH}?id={}", made.id)).await.json();
    assert_eq!(plain["api_keys"][0].get("limited_by"), None);
    let full = service.elastic().get(&format!("{PATH}?id={}&with_limited_by=true", made.id)).await.json();
    let limited_by = full["api_keys"][0]["limited_by"].as_array().unwrap();
    assert_eq!(limited_by.len(), 1);
    assert_eq!(limited_by[0]["own"]["cluster"], json!(["manage_own_api_key", "monitor"]));
}

#[tokio::test]
async fn shows_dead_keys_unless_asked_for_active_ones() {
    let service = Service::new().await;
    let alive = service.elastic().make(r#"{"name":"alive"}"#).await;
    let expired = service.elastic().make(r#"{"name":"expired","expiration":"1s"}"#).await;
    let ended = service.elastic().make(r#"{"name":"ended"}"#).await;
    service.clock.advance_ms(1_000);
    service.elastic().delete(PATH, &json!({"ids": [ended.id]}).to_string()).await;
    let all = service.elastic().get(PATH).await;
    assert_eq!(all.ids().len(), 3);
    let ended = service.elastic().get(&format!("{PATH}?id={}", ended.id)).await.json();
    assert_eq!(ended["api_keys"][0]["invalidated"], true);
    assert_eq!(ended["api_keys"][0]["invalidation"], BEGINNING + 1_000);
    let active = service.elastic().get(&format!("{PATH}?active_only=true")).await;
    assert_eq!(active.ids(), [alive.id]);
    let not_active = service.elastic().get(&format!("{PATH}?id={}&active_only", expired.id)).await;
    assert_eq!((not_active.status, not_active.text.as_str()), (StatusCode::NOT_FOUND, r#"{"api_keys":[]}"#));
}

// 404 with a body for an id, 200 for every other filter that matches nothing.
#[tokio::test]
async fn an_unknown_id_is_not_found_and_an_unknown_name_is_an_empty_list() {
    let service = Service::new().await;
    let by_id = service.elastic().get(&format!("{PATH}?id=nobody")).await;
    assert_eq!((by_id.status, by_id.text.as_str()), (StatusCode::NOT_FOUND, r#"{"api_keys":[]}"#));
    for query in ["?name=nobody", "?username=nobody", "?realm_name=nobody", "?owner=true", ""] {
        let answer = service.elastic().get(&format!("{PATH}{query}")).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, r#"{"api_keys":[]}"#), "{query}");
    }
}

#[tokio::test]
async fn selects_by_name_owner_and_realm() {
    let service = Service::new().await;
    let one = service.user("own").make(r#"{"name":"ci-1"}"#).await.id;
    let two = service.user("other-own").make(r#"{"name":"ci-2"}"#).await.id;
    let star = service.elastic().make(r#"{"name":"c*i"}"#).await.id;
    let sorted = |ids: &[&String]| {
        let mut ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
        ids.sort();
        ids
    };
    for (query, expected) in [
        ("?name=ci-1", sorted(&[&one])),
        ("?name=ci-*", sorted(&[&one, &two])),
        ("?name=*", sorted(&[&one, &two, &star])),
        ("?name=CI-1", vec![]),
        // A star that is not the last sign is a letter.
        ("?name=c*i", sorted(&[&star])),
        ("?name=*i", vec![]),
        ("?username=own", sorted(&[&one])),
        ("?realm_name=file", sorted(&[&one, &two])),
        ("?realm_name=reserved&username=elastic", sorted(&[&star])),
        ("?realm_name=file&username=elastic", vec![]),
        ("?id=&name=%20&username=&realm_name=", sorted(&[&one, &two, &star])),
        ("?owner=true", sorted(&[&star])),
        ("?owner&name=ci-1", vec![]),
    ] {
        assert_eq!(service.elastic().get(&format!("{PATH}{query}")).await.ids(), expected, "{query}");
    }
}

// Elasticsearch, `GetApiKeyRequest#validate`.
#[tokio::test]
async fn refuses_parameters_that_contradict_or_do_not_exist() {
    let service = Service::new().await;
    let with_key =
        "username or realm name must not be specified when the api key id or api key name is specified";
    let with_owner = "neither username nor realm-name may be specified when retrieving owned API keys";
    for (query, problems) in [
        ("?id=a&username=b", format!("1: {with_key};")),
        ("?name=a&realm_name=b", format!("1: {with_key};")),
        ("?owner=true&realm_name=b", format!("1: {with_owner};")),
        ("?id=a&name=b", "1: only one of [api key id, api key name] can be specified;".to_owned()),
        ("?id=a&owner&username=b", format!("1: {with_key};2: {with_owner};")),
    ] {
        service.elastic().get(&format!("{PATH}{query}")).await.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
    for (query, reason) in [
        ("?owner=yes", "Failed to parse value [yes] as only [true] or [false] are allowed."),
        (
            "?ownr",
            "request [/_security/api_key] contains unrecognized parameter: [ownr] -> did you mean [owner]?",
        ),
    ] {
        service.elastic().get(&format!("{PATH}{query}")).await.assert_error(
            400,
            "illegal_argument_exception",
            reason,
        );
    }
    let with_body = service.elastic().request(http::Method::GET, PATH, Some("{}")).await;
    with_body.assert_error(
        400,
        "illegal_argument_exception",
        "request [GET /_security/api_key] does not support having a body",
    );
}

// A list is never cut silently to what the caller may see (Elasticsearch, `ManageOwnApiKeyClusterPrivilege`).
#[tokio::test]
async fn whoever_may_manage_own_keys_must_ask_for_own_keys() {
    let service = Service::new().await;
    let mine = service.user("own").make(r#"{"name":"mine"}"#).await.id;
    service.user("other-own").make(r#"{"name":"theirs"}"#).await;
    let own = service.user("own");
    for (query, status) in [
        ("?owner=true".to_owned(), 200),
        (format!("?owner=true&id={mine}"), 200),
        ("?owner=true&with_limited_by=true".to_owned(), 200),
        ("?username=own&realm_name=file".to_owned(), 200),
        (String::new(), 403),
        (format!("?id={mine}"), 403),
        ("?name=mine".to_owned(), 403),
        ("?username=own".to_owned(), 403),
        ("?realm_name=file".to_owned(), 403),
        ("?username=other-own&realm_name=file".to_owned(), 403),
        ("?username=own&realm_name=reserved".to_owned(), 403),
    ] {
        let answer = own.get(&format!("{PATH}{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.text);
        if status == 200 {
            assert_eq!(answer.ids(), std::slice::from_ref(&mine), "{query}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_privileges_that_would_do() {
    let service = Service::new().await;
    let refusal = |privileges: &str| {
        format!(
            "action [cluster:admin/xpack/security/api_key/get] is unauthorized for user [nothing] with effective \
             roles [], this action is granted by the cluster privileges [{privileges}]"
        )
    };
    let all = service.user("nothing").get(PATH).await;
    all.assert_error(403, "security_exception", &refusal("read_security,manage_api_key,manage_security,all"));
    let own = service.user("nothing").get(&format!("{PATH}?owner=true")).await;
    own.assert_error(
        403,
        "security_exception",
        &refusal("manage_own_api_key,read_security,manage_api_key,manage_security,all"),
    );
    for username in ["read", "manage", "security", "elastic"] {
        assert_eq!(service.user(username).get(PATH).await.status, StatusCode::OK, "{username}");
    }
}

#[tokio::test]
async fn a_key_sees_itself_and_no_other() {
    let service = Service::new().await;
    let key = service.user("own").make(r#"{"name":"a"}"#).await;
    let sibling = service.user("own").make(r#"{"name":"b"}"#).await;
    let asking = service.key(&key);
    for (query, status) in [
        (format!("?id={}", key.id), 200),
        (format!("?id={}&with_limited_by=true", key.id), 403),
        (format!("?id={}", sibling.id), 403),
        ("?owner=true".to_owned(), 403),
        ("?username=own&realm_name=file".to_owned(), 403),
        (String::new(), 403),
    ] {
        let answer = asking.get(&format!("{PATH}{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {}", answer.text);
    }
    let refused = asking.get(PATH).await.error().2;
    assert!(
        refused.contains(&format!("is unauthorized for API key id [{}] of user [own], this", key.id)),
        "{refused}"
    );
}

// One user with as many connections was refused with 429.
#[tokio::test]
async fn hundreds_of_requests_of_one_user_at_once_are_all_answered() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let path = format!("{PATH}?id={}", made.id);
    let answers = join_all((0..256).map(|_| async { service.key(&made).get(&path).await.status })).await;
    assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 256);
}
