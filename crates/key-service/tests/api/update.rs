use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::service::{Answer, BEGINNING, Made, Service};

const BULK: &str = "/_security/api_key/_bulk_update";

fn path(made: &Made) -> String {
    format!("/_security/api_key/{}", made.id)
}

/// The key as the list shows it to somebody who sees all.
async fn shown(service: &Service, made: &Made) -> Value {
    let answer =
        service.elastic().get(&format!("{}?id={}&with_limited_by", "/_security/api_key", made.id)).await;
    answer.json()["api_keys"][0].clone()
}

#[track_caller]
fn assert_updated(answer: &Answer, updated: bool) {
    assert_eq!((answer.status, answer.text.clone()), (StatusCode::OK, format!("{{\"updated\":{updated}}}")));
}

#[tokio::test]
async fn changes_what_is_given_and_keeps_the_rest() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own
        .make(r#"{"name":"x","expiration":"1d","metadata":{"a":1},"role_descriptors":{"r":{"cluster":["monitor"]}}}"#)
        .await;
    let before = shown(&service, &made).await;
    for (body, field, value) in [
        (r#"{"metadata":{"b":[1,2.50,null]}}"#, "metadata", json!({"b": [1, 2.5, null]})),
        (r#"{"metadata":{}}"#, "metadata", json!({})),
        (r#"{"role_descriptors":{}}"#, "role_descriptors", json!({})),
        (r#"{"expiration":"1h"}"#, "expiration", json!(BEGINNING + 3_600_000)),
        (r#"{"expiration":"1h"}"#, "expiration", json!(BEGINNING + 3_600_000)),
    ] {
        assert_updated(&own.put(&path(&made), body).await, true);
        assert_eq!(shown(&service, &made).await[field], value, "{body}");
    }
    let after = shown(&service, &made).await;
    for field in
        ["id", "name", "type", "creation", "invalidated", "username", "realm", "realm_type", "limited_by"]
    {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(
        service.key(&made).get("/_security/_authenticate").await.status,
        StatusCode::OK,
        "same secret"
    );
}

// `updated` is false when neither the given fields nor the owner's roles differ from what is stored.
#[tokio::test]
async fn a_change_that_changes_nothing_is_said_to_be_none() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own
        .make(r#"{"name":"x","metadata":{"a":1},"role_descriptors":{"r":{"index":[{"names":"a","privileges":"read"}]}}}"#)
        .await;
    assert_updated(&own.request(Method::PUT, &path(&made), None).await, false);
    for body in [
        "{}",
        r#"{"metadata":{"a":1}}"#,
        r#"{"role_descriptors":{"r":{"indices":[{"names":["a"],"privileges":["read"]}],"cluster":[]}}}"#,
    ] {
        assert_updated(&own.put(&path(&made), body).await, false);
    }
}

// The edge shows the new roles, and an update without changes is not in the feed.
#[tokio::test]
async fn edges_hear_of_an_update() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own.make(r#"{"name":"x"}"#).await;
    let feed = async |after: &Value| {
        service.user("feed").get(&format!("/_latchkey/feed?after={after}")).await.json()
    };
    let loaded = feed(&json!(0)).await;
    assert_eq!(loaded["keys"][0]["roles"], json!([]));
    own.put(&path(&made), r#"{"role_descriptors":{"reader":{}},"expiration":"1h"}"#).await;
    let page = feed(&loaded["cursor"]).await;
    let row = &page["keys"][0];
    assert_eq!((&row["id"], &row["roles"]), (&json!(made.id), &json!(["reader"])));
    assert_eq!(row["expiration"], BEGINNING + 3_600_000);
    assert_eq!(row["seq"], page["cursor"]);
    own.put(&path(&made), "{}").await;
    let quiet = feed(&page["cursor"]).await;
    assert_eq!((&quiet["cursor"], &quiet["keys"]), (&page["cursor"], &json!([])));
}

// The same errors for one key as for several.
#[tokio::test]
async fn refuses_keys_that_are_not_there_not_ones_own_or_dead() {
    let service = Service::new().await;
    let own = service.user("own");
    let theirs = service.user("other-own").make(r#"{"name":"theirs"}"#).await;
    let ended = own.make(r#"{"name":"ended","expiration":"1s"}"#).await;
    let expired = own.make(r#"{"name":"expired","expiration":"1s"}"#).await;
    own.delete("/_security/api_key", &json!({"ids": [ended.id], "owner": true}).to_string()).await;
    // Passes in the very millisecond of its end.
    service.clock.advance_ms(1_000);
    assert_updated(&own.put(&path(&expired), "{}").await, false);
    service.clock.advance_ms(1);
    let missing = |id: &str| {
        let reason = format!("no API key owned by requesting user found for ID [{id}]");
        (id.to_owned(), 404, "resource_not_found_exception", reason)
    };
    let dead = |made: &Made, how: &str| {
        let reason = format!("cannot update {how} API key [{}]", made.id);
        (made.id.clone(), 400, "illegal_argument_exception", reason)
    };
    let rows =
        [missing("nobody"), missing(&theirs.id), dead(&ended, "invalidated"), dead(&expired, "expired")];
    for (id, status, kind, reason) in &rows {
        let answer = own.put(&format!("/_security/api_key/{id}"), "{}").await;
        answer.assert_error(*status, kind, reason);
    }
    // Not even the super-user changes the key of another.
    service.elastic().put(&path(&theirs), "{}").await.assert_error(404, rows[1].2, &rows[1].3);

    let mine = own.make(r#"{"name":"mine"}"#).await;
    let same = own.make(r#"{"name":"same","metadata":{"a":1}}"#).await;
    let ids: Vec<&str> =
        rows.iter().map(|(id, ..)| id.as_str()).chain([mine.id.as_str(), &mine.id, &same.id]).collect();
    let answer = own.post(BULK, &json!({"ids": ids, "metadata": {"a": 1}}).to_string()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let details: serde_json::Map<String, Value> = rows
        .iter()
        .map(|(id, _, kind, reason)| (id.clone(), json!({"type": kind, "reason": reason})))
        .collect();
    assert_eq!(
        answer.json(),
        json!({"updated": [mine.id], "noops": [same.id], "errors": {"count": 4, "details": details}})
    );
}

#[tokio::test]
async fn several_keys_are_changed_in_one_go() {
    let service = Service::new().await;
    let own = service.user("own");
    let one = own.make(r#"{"name":"one"}"#).await;
    let two = own.make(r#"{"name":"two","metadata":{"a":1}}"#).await;
    let body = json!({"ids": [one.id, two.id], "metadata": {"a": 1}}).to_string();
    assert_eq!(
        own.post(BULK, &body).await.text,
        format!(r#"{{"updated":["{}"],"noops":["{}"]}}"#, one.id, two.id)
    );
    // One id may stand alone.
    let single = own.post(BULK, &json!({"ids": one.id, "metadata": {}}).to_string()).await;
    assert_eq!(single.text, format!(r#"{{"updated":["{}"],"noops":[]}}"#, one.id));
}

// Validation, then permission, then whether the caller is a key.
#[tokio::test]
async fn checks_in_the_order_of_elasticsearch() {
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"x"}"#).await;
    let bad = r#"{"metadata":{"_a":1}}"#;
    let invalid = "Validation Failed: 1: API key metadata keys may not start with [_];";
    let kind = "action_request_validation_exception";
    service.user("nothing").put(&path(&made), bad).await.assert_error(400, kind, invalid);
    for (path, action, body) in
        [(path(&made), "update", "{}"), (BULK.to_owned(), "bulk_update", r#"{"ids":"a"}"#)]
    {
        let method = if path == BULK { Method::POST } else { Method::PUT };
        let refused = service.user("nothing").request(method.clone(), &path, Some(body)).await;
        refused.assert_error(
            403,
            "security_exception",
            &format!(
                "action [cluster:admin/xpack/security/api_key/{action}] is unauthorized for user [nothing] with \
                 effective roles [], this action is granted by the cluster privileges \
                 [manage_own_api_key,manage_api_key,manage_security,all]"
            ),
        );
        service.key(&made).request(method, &path, Some(body)).await.assert_error(
            400,
            "illegal_argument_exception",
            "authentication via API key not supported: only the owner user can update an API key",
        );
    }
    assert_eq!(service.anonymous().put(&path(&made), "nonsense").await.status, StatusCode::UNAUTHORIZED);
}

// No bad body is a failure of the service, and none changes anything.
#[tokio::test]
async fn refuses_bad_bodies_and_changes_nothing() {
    let service = Service::new().await;
    let own = service.user("own");
    let made = own.make(r#"{"name":"x","metadata":{"a":1}}"#).await;
    let before = shown(&service, &made).await;
    let single = "update_api_key_request_payload";
    let several = "bulk_update_api_key_request";
    let deep = format!(r#"{{"metadata":{{"a":{}{}}}}}"#, "[".repeat(200), "]".repeat(200));
    for (body, reason) in [
        (r#"{"name":"y"}"#, format!("[1:2] [{single}] unknown field [name]")),
        (r#"{"metadta":{}}"#, format!("[1:2] [{single}] unknown field [metadta] did you mean [metadata]?")),
        (r#"{"ids":"a"}"#, format!("[1:2] [{single}] unknown field [ids]")),
        (
            r#"{"metadata":[]}"#,
            format!("[1:13] [{single}] metadata doesn't support values of type: START_ARRAY"),
        ),
        (
            r#"{"metadata":null}"#,
            format!("[1:13] [{single}] metadata doesn't support values of type: VALUE_NULL"),
        ),
        (
            r#"{"expiration":5}"#,
            format!("[1:15] [{single}] expiration doesn't support values of type: VALUE_NUMBER"),
        ),
        (r#"{"expiration":"10"}"#, format!("Failed to build [{single}] after last required field arrived")),
        (
            r#"{"role_descriptors":{"r":5}}"#,
            format!("[1:21] [{single}] failed to parse field [role_descriptors]"),
        ),
        (
            r#"{"role_descriptors":[]}"#,
            format!("[1:21] [{single}] role_descriptors doesn't support values of type: START_ARRAY"),
        ),
    ] {
        own.put(&path(&made), body).await.assert_error(400, "x_content_parse_exception", &reason);
    }
    for body in ["[]", "nonsense", "{", r#"{"metadata":{},"metadata":{}}"#, &deep] {
        assert_eq!(own.put(&path(&made), body).await.error().0, 400, "{body}");
    }
    for (body, kind, reason) in [
        ("", "parse_exception", "request body is required".to_owned()),
        ("{}", "illegal_argument_exception", "Required [ids]".to_owned()),
        (r#"{"ids":[]}"#, "action_request_validation_exception", "Validation Failed: 1: Field [ids] cannot be empty;".to_owned()),
        (r#"{"ids":5}"#, "x_content_parse_exception", format!("[1:8] [{several}] ids doesn't support values of type: VALUE_NUMBER")),
        (
            r#"{"ids":[],"metadata":{"_a":1}}"#,
            "action_request_validation_exception",
            "Validation Failed: 1: API key metadata keys may not start with [_];2: Field [ids] cannot be empty;".to_owned(),
        ),
    ] {
        let answer = if body.is_empty() {
            own.request(Method::POST, BULK, None).await
        } else {
            own.post(BULK, body).await
        };
        answer.assert_error(400, kind, &reason);
    }
    let restricted =
        r#"{"role_descriptors":{"a":{"restriction":{"workflows":["search_application_query"]}},"b":{}}}"#;
    own.put(&path(&made), restricted).await.assert_error(
        400,
        "illegal_argument_exception",
        "combining role descriptors with and without restriction is not supported",
    );
    assert_eq!(own.put("/_security/api_key/%FF", "{}").await.error().0, 400);
    assert_eq!(own.put(&format!("{}?x=1", path(&made)), "{}").await.error().0, 400);
    assert_eq!(own.post(&path(&made), "{}").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(shown(&service, &made).await, before);
}

#[tokio::test]
async fn refuses_more_keys_than_one_request_may_name() {
    let service = Service::new().await;
    let ids: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    service.user("own").post(BULK, &json!({ "ids": ids }).to_string()).await.assert_error(
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: Field [ids] cannot hold more than 10000 ids;",
    );
}
