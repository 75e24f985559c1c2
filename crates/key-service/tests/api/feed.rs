use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use latchkey_key_feed::{Cursor, FeedPage, FeedRow, KeySecret, UnixMillis};
use serde_json::json;

use crate::service::{BEGINNING, Client, Service};

const PATH: &str = "/_latchkey/feed";

/// Reads a page as the filter does.
async fn page(client: &Client<'_>, after: u64, query: &str) -> FeedPage {
    let answer = client.get(&format!("{PATH}?after={after}{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    FeedPage::parse(answer.text.as_bytes(), Cursor(after)).unwrap()
}

// Every field of a row, and a digest that verifies the issued secret.
#[tokio::test]
async fn a_row_is_all_that_an_edge_needs() {
    let service = Service::new().await;
    let body = json!({
        "name": "ci", "expiration": "1h", "metadata": {"team": "x"},
        "role_descriptors": {"reader": {}, "writer": {"cluster": ["monitor"]}},
    });
    let made = service.user("own").make(&body.to_string()).await;
    let page = page(&service.user("feed"), 0, "").await;
    assert_eq!((page.epoch.as_str(), page.total, page.more, page.reset), ("epoch", 1, false, false));
    let [FeedRow::Live { seq, record }] = page.keys.as_slice() else { panic!("{:?}", page.keys) };
    assert_eq!(page.cursor, *seq);
    assert_eq!((record.id.as_str(), record.name.as_str()), (made.id.as_str(), "ci"));
    let presented = KeySecret::presented(made.secret.clone().into_bytes());
    assert!(record.secrets.verify(&presented, UnixMillis(0)).is_some());
    assert_eq!(record.expiration.map(|end| end.0), Some(BEGINNING + 3_600_000));
    assert_eq!((record.owner.username.as_str(), record.owner.realm.as_str()), ("own", "file"));
    assert_eq!(record.roles, ["reader", "writer"]);
    assert_eq!(record.limited_by, ["own"]);
    assert_eq!(record.metadata, r#"{"team":"x"}"#);
}

// An invalidated key is a row with `removed`, at its new sequence number.
#[tokio::test]
async fn an_ended_key_is_removed_and_an_expired_one_stays() {
    let service = Service::new().await;
    let ended = service.elastic().make(r#"{"name":"a"}"#).await.id;
    let expired = service.elastic().make(r#"{"name":"b","expiration":"1s"}"#).await.id;
    service.clock.advance_ms(5_000);
    let before = page(&service.user("feed"), 0, "").await.cursor.0;
    service.elastic().delete("/_security/api_key", &json!({"ids": [ended]}).to_string()).await;
    let delta = page(&service.user("feed"), before, "").await;
    assert!(matches!(delta.keys.as_slice(), [FeedRow::Removed { id, .. }] if id.as_str() == ended));
    assert_eq!(delta.total, 1);
    let load = page(&service.user("feed"), 0, "").await;
    assert!(matches!(&load.keys[0], FeedRow::Live { record, .. } if record.id.as_str() == expired));
    assert_eq!(load.keys.len(), 2);
}

// The same query is the first load and the later changes.
#[tokio::test]
async fn pages_of_any_size_make_the_same_table() {
    let service = Service::new().await;
    let mut ids = Vec::new();
    for number in 0..17 {
        ids.push(service.elastic().make(&json!({"name": number.to_string()}).to_string()).await.id);
    }
    service.elastic().delete("/_security/api_key", &json!({"ids": [ids[3], ids[16]]}).to_string()).await;
    let client = service.user("feed");
    let mut tables = Vec::new();
    for limit in [1, 2, 7, 1_000] {
        let mut table = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = page(&client, after, &format!("&limit={limit}")).await;
            assert!(page.keys.len() <= limit);
            table.extend(page.keys.iter().map(|row| (row.id().to_string(), row.clone())));
            after = page.cursor.0;
            if !page.more {
                break;
            }
        }
        tables.push((after, table));
    }
    assert!(tables.iter().all(|table| *table == tables[0]));
    assert_eq!(tables[0].1.len(), 17);
}

// `manage_security` and `all` contain `read_key_feed`.
#[tokio::test]
async fn needs_the_privilege_to_read_the_feed() {
    let service = Service::new().await;
    for (username, status) in
        [("feed", 200), ("security", 200), ("elastic", 200), ("manage", 403), ("read", 403), ("own", 403)]
    {
        assert_eq!(service.user(username).get(PATH).await.status.as_u16(), status, "{username}");
    }
    let reason = service.user("nothing").get(PATH).await.error().2;
    assert!(
        reason.ends_with(
            "this action is granted by the cluster privileges [read_key_feed,manage_security,all]"
        ),
        "{reason}"
    );
    let key = service
        .elastic()
        .make(r#"{"name":"edge","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#)
        .await;
    assert_eq!(service.key(&key).get(PATH).await.status, StatusCode::OK);
    assert_eq!(service.anonymous().get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_bad_parameter_refuses_the_whole_request() {
    let service = Service::new().await;
    for (query, reason) in [
        ("?limit=0", "[limit] must be from 1 to 10000"),
        ("?limit=10001", "[limit] must be from 1 to 10000"),
        ("?wait=61s", "[wait] must not exceed 60s"),
        (
            "?aftr=1",
            "request [/_latchkey/feed] contains unrecognized parameter: [aftr] -> did you mean [after]?",
        ),
    ] {
        let answer = service.user("feed").get(&format!("{PATH}{query}")).await;
        answer.assert_error(400, "illegal_argument_exception", reason);
    }
}

// A follower whose cursor the store never reached is told to load again.
#[tokio::test]
async fn a_cursor_from_the_future_is_reset() {
    let service = Service::new().await;
    let page = page(&service.user("feed"), 1_000, "&wait=60s").await;
    assert!(page.reset);
    assert!(page.keys.is_empty());
}

// `wait` is a long poll: the answer comes with the change.
#[tokio::test]
async fn a_waiting_request_is_answered_by_a_change() {
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let client = service.user("feed");
    let cursor = page(&client, 0, "").await.cursor.0;
    let (woken, _) = tokio::join!(page(&client, cursor, "&wait=60s"), async {
        service.elastic().delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await
    });
    assert!(matches!(woken.keys.as_slice(), [FeedRow::Removed { id, .. }] if id.as_str() == made.id));
}

#[tokio::test]
async fn an_idle_wait_ends_empty_and_stopping_ends_it_early() {
    let service = Service::new().await;
    let client = service.user("feed");
    let cursor = page(&client, 0, "").await.cursor.0;
    let idle = page(&client, cursor, "&wait=50ms").await;
    assert_eq!((idle.cursor.0, idle.keys.len()), (cursor, 0));
    let (stopped, ()) = tokio::join!(page(&client, cursor, "&wait=60s"), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        service.stop.send_replace(true);
    });
    assert_eq!((stopped.cursor.0, stopped.keys.len()), (cursor, 0));
}

// A key that is ended while it waits learns nothing more.
#[tokio::test]
async fn a_follower_that_is_revoked_while_it_waits_gets_no_rows() {
    let service = Service::new().await;
    let follower = service
        .elastic()
        .make(r#"{"name":"edge","role_descriptors":{"edge":{"cluster":["read_key_feed"]}}}"#)
        .await;
    let client = service.key(&follower);
    let cursor = page(&client, 0, "").await.cursor.0;
    let path = format!("{PATH}?after={cursor}&wait=60s");
    let (answer, _) = tokio::join!(client.get(&path), async {
        service.elastic().delete("/_security/api_key", &json!({"ids": [follower.id]}).to_string()).await
    });
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
}

// A cache in front asks whether its copy is still good, and the answer has no rows.
#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let service = Service::new().await;
    service.elastic().make(r#"{"name":"a"}"#).await;
    let reader = service.user("feed");
    let first = reader.get(PATH).await;
    let tag = first.header("etag").concat();
    assert_eq!(first.header("cache-control"), ["private, no-cache"]);
    for known in
        [tag.clone(), format!("\"other\", {tag}"), tag.trim_start_matches("W/").to_owned(), "*".to_owned()]
    {
        let again = reader.get_with(PATH, "if-none-match", &known).await;
        assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
        assert_eq!(again.header("etag"), [tag.as_str()]);
    }
    service.elastic().make(r#"{"name":"b"}"#).await;
    let changed = reader.get_with(PATH, "if-none-match", &tag).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header("etag").concat(), tag);
}

// Rows repeat themselves, so compression is worth it.
#[tokio::test]
async fn a_page_is_compressed_for_whoever_asks() {
    let service = Service::new().await;
    for _ in 0..20 {
        service.elastic().make(r#"{"name":"the same name"}"#).await;
    }
    let reader = service.user("feed");
    let plain = reader.get(PATH).await;
    let compressed = reader.get_with(PATH, "accept-encoding", "gzip").await;
    assert_eq!(compressed.header("content-encoding"), ["gzip"]);
    assert!(compressed.len < plain.len / 2);
    assert!(plain.header("content-encoding").is_empty());
}

// Nor does a user who was disabled or has lost the role while the request waits.
#[tokio::test]
async fn a_user_who_loses_access_while_he_waits_gets_no_rows() {
    let service = Service::new().await;
    let elastic = service.elastic();
    let user = r#"{"password":"123456","roles":["feed"]}"#;
    for (change, status) in [("_disable", StatusCode::UNAUTHORIZED), ("roles", StatusCode::FORBIDDEN)] {
        elastic.put("/_security/user/edge", user).await;
        let client = service.basic("edge", "123456");
        let cursor = page(&client, 0, "").await.cursor.0;
        let path = format!("{PATH}?after={cursor}&wait=60s");
        let (answer, ()) = tokio::join!(client.get(&path), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if change == "roles" {
                elastic.put("/_security/user/edge", r#"{"roles":[]}"#).await;
            } else {
                elastic.put_nothing("/_security/user/edge/_disable").await;
            }
            elastic.make(r#"{"name":"wakes"}"#).await;
        });
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}
