//! What edges say of themselves, as `GET /_latchkey/edges` shows it.

use axum::http::StatusCode;
use latchkey_key_service::settings::ServiceSettings;
use serde_json::{Value, json};

use crate::follower::Follower;
use crate::service::{BEGINNING, Client, Service};

const EDGES: &str = "/_latchkey/edges";

/// The fields that say something of an edge itself.
const OF_ITSELF: [&str; 6] =
    ["version", "keys", "uses_per_second", "wrong_secrets", "denied", "counted_since"];

/// The feed, as the instance with this number asks for it.
fn feed(name: &str, number: u128) -> String {
    format!("/_latchkey/feed?after=0&epoch=epoch&edge={name}&instance={number:032x}&refuse_after=3600s")
}

/// What the edges of this name say of themselves, in the order of the list.
async fn said(service: &Service, name: &str) -> Vec<Value> {
    let fleet = service.elastic().get(EDGES).await.json();
    let of_name = fleet["edges"].as_array().unwrap().iter().filter(|edge| edge["name"] == name);
    let of_itself = |edge: &Value| {
        let fields =
            OF_ITSELF.into_iter().filter_map(|field| Some((field.to_owned(), edge.get(field)?.clone())));
        fields.collect()
    };
    of_name.map(of_itself).collect()
}

async fn report(client: &Client<'_>, name: &str, body: Value) {
    let answer = client.post(&format!("/_latchkey/usage?edge={name}"), &body.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn the_version_is_what_the_filter_calls_itself() {
    let service = Service::new().await;
    let edge = service.user("feed");
    for (number, agent) in
        [(1, "latchkey-filter/1.2.3 (commit abc)"), (2, "curl/8.0"), (3, "latchkey-filter/<b>")]
    {
        edge.get_with(&feed("edge", number), "user-agent", agent).await;
    }
    let version = json!({"version": "1.2.3 (commit abc)"});
    assert_eq!(said(&service, "edge").await, [version, json!({}), json!({})]);
    edge.get_with(&feed("edge", 1), "user-agent", "latchkey-filter/1.3.0 (commit def)").await;
    assert_eq!(said(&service, "edge").await[0], json!({"version": "1.3.0 (commit def)"}));
    service.user("security").get_with(&feed("edge", 1), "user-agent", "latchkey-filter/9.9.9").await;
    assert_eq!(said(&service, "edge").await[0]["version"], "1.3.0 (commit def)", "the name is another's");
}

#[tokio::test]
async fn an_edge_says_how_many_keys_it_has_how_often_they_are_used_and_what_it_refuses() {
    let service = Service::new().await;
    let edge = service.user("feed");
    Follower::instance(edge.clone(), "edge", 1, "3600s").await;
    Follower::instance(edge.clone(), "edge", 2, "3600s").await;
    let itself = |denied: Value| json!({"instance": format!("{:032x}", 2), "over_ms": 10_000, "keys": 7, "denied": denied});
    let first = itself(json!({"key_unknown": 2, "of a newer filter": 1}));
    report(&edge, "edge", json!({"keys": {"a": [20, 1], "b": [5, 0]}, "edge": first})).await;
    service.clock.advance_ms(10_000);
    report(&edge, "edge", json!({"keys": {"a": [1, 1]}, "edge": itself(json!({"key_unknown": 1}))})).await;
    let expected = json!({
        "keys": 7, "uses_per_second": 0.1, "wrong_secrets": 2, "denied": {"key_unknown": 3, "other": 1},
        "counted_since": BEGINNING,
    });
    assert_eq!(said(&service, "edge").await, [json!({}), expected]);
    service.clock.advance_ms(30_000);
    assert_eq!(said(&service, "edge").await[1]["uses_per_second"], 0.0, "it has nothing to report");
    // It is kept in the memory of one replica.
    let service = service.restart(ServiceSettings::default()).await;
    assert_eq!(said(&service, "edge").await, [json!({}), json!({})]);
}

#[tokio::test]
async fn an_older_filter_that_does_not_say_which_it_is_counts_where_it_is_the_only_one_of_its_name() {
    let service = Service::new().await;
    let edge = service.user("feed");
    Follower::instance(edge.clone(), "one", 1, "3600s").await;
    for number in 2..4 {
        Follower::instance(edge.clone(), "two", number, "3600s").await;
    }
    for name in ["one", "two"] {
        report(&edge, name, json!({"keys": {"a": [4, 0]}})).await;
        service.clock.advance_ms(4_000);
        report(&edge, name, json!({"keys": {"a": [1, 3]}})).await;
    }
    let expected = json!({"uses_per_second": 0.25, "wrong_secrets": 3, "counted_since": BEGINNING});
    assert_eq!(said(&service, "one").await, [expected]);
    assert_eq!(said(&service, "two").await, [json!({}), json!({})]);
}

#[tokio::test]
async fn nobody_speaks_for_the_edge_of_another_owner_or_for_one_that_nobody_knows() {
    let service = Service::new().await;
    Follower::instance(service.user("feed"), "edge", 1, "3600s").await;
    let itself = |number: u128| json!({"instance": format!("{number:032x}"), "keys": 1});
    report(&service.elastic(), "edge", json!({"keys": {}, "edge": itself(1)})).await;
    report(&service.elastic(), "edge", json!({"keys": {}})).await;
    report(&service.user("feed"), "edge", json!({"keys": {}, "edge": itself(2)})).await;
    report(&service.user("feed"), "other", json!({"keys": {}, "edge": itself(1)})).await;
    assert_eq!(said(&service, "edge").await, [json!({})]);
}

#[tokio::test]
async fn what_an_edge_says_of_itself_is_read_whole_or_not_at_all() {
    let service = Service::new().await;
    let edge = service.user("feed");
    Follower::instance(edge.clone(), "edge", 1, "3600s").await;
    for itself in [
        json!([]),
        json!({"instance": "x"}),
        json!({"instance": 1}),
        json!({"over_ms": -1}),
        json!({"keys": 1.5}),
        json!({"denied": []}),
        json!({"denied": {"key_unknown": "1"}}),
    ] {
        let body = json!({"keys": {"a": [1, 0]}, "edge": itself}).to_string();
        let answer = edge.post("/_latchkey/usage?edge=edge", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.text.contains("expected [edge]: an object"), "{}", answer.text);
    }
    let reasons = |count: usize| -> Value { (0..count).map(|it| (format!("r{it}"), json!(1))).collect() };
    let of =
        |denied: Value| json!({"keys": {}, "edge": {"instance": format!("{:032x}", 1), "denied": denied}});
    let too_many = edge.post("/_latchkey/usage?edge=edge", &of(reasons(65)).to_string()).await;
    assert_eq!(too_many.error().2, "[denied] must not have more than 64 reasons");
    assert_eq!(said(&service, "edge").await, [json!({})]);
    report(&edge, "edge", of(reasons(64))).await;
    assert_eq!(said(&service, "edge").await[0]["denied"], json!({"other": 64}));
    // What a newer filter says besides is passed over.
    report(&edge, "edge", json!({"keys": {}, "edge": {"newer": true}})).await;
}
