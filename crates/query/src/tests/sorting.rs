use super::*;

#[track_caller]
fn sorted(body: &str) -> (String, Value) {
    let result = search(body);
    let values = result.hits.iter().map(|hit| hit.sort_values.clone()).collect::<Vec<_>>();
    (ids(&result), json!(values))
}

#[test]
fn hits_come_in_the_order_asked_for() {
    // Sort, ids.
    let rows = [
        (r#"["name"]"#, "cabde"), // Capitals are before small letters.
        (r#"[{"name":{"order":"desc"}}]"#, "edbac"),
        (r#"{"name":{"order":"DESC"}}"#, "edbac"),
        (r#"[{"username":{"order":"desc"}},"name"]"#, "ecdab"),
        (r#"["creation"]"#, "abcde"),
        (r#"[{"creation":{"order":"desc","unmapped_type":"date"}}]"#, "edcba"),
        (r#"["expiration"]"#, "dabce"), // Keys without one come last, in the order of the index.
        (r#"[{"expiration":{"order":"desc"}}]"#, "adbce"),
        (r#"[{"expiration":{"missing":"_first"}}]"#, "bceda"),
        (r#"[{"expiration":{"missing":"now"}}]"#, "dbcea"),
        (r#"[{"expiration":{"missing":0,"order":"desc"}}]"#, "adbce"),
        (r#"["invalidated"]"#, "abdec"),
        (r#"["metadata.team"]"#, "acbde"),
        (r#"[{"metadata.team":{"order":"desc","missing":"_first"}}]"#, "debac"),
        (r#"[{"metadata.team":{"missing":"green"}}]"#, "acdeb"),
        (r#"["metadata.tags"]"#, "aebcd"), // The least of several.
        (r#"[{"metadata.tags":{"order":"desc"}}]"#, "eabcd"), // The greatest.
        (r#"[{"metadata.tags":{"order":"desc","mode":"min"}}]"#, "aebcd"),
        (r#"[{"metadata.tags":{"mode":"max"}}]"#, "aebcd"),
        (r#"["_doc"]"#, "abcde"),
        (r#"[{"_doc":{"order":"desc"}}]"#, "edcba"),
        ("[]", "abcde"),
    ];
    for (sort, expected) in rows {
        assert_eq!(sorted(&format!(r#"{{"sort":{sort}}}"#)).0, expected, "{sort}");
    }
}

// Dates are formatted only when a format is asked for.
#[test]
fn sort_values_are_shown_raw() {
    // Sort, values of the hits that have the username bob.
    let rows = [
        (r#"["name"]"#, json!([["Nightly"], ["nightly*build"]])),
        (r#"["creation","_doc"]"#, json!([[1_768_431_600_000_i64, 2], [1_768_435_200_000_i64, 3]])),
        (
            r#"[{"creation":{"format":"strict_date_optional_time"}}]"#,
            json!([["2026-01-14T23:00:00.000Z"], ["2026-01-15T00:00:00.000Z"]]),
        ),
        (r#"[{"creation":{"format":"yyyy/MM/dd HH"}}]"#, json!([["2026/01/14 23"], ["2026/01/15 00"]])),
        (r#"["invalidated"]"#, json!([[0], [1]])),
        (r#"["metadata.team"]"#, json!([["blue"], [null]])),
        (r#"["invalidation"]"#, json!([[1_768_474_800_000_i64], [i64::MAX]])),
        (
            r#"[{"invalidation":{"missing":"_first","format":"yyyy"}}]"#,
            json!([["-9223372036854775808"], ["2026"]]),
        ),
        (r#"[{"invalidation":{"missing":5}}]"#, json!([[5], [1_768_474_800_000_i64]])),
    ];
    for (sort, expected) in rows {
        let body = format!(r#"{{"query":{{"term":{{"username":"bob"}}}},"sort":{sort}}}"#);
        assert_eq!(sorted(&body).1, expected, "{sort}");
    }
}

// Texts are accepted for dates and numbers.
#[test]
fn a_page_begins_after_the_values_given() {
    // Sort, values, ids.
    let rows = [
        (r#"["creation"]"#, "[1768431600000]", "de"),
        (r#"["creation"]"#, r#"["1768431600000"]"#, "de"),
        (r#"["creation"]"#, r#"["2026-01-14T23:00:00Z"]"#, "de"),
        (r#"[{"creation":{"order":"desc"}}]"#, "[1768431600000]", "ba"),
        (r#"[{"creation":{"format":"yyyy-MM-dd"}}]"#, r#"["2026-01-15"]"#, "e"),
        (r#"["username","name"]"#, r#"["alice","ci"]"#, "bcde"),
        (r#"["username"]"#, r#"["alice"]"#, "cde"), // All of the same username are passed over.
        (r#"["metadata.team","name"]"#, r#"["red","z"]"#, "de"),
        (r#"["metadata.team","name"]"#, r#"[null,"nightly*build"]"#, "e"),
        (r#"["expiration","_doc"]"#, "[9223372036854775807,2]", "e"),
        (r#"["expiration","_doc"]"#, "[null,\"1\"]", "ce"),
        (r#"["invalidated","name"]"#, "[false,\"nightly\"]", "dec"),
    ];
    for (sort, after, expected) in rows {
        let body = format!(r#"{{"sort":{sort},"search_after":{after}}}"#);
        let result = search(&body);
        assert_eq!((ids(&result).as_str(), result.total), (expected, 5), "{body}");
    }
}
