use latchkey_key_feed::format_limits::{RECORD_LEN_MAX, ROW_LEN_MAX};
use latchkey_key_feed::{FeedPage, FeedRow};

use super::*;

#[test]
fn digits_of_either_case_are_read_and_nothing_else_is() {
    assert_eq!(bytes_of("00fF9aA0"), Some([0x00, 0xff, 0x9a, 0xa0]));
    for wrong in
        ["", "00", "0000000", "000000000", "0000000g", "000000/0", "000000:0", "0000000@", "000000\u{e9}"]
    {
        assert_eq!(bytes_of::<4>(wrong), None, "{wrong}");
    }
}

const KEY: FeedKey<'static> = FeedKey {
    seq: Cursor(2),
    is_ended: false,
    secrets: Some(KeptSecrets::DECOY),
    expiration: None,
    id: "a",
    name: "a",
    username: "alice",
    realm: "file",
    roles: "[]",
    vouched_roles: "[]",
    limited_by: "[]",
    metadata: "{}",
    is_metadata_vouched: false,
    descriptors: None,
};

/// The rows as a follower reads them, after one key that is as it should be.
fn followed(key: &FeedKey<'_>) -> (Vec<FeedRow>, Withheld) {
    let mut rows = RowsText::default();
    rows.push(&FeedKey { seq: Cursor(1), id: "good", ..KEY }).unwrap();
    rows.push(key).unwrap();
    let withheld = rows.withheld().clone();
    let epoch = Epoch::try_from("e".to_owned()).unwrap();
    let mut text = FeedText { rows, ..FeedText::reset_of(epoch, FeedVersion::V1, Cursor(2), Cursor(0), 2) };
    (text.head.reset, text.head.cursor) = (false, Cursor(2));
    (FeedPage::parse(&text.to_json().unwrap(), Cursor(0)).unwrap().keys, withheld)
}

#[test]
fn a_row_that_comes_too_late_is_refused() {
    let mut after_three = RowsText::default();
    after_three.push_removed(Cursor(3), "b").unwrap();
    assert!(matches!(after_three.push(&KEY), Err(StoreError::Corrupt("order of changes"))));
}

// A page with one row that is none would be refused whole, and every follower would stand still.
#[test]
fn a_key_that_no_edge_can_read_is_told_as_removed_and_named() {
    let deep = format!("{}1{}", "{\"a\":".repeat(128), "}".repeat(128));
    for key in [
        FeedKey { metadata: "", ..KEY },
        FeedKey { metadata: "{}}", ..KEY },
        FeedKey { metadata: "[]", ..KEY },
        FeedKey { metadata: "{\"a\":1},\"roles\":[]", ..KEY },
        FeedKey { metadata: r#"{"a":"\ud800"}"#, ..KEY },
        FeedKey { metadata: &deep, ..KEY },
        FeedKey { roles: "{}", ..KEY },
        FeedKey { roles: "[1]", ..KEY },
        FeedKey { vouched_roles: "null", ..KEY },
        FeedKey { limited_by: "[", ..KEY },
        FeedKey { expiration: Some(-1), ..KEY },
        FeedKey { secrets: None, ..KEY },
    ] {
        let (rows, withheld) = followed(&key);
        assert!(matches!(&rows[1], FeedRow::Removed { id, .. } if id.as_str() == "a"), "{key:?}");
        assert_eq!(withheld, Withheld::of("a", WhyWithheld::Unreadable), "{key:?}");
    }
    let (rows, withheld) = followed(&FeedKey { id: "a:b", ..KEY });
    assert_eq!((rows.len(), withheld), (1, Withheld::of("a:b", WhyWithheld::Unreadable)));
    assert_eq!(followed(&FeedKey { id: "", is_ended: true, ..KEY }).0.len(), 1);
}

#[test]
fn a_key_that_no_edge_can_hold_is_told_as_removed_and_one_that_can_is_not() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(RECORD_LEN_MAX));
    let product = format!("{{\"{}\":[{{}}],\"b\":{{{}}}}}", "n".repeat(200), many_fields(3_000));
    for metadata in [&long, &product] {
        let (rows, withheld) = followed(&FeedKey { metadata, ..KEY });
        assert!(matches!(&rows[1], FeedRow::Removed { id, .. } if id.as_str() == "a"));
        assert_eq!(withheld, Withheld::of("a", WhyWithheld::TooLarge));
    }
    // Longer than a new one may be, but not more than an edge holds.
    let old = format!("{{\"a\":\"{}\",\"b\":[[\"{}\"]]}}", "x".repeat(ROW_LEN_MAX + 1), "y".repeat(100_000));
    let (rows, withheld) = followed(&FeedKey { metadata: &old, ..KEY });
    assert!(matches!(&rows[1], FeedRow::Live { .. }));
    assert_eq!(withheld, Withheld::default());
}

fn many_fields(count: usize) -> String {
    (0..count).map(|number| format!("\"field-{number}\":1")).collect::<Vec<_>>().join(",")
}

#[test]
fn a_row_says_what_is_vouched_for() {
    let key = FeedKey {
        roles: r#"["a","b"]"#,
        vouched_roles: r#"["b"]"#,
        metadata: r#"{"x":1}"#,
        is_metadata_vouched: true,
        ..KEY
    };
    let (rows, _) = followed(&key);
    let FeedRow::Live { record, .. } = &rows[1] else { panic!("{rows:?}") };
    assert_eq!((record.vouched_roles.as_slice(), record.metadata_vouched), (&["b".to_owned()][..], true));
    let (rows, _) = followed(&FeedKey { vouched_roles: "[]", is_metadata_vouched: false, ..key });
    let FeedRow::Live { record, .. } = &rows[1] else { panic!("{rows:?}") };
    assert_eq!((record.vouched_roles.len(), record.metadata_vouched), (0, false));
}
