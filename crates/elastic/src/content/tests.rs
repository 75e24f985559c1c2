use super::object_parser::{Field, ObjectParser};
use super::*;

#[derive(Debug, Default, PartialEq)]
struct Request {
    ids: Vec<String>,
    name: Option<String>,
    note: Option<Option<String>>,
    owner: bool,
    size: Option<i64>,
    api_key: Option<Inner>,
}

#[derive(Debug, Default, PartialEq)]
struct Inner {
    name: String,
}

const INNER: ObjectParser<Inner> = ObjectParser::new(
    "inner_request",
    &[Field::string("name", |inner: &mut Inner, name| inner.name = name).required()],
);

const REQUEST: ObjectParser<Request> = ObjectParser::new(
    "the_request",
    &[
        Field::string_array("ids", |request: &mut Request, ids| request.ids = ids).or_named("identities"),
        Field::string("name", |request: &mut Request, name| request.name = Some(name)),
        Field::string_or_null("note", |request: &mut Request, note| request.note = Some(note)),
        Field::boolean("owner", |request: &mut Request, owner| request.owner = owner),
        Field::integer("size", |request: &mut Request, size| request.size = Some(size)),
        Field::object("api_key", |request: &mut Request, node| {
            request.api_key = Some(INNER.parse(node)?);
            Ok(())
        }),
    ],
);

const DEMANDING: ObjectParser<Request> = ObjectParser::new(
    "demanding",
    &[
        Field::string("name", |request: &mut Request, name| request.name = Some(name)).required(),
        Field::string_array("ids", |request: &mut Request, ids| request.ids = ids).required(),
    ],
);

fn parse(body: &str) -> Result<Request, ErrorCause> {
    REQUEST.parse(&Node::parse_required(body.as_bytes())?)
}

/// The whole chain of an error: `type: reason <- type: reason`.
#[track_caller]
fn chain(result: Result<Request, ErrorCause>) -> String {
    let mut error = Some(&result.unwrap_err()).cloned();
    let mut links = Vec::new();
    while let Some(cause) = error {
        links.push(cause.to_string());
        error = cause.cause().cloned();
    }
    links.join(" <- ")
}

#[test]
fn reads_what_is_declared() {
    // Texts are JSON strings only; booleans and integers also take their text; one text does for an array of
    // texts.
    let rows: [(&str, Request); 9] = [
        ("{}", Request::default()),
        (r#"{"ids":"a"}"#, Request { ids: vec!["a".into()], ..Request::default() }),
        (r#"{"ids":["a","b"]}"#, Request { ids: vec!["a".into(), "b".into()], ..Request::default() }),
        (
            r#"{"identities":[1.0,true]}"#,
            Request { ids: vec!["1.0".into(), "true".into()], ..Request::default() },
        ),
        (r#"{"owner":"true"}"#, Request { owner: true, ..Request::default() }),
        (r#"{"owner":true,"size":"7"}"#, Request { owner: true, size: Some(7), ..Request::default() }),
        (r#"{"note":null,"size":-1}"#, Request { note: Some(None), size: Some(-1), ..Request::default() }),
        ("/* why */ {\"name\": \"x\" // so\n}", Request { name: Some("x".into()), ..Request::default() }),
        (
            r#"{"api_key":{"name":"k"}}"#,
            Request { api_key: Some(Inner { name: "k".into() }), ..Request::default() },
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(parse(body), Ok(expected), "{body}");
    }
}

#[test]
fn names_the_first_mistake_and_its_place() {
    // Elasticsearch, `ObjectParser` and `ConstructingObjectParser`: body, and the chain of causes.
    let rows = [
        ("", "parse_exception: request body is required"),
        ("[]", "x_content_parse_exception: [1:1] [the_request] Expected START_OBJECT but was: START_ARRAY"),
        (
            r#"{"id":"a"}"#,
            "x_content_parse_exception: [1:2] [the_request] unknown field [id] did you mean [ids]?",
        ),
        (r#"{"zzz":1}"#, "x_content_parse_exception: [1:2] [the_request] unknown field [zzz]"),
        (
            "{\n  \"name\": 7, \"zzz\": 1}",
            "x_content_parse_exception: [2:11] [the_request] name doesn't support values of type: VALUE_NUMBER",
        ),
        (
            r#"{"name":null}"#,
            "x_content_parse_exception: [1:9] [the_request] name doesn't support values of type: VALUE_NULL",
        ),
        (
            r#"{"name":["x"]}"#,
            "x_content_parse_exception: [1:9] [the_request] name doesn't support values of type: START_ARRAY",
        ),
        (
            r#"{"ids":{}}"#,
            "x_content_parse_exception: [1:8] [the_request] ids doesn't support values of type: START_OBJECT",
        ),
        (
            r#"{"owner":1}"#,
            "x_content_parse_exception: [1:10] [the_request] owner doesn't support values of type: VALUE_NUMBER",
        ),
        (
            r#"{"owner":"yes"}"#,
            "x_content_parse_exception: [1:10] [the_request] failed to parse field [owner] <- illegal_argument_exception: Failed to parse value [yes] as only [true] or [false] are allowed.",
        ),
        (
            r#"{"size":1.5}"#,
            "x_content_parse_exception: [1:9] [the_request] failed to parse field [size] <- illegal_argument_exception: 1.5 cannot be converted to Integer without data loss",
        ),
        (
            r#"{"size":"x"}"#,
            "x_content_parse_exception: [1:9] [the_request] failed to parse field [size] <- number_format_exception: For input string: \"x\"",
        ),
        (
            r#"{"ids":["a",null]}"#,
            "x_content_parse_exception: [1:8] [the_request] failed to parse field [ids] <- illegal_state_exception: Can't get text on a VALUE_NULL at 1:13",
        ),
        (
            r#"{"ids":[["a"]]}"#,
            "x_content_parse_exception: [1:8] [the_request] failed to parse field [ids] <- x_content_parse_exception: [1:9] expected value but got [START_ARRAY]",
        ),
        (
            r#"{"api_key":{}}"#,
            "x_content_parse_exception: [1:12] [the_request] failed to parse field [api_key] <- illegal_argument_exception: Required [name]",
        ),
        (
            r#"{"api_key":{"nam":1}}"#,
            "x_content_parse_exception: [1:12] [the_request] failed to parse field [api_key] <- x_content_parse_exception: [1:13] [inner_request] unknown field [nam] did you mean [name]?",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(chain(parse(body)), expected, "{body}");
    }
}

#[test]
fn lists_all_absent_fields_at_once() {
    let parse = |body: &[u8]| DEMANDING.parse(&Node::parse_required(body)?);
    assert_eq!(chain(parse(b"{}")), "illegal_argument_exception: Required [name, ids]");
    assert_eq!(chain(parse(br#"{"ids":[]}"#)), "illegal_argument_exception: Required [name]");
}

#[test]
fn wraps_what_the_request_object_refuses() {
    let node = Node::parse_required(b"{}").unwrap();
    let refused = REQUEST.parse_into::<Request>(&node, |_| Err(ErrorCause::illegal_argument("no")));
    assert_eq!(
        chain(refused),
        "x_content_parse_exception: Failed to build [the_request] after last required field arrived <- illegal_argument_exception: no"
    );
}

#[test]
fn passes_over_a_byte_order_mark() {
    let marked = [BYTE_ORDER_MARK, br#"{"a":1}"#].concat();
    assert_eq!(Node::parse(&marked).unwrap().unwrap().to_compact_json(), r#"{"a":1}"#);
    assert!(Node::parse(BYTE_ORDER_MARK).unwrap().is_none());
    let twice = [BYTE_ORDER_MARK, &marked].concat();
    assert!(Node::parse(&twice).is_err());
}

#[test]
fn refuses_what_is_not_json() {
    // Comments are allowed, a field that comes twice is not (Elasticsearch, `JsonXContentImpl`).
    let rows: [(&[u8], &str); 12] = [
        (b"{", "[1:2] Unexpected end-of-input"),
        (b"  ", "[1:3] Unexpected end-of-input"),
        (
            b"{} {}",
            "[1:4] Unexpected character ('{' (code 123)): trailing content after the end of the document",
        ),
        (
            b"{x:1}",
            "[1:2] Unexpected character ('x' (code 120)): was expecting double-quote to start field name",
        ),
        (
            b"{'a':1}",
            "[1:2] Unexpected character (''' (code 39)): was expecting double-quote to start field name",
        ),
        (
            b"{\"a\" 1}",
            "[1:6] Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
        ),
        (b"[1 2]", "[1:4] Unexpected character ('2' (code 50)): was expecting comma to separate entries"),
        (b"{\"a\":1,}", "[1:7] Unexpected character (',' (code 44)): expected a valid value"),
        (b"{\"a\":1,\"b\":2,\"a\":3}", "[1:14] Duplicate field 'a'"),
        (b"\n {\"a\":\"\xff\"}", "[2:8] Invalid UTF-8 start byte 0xff"),
        (b"[1e999]", "[1:2] Numeric value (1e999) out of range"),
        (b"/* ", "[1:4] Unexpected end-of-input"),
    ];
    for (body, reason) in rows {
        let error = Node::parse_required(body).unwrap_err();
        assert_eq!(error.reason(), reason, "{}", String::from_utf8_lossy(body));
        assert_eq!(error.error_type(), ErrorType::XContentParse);
    }
}

#[test]
fn refuses_to_nest_too_deep() {
    let depth = BODY_DEPTH_MAX as usize;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Node::parse(nested(depth).as_bytes()).is_ok());
    let error = Node::parse(nested(depth + 1).as_bytes()).unwrap_err();
    assert_eq!(error.reason(), "[1:101] Document nesting depth exceeds the maximum allowed (100)");
    assert!(Node::parse("[".repeat(1_000_000).as_bytes()).is_err());
}

#[test]
fn keeps_types_and_order_of_what_it_passes_on() {
    let body = br#"{"z":[1, 2.50,true,null,"\u00e9"],"a":{"n":12345678901234567890}}"#;
    let node = Node::parse_required(body).unwrap();
    assert_eq!(node.to_compact_json(), r#"{"z":[1,2.5,true,null,"é"],"a":{"n":12345678901234567890}}"#);
    assert_eq!(node.to_value(), serde_json::from_str::<Value>(&node.to_compact_json()).unwrap());
}

#[test]
fn whole_numbers_keep_all_digits_and_others_are_doubles() {
    // Elasticsearch, `AbstractXContentParser#readValueUnsafe` (9.2): `BigInteger`, and `Double`.
    let rows = [
        ("18446744073709551616", "18446744073709551616"),
        ("-9223372036854775809", "-9223372036854775809"),
        (&"7".repeat(NUMBER_LEN_MAX), &"7".repeat(NUMBER_LEN_MAX)),
        ("-0", "0"),
        ("1.10", "1.1"),
        ("1e2", "100.0"),
        ("1E300", "1e+300"),
        ("0.1000000000000000055511151231257827", "0.1"),
    ];
    for (written, kept) in rows {
        let node = Node::parse_required(written.as_bytes()).unwrap();
        assert_eq!(node.to_compact_json(), kept);
        let stored: Value = serde_json::from_str(kept).unwrap();
        assert_eq!((node.to_value(), stored.to_string()), (stored, kept.to_owned()), "{written}");
    }
    for long in ["7".repeat(NUMBER_LEN_MAX + 1), format!("0.{}", "7".repeat(NUMBER_LEN_MAX - 1))] {
        let refusal = Node::parse(long.as_bytes()).unwrap_err();
        let expected = "[1:1] Number value length (1001) exceeds the maximum allowed (1000)";
        assert_eq!(refusal.reason(), expected);
    }
}

#[test]
fn a_name_by_which_the_library_marks_what_it_reads_otherwise_is_refused() {
    for mark in ["RawValue", "Number"] {
        let body = format!(r#"{{"a":[{{"$serde_json::private::{mark}":"1"}}]}}"#);
        let refusal = Node::parse(body.as_bytes()).unwrap_err();
        let expected = format!("[1:8] Field name '$serde_json::private::{mark}' is reserved");
        assert_eq!(refusal.reason(), expected);
    }
}

#[test]
fn prints_no_value_of_a_body() {
    let node = Node::parse_required(br#"{"password":"hunter2"}"#).unwrap();
    let printed = format!("{node:?} {:?} {:?}", node.value, node.members().unwrap());
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn refuses_at_one_value_past_the_limit() {
    let body = |values: usize| format!("[{}1]", "1,".repeat(values - 2));
    assert!(Node::parse(body(BODY_VALUES_MAX).as_bytes()).is_ok());
    let refusal = Node::parse(body(BODY_VALUES_MAX + 1).as_bytes()).unwrap_err();
    let expected = "Document has more values than the maximum allowed (131072)";
    assert!(refusal.reason().ends_with(expected), "{refusal}");
}
