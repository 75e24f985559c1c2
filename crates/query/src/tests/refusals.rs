use super::*;
use crate::search_limits::HITS_LEN_MAX;

const SHAPE: &str = "x_content_parse_exception: ";

/// A mistake inside the field `query`, which begins at column 10.
fn in_query(cause: &str) -> String {
    format!("{SHAPE}[1:10] [query_api_key_request_payload] failed to parse field [query] <- {cause}")
}

#[test]
fn refuses_a_body_of_the_wrong_shape() {
    let in_field = |column: u8, field: &str, cause: &str| {
        format!(
            "{SHAPE}[1:{column}] [query_api_key_request_payload] failed to parse field [{field}] <- {cause}"
        )
    };
    let wrong = |column: u8, complaint: &str| {
        format!("{SHAPE}[1:{column}] [query_api_key_request_payload] {complaint}")
    };
    let rows = [
        ("[]", wrong(1, "Expected START_OBJECT but was: START_ARRAY")),
        (r#"{"sise":1}"#, wrong(2, "unknown field [sise] did you mean [size]?")),
        (r#"{"query":[]}"#, wrong(10, "query doesn't support values of type: START_ARRAY")),
        (r#"{"sort":"name"}"#, wrong(9, "sort doesn't support values of type: VALUE_STRING")),
        (r#"{"size":true}"#, wrong(9, "size doesn't support values of type: VALUE_BOOLEAN")),
        (
            r#"{"sort":[{"name":"desc"}]}"#,
            in_field(9, "sort", "x_content_parse_exception: [1:18] [field_sort] Expected START_OBJECT but was: VALUE_STRING"),
        ),
        (r#"{"sort":[{}]}"#, in_field(9, "sort", "illegal_argument_exception: mal-formatted sort object")),
        (
            r#"{"sort":[{"name":{"way":"up"}}]}"#,
            in_field(9, "sort", "x_content_parse_exception: [1:19] [field_sort] unknown field [way]"),
        ),
        (
            r#"{"search_after":[]}"#,
            in_field(17, "search_after", "illegal_argument_exception: Values must contains at least one value."),
        ),
        (
            r#"{"search_after":[{}]}"#,
            in_field(
                17,
                "search_after",
                "parsing_exception: Expected [VALUE_STRING] or [VALUE_NUMBER] or [VALUE_BOOLEAN] or [VALUE_NULL] but found [START_OBJECT] inside search_after.",
            ),
        ),
        (
            r#"{"aggs":{},"aggregations":{}}"#,
            "x_content_parse_exception: Failed to build [query_api_key_request_payload] after last required field arrived <- illegal_argument_exception: Duplicate 'aggs' or 'aggregations' field".to_owned(),
        ),
        (
            r#"{"aggs":{"a":{}}}"#,
            in_field(9, "aggs", "parsing_exception: Missing definition for aggregation [a]"),
        ),
        (
            r#"{"aggs":{"a":{"nonsense":{}}}}"#,
            in_field(9, "aggs", "parsing_exception: Unknown aggregation type [nonsense]"),
        ),
        (
            r#"{"aggs":{"a>b":{"terms":{"field":"name"}}}}"#,
            in_field(
                9,
                "aggs",
                "parsing_exception: Invalid aggregation name [a>b]. Aggregation names can contain any character except '[', ']', and '>'",
            ),
        ),
        (
            r#"{"aggs":{"a":{"terms":{"field":"name","size":0}}}}"#,
            in_field(9, "aggs", "illegal_argument_exception: [size] must be greater than 0. Found [0] in [a]"),
        ),
        (
            r#"{"aggs":{"a":{"terms":{"feild":"name"}}}}"#,
            in_field(9, "aggs", "x_content_parse_exception: [1:24] [terms] unknown field [feild]"),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(refusal(body), expected, "{body}");
    }
}

#[test]
fn refuses_a_malformed_query() {
    let rows = [
        ("{}", "illegal_argument_exception: query malformed, empty clause found at [1:10]"),
        (r#"{"nonsense":{}}"#, "parsing_exception: unknown query [nonsense]"),
        (r#"{"term":"x"}"#, "parsing_exception: [term] query malformed, no start_object after query name"),
        (
            r#"{"match_all":{},"ids":{}}"#,
            "parsing_exception: [match_all] malformed query, expected [END_OBJECT] but found [FIELD_NAME]",
        ),
        (r#"{"match_all":{"x":1}}"#, "x_content_parse_exception: [1:24] [match_all] unknown field [x]"),
        (r#"{"term":{}}"#, "illegal_argument_exception: field name is null or empty"),
        (r#"{"term":{"name":null}}"#, "illegal_argument_exception: value cannot be null"),
        (
            r#"{"term":{"name":"a","type":"b"}}"#,
            "parsing_exception: [term] query doesn't support multiple fields, found [name] and [type]",
        ),
        (r#"{"term":{"name":["a"]}}"#, "parsing_exception: [term] query does not support array of values"),
        (r#"{"term":{"name":{"values":"a"}}}"#, "parsing_exception: [term] query does not support [values]"),
        (r#"{"terms":{"name":"a"}}"#, "parsing_exception: [terms] query does not support [name]"),
        (
            r#"{"terms":{"name":["a"],"type":["b"]}}"#,
            "parsing_exception: [terms] query does not support multiple fields",
        ),
        (r#"{"range":{"name":"a"}}"#, "parsing_exception: [range] query does not support [name]"),
        (r#"{"range":{"name":{"gtt":"a"}}}"#, "parsing_exception: [range] query does not support [gtt]"),
        (r#"{"exists":{}}"#, "parsing_exception: [exists] must be provided with a [field]"),
        (
            r#"{"bool":{"must":[{"nonsense":{}}]}}"#,
            "x_content_parse_exception: [1:26] [bool] failed to parse field [must] <- parsing_exception: unknown query [nonsense]",
        ),
        (
            r#"{"bool":{"most":[]}}"#,
            "x_content_parse_exception: [1:19] [bool] unknown field [most] did you mean any of [must, boost]?",
        ),
        (
            r#"{"term":{"name":{"value":"a","boost":"much"}}}"#,
            "number_format_exception: For input string: \"much\"",
        ),
    ];
    for (query, cause) in rows {
        assert_eq!(refusal(&format!(r#"{{"query":{query}}}"#)), in_query(cause), "{query}");
    }
}

#[test]
fn a_parsing_exception_is_the_root_and_tells_its_place() {
    let error = prepare(r#"{"query":{"nonsense":{}}}"#).expect_err("refused");
    assert_eq!(error.root().reason(), "unknown query [nonsense]");
    let shown = serde_json::to_value(error.root()).unwrap();
    assert_eq!((&shown["line"], &shown["col"]), (&json!(1), &json!(11)));
}

/// Refused when the search begins, as an illegal argument.
#[track_caller]
fn check_refused(rows: &[(&str, &str)]) {
    for (body, reason) in rows {
        assert_eq!(refusal(body), format!("illegal_argument_exception: {reason}"), "{body}");
    }
}

// Elasticsearch, `ApiKeyFieldNameTranslators`: field names are those of the query, not those of the answer or
// of the index.
#[test]
fn refuses_fields_that_may_not_be_asked_for() {
    let rows = [
        (r#"{"query":{"term":{"api_key_hash":"x"}}}"#, "Field [api_key_hash]"),
        (r#"{"query":{"term":{"realm":"native"}}}"#, "Field [realm]"),
        (r#"{"query":{"term":{"id":"a"}}}"#, "Field [id]"),
        (r#"{"query":{"exists":{"field":"metadata_flattened"}}}"#, "Field [metadata_flattened]"),
        (
            r#"{"query":{"bool":{"must_not":{"prefix":{"creator.principal":"x"}}}}}"#,
            "Field [creator.principal]",
        ),
        (r#"{"query":{"match":{"x":{"query":"y","lenient":true}}}}"#, "Field [x]"),
        (r#"{"query":{"exists":{"field":"*"}}}"#, "Field name pattern [*]"),
        (r#"{"query":{"term":{"metadata.*":"x"}}}"#, "Field name pattern [metadata.*]"),
        (r#"{"sort":["_score"]}"#, "Field [_score]"),
        (r#"{"sort":["id"]}"#, "Field [id]"),
        (r#"{"aggs":{"a":{"terms":{"field":"id"}}}}"#, "Field [id]"),
        (r#"{"aggs":{"a":{"filter":{"term":{"x":1}}}}}"#, "Field [x]"),
        (r#"{"aggs":{"a":{"composite":{"sources":[{"s":{"terms":{"field":"x"}}}]}}}}"#, "Field [x]"),
    ];
    for (body, field) in rows {
        check_refused(&[(body, &format!("{field} is not allowed for querying or aggregation"))]);
    }
}

// Elasticsearch, `ApiKeyBoolQueryBuilder`, `ApiKeyAggregationsBuilder`.
#[test]
fn refuses_what_is_not_supported() {
    check_refused(&[
        (
            r#"{"query":{"regexp":{"name":".*"}}}"#,
            "Query type [regexp] is not currently supported in this context",
        ),
        (
            r#"{"query":{"terms":{"name":{"index":"i","id":"1","path":"p"}}}}"#,
            "terms query with terms lookup is not currently supported in this context",
        ),
        (
            r#"{"query":{"range":{"creation":{"gte":1,"relation":"within"}}}}"#,
            "range query with relation is not currently supported in this context",
        ),
        (
            r#"{"query":{"match":{"name":{"query":"ci","fuzziness":1}}}}"#,
            "match query with fuzziness is not currently supported in this context",
        ),
        (
            r#"{"sort":[{"name":{"nested":{"path":"x"}}}]}"#,
            "nested sorting is not currently supported in this context",
        ),
        (r#"{"aggs":{"a":{"avg":{"field":"creation"}}}}"#, "Unsupported API Keys agg [a] of type [avg]"),
        (r#"{"aggs":{"a":{"max_bucket":{}}}}"#, "Unsupported aggregation of type [max_bucket]"),
        (
            r#"{"aggs":{"a":{"terms":{"script":{"source":"1"}}}}}"#,
            "Unsupported script value source for [a] agg",
        ),
        (
            r#"{"aggs":{"a":{"terms":{"field":"name"},"aggs":{"b":{"composite":{"sources":[{"n":{"terms":{"field":"name"}}}]}}}}}}"#,
            "[composite] aggregation cannot be used with a parent aggregation of type: [terms]",
        ),
    ]);
}

#[test]
fn refuses_values_that_do_not_fit() {
    check_refused(&[
        (
            r#"{"query":{"prefix":{"creation":"2026"}}}"#,
            "Can only use prefix queries on keyword, text and wildcard fields - not on [creation] which is of type [date]",
        ),
        (
            r#"{"query":{"term":{"creation":{"value":"2026","case_insensitive":true}}}}"#,
            "[creation] field which is of type [date], does not support case insensitive term queries",
        ),
        (
            r#"{"query":{"term":{"invalidated":"yes"}}}"#,
            "Can't parse boolean value [yes], expected [true] or [false]",
        ),
        (
            r#"{"from":9999,"size":2}"#,
            "Result window is too large, from + size must be less than or equal to: [10000] but was [10001].",
        ),
        (r#"{"search_after":[1]}"#, "Sort must contain at least one field."),
        (r#"{"sort":["name"],"search_after":[1,2]}"#, "search_after has 2 value(s) but sort has 1."),
        (
            r#"{"sort":[{"name":{"mode":"avg"}}]}"#,
            "we only support AVG, MEDIAN and SUM on number based fields",
        ),
        (
            r#"{"sort":[{"name":{"format":"yyyy"}}]}"#,
            "Field [name] of type [keyword] doesn't support formats.",
        ),
        (
            r#"{"aggs":{"a":{"range":{"field":"name","ranges":[{"from":1}]}}}}"#,
            "Field [name] of type [keyword] is not supported for aggregation [range]",
        ),
        (
            r#"{"aggs":{"a":{"terms":{"field":"name","order":{"b":"asc"}}}}}"#,
            "Invalid aggregation order path [b]. It must name a sub-aggregation with one number",
        ),
        (
            r#"{"aggs":{"a":{"composite":{"sources":[{"n":{"terms":{"field":"name"}}}],"after":{"m":1}}}}}"#,
            "Missing value for [after.n]",
        ),
    ]);
}

#[test]
fn refuses_what_is_no_date() {
    let complaint = |text: &str| {
        format!(
            "parse_exception: failed to parse date field [{text}] with format [strict_date_optional_time||epoch_millis]"
        )
    };
    assert_eq!(refusal(r#"{"query":{"term":{"creation":"soon"}}}"#), complaint("soon"));
    assert_eq!(refusal(r#"{"query":{"range":{"expiration":{"lt":"2026-13"}}}}"#), complaint("2026-13"));
    assert_eq!(
        refusal(r#"{"sort":["creation"],"search_after":["soon"]}"#),
        format!(
            "illegal_argument_exception: Failed to parse search_after value for field [creation]. <- {}",
            complaint("soon")
        )
    );
}

// Numbers are checked before the caller is authorized, fields after.
#[test]
fn refuses_in_the_order_of_elasticsearch() {
    let negative = |name: &str| format!("[{name}] parameter cannot be negative but was [-1]");
    let validation = "action_request_validation_exception: Validation Failed: ";
    assert_eq!(refusal(r#"{"from":-1,"sort":["id"]}"#), format!("{validation}1: {};", negative("from")));
    assert_eq!(
        refusal(r#"{"size":-1,"from":-1}"#),
        format!("{validation}1: {};2: {};", negative("from"), negative("size"))
    );
    assert_eq!(
        refusal(r#"{"from":1,"sort":["name"],"search_after":["x"]}"#),
        format!("{validation}1: [from] parameter must be set to 0 when [search_after] is used;")
    );
    let node = Node::parse_required(br#"{"sort":["id"]}"#).unwrap();
    let request = SearchRequest::parse(Some(&node), NOW, Searched::Keys).expect("the shape is right");
    assert_eq!(request.check(), Ok(()));
}

#[test]
fn refuses_more_than_a_search_may_cost() {
    let clauses = |count: usize| {
        let clause = json!({"match_all": {}});
        json!({"query": {"bool": {"must": vec![clause; count]}}}).to_string()
    };
    assert!(prepare(&clauses(1_023)).is_ok());
    assert_eq!(
        refusal(&clauses(1_024)),
        "illegal_argument_exception: Query contains too many nested clauses; maxClauseCount is set to 1024"
    );
    let nested = |depth: usize| {
        let query = (1..depth).fold(json!({"match_all": {}}), |inner, _| json!({"bool": {"must": inner}}));
        json!({"query": query}).to_string()
    };
    assert!(prepare(&nested(30)).is_ok());
    assert!(refusal(&nested(31)).contains("exceeds the maximum nested depth for queries set to [30]"));
    let terms = |count: usize| json!({"query": {"terms": {"name": vec!["x"; count]}}}).to_string();
    assert!(prepare(&terms(65_536)).is_ok());
    assert!(refusal(&terms(65_537)).contains("has exceeded the allowed maximum of [65536]"));
    let field =
        |len: usize| json!({"query": {"exists": {"field": format!("metadata.{}", ".".repeat(len - 9))}}});
    assert!(prepare(&field(1_024).to_string()).is_ok());
    assert!(refusal(&field(1_025).to_string()).contains("A field name of more than [1024] bytes"));
    let aggregations = |depth: usize| {
        let first = json!({"a": {"missing": {"field": "name"}}});
        let all =
            (1..depth).fold(first, |inner, _| json!({"a": {"missing": {"field": "name"}, "aggs": inner}}));
        json!({"aggs": all}).to_string()
    };
    assert!(prepare(&aggregations(10)).is_ok());
    assert!(refusal(&aggregations(11)).ends_with("Aggregations may be nested at most [10] deep"));
}

#[test]
fn refuses_more_criteria_aggregations_and_sources_than_a_search_may_have() {
    let sort = |count: usize| json!({"sort": vec!["name"; count]}).to_string();
    assert!(prepare(&sort(32)).is_ok());
    assert!(refusal(&sort(33)).ends_with("A search may be sorted by at most [32] fields"));
    let aggregations = |count: usize| {
        let all: Map<String, Value> =
            (0..count).map(|number| (number.to_string(), json!({"missing": {"field": "name"}}))).collect();
        json!({ "aggs": all }).to_string()
    };
    assert!(prepare(&aggregations(256)).is_ok());
    assert!(refusal(&aggregations(257)).ends_with("A search may have at most [256] aggregations"));
    let composite = |count: usize| {
        let source = |number| json!({ format!("s{number}"): {"terms": {"field": "name"}} });
        let sources: Vec<_> = (0..count).map(source).collect();
        json!({"aggs": {"c": {"composite": {"sources": sources}}}}).to_string()
    };
    assert!(prepare(&composite(16)).is_ok());
    assert!(refusal(&composite(17)).ends_with("Composite has more than [16] sources"));
}

// Only what is held counts: a long key that leaves the page makes room.
#[test]
fn a_page_is_refused_at_one_byte_past_its_limit() {
    let of_lens = |lens: [usize; 3]| {
        let with_len = |(mut key, len): (TestKey, usize)| {
            key.metadata.insert("len".to_owned(), json!(len));
            key
        };
        keys().into_iter().zip(lens).map(with_len).collect::<Vec<_>>()
    };
    let half = HITS_LEN_MAX / 2;
    for (body, lens, fits) in [
        (r#"{"size":3}"#, [half, half, 0], true),
        (r#"{"size":3}"#, [half, half, 1], false),
        (r#"{"size":2}"#, [half, half, 1], true),
        (r#"{"from":1,"size":2}"#, [half, half, 1], false),
        (r#"{"size":2,"sort":[{"creation":{"order":"desc"}}]}"#, [half, half, half], true),
        (r#"{"size":0}"#, [HITS_LEN_MAX, HITS_LEN_MAX, HITS_LEN_MAX], true),
        (r#"{"size":1}"#, [HITS_LEN_MAX + 1, 0, 0], false),
    ] {
        let outcome = prepare(body).unwrap().run(of_lens(lens), TypedKeys::Plain, &mut budget());
        assert_eq!(outcome.is_ok(), fits, "{body} {lens:?}");
        if let Err(refusal) = outcome {
            let begin = "the API keys up to the end of the page are longer than 67108864 bytes";
            assert!(refusal.reason().starts_with(begin), "{refusal}");
        }
    }
}
