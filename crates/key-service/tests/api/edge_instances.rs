//! Which edges may admit, and until when: instances, what the service remembers of them, and who may speak
//! for them.

use axum::http::StatusCode;
use latchkey_key_service::settings::{EdgeSettings, ServiceSettings};
use serde_json::{Value, json};

use crate::follower::{Follower, reached};
use crate::service::{Answer, BEGINNING, Made, Service, USERS};

const KEYS: &str = "/_security/api_key";
const EDGES: &str = "/_latchkey/edges";

/// A key with which an edge follows.
const FEED_KEY: &str = r#"{"name":"edge","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#;

/// What a revocation that is asked for says of the edges.
async fn revoked(service: &Service, id: &str) -> Value {
    let body = json!({"ids": [id]}).to_string();
    reached(&service.elastic().delete(&format!("{KEYS}?wait_for_edges=1ms"), &body).await.json())
}

async fn forget(service: &Service, what: &str) -> Value {
    service.elastic().delete_nothing(&format!("{EDGES}{what}")).await.json()
}

fn with_edges(edges: EdgeSettings) -> ServiceSettings {
    ServiceSettings { edges, ..ServiceSettings::default() }
}

#[tokio::test]
async fn a_cut_off_edge_counts_until_its_own_time_to_refuse_is_over_also_after_a_restart() {
    let service = Service::new().await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    Follower::instance(service.user("feed"), "edge-b", 0x0b, "7200s").await;
    service.clock.advance_ms(600_000);
    let mut edge = Follower::instance(service.user("feed"), "edge-a", 0x0a, "7200s").await;
    revoked(&service, &id).await;
    edge.apply().await;
    let until = BEGINNING + 7_200_000 + 60_000;
    let expected = json!({
        "total": 2, "applied": 1, "missing": ["edge-b"], "complete": false,
        "may_admit": [{"name": "edge-b", "instance": "00000000", "last_seen": BEGINNING, "until": until}],
        "may_admit_until": until,
    });
    assert_eq!(revoked(&service, &id).await, expected);

    let service = service.restart(ServiceSettings::default()).await;
    let told = revoked(&service, &id).await;
    // The acknowledgement of edge-a may become known only when it asks again.
    let missing = told["missing"].as_array().unwrap();
    assert_eq!((&told["complete"], missing.last()), (&json!(false), Some(&json!("edge-b"))));
    assert!(told["may_admit_until"].as_u64().unwrap() >= until, "{told}");
    let cursor = service.store.changes().borrow().0;
    let again = Follower::instance(service.user("feed"), "edge-a", 0x0a, "7200s").await;
    assert_eq!(again.cursor, cursor);
    assert_eq!(revoked(&service, &id).await["missing"], json!(["edge-b"]));
    // What was written ahead of the time is over too.
    service.clock.advance_ms(7_260_000 + 720_000);
    let told = revoked(&service, &id).await;
    assert_eq!(told, json!({"total": 0, "applied": 0, "missing": [], "complete": true}));
}

#[tokio::test]
async fn a_service_whose_clock_is_set_misses_nobody() {
    let service = Service::new().await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    Follower::instance(service.user("feed"), "edge", 1, "3600s").await;
    service.clock.advance_ms(90_001);
    for wall in [BEGINNING - 3_600_000, BEGINNING + 86_400_000] {
        service.clock.set_wall(wall);
        let told = revoked(&service, &id).await;
        assert_eq!(told["may_admit_until"], json!(wall + 3_660_000 - 90_001), "{told}");
    }
}

#[tokio::test]
async fn two_tables_of_one_name_are_two() {
    let service = Service::new().await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    let mut one = Follower::instance(service.user("feed"), "gateway", 0x11 << 120, "3600s").await;
    let mut other = Follower::instance(service.user("feed"), "gateway", 0x22 << 120, "3600s").await;
    revoked(&service, &id).await;
    one.apply().await;
    let told = revoked(&service, &id).await;
    assert_eq!((&told["total"], &told["applied"], &told["complete"]), (&json!(2), &json!(1), &json!(false)));
    let may_admit = &told["may_admit"];
    assert_eq!((&may_admit[0]["name"], &may_admit[0]["instance"]), (&json!("gateway"), &json!("22000000")));
    other.apply().await;
    assert_eq!(revoked(&service, &id).await["complete"], true);
}

#[tokio::test]
async fn a_goodbye_is_believed_of_the_instance_itself_alone() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let (key, other) = (elastic.make(FEED_KEY).await, elastic.make(FEED_KEY).await);
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let cursor = edge.cursor;
    assert_eq!(edge.by(service.key(&other)).answer(cursor, "&leaving=true").await.status, StatusCode::OK);
    assert_eq!(revoked(&service, "nobody").await["total"], 1);
    elastic.make(r#"{"name":"a"}"#).await;
    assert_eq!(revoked(&service, "nobody").await["complete"], false);
    assert_eq!(edge.answer(cursor, "&leaving=true&wait=60s").await.status, StatusCode::OK);
    let told = revoked(&service, "nobody").await;
    assert_eq!(told, json!({"total": 0, "applied": 0, "missing": [], "complete": true}));
    let service = service.restart(ServiceSettings::default()).await;
    assert_eq!(revoked(&service, "nobody").await["total"], 0, "also after a restart");
}

async fn refused_name(answer: &Answer) {
    let (status, kind, reason) = answer.error();
    assert_eq!((status, kind.as_str()), (403, "security_exception"));
    assert!(
        reason.starts_with("the edge [edge] asks with another credential, of another owner: "),
        "{reason}"
    );
}

#[tokio::test]
async fn another_credential_cannot_speak_for_an_edge_until_its_key_has_ended_or_it_is_forgotten() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let key = elastic.make(FEED_KEY).await;
    let edge = Follower::instance(service.key(&key), "edge", 1, "3600s").await;
    let stranger = edge.by(service.user("feed"));
    let revocation = elastic.make(r#"{"name":"a"}"#).await.id;
    revoked(&service, &revocation).await;
    let acknowledged = edge.cursor + 2;
    refused_name(&stranger.answer(acknowledged, "").await).await;
    let older = service.user("feed").get(&format!("/_latchkey/feed?after={acknowledged}&edge=edge")).await;
    refused_name(&older).await;
    let told = revoked(&service, &revocation).await;
    assert_eq!((&told["applied"], &told["missing"]), (&json!(0), &json!(["edge"])), "nothing was forged");

    assert_eq!(forget(&service, "/edge").await, json!({"forgotten": 0, "live": 1}), "who asks is not gone");
    refused_name(&stranger.answer(acknowledged, "").await).await;
    elastic.delete(KEYS, &json!({"ids": [key.id]}).to_string()).await;
    assert_eq!(stranger.answer(acknowledged, "").await.status, StatusCode::OK);
    let service = service.restart(ServiceSettings::default()).await;
    let listed = service.elastic().get(EDGES).await.json();
    assert_eq!(listed["edges"][0].get("api_key"), None, "it is the other's: {listed}");
}

#[tokio::test]
async fn an_edge_goes_over_to_a_new_key_of_its_owner_while_the_old_one_lives() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let (old, new) = (elastic.make(FEED_KEY).await, elastic.make(FEED_KEY).await);
    let edge = Follower::instance(service.key(&old), "edge", 1, "3600s").await;
    edge.by(service.key(&new)).ask("").await;
    let told = revoked(&service, "nobody").await;
    assert_eq!((&told["total"], &told["complete"]), (&json!(1), &json!(true)), "it is the same table");
    // A process that starts with the new key is another instance, and speaks for itself alone.
    let mut restarted = Follower::instance(service.key(&new), "edge", 2, "3600s").await;
    revoked(&service, &old.id).await;
    restarted.apply().await;
    let told = revoked(&service, &old.id).await;
    assert_eq!((&told["total"], &told["applied"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn a_stolen_key_adds_so_many_edges_and_then_none_and_all_of_them_are_forgotten_at_once() {
    let settings = || with_edges(EdgeSettings { instances_per_key: 20, ..EdgeSettings::default() });
    let service = Service::with(settings()).await;
    let elastic = service.elastic();
    let stolen = elastic.make(FEED_KEY).await;
    let mut edge = Follower::instance(service.user("feed"), "edge", 1, "3600s").await;
    let mut statuses = Vec::new();
    for number in 0..300 {
        let path = format!("/_latchkey/feed?after=1&edge=invented-{number}&refuse_after=365d");
        statuses.push(service.key(&stolen).get(&path).await.status.as_u16());
    }
    let taken = |status| statuses.iter().filter(|taken| **taken == status).count();
    assert_eq!((taken(200), taken(429)), (20, 280));
    revoked(&service, &stolen.id).await;
    edge.apply().await;
    let told = revoked(&service, &stolen.id).await;
    assert_eq!((&told["total"], &told["applied"], &told["complete"]), (&json!(21), &json!(1), &json!(false)));

    let forgotten = forget(&service, &format!("/_api_key/{}", stolen.id)).await;
    assert_eq!(forgotten, json!({"forgotten": 20, "live": 0}), "the key has ended, so they are gone");
    let told = revoked(&service, &stolen.id).await;
    assert_eq!(told, json!({"total": 1, "applied": 1, "missing": [], "complete": true}));
    let service = service.restart(settings()).await;
    assert_eq!(revoked(&service, &stolen.id).await["total"], 1, "also after a restart");
}

#[tokio::test]
async fn edges_that_a_stolen_key_invents_for_a_moment_do_not_fill_the_list() {
    let settings = || with_edges(EdgeSettings { instances_per_key: 5, ..EdgeSettings::default() });
    let mut service = Service::with(settings()).await;
    let stolen = service.elastic().make(FEED_KEY).await;
    let silent = Follower::instance(service.user("feed"), "edge", 1, "1s").await.cursor;
    let path = |minute: u64, number: u64| {
        format!("/_latchkey/feed?after=1&edge=invented-{minute}-{number}&refuse_after=1s")
    };
    let zero = "/_latchkey/feed?after=1&edge=invented&refuse_after=0ms";
    let reason = "[refuse_after] must be at least 1s";
    service.key(&stolen).get(zero).await.assert_error(400, "illegal_argument_exception", reason);
    for minute in 0..10 {
        for number in 0..7 {
            let status = service.key(&stolen).get(&path(minute, number)).await.status.as_u16();
            assert_eq!(status, if number < 5 { 200 } else { 429 }, "{minute} {number}");
        }
        service.clock.advance_ms(61_000);
    }
    let listed = service.elastic().get(EDGES).await.json();
    assert_eq!((&listed["total"], listed["edges"][0]["cursor"].as_u64()), (&json!(6), Some(silent)));
    // Nor in the store, where each may be said to admit for longer.
    for _ in 0..2 {
        service = service.restart(settings()).await;
        let listed = service.elastic().get(EDGES).await.json();
        assert_eq!((&listed["total"], &listed["edges"][0]["name"]), (&json!(6), &json!("edge")));
    }
}

#[tokio::test]
async fn nobody_says_goodbye_for_an_older_filter() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let key = elastic.make(FEED_KEY).await;
    let path = "/_latchkey/feed?after=1&edge=older";
    assert_eq!(service.key(&key).get(path).await.status, StatusCode::OK);
    let goodbye = service.key(&key).get(&format!("{path}&leaving=true")).await;
    goodbye.assert_error(400, "illegal_argument_exception", "[leaving] needs an [instance]");
    assert_eq!(revoked(&service, "nobody").await["total"], 1);
}

#[tokio::test]
async fn an_edge_may_not_claim_to_admit_for_longer_than_the_operator_allows() {
    let edges =
        EdgeSettings { refuse_after_max: std::time::Duration::from_secs(7_200), ..EdgeSettings::default() };
    let service = Service::with(with_edges(edges)).await;
    let path = "/_latchkey/feed?edge=edge&refuse_after=7201s";
    let reason = "[refuse_after] must not exceed 7200s, which is edges.refuse_after_max";
    service.user("feed").get(path).await.assert_error(400, "illegal_argument_exception", reason);
    assert_eq!(service.elastic().get(EDGES).await.json()["total"], 0);
}

#[tokio::test]
async fn only_whoever_looks_after_security_may_forget_an_edge() {
    let service = Service::new().await;
    Follower::instance(service.user("feed"), "edge/1", 1, "3600s").await;
    service.clock.advance_ms(90_001);
    for username in ["feed", "own", "manage", "read"] {
        let answer = service.user(username).delete_nothing(&format!("{EDGES}/edge%2F1")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{username}");
    }
    let answer = service.user("security").delete_nothing(&format!("{EDGES}/edge%2F1")).await;
    assert_eq!(answer.json(), json!({"forgotten": 1, "live": 0}));
    assert_eq!(revoked(&service, "nobody").await["total"], 0);
    assert_eq!(forget(&service, "/nobody").await, json!({"forgotten": 0, "live": 0}));
}

#[tokio::test]
async fn a_listing_shows_an_instance_in_part_so_that_nobody_can_speak_for_it() {
    let service = Service::new().await;
    let key: Made = service.elastic().make(FEED_KEY).await;
    Follower::instance(service.key(&key), "edge", 0xabcd << 112, "3600s").await;
    let answer = service.key(&key).get(EDGES).await;
    let edge = &answer.json()["edges"][0];
    assert_eq!((&edge["instance"], &edge["api_key"]), (&json!("abcd0000"), &json!(key.id)));
    assert!(!answer.text.contains(&format!("{:032x}", 0xabcd_u128 << 112)), "{}", answer.text);
}

#[tokio::test]
async fn what_one_replica_knows_of_edges_all_know() {
    let service = Service::new().await;
    if !service.may_have_replicas() {
        return;
    }
    let other = service.beside(ServiceSettings::default(), USERS).await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    let mut edge = Follower::instance(other.user("feed"), "edge", 1, "3600s").await;
    let told = revoked(&service, &id).await;
    assert_eq!((&told["total"], &told["missing"]), (&json!(1), &json!(["edge"])));
    edge.apply().await;
    let body = json!({"ids": [id]}).to_string();
    let answer = service.elastic().delete(&format!("{KEYS}?wait_for_edges=60s"), &body).await;
    assert_eq!(answer.json()["edges"]["complete"], true);
    service.clock.advance_ms(90_001);
    assert_eq!(forget(&service, "/edge").await["forgotten"], 1);
    let stranger = service.elastic().make(FEED_KEY).await;
    let answer = edge.by(other.key(&stranger)).answer(1, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn a_service_that_starts_with_a_wrong_clock_misses_nobody_and_names_nobody_for_much_longer() {
    let mut service = Service::new().await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    Follower::instance(service.user("feed"), "edge", 1, "3600s").await;
    let mut wall = BEGINNING;
    for wrong in [BEGINNING + 86_400_000, BEGINNING - 7_200_000, 0, BEGINNING + 7_500_000] {
        service.clock.set_wall(wrong);
        service = service.restart(ServiceSettings::default()).await;
        let told = revoked(&service, &id).await;
        assert_eq!((&told["complete"], &told["missing"]), (&json!(false), &json!(["edge"])), "{wrong}");
        // The clock is set right, and nothing changes.
        wall += 60_000;
        service.clock.set_wall(wall);
        let until = revoked(&service, &id).await["may_admit_until"].as_u64().unwrap();
        assert!((wall + 3_420_000..=wall + 4_320_000).contains(&until), "{wrong}: {until}");
    }
    service.clock.advance_ms(4_320_000);
    assert_eq!(revoked(&service, &id).await["complete"], true);
}

#[tokio::test]
async fn a_stolen_key_that_takes_names_does_not_keep_the_edge_of_another_owner_away() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let stolen = elastic.make(FEED_KEY).await;
    let squatter = Follower::instance(service.key(&stolen), "elsewhere", 7, "3600s").await;
    let squat = "/_latchkey/feed?after=0&limit=1&edge=edge&instance=00000000000000000000000000000009&refuse_after=365d";
    assert_eq!(service.key(&stolen).get(squat).await.status, StatusCode::OK);
    let mut edge = Follower::instance(service.user("feed"), "edge", 1, "3600s").await;
    let id = elastic.make(r#"{"name":"a"}"#).await.id;
    revoked(&service, &id).await;
    edge.apply().await;
    let told = revoked(&service, &id).await;
    assert_eq!((&told["applied"], &told["missing"]), (&json!(1), &json!(["edge", "elsewhere"])), "all count");
    let keys = told["may_admit"].as_array().unwrap().iter().map(|edge| edge["api_key"].clone());
    assert_eq!(keys.collect::<Vec<_>>(), [json!(stolen.id), json!(stolen.id)], "it says whose they are");
    // From now on the name is the edge's.
    refused_name(&edge.by(service.key(&stolen)).answer(1, "").await).await;

    elastic.delete(KEYS, &json!({"ids": [stolen.id]}).to_string()).await;
    let answer = squatter.answer(squatter.cursor, "").await;
    assert_eq!(answer.status, StatusCode::OK, "its last page: {}", answer.text);
    let forgotten = forget(&service, &format!("/_api_key/{}", stolen.id)).await;
    assert_eq!(forgotten, json!({"forgotten": 2, "live": 0}));
    edge.apply().await;
    assert_eq!(revoked(&service, &id).await["complete"], true);
}

#[tokio::test]
async fn an_edge_whose_stolen_key_is_full_goes_on_with_a_new_key_of_its_owner() {
    let settings = || with_edges(EdgeSettings { instances_per_key: 3, ..EdgeSettings::default() });
    let service = Service::with(settings()).await;
    let elastic = service.elastic();
    let stolen = elastic.make(FEED_KEY).await;
    let edge = Follower::instance(service.key(&stolen), "edge", 1, "3600s").await;
    for number in 2..5 {
        let path = format!("/_latchkey/feed?after=1&edge=e&instance={number:032x}&refuse_after=365d");
        let status = service.key(&stolen).get(&path).await.status;
        assert_eq!(status.as_u16(), if number < 4 { 200 } else { 429 });
    }
    assert_eq!(edge.answer(edge.cursor, "").await.status, StatusCode::OK, "the edge goes on");
    // It starts anew: another instance, and no place for it.
    let again = format!("/_latchkey/feed?edge=edge&instance={:032x}", 9);
    let reason = service.key(&stolen).get(&again).await.error().2;
    assert!(
        reason.contains("as edges.instances_per_key lets it") && reason.contains("forget its edges"),
        "{reason}"
    );
    let metrics = service.anonymous().get("/metrics").await.text;
    assert!(metrics.contains("\nlatchkey_feed_edges_of_one_key_max "), "{metrics}");
    // What the runbook says.
    let new = elastic.make(FEED_KEY).await;
    assert_eq!(service.key(&new).get(&again).await.status, StatusCode::OK);
    elastic.delete(KEYS, &json!({"ids": [stolen.id]}).to_string()).await;
    let forgotten = forget(&service, &format!("/_api_key/{}", stolen.id)).await;
    assert_eq!(forgotten, json!({"forgotten": 3, "live": 0}));
    let listed = service.elastic().get(EDGES).await.json();
    let states = listed["edges"].as_array().unwrap().iter().map(|edge| edge["state"].clone());
    let gone = states.filter(|state| state == "gone").count();
    assert_eq!((gone, &listed["live"]), (3, &json!(1)));
}
