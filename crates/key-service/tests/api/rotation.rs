//! `POST /_security/api_key/{id}/_rotate`.

use axum::http::StatusCode;
use latchkey_key_feed::{FeedPage, FeedRow, KeySecret, SecretUsed, UnixMillis};
use latchkey_key_service::settings::{ServiceSettings, TokenSettings};
use serde_json::{Value, json};

use crate::service::{Answer, BEGINNING, Client, Made, PASSWORD, Service};

const HOUR_MS: u64 = 3_600_000;

fn path(made: &Made) -> String {
    format!("/_security/api_key/{}/_rotate", made.id)
}

/// The key with the secret of an answer.
#[track_caller]
fn renewed(answer: &Answer) -> Made {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    Made::of(&answer.json())
}

async fn status(client: &Client<'_>) -> StatusCode {
    client.get("/_security/_authenticate").await.status
}

#[tokio::test]
async fn both_secrets_work_until_the_deadline_and_then_only_the_new_one() {
    let service = Service::new().await;
    let own = service.user("own");
    let old = own.make(r#"{"name":"ci","expiration":"7d","metadata":{"a":1}}"#).await;
    let answer = own.post(&path(&old), r#"{"overlap":"1h"}"#).await;
    let new = renewed(&answer);
    assert_eq!(
        answer.json(),
        json!({
            "id": old.id, "name": "ci", "expiration": BEGINNING + 7 * 24 * HOUR_MS, "api_key": new.secret,
            "encoded": new.encoded, "previous_secret_expiration": BEGINNING + HOUR_MS,
        })
    );
    assert_ne!(new.secret, old.secret);
    for made in [&old, &new] {
        assert_eq!(status(&service.key(made)).await, StatusCode::OK);
    }
    service.clock.advance_ms(HOUR_MS - 1);
    assert_eq!(status(&service.key(&old)).await, StatusCode::OK);
    service.clock.advance_ms(1);
    let refused = service.key(&old).get("/_security/_authenticate").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(
        refused.text.contains(&format!("invalid credentials for API key [{}]", old.id)),
        "{}",
        refused.text
    );
    assert_eq!(status(&service.key(&new)).await, StatusCode::OK);
}

#[tokio::test]
async fn what_the_key_is_stays_as_it_was() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own
        .make(r#"{"name":"ci","metadata":{"a":1},"role_descriptors":{"r":{"cluster":["monitor"]}}}"#)
        .await;
    let shown = async || {
        let list = service.elastic().get(&format!("/_security/api_key?id={}&with_limited_by", made.id)).await;
        list.json()["api_keys"][0].clone()
    };
    let mut before = shown().await;
    service.clock.advance_ms(5);
    renewed(&own.post(&path(&made), "{}").await);
    let after = shown().await;
    before["rotation"] = json!(BEGINNING + 5);
    before["previous_secret_expiration"] = json!(BEGINNING + 5 + 24 * HOUR_MS);
    assert_eq!(after, before);
    let by =
        json!({"query": {"range": {"rotation": {"gte": BEGINNING}}}, "sort": ["previous_secret_expiration"]});
    own.make(r#"{"name":"never rotated"}"#).await;
    let found = own.post("/_security/_query/api_key", &by.to_string()).await.json();
    assert_eq!((&found["total"], &found["api_keys"][0]["id"]), (&json!(1), &json!(made.id)));
}

#[tokio::test]
async fn without_an_overlap_the_old_secret_ends_at_once() {
    let service = Service::new().await;
    let own = service.user("own");
    let old = own.make(r#"{"name":"ci"}"#).await;
    for body in [r#"{"overlap":"0"}"#, r#"{"overlap":0}"#] {
        let answer = own.post(&path(&old), body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json().get("previous_secret_expiration"), None);
        assert_eq!(status(&service.key(&old)).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(&service.key(&renewed(&answer))).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_second_rotation_ends_the_older_of_the_two_secrets() {
    let service = Service::new().await;
    let own = service.user("own");
    let first = own.make(r#"{"name":"ci"}"#).await;
    let second = renewed(&own.post(&path(&first), "{}").await);
    let third = renewed(&own.post(&path(&first), "{}").await);
    assert_eq!(status(&service.key(&first)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&service.key(&second)).await, StatusCode::OK);
    assert_eq!(status(&service.key(&third)).await, StatusCode::OK);
}

#[tokio::test]
async fn edges_hear_of_the_new_secret_and_of_the_end_of_the_old_one() {
    let service = Service::new().await;
    let own = service.user("own");
    let old = own.make(r#"{"name":"ci"}"#).await;
    let feed = service.user("feed");
    let after = feed.get("/_latchkey/feed?after=0").await.json()["cursor"].as_u64().unwrap();
    let new = renewed(&own.post(&path(&old), r#"{"overlap":"1h"}"#).await);
    for version in ["1", "2"] {
        let path = format!("/_latchkey/feed?after={after}");
        let page = service.user("feed").get_with(&path, "x-latchkey-feed-version", version).await;
        let rows: Value = page.json();
        assert_eq!(rows["keys"][0]["previous"]["until"], BEGINNING + HOUR_MS, "version {version}: {rows}");
    }
    let page = feed.get(&format!("/_latchkey/feed?after={after}")).await;
    let page = FeedPage::parse(page.text.as_bytes(), latchkey_key_feed::Cursor(after)).unwrap();
    let [FeedRow::Live { record, .. }] = page.keys.as_slice() else { panic!("{:?}", page.keys) };
    let used = |made: &Made, at| {
        record.secrets.verify(&KeySecret::presented(made.secret.clone().into_bytes()), UnixMillis(at))
    };
    assert_eq!(used(&new, BEGINNING), Some(SecretUsed::Current));
    assert_eq!(used(&old, BEGINNING), Some(SecretUsed::Previous));
    assert_eq!(used(&old, BEGINNING + HOUR_MS), None);
}

#[tokio::test]
async fn a_key_rotates_itself_by_its_latest_secret_alone() {
    let service = Service::new().await;
    let old = service.user("own").make(r#"{"name":"ci","role_descriptors":{"none":{}}}"#).await;
    let new = renewed(&service.key(&old).post(&path(&old), "{}").await);
    service.key(&old).post(&path(&old), "{}").await.assert_error(
        400,
        "illegal_argument_exception",
        &format!(
            "API key [{}] has another secret by now: only the latest secret of a key can rotate it",
            old.id
        ),
    );
    assert_eq!(status(&service.key(&new)).await, StatusCode::OK, "it is still the latest");
    assert_eq!(service.key(&new).post(&path(&old), "{}").await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_else_rotates_a_key() {
    let service = Service::new().await;
    let theirs = service.user("other-own").make(r#"{"name":"theirs"}"#).await;
    let mine = service.user("own").make(r#"{"name":"mine"}"#).await;
    let reason = format!("no API key owned by requesting user found for ID [{}]", theirs.id);
    for client in [service.user("own"), service.elastic(), service.key(&mine)] {
        client.post(&path(&theirs), "{}").await.assert_error(404, "resource_not_found_exception", &reason);
    }
    let powerless = service.user("own").make(r#"{"name":"p","role_descriptors":{"none":{}}}"#).await;
    assert_eq!(service.key(&powerless).post(&path(&theirs), "{}").await.status, StatusCode::FORBIDDEN);
    assert_eq!(service.anonymous().post(&path(&theirs), "{}").await.status, StatusCode::UNAUTHORIZED);
    let acting = service.elastic().running_as("other-own");
    assert_eq!(acting.post(&path(&theirs), "{}").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_has_ended_gets_no_other_secret() {
    let service = Service::new().await;
    let own = service.user("own");
    let ended = own.make(r#"{"name":"ended"}"#).await;
    own.delete("/_security/api_key", &json!({"ids": [ended.id], "owner": true}).to_string()).await;
    let answer = own.post(&path(&ended), "{}").await;
    let reason = format!("cannot rotate invalidated API key [{}]", ended.id);
    answer.assert_error(400, "illegal_argument_exception", &reason);
    let long = own.post(&path(&ended), r#"{"overlap":"91d"}"#).await;
    long.assert_error(400, "illegal_argument_exception", "[overlap] must not exceed 90d");
}

// Otherwise whoever finds an old secret would have what the key can do, without end.
#[tokio::test]
async fn no_other_credential_is_made_with_the_secret_before_the_latest() {
    let tokens = TokenSettings { enabled: true, ..TokenSettings::default() };
    let service = Service::with(ServiceSettings { tokens, ..ServiceSettings::default() }).await;
    let old = service.elastic().make(r#"{"name":"all"}"#).await;
    let new = renewed(&service.elastic().post(&path(&old), "{}").await);
    let reason = format!(
        "API key [{}] has been rotated, and no other credential is made with the secret that it had before: use its latest secret",
        old.id
    );
    let derived = r#"{"name":"derived","role_descriptors":{"none":{}}}"#;
    let clone = |made: &Made| json!({"api_key": made.encoded, "name": "clone"}).to_string();
    let token = r#"{"grant_type":"client_credentials"}"#;
    service.key(&old).post("/_security/api_key", derived).await.assert_error(
        400,
        "illegal_argument_exception",
        &reason,
    );
    // Whoever it is for, and whatever else is presented.
    let grant =
        json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_key": {"name": "g"}});
    for refused in [
        service.key(&old).running_as("own").post("/_security/api_key", derived).await,
        service.key(&old).post("/_security/api_key/grant", &grant.to_string()).await,
        service.key(&old).post("/_security/api_key/clone", &clone(&new)).await,
    ] {
        refused.assert_error(400, "illegal_argument_exception", &reason);
    }
    // Whoever asks: what counts is the credential that is cloned.
    for client in [service.key(&old), service.key(&new), service.elastic()] {
        let refused = client.post("/_security/api_key/clone", &clone(&old)).await;
        refused.assert_error(400, "illegal_argument_exception", &reason);
    }
    let refused = service.key(&old).post("/_security/oauth2/token", token).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert_eq!(service.elastic().get("/_security/api_key").await.ids(), [old.id.as_str()]);
    for (at, body) in [
        ("/_security/api_key", derived),
        ("/_security/api_key/clone", &clone(&new)),
        ("/_security/oauth2/token", token),
    ] {
        let made = service.key(&new).post(at, body).await;
        assert_eq!(made.status, StatusCode::OK, "{at}: {}", made.text);
    }
}
