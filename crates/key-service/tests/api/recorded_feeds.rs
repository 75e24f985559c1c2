//! A filter of any release asks as it asked then, and reads what it could read then: `tests/feeds` has what was
//! asked and answered. The other direction, this filter and a service of any release, is in the tests of the
//! edge.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::StatusCode;
use latchkey_key_feed::{
    AskingEdge, Cursor, EdgeInstance, EdgeName, Epoch, FEED_VERSION_HEADER, FeedRequest,
};
use latchkey_local_stack::recorded_feed::{RecordedExchange, RecordedFeed};
use serde_json::{Map, Value, json};

use crate::service::Service;

/// Names the folder into which the feeds of this version are recorded, once for each release.
const RECORD_VARIABLE: &str = "LATCHKEY_RECORD_FEEDS";

/// A service with a few keys, and their credentials. Each that is recorded has been through the same.
async fn service_with_keys() -> (Service, BTreeMap<String, String>) {
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put("/_security/privilege", r#"{"shop":{"read":{"actions":["data:read/*"]}}}"#).await;
    let orders = json!({"application": "shop", "privileges": ["read"], "resources": ["orders/*"]});
    let mut credentials = BTreeMap::new();
    for (name, more) in [
        ("reads", json!({"role_descriptors": {"reads": {"applications": [orders]}}})),
        (
            "plain",
            json!({"role_descriptors": {"plain": {"cluster": ["monitor"]}}, "metadata": {"team": "a"}}),
        ),
        ("expired", json!({"expiration": "1d"})),
        ("revoked", json!({})),
    ] {
        let mut body = more;
        body["name"] = json!(name);
        let made = elastic.make(&body.to_string()).await;
        if name == "revoked" {
            elastic.delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
        }
        credentials.insert(name.to_owned(), made.encoded);
    }
    (service, credentials)
}

/// The answer of this service.
async fn answer(service: &Service, target: &str, version: Option<&str>) -> String {
    let feed = service.user("feed");
    let answer = match version {
        Some(version) => feed.get_with(target, FEED_VERSION_HEADER, version).await,
        None => feed.get(target).await,
    };
    assert_eq!(answer.status, StatusCode::OK, "{target}: {}", answer.text);
    answer.text
}

/// What a value is made of: each text, number and so on is the name of its kind.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
        Value::Array(values) => values.iter().map(shape).collect(),
        Value::Object(object) => {
            Value::Object(object.iter().map(|(name, value)| (name.clone(), shape(value))).collect())
        }
    }
}

/// The first without the fields that the second has not, but for what keys may do: a field there may restrict
/// something, so whoever does not know it reads nothing.
fn without_news(new: &Value, old: &Value) -> Value {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            let kept = new.iter().filter_map(|(name, value)| {
                let old = old.get(name)?;
                let kept = if name == "rights" { value.clone() } else { without_news(value, old) };
                Some((name.clone(), kept))
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        (Value::Array(new), Value::Array(old)) if new.len() == old.len() => {
            new.iter().zip(old).map(|(new, old)| without_news(new, old)).collect()
        }
        _ => new.clone(),
    }
}

#[tokio::test]
async fn a_filter_of_every_release_is_answered_as_it_was_then() {
    for recorded in RecordedFeed::all().unwrap() {
        let (service, _) = service_with_keys().await;
        for RecordedExchange { target, version, answer: then } in &recorded.exchanges {
            let now = answer(&service, target, version.as_deref()).await;
            let [now, then]: [Value; 2] =
                [&now, then].map(|text| shape(&serde_json::from_str(text).unwrap()));
            // The bytes of version 1 do not change. A later one may have more.
            let readable = if version.is_some() { without_news(&now, &then) } else { now };
            assert_eq!(readable, then, "{}: {target}", recorded.path.display());
        }
    }
}

/// The request of a filter that has read so far.
fn request(version: Option<&str>, after: Cursor, epoch: Option<Epoch>) -> String {
    let edge = AskingEdge {
        name: EdgeName::try_from("gateway-1".to_owned()).unwrap(),
        // A filter of before instances says its name alone.
        instance: version.map(|_| EdgeInstance::try_from(format!("{:032x}", 7)).unwrap()),
        refuse_after: version.map(|_| Duration::from_secs(3600)),
    };
    let request = FeedRequest {
        after,
        limit: Some(1000),
        wait: Some(Duration::from_millis(10)),
        edge: Some(edge),
        epoch: epoch.filter(|_| version.is_some()),
        ..FeedRequest::default()
    };
    let mut target = "/_latchkey/feed".to_owned();
    request.push_query(&mut target);
    target
}

#[tokio::test]
async fn the_feeds_of_this_version_are_recorded_where_it_is_asked_for() {
    let folder = env::var_os(RECORD_VARIABLE).map(PathBuf::from);
    for (file, version) in [("version-1.txt", None), ("version-2.txt", Some("2"))] {
        let (service, keys) = service_with_keys().await;
        let path = folder.clone().unwrap_or_default().join(file);
        let mut recorded = RecordedFeed { path, keys, exchanges: Vec::new() };
        let (mut epoch, mut end) = (None, Cursor(0));
        // A load, and what comes then.
        for _ in 0..2 {
            let target = request(version, end, epoch);
            let answer = answer(&service, &target, version).await;
            let page: Value = serde_json::from_str(&answer).unwrap();
            epoch = Some(Epoch::try_from(page["epoch"].as_str().unwrap().to_owned()).unwrap());
            end = Cursor(page["cursor"].as_u64().unwrap());
            let version = version.map(str::to_owned);
            recorded.exchanges.push(RecordedExchange { target, version, answer });
        }
        assert_eq!(recorded.answers().unwrap().len(), 2);
        if folder.is_some() {
            recorded.write().unwrap();
        }
    }
}
