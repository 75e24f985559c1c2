//! Rows that no record can hold: their keys are refused, and everybody else's go on.

use latchkey_key_feed::{Cursor, FeedPage, FeedRow, KeyId, KeyRecord};
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use serde_json::{Map, Value, json};

use crate::stage::{Stage, configure, encoded, epoch, key};

fn with_metadata(id: &str, metadata: Value) -> KeyRecord {
    let mut record = key(id, "secret");
    record.metadata = metadata.to_string();
    record
}

/// A long name around many values: their dotted paths come to six gigabytes.
fn many_leaves_below_a_long_name() -> Value {
    let leaves: Map<String, Value> = (0..100_000).map(|leaf| (leaf.to_string(), json!(1))).collect();
    json!({"n".repeat(60_000): leaves})
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({"a": inner}))
}

#[track_caller]
fn assert_status(stage: &Stage, id: &str, status: u16) {
    let answer = stage.send(&Request::get(&format!("/{id}")).api_key(&encoded(id, "secret")));
    assert_eq!(answer.status, status, "{id}: {}", answer.text());
}

#[test]
fn no_metadata_that_nobody_asks_for_harms_its_key_or_others() {
    let stage = Stage::with_keys(vec![key("good", "secret")], |config| {
        configure(config, "/identity/metadata_headers", json!({"x-team": "team", "x-deep": "a.a.a"}));
    });
    stage.keys.put(with_metadata("leaves", many_leaves_below_a_long_name()));
    stage.keys.put(with_metadata("texts", json!({"note": "語".repeat(400_000)})));
    stage.keys.put(with_metadata("deep", deep(120)));
    stage.keys.put(key("later", "secret"));
    stage.await_admitted(&encoded("later", "secret"));
    for id in ["good", "leaves", "texts", "deep", "later"] {
        assert_status(&stage, id, 200);
    }
    stage.keys.remove(KeyId::try_from("good").unwrap());
    stage.await_refused(&encoded("good", "secret"));
    assert_eq!(stage.stat("feed.rows_set_aside"), 0);
    stage.assert_no_vm_died();
}

#[test]
fn a_key_whose_texts_no_record_holds_is_refused_alone() {
    let mut listed = key("listed", "secret");
    listed.limited_by = (0..20_000).map(|role| format!("role-{role}")).collect();
    let records =
        vec![key("good", "secret"), with_metadata("asked-for", json!({"team": "語".repeat(4_000)})), listed];
    let stage = Stage::with_keys(records, |config| {
        configure(config, "/identity/metadata_headers", json!({"x-team": "team"}));
    });
    assert_status(&stage, "good", 200);
    for id in ["asked-for", "listed"] {
        assert_status(&stage, id, 503);
        assert_eq!(stage.details(&format!("/{id}")), "latchkey_row_set_aside");
        assert_eq!(
            stage.status_for(&encoded(id, "wrong")),
            401,
            "{id}: a wrong secret is no trouble of ours"
        );
    }
    assert_eq!(stage.stat("feed.rows_set_aside"), 2);
    let log = stage.envoy.log().stderr();
    assert!(log.contains("set aside 2 rows") && log.contains("asked-for, listed"), "{log}");

    // A change of the key that makes it fit lets it in again.
    stage.keys.put(key("listed", "secret"));
    stage.await_admitted(&encoded("listed", "secret"));
    stage.assert_no_vm_died();
}

#[test]
fn a_row_that_makes_no_sense_keeps_no_change_behind_it_away() {
    let row = |seq: u64, id: &str| {
        let row = FeedRow::Live { seq: Cursor(seq), record: Box::new(key(id, "secret")) };
        let page = FeedPage {
            epoch: epoch("first"),
            cursor: Cursor(seq),
            purged: Cursor(0),
            total: 1,
            more: false,
            reset: false,
            ended: false,
            keys: vec![row],
        };
        serde_json::from_slice::<Value>(&page.to_json().unwrap()).unwrap()["keys"][0].take()
    };
    let spoiled = |seq: u64, id: &str, field: &str, value: Value| {
        let mut row = row(seq, id);
        row[field] = value;
        row
    };
    let rows = json!([
        row(1, "good"),
        row(2, "revoked"),
        spoiled(3, "no\ndigest", "digest", json!(null)),
        spoiled(4, "no-salt", "salt", json!("short")),
        spoiled(5, "no-owner", "owner", json!("alice")),
        spoiled(6, "too-deep", "metadata", json!([deep(110)])),
        {"seq": 7, "id": "revoked", "removed": true},
        row(8, "later")
    ]);
    let page = json!({"epoch": "first", "cursor": 8, "purged": 0, "total": 7, "more": false, "reset": false, "keys": rows});
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.behave(FeedManner::Body(page.to_string().into_bytes()));
    let stage = Stage::start(keys, |_| {});
    stage.await_table();
    for (id, status) in [
        ("good", 200),
        ("later", 200),
        ("revoked", 401),
        ("no-salt", 503),
        ("no-owner", 503),
        ("too-deep", 503),
    ] {
        assert_status(&stage, id, status);
    }
    assert_eq!(stage.status_for(&encoded("no\ndigest", "secret")), 503);
    assert_eq!(stage.details("/no-salt"), "latchkey_row_set_aside");
    assert!(
        stage.envoy.log().stderr().contains("no%0Adigest, no-salt, no-owner, too-deep"),
        "fit to be logged"
    );
    stage.assert_no_vm_died();
}
