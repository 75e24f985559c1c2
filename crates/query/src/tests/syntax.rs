use super::*;

// Without fields all of them are searched, and a word that does not fit the type of a field is no mistake.
#[test]
fn a_simple_query_string_searches_words() {
    // Text, ids.
    let rows = [
        ("ci", "a"),
        ("alice", "ab"),
        ("alice bob", "abcd"),
        ("alice +blue", "a"),
        ("alice | carol", "abe"),
        ("alice + -blue", "b"),
        ("-alice", "cde"),
        ("--alice", "ab"),
        ("night*", "d"),
        (r"nightly\*build", "d"),
        (r#""ci deploy""#, "b"),
        (r#""ci deploy"~3"#, "b"),
        ("alice + (blue | red)", "ab"),
        ("(alice + blue) | carol", "ae"),
        ("(alice", "ab"), // What nothing closes is skipped.
        ("alice)", "ab"),
        (r#""alice"#, "ab"),
        ("+ | alice", "ab"),
        ("alcie~", "ab"), // Two neighbours swapped are one edit.
        ("alcie~1", "ab"),
        ("alxxe~1", ""),
        ("alice~0", "ab"),
        ("2026-01-15", "cde"), // Made, invalidated or expired on that day.
        ("true", "bc"),        // One was invalidated, one has it in its metadata.
        ("*", "abcde"),
        ("", ""),
        ("()", ""),
        (r"\", ""),
    ];
    for (text, expected) in rows {
        let query = json!({"simple_query_string": {"query": text}});
        assert_eq!(matches(&query.to_string()), expected, "{text}");
    }
}

#[test]
fn a_simple_query_string_has_options() {
    // Options besides the text, text, ids.
    let rows = [
        (json!({"fields": ["username"]}), "alice ci", "ab"),
        (json!({"fields": ["username^5", "name"]}), "alice ops", "abe"),
        (json!({"fields": ["*name"]}), "alice ci", "ab"),
        (json!({"fields": ["metadata.team"]}), "alice blue", "ac"),
        (json!({"fields": ["unknown", "secret*"]}), "alice", ""),
        (json!({"fields": []}), "alice", ""),
        (json!({"default_operator": "AND"}), "alice blue", "a"),
        (json!({"default_operator": "or"}), "alice blue", "abc"),
        (json!({"flags": "NONE", "fields": ["name"]}), "ci deploy", "b"),
        (json!({"flags": "WHITESPACE|OR"}), "-alice | bob", "cd"),
        (json!({"flags": -1}), "night*", "d"),
        (json!({"minimum_should_match": 2}), "alice blue ci", "a"),
        (json!({"minimum_should_match": "100%"}), "alice", "ab"),
        (json!({"fields": ["creation"], "lenient": true}), "soon", ""),
    ];
    for (mut options, text, expected) in rows {
        options["query"] = json!(text);
        let query = json!({"simple_query_string": options});
        assert_eq!(matches(&query.to_string()), expected, "{query}");
    }
}

#[test]
fn many_parentheses_neither_overflow_nor_take_forever() {
    let body = |text: String| json!({"query": {"simple_query_string": {"query": text}}}).to_string();
    assert_eq!(ids(&search(&body("(".repeat(4_000)))), "");
    let nested = |depth| body(format!("{}alice{}", "(".repeat(depth), ")".repeat(depth)));
    assert_eq!(ids(&search(&nested(30))), "ab");
    for depth in [31, 2_000] {
        assert_eq!(
            refusal(&nested(depth)),
            "illegal_argument_exception: Groups in a simple query string may be nested at most [30] deep"
        );
    }
    assert!(prepare(&body("x".repeat(4_096))).is_ok());
    let long = body("x".repeat(4_097));
    assert!(refusal(&long).ends_with("[simple_query_string] query text is longer than [4096] bytes"));
}

#[test]
fn words_and_fields_are_counted_together() {
    let body = |words: usize, fields: usize| {
        let text = vec!["x"; words].join(" ");
        json!({"query": {"simple_query_string": {"query": text, "fields": vec!["name"; fields]}}}).to_string()
    };
    // The query is a clause itself.
    assert!(prepare(&body(33, 31)).is_ok());
    assert!(refusal(&body(32, 32)).contains("too many nested clauses"));
    assert!(refusal(&body(2_000, 50_000)).contains("too many nested clauses"));
    let fuzzy =
        |chars| json!({"query": {"simple_query_string": {"query": format!("{}~", "x".repeat(chars))}}});
    assert!(prepare(&fuzzy(256).to_string()).is_ok());
    assert!(refusal(&fuzzy(257).to_string()).ends_with("A fuzzy word may have at most [256] characters"));
}
