use serde_json::json;

use super::*;

fn parse(body: &str) -> Result<RoleDescriptors, ErrorCause> {
    RoleDescriptors::parse(&Node::parse_required(body.as_bytes()).unwrap())
}

/// The whole chain of an error.
#[track_caller]
fn chain(body: &str) -> String {
    let mut error = Some(parse(body).unwrap_err());
    let mut links = Vec::new();
    while let Some(cause) = error {
        links.push(cause.to_string());
        error = cause.cause().cloned();
    }
    links.join(" <- ")
}

#[test]
fn shows_an_empty_role_in_full() {
    // Clients compare this object as a whole.
    let shown = serde_json::to_string(&parse(r#"{"r":{}}"#).unwrap()).unwrap();
    assert_eq!(
        shown,
        r#"{"r":{"cluster":[],"indices":[],"applications":[],"run_as":[],"metadata":{},"transient_metadata":{"enabled":true}}}"#
    );
}

#[test]
fn shows_what_was_given_in_the_order_of_elasticsearch() {
    // `index` is shown as `indices`, a query as text, a single text as an array.
    let given = r#"{"r":{
        "description":"d","cluster":"monitor","run_as":["a*"],"type":"role","transient_metadata":{"x":1},
        "global":{"application":{"manage":{"applications":["a-*"]}}},
        "index":[{"names":"logs-*","privileges":["read"],"query":{"term":{"b":1,"a":2.0}},
                  "field_security":{"grant":["*"],"except":"x"}}],
        "application":[{"application":"app","privileges":["read"],"resources":["*"]}],
        "metadata":{"n":1.5},
        "remote_indices":[{"clusters":"c*","names":["i"],"privileges":"read","allow_restricted_indices":true}],
        "remote_cluster":[{"clusters":["c"],"privileges":["monitor_enrich"]}],
        "restriction":{"workflows":["search_application_query"]}}}"#;
    let shown = serde_json::to_string(&parse(given).unwrap()).unwrap();
    let expected = concat!(
        r#"{"r":{"cluster":["monitor"],"global":{"application":{"manage":{"applications":["a-*"]}}},"#,
        r#""indices":[{"names":["logs-*"],"privileges":["read"],"field_security":{"grant":["*"],"except":["x"]},"#,
        r#""query":"{\"term\":{\"b\":1,\"a\":2.0}}","allow_restricted_indices":false}],"#,
        r#""applications":[{"application":"app","privileges":["read"],"resources":["*"]}],"run_as":["a*"],"#,
        r#""metadata":{"n":1.5},"transient_metadata":{"enabled":true},"#,
        r#""remote_indices":[{"names":["i"],"privileges":["read"],"allow_restricted_indices":true,"clusters":["c*"]}],"#,
        r#""remote_cluster":[{"privileges":["monitor_enrich"],"clusters":["c"]}],"#,
        r#""restriction":{"workflows":["search_application_query"]},"description":"d"}}"#,
    );
    assert_eq!(shown, expected);
}

#[test]
fn what_is_stored_reads_back_the_same() {
    let roles = parse(
        r#"{"b":{"cluster":["all"],"indices":[{"names":["i"],"privileges":["read"],"query":"{\"match_all\":{}}"}]},"a":{"remote_indices":[{"names":["i"],"privileges":["all"],"clusters":["c"]}]}}"#,
    )
    .unwrap();
    assert_eq!(
        serde_json::from_value::<RoleDescriptors>(serde_json::to_value(&roles).unwrap()).unwrap(),
        roles
    );
    assert_eq!(roles.names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn refuses_what_it_does_not_understand() {
    // Elasticsearch, `RoleDescriptor#parse`: role descriptors, chain of causes.
    let block = "parse_exception: failed to parse indices privileges for role [r].";
    let rows = [
        (r#"{"r":{"zzz":1}}"#, "parse_exception: failed to parse role [r]. unexpected field [zzz]".to_owned()),
        (
            r#"{"r":"x"}"#,
            "parse_exception: failed to parse role [r]. expected an object but found [VALUE_STRING] instead".to_owned(),
        ),
        (
            r#"{"r":{"cluster":[1]}}"#,
            "parse_exception: could not parse role [r] <- parse_exception: could not parse [cluster] field. expected a string array but one of its elements is [VALUE_NUMBER]".to_owned(),
        ),
        (
            r#"{"r":{"run_as":{}}}"#,
            "parse_exception: could not parse role [r] <- parse_exception: could not parse [run_as] field. expected a string array but found [START_OBJECT] value instead".to_owned(),
        ),
        (r#"{"r":{"indices":{}}}"#, format!("{block} expected field [indices] value to be an array, but found [START_OBJECT] instead")),
        (r#"{"r":{"index":["x"]}}"#, format!("{block} expected field [index] value to be an array of objects, but found an array element of type [VALUE_STRING]")),
        (r#"{"r":{"indices":[{"privileges":["read"]}]}}"#, format!("{block} missing required [names] field")),
        (r#"{"r":{"indices":[{"names":["i"]}]}}"#, format!("{block} missing required [privileges] field")),
        (r#"{"r":{"indices":[{"names":[],"privileges":[]}]}}"#, format!("{block} [names] cannot be an empty array")),
        (r#"{"r":{"indices":[{"names":"i","zzz":1}]}}"#, format!("{block} unexpected field [zzz]")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","clusters":"c"}]}}"#, format!("{block} unexpected field [clusters]")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","query":1}]}}"#, format!("{block} expected field [query] value to be null, a string, an array, or an object, but found [VALUE_NUMBER] instead")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{}}]}}"#, format!("{block} \"field_security\" must not be empty.")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":null}]}}"#, format!("{block} expected START_OBJECT but got VALUE_NULL in \"field_security\".")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{"zzz":[]}}]}}"#, format!("{block} \"field_security\" only accepts options grant and except, but got: zzz")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{"grant":null}}]}}"#, format!("{block} grant must not be null.")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{"grant":["*"],"except":null}}]}}"#, format!("{block} except must not be null.")),
        (r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{"except":["a"]}}]}}"#, format!("{block} field_security requires grant if except is given")),
        (
            r#"{"r":{"indices":[{"names":"i","privileges":"all","field_security":{"grant":["a*","b"],"except":["ab","c"]}}]}}"#,
            "parse_exception: failed to parse indices privileges for role [r] - Exceptions for field permissions must be a subset of the granted fields but ab,c is not a subset of a*,b".to_owned(),
        ),
        (
            r#"{"r":{"indices":[{"names":"i","privileges":[]}]}}"#,
            "illegal_argument_exception: indices privileges must define at least one privilege".to_owned(),
        ),
        (
            r#"{"r":{"applications":[{"application":"app","privileges":[],"resources":["*"]}]}}"#,
            "illegal_argument_exception: application privileges must define at least one privilege".to_owned(),
        ),
        (
            r#"{"r":{"applications":[{"application":"app","privileges":["a"],"resources":[]}]}}"#,
            "illegal_argument_exception: application privileges must refer to at least one resource".to_owned(),
        ),
        (
            r#"{"r":{"applications":[{"application":"app","privileges":["a"]}]}}"#,
            "parse_exception: failed to parse application privileges for role [r]. missing required [resources] field".to_owned(),
        ),
        (
            r#"{"r":{"global":{"zzz":{}}}}"#,
            "parse_exception: failed to parse role [r]. unexpected field [zzz]".to_owned(),
        ),
        (
            r#"{"r":{"metadata":[]}}"#,
            "parse_exception: failed to parse role [r]. expected field [metadata] to be of type object, but found [START_ARRAY] instead".to_owned(),
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(chain(body), expected, "{body}");
    }
}

#[test]
fn takes_exceptions_from_what_is_granted() {
    // Fields that every document has are always granted; regular expressions are not compared.
    for fields in [
        r#"{"grant":["*"],"except":["a","b*"]}"#,
        r#"{"grant":["a*"],"except":["ab","a*c","_source"]}"#,
        r#"{"grant":["a"],"except":[]}"#,
        r#"{"grant":["/a.*/"],"except":["b"]}"#,
    ] {
        let body = format!(
            r#"{{"r":{{"indices":[{{"names":"i","privileges":"all","field_security":{fields}}}]}}}}"#
        );
        assert!(parse(&body).is_ok(), "{fields}");
    }
}

#[test]
fn a_query_of_a_role_is_a_query_and_refers_to_no_other_document() {
    // Elasticsearch, `DLSRoleQueryValidator`: query, what causes the refusal.
    let rows = [
        (r#""{\"term\":{\"a\":1}}""#, None),
        (r#"{"bool":{"filter":[{"terms":{"a":["x"]}}]}}"#, None),
        (r#"{"template":{"source":"{{_user.username}}"}}"#, None),
        (r#"{"match_all":{}}"#, None),
        (r#""no json""#, Some("")),
        (r#""[1]""#, Some("expected [START_OBJECT] but found [START_ARRAY] instead")),
        (r#"{}"#, Some("query malformed, empty clause found")),
        (r#"{"term":1}"#, Some("[term] query malformed, no start_object after query name")),
        (
            r#"{"term":{},"match_all":{}}"#,
            Some("[term] malformed query, expected [END_OBJECT] but found [FIELD_NAME]"),
        ),
        (
            r#"{"bool":{"must":{"terms":{"a":{"index":"i","id":"1","path":"p"}}}}}"#,
            Some("terms query with terms lookup isn't supported as part of a role query"),
        ),
        (
            r#"{"bool":{"should":[{"has_child":{"type":"t"}}]}}"#,
            Some("has_child query isn't supported as part of a role query"),
        ),
    ];
    for (query, refused) in rows {
        let body = format!(
            r#"{{"r":{{"indices":[{{"names":"z","privileges":"all"}},{{"names":["i","j"],"privileges":"all","query":{query}}}]}}}}"#
        );
        let outcome = parse(&body);
        let Some(refused) = refused else {
            assert!(outcome.is_ok(), "{query}");
            continue;
        };
        let cause = outcome.unwrap_err();
        assert_eq!(
            cause.reason(),
            "failed to parse field 'query' for indices [i,j] at index privilege [1] of role descriptor"
        );
        assert!(cause.cause().unwrap().reason().ends_with(refused), "{query}: {:?}", cause.cause());
    }
}

#[test]
fn refuses_names_that_are_not_printable_ascii() {
    // Elasticsearch, `Validation.Roles`.
    let longest = "r".repeat(ROLE_NAME_CHARS_MAX);
    for name in ["r", "a b", "{}!", &longest] {
        assert!(parse(&json!({ name: {} }).to_string()).is_ok(), "{name}");
    }
    let too_long = "r".repeat(ROLE_NAME_CHARS_MAX + 1);
    for name in ["", " r", "r ", "\t", "rôle", "a\nb", &too_long] {
        let message = chain(&json!({ name: {} }).to_string());
        assert!(message.starts_with("validation_exception: Validation Failed: 1: Role names must be at least 1 and no more than 507 characters."), "{message}");
    }
}

#[test]
fn lists_what_makes_no_sense() {
    // Elasticsearch, `RoleDescriptorRequestValidator`: role, how each complaint begins.
    let rows: [(&str, &[&str]); 9] = [
        (r#"{"cluster":["all","cluster:monitor/*"]}"#, &[]),
        (r#"{"cluster":["x","y"]}"#, &["unknown cluster privilege [x].", "unknown cluster privilege [y]."]),
        (r#"{"indices":[{"names":"i","privileges":["read","x"]}]}"#, &["unknown index privilege [x]."]),
        (
            r#"{"remote_indices":[{"names":"i","privileges":["x"],"clusters":"c"}]}"#,
            &["unknown index privilege [x]."],
        ),
        (
            r#"{"remote_cluster":[{"privileges":["all"],"clusters":"c"}]}"#,
            &["Invalid remote_cluster permissions found."],
        ),
        (
            r#"{"applications":[{"application":"My","privileges":["Read","a:*"],"resources":["*"]}]}"#,
            &["An application name prefix must match", "Application privilege names and actions must match"],
        ),
        (r#"{"metadata":{"_a":1,"b":{"_c":2}}}"#, &["role descriptor metadata keys may not start with [_]"]),
        (r#"{"metadata":{"b":{"_c":2}}}"#, &[]),
        (r#"{"restriction":{"workflows":["x"]}}"#, &["unknown workflow [x]."]),
    ];
    for (role, beginnings) in rows {
        let problems = parse(&format!(r#"{{"r":{role}}}"#)).unwrap().problems();
        assert_eq!(problems.len(), beginnings.len(), "{problems:?}");
        for (problem, beginning) in problems.iter().zip(beginnings) {
            assert!(problem.starts_with(beginning), "{problem}");
        }
    }
}

#[test]
fn applications_have_names_of_a_certain_form() {
    // Elasticsearch, `ApplicationPrivilege#validateApplicationName`: name, whether it is one in a role, and
    // in a question.
    let rows = [
        ("app", true, true),
        ("myApp2-prod.eu", true, true),
        ("app_x", true, true),
        ("*", true, false),
        ("app-*", true, false),
        ("ap*", true, false),
        ("ap", false, false),
        ("App", false, false),
        ("a*p*", false, false),
        ("app-a/b", false, false),
        ("app-a b", false, false),
        (" ", false, false),
        ("", false, false),
    ];
    for (name, in_role, in_question) in rows {
        assert_eq!(check_application_name(name, Stars::Allowed).is_ok(), in_role, "{name}");
        assert_eq!(check_application_name(name, Stars::Refused).is_ok(), in_question, "{name}");
    }
}

#[test]
fn a_derived_key_gets_nothing_and_must_say_so() {
    // Every descriptor must be empty, its metadata too, and there must be one.
    let rows = [
        ("{}", false),
        (r#"{"r":{}}"#, true),
        (r#"{"r":{"cluster":[]},"s":{"description":"d"}}"#, true),
        (r#"{"r":{},"s":{"cluster":["monitor"]}}"#, false),
        (r#"{"r":{"metadata":{"a":1}}}"#, false),
        (r#"{"r":{"run_as":"a"}}"#, false),
        (r#"{"r":{"global":{"profile":{}}}}"#, false),
        (r#"{"r":{"remote_cluster":[{"privileges":"monitor_enrich","clusters":"c"}]}}"#, false),
    ];
    for (body, expected) in rows {
        assert_eq!(parse(body).unwrap().are_explicitly_powerless(), expected, "{body}");
    }
}

#[test]
fn a_restricted_role_stands_alone() {
    // Role descriptors, complaint of a key, complaint of an owner.
    let restricted = r#"{"restriction":{"workflows":["search_application_query"]}}"#;
    let rows = [
        (r#"{"a":{},"b":{}}"#.to_owned(), None, false),
        (format!(r#"{{"a":{restricted}}}"#), None, true),
        (
            format!(r#"{{"a":{restricted},"b":{restricted}}}"#),
            Some("more than one role descriptor with restriction is not supported"),
            true,
        ),
        (
            format!(r#"{{"a":{restricted},"b":{{}}}}"#),
            Some("combining role descriptors with and without restriction is not supported"),
            true,
        ),
    ];
    for (body, complaint, owner_is_refused) in rows {
        let roles = parse(&body).unwrap();
        let refused = roles.refuse_mixed_restrictions().err();
        assert_eq!(refused.as_ref().map(ErrorCause::reason), complaint);
        assert_eq!(roles.refuse_restricted_owner().is_err(), owner_is_refused);
    }
}

// Seen: a hundred such blocks, each within an allowance of its own, took most of a minute.
#[test]
fn the_exceptions_of_all_blocks_have_one_allowance() {
    let block = |number: usize| {
        json!({"names": ["i"], "privileges": ["read"], "field_security": {
            "grant": [format!("*{}b", "a".repeat(500)), "a*"],
            "except": [format!("{}{}", "a".repeat(900), number)]}})
    };
    let roles = |blocks: usize| {
        let blocks: Vec<_> = (0..blocks).map(block).collect();
        json!({"r": {"indices": blocks}, "s": {"remote_indices": []}}).to_string()
    };
    assert!(parse(&roles(10)).is_ok());
    let refused = parse(&roles(100)).unwrap_err();
    assert_eq!(refused.reason(), "the request takes more than [1000000] steps of work; ask for less at once");
}
