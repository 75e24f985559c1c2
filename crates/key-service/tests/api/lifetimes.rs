//! How long keys live where the settings say it.

use std::time::Duration;

use latchkey_key_service::settings::{KeyPolicy, ServiceSettings};
use serde_json::{Value, json};

use crate::service::{Answer, BEGINNING, PASSWORD, Service};

const KEYS: &str = "/_security/api_key";
const DAY_MS: u64 = 86_400_000;

async fn service(default_days: Option<u64>, max_days: Option<u64>) -> Service {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    let key_policy = KeyPolicy {
        default_lifetime: default_days.map(days),
        max_lifetime: max_days.map(days),
        ..KeyPolicy::default()
    };
    Service::with(ServiceSettings { key_policy, ..ServiceSettings::default() }).await
}

/// After how many days the key ends.
#[track_caller]
fn days(answer: &Answer) -> Option<u64> {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["expiration"].as_u64().map(|end| (end - BEGINNING) / DAY_MS)
}

/// A key with these fields besides its name, made in each of the ways in which one is made anew.
async fn made(service: &Service, fields: Value) -> Vec<Answer> {
    let mut key = json!({"name": "k"});
    key.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let grant = json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_key": key});
    vec![
        service.user("own").post(KEYS, &key.to_string()).await,
        service.user("grant").post(&format!("{KEYS}/grant"), &grant.to_string()).await,
    ]
}

#[tokio::test]
async fn a_key_of_which_nobody_says_when_it_ends_ends_as_the_settings_say() {
    let service = service(Some(7), None).await;
    for (fields, expected) in [
        (json!({}), Some(7)),
        (json!({"expiration": "400d"}), Some(400)),
        // A key that never ends must be asked for explicitly.
        (json!({"expiration": null}), None),
    ] {
        for answer in made(&service, fields).await {
            assert_eq!(days(&answer), expected);
        }
    }
    let bulk = json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_keys": [{"name": "k"}]});
    let bulk = service.user("grant").post(&format!("{KEYS}/_bulk_grant"), &bulk.to_string()).await.json();
    assert_eq!(bulk["created"][0]["expiration"], BEGINNING + 7 * DAY_MS);
    let unending = service.user("own").make(r#"{"name":"k","expiration":null}"#).await;
    let clone = json!({"api_key": unending.encoded}).to_string();
    assert_eq!(days(&service.user("grant").post(&format!("{KEYS}/clone"), &clone).await), Some(7));
}

#[tokio::test]
async fn no_key_lives_longer_than_the_settings_let_it() {
    let service = service(None, Some(30)).await;
    let beyond = "[expiration] must not be more than [30d] away: no API key lives longer here";
    let required =
        "[expiration] is required and must not be more than [30d] away: no API key lives longer here";
    for (fields, expected) in [
        (json!({"expiration": "30d"}), Ok(Some(30))),
        (json!({"expiration": "31d"}), Err(beyond)),
        (json!({}), Err(required)),
        (json!({"expiration": null}), Err(required)),
    ] {
        for answer in made(&service, fields.clone()).await {
            match expected {
                Ok(expected) => assert_eq!(days(&answer), expected),
                Err(reason) => answer.assert_error(400, "illegal_argument_exception", reason),
            }
        }
    }
}

#[tokio::test]
async fn neither_a_clone_nor_an_update_outlives_the_settings() {
    let service = service(None, Some(30)).await;
    let made = service.user("own").make(r#"{"name":"k","expiration":"20d"}"#).await;
    let clone = async |fields: Value| {
        let mut body = json!({"api_key": made.encoded});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        service.user("grant").post(&format!("{KEYS}/clone"), &body.to_string()).await
    };
    assert_eq!(days(&clone(json!({})).await), Some(20));
    for fields in [json!({"expiration": "31d"}), json!({"expiration": null})] {
        assert_eq!(clone(fields).await.error().0, 400);
    }
    let update = async |expiration: &str| {
        let body = json!({"expiration": expiration}).to_string();
        service.user("own").put(&format!("{KEYS}/{}", made.id), &body).await
    };
    assert_eq!(update("30d").await.status, 200);
    // Counted from when the key was made, so that it cannot be kept alive by repeated updates.
    service.clock.advance_ms(10 * DAY_MS);
    assert_eq!(update("20d").await.status, 200);
    update("21d").await.assert_error(
        400,
        "illegal_argument_exception",
        &format!(
            "[expiration] of API key [{}] is too late: no API key lives longer than [api_keys.max_lifetime] from when it was made",
            made.id
        ),
    );
}
