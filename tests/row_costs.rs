//! What a row of the feed may cost an edge: memory in proportion to its bytes, whatever stands in it.

#![expect(clippy::unwrap_used, reason = "a failing test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use latchkey_filter::identity::IdentityField;
use latchkey_filter::limits::METADATA_HEADERS_MAX;
use latchkey_filter::table::{Changes, RecordShape, RecordText};
use latchkey_key_feed::format_limits::{DIGEST_LEN, RECORD_LEN_MAX, SALT_LEN};
use latchkey_key_feed::{Cursor, Salt, SecretDigest};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The system's allocator, which counts what a thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST_HELD: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by its kind")]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get() + layout.size());
        MOST_HELD.set(MOST_HELD.get().max(HELD.get()));
        // SAFETY: the caller promises what the system's allocator wants.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

/// How many times its bytes a page may cost. Records take up to three times as much as the texts they are
/// made of, because a byte may become three (`%0A`), and twice that while the list of them grows.
const FACTOR: usize = 6;

/// What a page may cost however short it is: a record that is being written, and the text of a header.
const BASE: usize = 8 * RECORD_LEN_MAX;

/// A configuration that tells as much as one can.
fn shape() -> RecordShape {
    let fields = IdentityField::ALL.into_iter().filter_map(IdentityField::record_text);
    let paths = ["team", "team.name", "a", "a.a.a", "n"].map(str::to_owned).into_iter();
    let paths = paths.chain((0..METADATA_HEADERS_MAX).map(|number| format!("field-{number}")));
    let metadata = paths
        .take(METADATA_HEADERS_MAX)
        .flat_map(|path| [false, true].map(|claims| RecordText::Metadata { path: path.clone(), claims }));
    RecordShape::of(fields.chain(metadata).collect())
}

fn row(seq: u64) -> Value {
    json!({
        "seq": seq, "id": format!("key-{seq}"), "salt": Salt::from_bytes([1; SALT_LEN]),
        "digest": SecretDigest::from_bytes([2; DIGEST_LEN]), "name": "n", "owner": {"username": "u", "realm": "r"}
    })
}

/// A page of these rows, as text.
fn page(rows: &[String]) -> String {
    let last = rows.len();
    format!(
        r#"{{"epoch":"e","cursor":{last},"purged":0,"total":1,"more":false,"reset":false,"keys":[{}]}}"#,
        rows.join(",")
    )
}

/// A row with one field more, whose value is this text.
fn row_with(field: &str, value: &str) -> String {
    let row = row(1).to_string();
    format!(r#"{},"{field}":{value}}}"#, row.strip_suffix('}').unwrap())
}

/// Reads the page, and says what it cost at most, and how many rows were set aside.
fn cost_of(page: &str) -> (usize, usize) {
    let shape = shape();
    let before = HELD.get();
    MOST_HELD.set(before);
    let (_, changes) = Changes::read(page.as_bytes(), Cursor(0), &shape).unwrap();
    (MOST_HELD.get() - before, changes.set_aside().count)
}

#[track_caller]
fn check(what: &str, page: &str) -> usize {
    let (cost, set_aside) = cost_of(page);
    let most = FACTOR * page.len() + BASE;
    assert!(cost <= most, "{what}: a page of {} bytes cost {cost}, which is more than {most}", page.len());
    set_aside
}

#[test]
fn a_long_name_around_many_values_costs_no_more_than_its_bytes() {
    let leaves: Map<String, Value> = (0..100_000).map(|leaf| (leaf.to_string(), json!(1))).collect();
    let metadata = json!({"n".repeat(60_000): leaves}).to_string();
    assert_eq!(check("leaves", &page(&[row_with("metadata", &metadata)])), 0);
}

#[test]
fn lists_of_a_million_texts_cost_no_more_than_their_bytes() {
    let empty = format!("[{}]", vec!["\"\""; 1_000_000].join(","));
    for field in ["roles", "limited_by", "vouched_roles"] {
        let set_aside = check(field, &page(&[row_with(field, &empty)]));
        assert!(set_aside == 1 || field == "vouched_roles", "{field}");
    }
    let both =
        row_with("roles", &empty).replace("\"seq\":1", &format!("\"vouched_roles\":{empty},\"seq\":1"));
    assert_eq!(check("both", &page(&[both])), 1);
    assert_eq!(check("field", &page(&[row_with("metadata", &format!(r#"{{"team":{empty}}}"#))])), 1);
}

#[test]
fn a_million_levels_cost_no_more_than_their_bytes() {
    const LEVELS: usize = 1_000_000;
    let lists = ["[".repeat(LEVELS), "]".repeat(LEVELS)].concat();
    let objects = [r#"{"a":"#.repeat(LEVELS), "1".to_owned(), "}".repeat(LEVELS)].concat();
    assert_eq!(
        check("a list in the metadata", &page(&[row_with("metadata", &format!(r#"{{"a":{lists}}}"#))])),
        0
    );
    assert_eq!(check("objects in the metadata", &page(&[row_with("metadata", &objects)])), 0);
    assert_eq!(check("a field of a later version", &page(&[row_with("later", &objects)])), 0);
    assert_eq!(check("a name", &page(&[row_with("expiration", &lists)])), 1);
}

#[test]
fn texts_of_escapes_cost_no_more_than_their_bytes() {
    let text = format!("\"{}\"", r"\u0001".repeat(500_000));
    assert_eq!(check("a role", &page(&[row_with("limited_by", &format!("[{text}]"))])), 1);
    assert_eq!(
        check(
            "a field",
            &page(&[row_with("metadata", &format!(r#"{{"team":{text},"metadata_vouched":true}}"#))])
        ),
        1
    );
}

#[test]
fn many_short_rows_cost_no_more_than_their_bytes() {
    let removed = |seq: usize| json!({"seq": seq, "id": "k", "removed": true}).to_string();
    let unusable = |seq: usize| json!({"seq": seq, "id": "k"}).to_string();
    assert_eq!(check("removed", &page(&(1..=50_000).map(removed).collect::<Vec<_>>())), 0);
    assert_eq!(check("unusable", &page(&(1..=50_000).map(unusable).collect::<Vec<_>>())), 50_000);
    assert_eq!(check("live", &page(&(1..=10_000).map(|seq| row(seq).to_string()).collect::<Vec<_>>())), 0);
}

/// Any value: deep, wide, and with texts of any length.
fn value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![Just("team".to_owned()), Just("name".to_owned()), Just("a".to_owned()), ".{0,6}"];
    let text = prop_oneof![".{0,9}", (0..30_000_usize).prop_map(|len| "語".repeat(len))];
    let plain =
        prop_oneof![Just(Value::Null), any::<f64>().prop_map(Value::from), text.prop_map(Value::from)];
    plain.prop_recursive(8, 100, 8, move |inner| {
        let object = prop::collection::vec((name.clone(), inner.clone()), 0..8);
        prop_oneof![
            prop::collection::vec(inner, 0..8).prop_map(Value::from),
            object.prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_costs_more_than_its_bytes_times_a_small_factor(fields in prop::collection::vec(("(metadata|roles|vouched_roles|limited_by|name|other)", value()), 0..3)) {
        let mut row = row(1);
        for (field, value) in fields {
            row[&field] = value;
        }
        check("any", &page(&[row.to_string()]));
    }
}
