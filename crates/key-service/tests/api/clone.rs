use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::service::{BEGINNING, Made, Service};

const PATH: &str = "/_security/api_key/clone";

fn body(made: &Made, more: Value) -> String {
    let mut body = json!({"api_key": made.encoded});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string()
}

#[tokio::test]
async fn a_clone_has_the_powers_and_the_owner_of_its_source() {
    let service = Service::new().await;
    let source = service
        .user("own")
        .make(r#"{"name":"source","expiration":"1d","metadata":{"a":1},"role_descriptors":{"r":{"cluster":["monitor"]}}}"#)
        .await;
    for (more, name, expiration, metadata) in [
        (json!({}), "source", Some(86_400_000), json!({})),
        (json!({"name": "clone", "metadata": {"b": 2}}), "clone", Some(86_400_000), json!({"b": 2})),
        (json!({"expiration": "1h"}), "source", Some(3_600_000), json!({})),
        (json!({"expiration": null}), "source", None, json!({})),
    ] {
        let answer = service.user("grant").put(PATH, &body(&source, more.clone())).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let made = answer.json();
        assert_eq!(made["name"], name, "{more}");
        let id = made["id"].as_str().unwrap();
        assert_ne!(id, source.id);
        let shown =
            service.elastic().get(&format!("/_security/api_key?id={id}&with_limited_by")).await.json();
        let key = &shown["api_keys"][0];
        assert_eq!((&key["username"], &key["realm"]), (&json!("own"), &json!("file")));
        assert_eq!(key["role_descriptors"]["r"]["cluster"], json!(["monitor"]));
        assert_eq!(key["limited_by"][0]["own"]["cluster"], json!(["manage_own_api_key", "monitor"]));
        assert_eq!(key["metadata"], metadata, "{more}");
        let expected = expiration.map_or(Value::Null, |after: u64| json!(BEGINNING + after));
        assert_eq!((&key["expiration"], &made["expiration"]), (&expected, &expected), "{more}");
        let encoded = made["encoded"].as_str().unwrap();
        let who = service.presenting(format!("ApiKey {encoded}")).get("/_security/_authenticate").await;
        assert_eq!(who.json()["api_key"]["id"], id);
    }
}

// A text that is no credential is 400, a credential that proves nothing 403.
#[tokio::test]
async fn refuses_what_is_no_credential_and_what_proves_nothing() {
    let service = Service::new().await;
    let source = service.user("own").make(r#"{"name":"source","expiration":"1d"}"#).await;
    let ended = service.user("own").make(r#"{"name":"ended"}"#).await;
    service.elastic().delete("/_security/api_key", &json!({"ids": ended.id}).to_string()).await;
    for (text, words) in [
        ("a_b", "Illegal base64 character 5f"),
        ("YWJj", "invalid ApiKey value"),
        ("OmFi", "invalid ApiKey value"),
    ] {
        let answer = service.user("grant").post(PATH, &json!({"api_key": text}).to_string()).await;
        answer.assert_error(400, "status_exception", &format!("invalid API key credential: {words}"));
    }
    for (encoded, words) in [
        ("YTpi".to_owned(), "unable to find apikey with id a".to_owned()),
        (ended.encoded.clone(), format!("api key [{}] has been invalidated", ended.id)),
    ] {
        let answer = service.user("grant").post(PATH, &json!({"api_key": encoded}).to_string()).await;
        answer.assert_error(403, "security_exception", "Failed to clone API key");
        let inner = &answer.json()["error"]["caused_by"];
        assert_eq!(inner["additional_unsuccessful_credentials"], format!("API key: {words}"));
        assert_eq!(answer.header("www-authenticate"), Vec::<String>::new());
    }
    let refused = service.user("own").put(PATH, &body(&source, json!({}))).await;
    refused.assert_error(
        403,
        "security_exception",
        "action [cluster:admin/xpack/security/api_key/clone] is unauthorized for user [own] with effective roles \
         [own], this action is granted by the cluster privileges [grant_api_key,manage_api_key,manage_security,all]",
    );
}

#[tokio::test]
async fn refuses_bad_bodies() {
    let service = Service::new().await;
    let source = service.user("own").make(r#"{"name":"source"}"#).await;
    let grant = service.user("grant");
    for (body, problems) in [
        ("{}".to_owned(), "1: api key credential is required;"),
        (body(&source, json!({"name": ""})), "1: api key name is required;"),
        (
            json!({"name": "_x ", "metadata": {"_a": 1}}).to_string(),
            "1: api key credential is required;2: api key name may not begin or end with whitespace;\
             3: api key name may not begin with an underscore;4: API key metadata keys may not start with [_];",
        ),
    ] {
        grant.put(PATH, &body).await.assert_error(
            400,
            "action_request_validation_exception",
            &format!("Validation Failed: {problems}"),
        );
    }
    let parser = "[clone_api_key_request]";
    for (body, reason) in [
        (
            r#"{"api_key":null}"#,
            format!("[1:12] {parser} api_key doesn't support values of type: VALUE_NULL"),
        ),
        (r#"{"name":5}"#, format!("[1:9] {parser} name doesn't support values of type: VALUE_NUMBER")),
        (
            r#"{"expiration":5}"#,
            format!("[1:15] {parser} expiration doesn't support values of type: VALUE_NUMBER"),
        ),
        (r#"{"expiration":"5"}"#, format!("[1:15] {parser} failed to parse field [expiration]")),
        (
            r#"{"metadata":"x"}"#,
            format!("[1:13] {parser} metadata doesn't support values of type: VALUE_STRING"),
        ),
        (r#"{"role_descriptors":{}}"#, format!("[1:2] {parser} unknown field [role_descriptors]")),
    ] {
        grant.put(PATH, body).await.assert_error(400, "x_content_parse_exception", &reason);
    }
    grant.post(&format!("{PATH}?refresh=now"), "{}").await.assert_error(
        400,
        "illegal_argument_exception",
        "Unknown value for refresh: [now].",
    );
}
