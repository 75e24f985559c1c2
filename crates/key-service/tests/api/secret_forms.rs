//! Secrets with a prefix and a checksum.

use axum::http::StatusCode;
use latchkey_key_feed::{SecretForm, SecretPrefix, of_token, token_of};
use latchkey_key_service::settings::{KeyPolicy, ServiceSettings};
use regex::Regex;
use serde_json::json;

use crate::service::{Made, PASSWORD, Service};

const PAGE: &str = include_str!("../../../../docs/key-service.md");

async fn service() -> Service {
    let secret_prefix = SecretPrefix::parse("lk_live");
    let key_policy = KeyPolicy { secret_prefix, ..KeyPolicy::default() };
    Service::with(ServiceSettings { key_policy, ..ServiceSettings::default() }).await
}

/// The expression that the page gives to programmes that look for secrets.
fn documented() -> Regex {
    let line = PAGE.lines().find(|line| line.starts_with(r"\blk_live_")).unwrap();
    Regex::new(line).unwrap()
}

#[tokio::test]
async fn with_a_prefix_every_new_secret_has_a_form_that_scanners_recognise() {
    let service = service().await;
    let expression = documented();
    let first = service.elastic().make(r#"{"name":"a"}"#).await;
    let rotate = format!("/_security/api_key/{}/_rotate", first.id);
    let clone = json!({"api_key": first.encoded, "name": "c"}).to_string();
    let grant =
        json!({"grant_type": "password", "username": "own", "password": PASSWORD, "api_key": {"name": "g"}});
    let mut made = vec![first];
    for (path, body) in [
        ("/_security/api_key/clone", clone.as_str()),
        ("/_security/api_key/grant", &grant.to_string()),
        (&rotate, r#"{"overlap":"1h"}"#),
    ] {
        let answer = service.elastic().post(path, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        made.push(Made::of(&answer.json()));
    }
    for key in &made {
        assert!(matches!(SecretForm::of(&key.secret), Ok(SecretForm::Prefixed(_))));
        let text = format!("curl -H 'x: {}:{}'", key.id, key.secret);
        assert_eq!(expression.find(&text).map(|found| found.as_str()), Some(key.secret.as_str()));
        let token = token_of(&key.id, &key.secret).unwrap();
        assert_eq!(of_token(token.as_bytes()).unwrap(), (key.id.as_str(), key.secret.clone().into()));
        assert_eq!(service.key(key).get("/_security/_authenticate").await.status, StatusCode::OK);
    }
    assert_ne!(made[0].secret, made[1].secret);
}

// Whoever sets a prefix goes on with the keys that there are.
#[tokio::test]
async fn a_secret_of_either_form_is_a_secret() {
    let service = service().await;
    let plain = Service::new().await;
    let (first, second) =
        (service.elastic().make(r#"{"name":"a"}"#).await, plain.elastic().make(r#"{"name":"a"}"#).await);
    assert_eq!(SecretForm::of(&second.secret), Ok(SecretForm::Plain));
    assert_eq!(plain.key(&second).get("/_security/_authenticate").await.status, StatusCode::OK);
    assert!(documented().find(&second.secret).is_none() && documented().find(&first.encoded).is_none());
}
