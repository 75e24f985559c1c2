use axum::http::StatusCode;
use latchkey_key_service::settings::ServiceSettings;
use serde_json::{Value, json};

use crate::follower::Follower;
use crate::service::{BEGINNING, Service};

const PATH: &str = "/_latchkey/edges";

async fn fleet(service: &Service) -> Value {
    let answer = service.elastic().get(PATH).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

/// How far the only edge has come, as the service knows it.
async fn acknowledged(service: &Service) -> u64 {
    fleet(service).await["edges"][0]["cursor"].as_u64().unwrap()
}

#[tokio::test]
async fn lists_the_edges_by_name_and_how_far_each_has_come() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"one"}"#).await;
    let mut late = Follower::current(&service, "x-late").await;
    Follower::current(&service, "silent").await;
    service.clock.advance_ms(90_001);
    late.ask("").await;
    service.elastic().make(r#"{"name":"two"}"#).await;
    Follower::current(&service, "early").await;
    let now = BEGINNING + 90_001;
    assert_eq!(
        fleet(&service).await,
        json!({
            "epoch": "epoch", "cursor": 3, "complete": true, "total": 3, "live": 2, "current": 1, "silent": 1,
            "edges": [
                {"name": "early", "instance": "early", "cursor": 3, "lag": 0, "last_seen": now, "live": true, "state": "live"},
                {
                    "name": "silent", "instance": "silent", "cursor": 2, "lag": 1, "last_seen": BEGINNING, "live": false,
                    "state": "silent", "until": BEGINNING + 3_660_000,
                },
                {"name": "x-late", "instance": "x-late", "cursor": 2, "lag": 1, "last_seen": now, "live": true, "state": "live"},
            ],
        })
    );
}

#[tokio::test]
async fn an_acknowledgement_is_of_a_whole_table_of_this_epoch() {
    let service = Service::new().await;
    let edge = Follower::current(&service, "edge").await;
    for name in ["a", "b", "c"] {
        service.elastic().make(&json!({ "name": name }).to_string()).await;
    }
    for (what, after, more, reset, expected) in [
        ("another epoch", 4, "&epoch=another", true, 1),
        ("another epoch that would wait", 4, "&epoch=another&wait=60s", true, 1),
        ("a cursor from the future", 9, "&epoch=epoch", true, 1),
        ("a load in progress", 3, "&epoch=epoch&purged=0", false, 1),
        ("the beginning of a load", 0, "", false, 1),
        ("this epoch", 2, "&epoch=epoch", false, 2),
        ("no epoch", 3, "", false, 3),
        ("less than before", 2, "&epoch=epoch", false, 3),
        ("everything", 4, "&epoch=epoch", false, 4),
    ] {
        let page = edge.page(after, more).await;
        assert_eq!((page.reset, acknowledged(&service).await), (reset, expected), "{what}");
    }
}

#[tokio::test]
async fn whoever_may_monitor_or_follow_may_see_the_edges() {
    let service = Service::new().await;
    for (username, status) in [
        ("elastic", 200),
        ("security", 200),
        ("feed", 200),
        ("own", 200),
        ("manage", 403),
        ("read", 403),
        ("tokens", 403),
    ] {
        assert_eq!(service.user(username).get(PATH).await.status.as_u16(), status, "{username}");
    }
    let reason = service.user("nothing").get(PATH).await.error().2;
    let privileges = "[read_key_feed,monitor,manage_security,manage,all]";
    assert!(
        reason.starts_with("action [cluster:monitor/latchkey/edges] is unauthorized for user [nothing]")
            && reason.ends_with(&format!("this action is granted by the cluster privileges {privileges}")),
        "{reason}"
    );
    assert_eq!(service.anonymous().get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_fleet_is_measured_without_a_name() {
    let service = Service::new().await;
    let mut edge = Follower::current(&service, "named-edge").await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    edge.apply().await;
    let metrics = service.anonymous().get("/metrics").await.text;
    // The process has one recorder for all tests, so its gauges may be another's.
    for name in ["latchkey_feed_edges_live", "latchkey_feed_edges_silent", "latchkey_feed_edges_lag_max"] {
        assert!(metrics.contains(&format!("\n{name} ")), "{name}\n{metrics}");
    }
    assert!(metrics.contains("latchkey_feed_propagation_seconds_bucket"), "{metrics}");
    assert!(!metrics.contains("named-edge"));
}

/// The edge of this name in a list.
fn named<'a>(fleet: &'a Value, name: &str) -> &'a Value {
    fleet["edges"].as_array().unwrap().iter().find(|edge| edge["name"] == name).unwrap()
}

#[tokio::test]
async fn whoever_watches_a_change_sees_which_edges_have_it() {
    let service = Service::new().await;
    let id = service.elastic().make(r#"{"name":"a"}"#).await.id;
    let mut early = Follower::current(&service, "early").await;
    let mut late = Follower::current(&service, "late").await;
    let body = json!({"ids": [id]}).to_string();
    let ended = service.elastic().delete("/_security/api_key?wait_for_edges=0", &body).await.json();
    let change = ended["edges"]["cursor"].as_u64().unwrap();
    early.apply().await;
    let query = format!("{PATH}?change={change}");
    let fleet = service.elastic().get(&query).await.json();
    assert_eq!(fleet["change"], json!({"cursor": change, "at": BEGINNING}));
    let (fast, slow) = (named(&fleet, "early"), named(&fleet, "late"));
    assert_eq!((&fast["applied"], &slow["applied"]), (&json!(true), &json!(false)));
    assert!(fast["applied_after_ms"].is_u64() && slow.get("applied_after_ms").is_none(), "{fleet}");
    // Many others follow, and the page that watches this one is loaded again.
    for number in 0..8 {
        service.elastic().make(&json!({"name": number.to_string()}).to_string()).await;
    }
    late.apply().await;
    let again = service.elastic().get(&query).await.json();
    assert_eq!(named(&again, "early")["applied_after_ms"], fast["applied_after_ms"]);
    assert_eq!(named(&again, "late")["applied"], true);
    assert!(named(&again, "late")["applied_after_ms"].is_u64(), "{again}");
}

#[tokio::test]
async fn of_a_change_that_nobody_has_timed_it_is_told_who_has_it() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    let edge = Follower::current(&service, "edge").await;
    let cursor = edge.cursor;
    let service = service.restart(ServiceSettings::default()).await;
    assert_eq!(Follower::current(&service, "edge").await.cursor, cursor);
    for (change, applied) in [(cursor, true), (cursor + 1, false), (0, true)] {
        let fleet = service.elastic().get(&format!("{PATH}?change={change}")).await.json();
        let edge = named(&fleet, "edge");
        assert_eq!(edge["applied"], applied, "{change}: {fleet}");
        assert!(edge.get("applied_after_ms").is_none() && fleet.get("change").is_none(), "{fleet}");
    }
}

#[tokio::test]
async fn the_latest_changes_are_summed_up_for_whoever_asks() {
    let service = Service::new().await;
    let mut edge = Follower::current(&service, "edge").await;
    for name in ["a", "b"] {
        service.elastic().make(&json!({ "name": name }).to_string()).await;
        edge.apply().await;
    }
    service.elastic().make(r#"{"name":"c"}"#).await;
    let fleet = service.elastic().get(&format!("{PATH}?changes=true")).await.json();
    let changes = fleet["changes"].as_array().unwrap();
    let told: Vec<_> =
        changes.iter().map(|change| (change["cursor"].as_u64(), change["edges"].as_u64())).collect();
    assert_eq!(told, [(Some(2), Some(1)), (Some(3), Some(1)), (Some(4), Some(0))]);
    assert!(changes[0]["median_ms"].is_u64() && changes[0]["max_ms"].is_u64(), "{fleet}");
    assert!(changes[2].get("median_ms").is_none() && changes[2]["at"] == BEGINNING, "{fleet}");
    let plain = service.elastic().get(PATH).await.json();
    assert!(plain.get("changes").is_none() && plain["edges"][0].get("applied").is_none(), "{plain}");
}

#[tokio::test]
async fn a_change_is_a_number() {
    let service = Service::new().await;
    for query in ["change=x", "change=-1", "changes=x", "chang=1"] {
        assert_eq!(
            service.elastic().get(&format!("{PATH}?{query}")).await.status,
            StatusCode::BAD_REQUEST,
            "{query}"
        );
    }
}
