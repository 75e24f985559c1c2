use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::header_value::{encode, encode_list};

fn metadata(value: &Value) -> MetadataSize {
    MetadataSize::of_json(&value.to_string()).unwrap()
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Null | Value::Object(_) => None,
    }
}

/// Every path and header value, written out.
fn written(prefix: &str, fields: &serde_json::Map<String, Value>, out: &mut Vec<(String, String)>) {
    for (name, value) in fields {
        let path = format!("{prefix}{name}");
        match value {
            Value::Object(fields) => written(&format!("{path}."), fields, out),
            Value::Array(items) => {
                if let Some(items) = items.iter().map(plain).collect::<Option<Vec<_>>>() {
                    out.push((path, encode_list(items.iter().map(String::as_str))));
                }
            }
            value => out.extend(plain(value).map(|text| (path, encode(&text)))),
        }
    }
}

#[test]
fn counts_what_was_not_sent_but_would_be_written() {
    let long = "n".repeat(60_000);
    let fields: serde_json::Map<String, Value> = (0..100_000).map(|n| (n.to_string(), json!(1))).collect();
    let size = metadata(&json!({ long: fields }));
    assert_eq!((size.values, size.depth), (100_001, 2));
    assert!(size.record_len > 100_000 * 60_000, "{size:?}");
    let row = RowSize { metadata: size, ..RowSize::default() };
    assert!(!row.fits_a_record());
    let problems: Vec<String> = row.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert!(problems[0].starts_with("metadata has 1048896 bytes as JSON, at most 65536 "), "{problems:?}");
}

#[test]
fn counts_letters_beyond_ascii_as_a_header_has_them() {
    let size = metadata(&json!({"team": "鍵".repeat(3_700)}));
    assert_eq!(size.record_len, "team".len() + 3_700 * 9 + 4);
    assert_eq!(size.len_max(), 2 * (3_700 * 9 + 2));
}

#[test]
fn a_key_without_descriptors_counts_its_owners_roles_twice() {
    let limited_by = ListSize::of_names(["ops", "dev"]);
    assert_eq!(limited_by, ListSize { count: 2, value_len: 7 });
    assert_eq!(RowSize { limited_by, ..RowSize::default() }.len_max(), 14);
    let roles = ListSize::of_json(r#"["a"]"#).unwrap();
    assert_eq!(RowSize { limited_by, roles, ..RowSize::default() }.len_max(), 8);
}

#[test]
fn every_limit_ends_where_it_says() {
    let nested = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{}", "}".repeat(depth - 1));
    let values = |count: usize| json!({"v": vec![Value::Null; count - 1]}).to_string();
    let path = |len: usize| json!({"p".repeat(len): null}).to_string();
    let text = |len: usize| json!({"t": [["x".repeat(len - r#"{"t":[[""]]}"#.len())]]}).to_string();
    for (make, max, kind) in [
        (&nested as &dyn Fn(usize) -> String, METADATA_DEPTH_MAX, "levels deep"),
        (&values, METADATA_VALUES_MAX, "values"),
        (&path, METADATA_FIELD_PATH_LEN_MAX, "path"),
        (&text, METADATA_JSON_LEN_MAX, "JSON"),
    ] {
        let problems = |size: usize| -> Vec<String> {
            let metadata = MetadataSize::of_json(&make(size)).unwrap();
            metadata.problems().map(|problem| problem.to_string()).collect()
        };
        assert_eq!(problems(max), Vec::<String>::new(), "{kind}");
        let [problem] = &problems(max + 1)[..] else { panic!("{kind}") };
        assert!(problem.contains(kind) && problem.contains(&(max + 1).to_string()), "{problem}");
    }
    for (name_len, allowed) in [(ROW_LEN_MAX, true), (ROW_LEN_MAX + 1, false)] {
        assert_eq!(RowSize { name_len, ..RowSize::default() }.problems().is_empty(), allowed);
    }
    for (count, allowed) in [(ROLE_NAMES_MAX, true), (ROLE_NAMES_MAX + 1, false)] {
        let names = ListSize { count, value_len: 0 };
        assert_eq!(RowSize { roles: names, ..RowSize::default() }.problems().is_empty(), allowed);
        assert_eq!(RowSize { limited_by: names, ..RowSize::default() }.problems().is_empty(), allowed);
    }
}

#[test]
fn what_an_edge_could_not_read_is_refused() {
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(MetadataSize::of_json(&deep(JSON_DEPTH_MAX - 1)).is_ok());
    for wrong in ["", "{", "{}}", "[]", "1", "{\"a\":1},\"b\":[]", r#"{"a":"\ud800"}"#, &deep(JSON_DEPTH_MAX)]
    {
        assert_eq!(MetadataSize::of_json(wrong), Err(Malformed), "{wrong}");
    }
    for wrong in ["", "[", "{}", "[1]", "[null]", "[\"a\"],1", r#"["\ud800"]"#] {
        assert_eq!(ListSize::of_json(wrong), Err(Malformed), "{wrong}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-c.ü]{0,3}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_counted_is_what_would_be_written(value in json_value()) {
        let metadata_value = json!({ "m": value });
        let mut fields = Vec::new();
        written("", metadata_value.as_object().unwrap(), &mut fields);
        let expected: usize = fields.iter().map(|(path, value)| path.len() + value.len() + 4).sum();
        let size = metadata(&metadata_value);
        prop_assert_eq!(size.record_len, expected);
        let values: usize = fields.iter().map(|(_, value)| value.len() + 2).sum();
        prop_assert_eq!(size.values_len, values);
        prop_assert!(size.values >= fields.len());
        let longest = fields.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
        prop_assert!(size.path_len >= longest);
    }

    #[test]
    fn a_list_is_counted_as_it_is_written(names in prop::collection::vec(any::<String>(), 0..8)) {
        let expected = ListSize { count: names.len(), value_len: encode_list(names.iter().map(String::as_str)).len() };
        prop_assert_eq!(ListSize::of_json(&serde_json::to_string(&names).unwrap()).unwrap(), expected);
        prop_assert_eq!(ListSize::of_names(names.iter().map(String::as_str)), expected);
    }
}
