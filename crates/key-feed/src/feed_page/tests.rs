use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::format_limits::{DIGEST_LEN, SALT_LEN};
use crate::{KeptSecrets, KeyId, KeyRecord, Owner, PreviousSecret, Salt, SecretDigest, UnixMillis};

fn page(after: u64, body: &Value) -> Result<FeedPage, InvalidFeedPage> {
    FeedPage::parse(body.to_string().as_bytes(), Cursor(after))
}

fn with_keys(cursor: u64, more: bool, seqs: &[u64]) -> Value {
    let keys: Vec<Value> = seqs.iter().map(|seq| json!({"seq": seq, "id": "k", "removed": true})).collect();
    json!({"epoch": "e", "cursor": cursor, "purged": 0, "total": 0, "more": more, "reset": false, "keys": keys})
}

#[test]
fn reads_live_and_removed_keys() {
    let salt = String::from(Salt::from_bytes([1; SALT_LEN]));
    let digest = String::from(SecretDigest::from_bytes([2; DIGEST_LEN]));
    let body = json!({"epoch": "e", "cursor": 9, "purged": 0, "total": 1, "more": false, "reset": false, "keys": [
        {"seq": 8, "id": "gone", "removed": true},
        {"seq": 9, "id": "here", "salt": salt, "digest": digest, "name": "ci",
         "owner": {"username": "alice", "realm": "native"}, "roles": [], "limited_by": ["ops"]}]});
    let page = page(7, &body).unwrap();
    assert_eq!(page.keys[0], FeedRow::Removed { seq: Cursor(8), id: KeyId::try_from("gone").unwrap() });
    let FeedRow::Live { record, .. } = &page.keys[1] else { panic!("the second row is live") };
    assert_eq!((record.name.as_str(), record.owner.username.as_str()), ("ci", "alice"));
    assert_eq!(record.expiration, None);
}

// The text as older services send it and older filters read it.
#[test]
fn a_page_is_written_as_it_always_was() {
    const TEXT: &str = concat!(
        r#"{"epoch":"e","cursor":9,"purged":1,"total":1,"more":false,"reset":false,"ended":true,"keys":["#,
        r#"{"seq":8,"id":"gone","removed":true},"#,
        r#"{"seq":9,"id":"here","salt":"AQEBAQEBAQEBAQEBAQEBAQ==","#,
        r#""digest":"AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=","expiration":1767225600000,"name":"c\"i","#,
        r#""owner":{"username":"alice","realm":"native"},"roles":["a","b"],"vouched_roles":["b"],"#,
        r#""limited_by":["ops"],"metadata":{"team":"x"},"metadata_vouched":true}]}"#
    );
    let page = FeedPage::parse(TEXT.as_bytes(), Cursor(7)).unwrap();
    let FeedRow::Live { record, .. } = &page.keys[1] else { panic!("the second row is live") };
    assert_eq!((record.metadata.as_str(), record.metadata_vouched), (r#"{"team":"x"}"#, true));
    assert_eq!(String::from_utf8(page.to_json().unwrap()).unwrap(), TEXT);
}

#[test]
fn a_key_that_is_rotated_has_its_previous_secret_in_the_row() {
    let mut row = live_row();
    row["previous"] = json!({"until": 7, "digest": row["digest"]});
    let body = json!({"epoch": "e", "cursor": 1, "purged": 0, "total": 1, "more": false, "reset": false, "keys": [row]});
    let page = page(0, &body).unwrap();
    let FeedRow::Live { record, .. } = &page.keys[0] else { panic!("the row is live") };
    let digest = SecretDigest::from_bytes([2; DIGEST_LEN]);
    assert_eq!(record.secrets.previous, Some(PreviousSecret { digest, until: UnixMillis(7) }));
    let written: Value = serde_json::from_slice(&page.to_json().unwrap()).unwrap();
    assert_eq!(written["keys"][0]["previous"], row["previous"]);
}

#[test]
fn what_no_follower_could_read_is_not_written() {
    let removed = |seq| FeedRow::Removed { seq: Cursor(seq), id: KeyId::try_from("k").unwrap() };
    let mut page = page(0, &with_keys(5, false, &[])).unwrap();
    page.keys = vec![removed(2), removed(2)];
    assert_eq!(page.to_json(), Err(UnwritablePage::RowsOutOfOrder));
    let body = json!({"epoch": "e", "cursor": 1, "purged": 0, "total": 1, "more": false, "reset": false, "keys": [live_row()]});
    let mut page = FeedPage::parse(body.to_string().as_bytes(), Cursor(0)).unwrap();
    let FeedRow::Live { record, .. } = &mut page.keys[0] else { panic!("the row is live") };
    record.metadata = "{},\"removed\":true".to_owned();
    assert_eq!(page.to_json(), Err(UnwritablePage::MetadataMalformed));
}

#[test]
fn a_live_key_without_a_digest_is_refused() {
    let body = json!({"epoch": "e", "cursor": 1, "purged": 0, "total": 1, "more": false, "reset": false, "keys": [
        {"seq": 1, "id": "k", "name": "n", "owner": {"username": "u", "realm": "r"}}]});
    assert!(matches!(page(0, &body), Err(InvalidFeedPage::Malformed { .. })));
}

#[test]
fn refuses_pages_that_could_hide_a_change() {
    let refused = |after, body| page(after, &body).unwrap_err().to_string();
    assert_eq!(refused(0, with_keys(5, false, &[3, 2])), "the rows do not ascend");
    assert_eq!(refused(0, with_keys(5, false, &[3, 3])), "the rows do not ascend");
    assert_eq!(refused(3, with_keys(5, false, &[3])), "the rows do not ascend");
    assert_eq!(refused(0, with_keys(4, false, &[5])), "the cursor lies behind the rows");
    assert_eq!(refused(6, with_keys(5, false, &[])), "the cursor lies behind the rows");
    assert_eq!(refused(5, with_keys(5, true, &[])), "more rows are promised but the cursor does not advance");
}

#[test]
fn a_reset_is_empty_and_may_go_back() {
    let reset =
        json!({"epoch": "f", "cursor": 2, "purged": 0, "total": 0, "more": true, "reset": true, "keys": []});
    assert!(page(99, &reset).unwrap().reset);
    let mut with_rows = with_keys(9, false, &[9]);
    with_rows["reset"] = json!(true);
    assert!(matches!(page(0, &with_rows), Err(InvalidFeedPage::ResetWithRows)));
}

#[test]
fn a_head_is_seen_before_the_rows_and_only_whole() {
    let head = r#"{"epoch":"e","cursor":7,"purged":0,"total":1,"more":true,"reset":false"#;
    for rows in [r#","keys":[{"seq":9}]}"#, r#","keys":["#, ""] {
        let seen = FeedHead::peek(format!("{head}{rows}").as_bytes()).unwrap();
        assert_eq!((seen.cursor, seen.more), (Cursor(7), true));
    }
    assert_eq!(FeedHead::peek(br#"{"epoch":"e","keys":[],"cursor":7}"#), None);
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let twice =
        br#"{"epoch":"e","cursor":7,"purged":0,"total":1,"more":true,"reset":false,"keys":[],"cursor":8}"#;
    assert!(matches!(FeedPage::parse(twice, Cursor(0)), Err(InvalidFeedPage::Malformed { .. })));
}

#[test]
fn an_error_names_the_place_and_never_the_text() {
    let error = FeedPage::parse(b"{\"epoch\": \"sesame", Cursor(0)).unwrap_err();
    assert_eq!(error.to_string(), "not a feed page: mistake at byte 17");
    assert!(!error.to_string().contains("sesame"));
}

prop_compose! {
    pub(super) fn record()(
        id in "[a-zA-Z0-9_-]{1,30}",
        salt: [u8; SALT_LEN],
        digest: [u8; DIGEST_LEN],
        previous in proptest::option::of((any::<[u8; DIGEST_LEN]>(), any::<u64>())),
        expiration in proptest::option::of(any::<u64>()),
        name in ".*",
        username in ".*",
        roles in proptest::collection::vec(".*", 0..4),
        metadata_vouched: bool,
        metadata in proptest::collection::btree_map(".*", ".*", 0..3),
    ) -> KeyRecord {
        KeyRecord {
            id: KeyId::try_from(id).unwrap(),
            secrets: KeptSecrets {
                salt: Salt::from_bytes(salt),
                current: SecretDigest::from_bytes(digest),
                previous: previous.map(|(digest, until)| PreviousSecret {
                    digest: SecretDigest::from_bytes(digest),
                    until: UnixMillis(until),
                }),
            },
            expiration: expiration.map(UnixMillis),
            name,
            owner: Owner { username, realm: "native".to_owned() },
            limited_by: roles.iter().rev().cloned().collect(),
            vouched_roles: roles.iter().skip(1).cloned().collect(),
            roles,
            metadata: json!(metadata).to_string(),
            metadata_vouched,
        }
    }
}

proptest! {
    #[test]
    fn any_page_survives_the_wire(
        records in proptest::collection::vec((record(), any::<bool>()), 0..6),
        ended: bool,
    ) {
        let keys: Vec<FeedRow> = (1..).map(Cursor).zip(records).map(|(seq, (record, removed))| {
            if removed { FeedRow::Removed { seq, id: record.id } } else { FeedRow::Live { seq, record: Box::new(record) } }
        }).collect();
        let sent = FeedPage {
            epoch: Epoch::try_from("e".to_owned()).unwrap(),
            cursor: Cursor(keys.len() as u64),
            purged: Cursor(1),
            total: 3,
            more: false,
            reset: false,
            ended,
            keys,
        };
        let received = FeedPage::parse(&sent.to_json().unwrap(), Cursor(0)).unwrap();
        prop_assert_eq!(received, sent);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>, after: u64) {
        prop_assert!(FeedPage::parse(&bytes, Cursor(after)).is_err());
        prop_assert_eq!(FeedHead::peek(&bytes), None);
    }
}

/// One page with this row beside a good removal.
fn beside_a_removal(row: &Value) -> (Result<FeedHead, InvalidFeedPage>, Vec<String>) {
    let removal = json!({"seq": 2, "id": "gone", "removed": true});
    let body = json!({"epoch": "e", "cursor": 9, "purged": 0, "total": 1, "more": false, "reset": false, "keys": [row, removal]});
    let mut seen = Vec::new();
    let head = FeedHead::read(body.to_string().as_bytes(), Cursor(0), &mut |row| {
        let state = match row.state {
            WireState::Live(_) => "live",
            WireState::Removed => "removed",
            WireState::Unusable => "unusable",
        };
        seen.push(format!("{} {state}", row.id));
        Ok(())
    });
    (head, seen)
}

pub(super) fn live_row() -> Value {
    let salt = String::from(Salt::from_bytes([1; SALT_LEN]));
    let digest = String::from(SecretDigest::from_bytes([2; DIGEST_LEN]));
    json!({"seq": 1, "id": "k", "salt": salt, "digest": digest, "name": "n", "owner": {"username": "u", "realm": "r"}})
}

#[test]
fn a_row_whose_key_is_known_is_a_row_whatever_else_it_holds() {
    let (head, seen) = beside_a_removal(&live_row());
    assert!(head.is_ok());
    assert_eq!(seen, ["k live", "gone removed"]);
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    for (field, value) in [
        ("digest", Value::Null),
        ("digest", json!("short")),
        ("salt", json!(7)),
        ("previous", json!(null)),
        ("previous", json!({"until": 5})),
        ("previous", json!({"until": -5, "digest": live_row()["digest"]})),
        ("name", json!({"a": [1]})),
        ("owner", json!({"username": "u"})),
        ("roles", json!("reader")),
        ("roles", json!(["reader", 1])),
        ("limited_by", json!({"ops": 1})),
        ("metadata", json!([deep])),
        ("metadata_vouched", json!("yes")),
        ("expiration", json!(-1)),
        ("removed", json!("yes")),
    ] {
        let mut row = live_row();
        row[field] = value.clone();
        let (head, seen) = beside_a_removal(&row);
        assert!(head.is_ok(), "{field}: {value}");
        assert_eq!(seen, ["k unusable", "gone removed"], "{field}: {value}");
    }
}

#[test]
fn a_removal_is_one_whatever_else_it_holds() {
    let (head, seen) = beside_a_removal(&json!({"seq": 1, "id": "k", "removed": true, "name": 5}));
    assert!(head.is_ok());
    assert_eq!(seen, ["k removed", "gone removed"]);
}

#[test]
fn a_row_that_does_not_say_which_key_it_is_spoils_the_page() {
    for (field, value) in
        [("seq", json!("1")), ("seq", Value::Null), ("id", json!(7)), ("id", json!("")), ("id", json!("a:b"))]
    {
        let mut row = live_row();
        row[field] = value.clone();
        let (head, _) = beside_a_removal(&row);
        assert!(matches!(head, Err(InvalidFeedPage::Malformed { .. })), "{field}: {value}");
    }
}
