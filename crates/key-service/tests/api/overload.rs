//! What one caller may make others pay: nothing that they would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Method, StatusCode};
use futures_util::future::{join_all, select_all};
use latchkey_key_feed::{KeptSecrets, KeyId, KeySecret, Salt, SecretDigest, UnixMillis};
use latchkey_key_service::audit::Actor;
use latchkey_key_service::model::key_usage::KeyUsage;
use latchkey_key_service::model::stored_key::{KeyOwner, StoredKey};
use latchkey_key_service::settings::ServiceSettings;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde_json::{Map, Value, json};

use crate::service::{BEGINNING, PASSWORD, Service};

const CHECK: &str = "/_security/user/_has_privileges";
const LIST: &str = "/_security/api_key";
const SEARCH: &str = "/_security/_query/api_key";

/// How many send the same hostile request at once.
const ATTACKERS: usize = 8;

/// How often an attack is repeated that once blocked all others.
const ATTACKS_MAX: usize = 20;

/// A user whose role has ten thousand patterns.
async fn make_user_of_many_patterns(service: &Service) {
    let names: Vec<String> = (0..10_000).map(|n| format!("n{n}-*")).collect();
    let role = json!({"indices": [{"names": names, "privileges": ["read"]}]}).to_string();
    assert_eq!(service.elastic().put("/_security/role/many", &role).await.status, StatusCode::OK);
    let user = json!({"password": "123456", "roles": ["many"]}).to_string();
    assert_eq!(service.elastic().put("/_security/user/bob", &user).await.status, StatusCode::OK);
}

/// A question of 289 kB about patterns.
fn long_question() -> String {
    let names: Vec<String> = (0..22_000).map(|n| format!("*{n}*x?")).collect();
    json!({"index": [{"names": names, "privileges": ["read"]}]}).to_string()
}

/// A key as an older version took it: with any metadata.
pub(crate) async fn add_key(service: &Service, id: &str, metadata: Map<String, Value>) {
    let salt = Salt::from_bytes([3; 16]);
    let key = StoredKey {
        id: KeyId::try_from(id).unwrap(),
        secrets: KeptSecrets::one(salt, SecretDigest::of(&salt, &KeySecret::presented(b"secret".to_vec()))),
        rotation: None,
        name: "old".into(),
        owner: KeyOwner {
            username: "own".into(),
            realm: "file".into(),
            realm_type: None,
            full_name: None,
            email: None,
            metadata: Map::new(),
        },
        creation: UnixMillis(BEGINNING),
        expiration: None,
        invalidation: None,
        role_descriptors: RoleDescriptors::default(),
        limited_by: RoleDescriptors::default(),
        metadata,
        vouching: Vouching::default(),
        is_suspended: false,
        usage: KeyUsage::default(),
    };
    service.store.create(key, Actor::operator(), UnixMillis(BEGINNING)).await.unwrap();
}

fn texts(texts: Vec<String>) -> Map<String, Value> {
    Map::from_iter([("t".to_owned(), json!(texts))])
}

// Health and feed are asked while eight such questions run, which must not be answered first.
#[tokio::test]
async fn a_flood_of_hostile_questions_keeps_nobody_waiting() {
    let service = Service::new().await;
    make_user_of_many_patterns(&service).await;
    let (question, answered) = (long_question(), Arc::new(AtomicUsize::new(0)));
    let attack = join_all((0..ATTACKERS).map(|_| async {
        let answer = service.basic("bob", "123456").post(CHECK, &question).await;
        answered.fetch_add(1, Ordering::Relaxed);
        answer
    }));
    let others = async {
        let mut before_the_last = 0;
        for _ in 0..3 {
            assert_eq!(service.anonymous().get("/healthz").await.status, StatusCode::OK);
            assert_eq!(service.user("feed").get("/_latchkey/feed").await.status, StatusCode::OK);
            let own = service.user("own").post(CHECK, r#"{"cluster":["monitor"]}"#).await;
            assert_eq!(own.json()["has_all_requested"], json!(true));
            before_the_last += usize::from(answered.load(Ordering::Relaxed) < ATTACKERS);
        }
        before_the_last
    };
    let (answers, before_the_last) = tokio::join!(attack, others);
    assert_eq!(before_the_last, 3);
    for answer in answers {
        answer.assert_error(
            400,
            "illegal_argument_exception",
            "the request takes more than [32000000] steps of work; ask for less at once",
        );
    }
}

// Two values in sixteen sources are 65,536 combinations of three megabytes each.
#[tokio::test]
async fn combinations_of_long_values_are_refused_before_they_take_memory() {
    let service = Service::new().await;
    let long = |letter: &str| letter.repeat(200_000);
    add_key(&service, "old", texts(vec![long("a"), long("b")])).await;
    let sources: Vec<Value> =
        (0..16).map(|n| json!({ format!("s{n}"): {"terms": {"field": "metadata.t"}} })).collect();
    let body = json!({"size": 0, "aggs": {"c": {"composite": {"sources": sources}}}}).to_string();
    service.user("own").post(SEARCH, &body).await.assert_error(
        400,
        "illegal_argument_exception",
        "the request needs more than [167772160] bytes of memory; ask for less at once",
    );
}

#[tokio::test]
async fn a_pattern_over_a_long_value_ends_at_what_a_search_may_cost() {
    let service = Service::new().await;
    add_key(&service, "old", texts(vec!["a".repeat(900_000)])).await;
    let search = async |pattern: String| {
        let query = json!({"query": {"wildcard": {"metadata.t": pattern}}}).to_string();
        service.user("own").post(SEARCH, &query).await
    };
    let plain = search("*aa*".to_owned()).await;
    assert_eq!(plain.json()["total"], json!(1));
    let hostile = search(format!("*{}b*", "a".repeat(900))).await;
    hostile.assert_error(
        400,
        "illegal_argument_exception",
        "the request takes more than [100000000] steps of work; ask for less at once",
    );
}

// The memory of an answer is taken before it is written, and held until it is read or its client goes.
#[tokio::test]
async fn answers_that_nobody_reads_are_bounded_for_all_together() {
    let mut settings = ServiceSettings::default();
    settings.limits.answer_memory = 4 * 1024 * 1024;
    let service = Service::with(settings).await;
    for n in 0..10 {
        add_key(&service, &format!("old{n}"), texts(vec!["x".repeat(200_000)])).await;
    }
    let elastic = service.elastic();
    let unread = elastic.get_unread(LIST).await;
    assert_eq!(unread.status(), StatusCode::OK);
    for path in
        [LIST, "/_security/_query/api_key?source=%7B%22size%22%3A10%7D&source_content_type=application/json"]
    {
        let refused = elastic.get(path).await;
        refused.assert_error(
            429,
            "circuit_breaking_exception",
            "[answers] Data too large: other requests hold the memory that this one needs",
        );
        assert_eq!(refused.header("retry-after"), ["2"]);
    }
    assert_eq!(elastic.get(&format!("{LIST}?id=old0")).await.ids(), ["old0"], "a short answer has room");
    drop(unread);
    assert_eq!(elastic.get(LIST).await.ids().len(), 10);
}

// A complaint about a privilege names all that there are: a megabyte of unknown names would be answered with
// hundreds.
#[tokio::test]
async fn complaints_are_told_up_to_a_number() {
    let service = Service::new().await;
    let unknown: Vec<String> = (0..60_000).map(|n| n.to_string()).collect();
    for part in [json!({"cluster": unknown}), json!({"indices": [{"names": ["a"], "privileges": unknown}]})] {
        let body = json!({"name": "x", "role_descriptors": {"r": part}}).to_string();
        let answer = service.elastic().post(LIST, &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.len < 1_000_000, "{}", answer.len);
    }
}

/// Asks health, the feed and what reads the store, again and again until the attack is over. How often all
/// were answered.
async fn others_meanwhile<T>(service: &Service, attack: impl Future<Output = T>) -> (T, usize) {
    let latest = service.store.latest().await.unwrap();
    let feed = format!("/_latchkey/feed?after={}&epoch=epoch", latest.0);
    let mut attack = std::pin::pin!(attack);
    let mut answered = 0;
    loop {
        let others = async {
            assert_eq!(service.anonymous().get("/healthz").await.status, StatusCode::OK);
            assert_eq!(service.user("feed").get(&feed).await.status, StatusCode::OK);
            assert_eq!(service.elastic().get("/_security/role/nothing").await.status, StatusCode::NOT_FOUND);
        };
        let mut others = std::pin::pin!(others);
        tokio::select! {
            outcome = &mut attack => {
                others.await;
                return (outcome, answered);
            }
            () = &mut others => answered += 1,
        }
    }
}

/// Almost a megabyte of role descriptors, of which the last has a privilege that does not exist.
fn long_descriptors() -> Value {
    let indices = json!([{"names": ["a*"], "privileges": ["read"]}]);
    let role = |privilege: &str| json!({"cluster": [privilege], "indices": indices});
    let mut roles: Map<String, Value> = (0..9_000).map(|n| (format!("r{n:04}"), role("monitor"))).collect();
    roles.insert("z".to_owned(), role("nonsense"));
    Value::Object(roles)
}

// Read where requests are served, each of these stopped everything for a third of a second.
#[tokio::test]
async fn long_bodies_keep_nobody_waiting_whatever_they_ask_for() {
    let service = Service::new().await;
    let roles = long_descriptors();
    let key = json!({"name": "k", "role_descriptors": &roles});
    let grant = |field: &str, keys: &Value| {
        json!({"grant_type": "password", "username": "own", "password": PASSWORD, field: keys}).to_string()
    };
    let metadata = json!({"metadata": {"roles": &roles}, "roles": ["r"], "password": "short"});
    for (method, path, body) in [
        (Method::PUT, LIST, key.to_string()),
        (Method::PUT, "/_security/api_key/grant", grant("api_key", &key)),
        (Method::POST, "/_security/api_key/_bulk_grant", grant("api_keys", &json!([&key]))),
        (Method::PUT, "/_security/api_key/id", json!({"role_descriptors": &roles}).to_string()),
        (
            Method::POST,
            "/_security/api_key/_bulk_update",
            json!({"ids": ["id"], "role_descriptors": &roles}).to_string(),
        ),
        (Method::PUT, "/_security/user/bob", metadata.to_string()),
    ] {
        let client = service.elastic();
        let mut others = 0;
        // On a busy machine the others may have no turn in one attack. Where bodies are read in their way
        // they have none in any.
        for _ in 0..ATTACKS_MAX {
            let attack = join_all((0..ATTACKERS).map(|_| client.request(method.clone(), path, Some(&body))));
            let (answers, answered) = others_meanwhile(&service, attack).await;
            for answer in answers {
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.text);
            }
            others += answered;
            if others > 0 {
                break;
            }
        }
        assert!(others > 0, "{path}");
    }
}

// Those that waited for their turn held every connection to the store.
#[tokio::test]
async fn searches_that_wait_keep_nobody_from_the_store() {
    let service = Service::new().await;
    for n in 0..70 {
        add_key(&service, &format!("old{n}"), texts(vec!["ab".repeat(50_000)])).await;
    }
    let query = json!({"query": {"wildcard": {"metadata.t": "*a*c*"}}}).to_string();
    let client = service.user("own");
    let first_of_all = select_all((0..16).map(|_| Box::pin(client.post(SEARCH, &query))));
    let ((first, ..), others) = others_meanwhile(&service, first_of_all).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.text);
    assert!(others > 0);
}
