use std::borrow::Cow;

use proptest::prelude::*;

use super::request_line::RequestPath;
use super::*;
use crate::headers::HeaderPairs;
use crate::limits::RULE_PATH_SEGMENTS_MAX;

mod cases;
mod requirements;

fn rule(name: &str, hosts: &[&str], paths: &[&str], methods: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        matcher: Matcher {
            hosts: hosts.iter().map(|host| HostPattern::parse(host).unwrap()).collect(),
            paths: paths.iter().map(|path| PathPattern::parse(path).unwrap()).collect(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        },
        authentication: Authentication::Required,
        requirement: None,
        mode: Mode::Enforce,
    }
}

fn rules(list: Vec<Rule>) -> Rules {
    Rules::new(list, Vec::new(), otherwise(CorsPreflight::Refuse))
}

fn otherwise(cors_preflight: CorsPreflight) -> Otherwise {
    Otherwise { authentication: Authentication::Required, mode: Mode::Enforce, cors_preflight }
}

fn request(method: &str, host: &str, path: &str) -> HeaderPairs {
    HeaderPairs::from_iter([(":method", method), (":authority", host), (":path", path)])
}

/// The name of the rule that decides, "none", or the reason of the refusal.
fn decided(rules: &Rules, headers: &HeaderPairs) -> String {
    match rules.ask(headers) {
        Ok(asked) => asked.rule_name().unwrap_or("none").to_owned(),
        Err(ambiguous) => ambiguous.reason().to_owned(),
    }
}

fn matches(pattern: &str, path: &str) -> bool {
    PathPattern::parse(pattern).unwrap().matches(&RequestPath::parse(path.as_bytes()).unwrap())
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = rules(vec![
        rule("get", &[], &["/orders/**"], &["GET"]),
        rule("one", &[], &["/orders/{id}"], &[]),
        rule("exact", &[], &["/orders/7"], &[]),
        rule("shop", &["shop.example"], &[], &[]),
        rule("rest", &[], &["/**"], &["POST"]),
    ]);
    for (method, host, path, expected) in [
        ("GET", "a.example", "/orders/7", "get"),
        ("POST", "a.example", "/orders/7", "one"),
        ("POST", "a.example", "/orders/7/items", "rest"),
        ("PUT", "a.example", "/orders/7/items", "none"),
        ("PUT", "shop.example", "/orders/7/items", "shop"),
        ("POST", "shop.example", "/", "shop"),
        ("POST", "a.example", "/", "rest"),
        ("get", "a.example", "/orders/7", "method_ambiguous"),
        ("Delete", "a.example", "/else", "method_ambiguous"),
    ] {
        assert_eq!(decided(&rules, &request(method, host, path)), expected, "{method} {host} {path}");
    }
}

#[test]
fn paths_match_by_whole_segments() {
    for (pattern, path, expected) in [
        ("/", "/", true),
        ("/", "/a", false),
        ("/**", "/", true),
        ("/**", "/a/b/c", true),
        ("/a", "/a", true),
        ("/a", "/A", false),
        ("/a", "/ab", false),
        ("/a/**", "/a", true),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/c", true),
        ("/a/**", "/ab", false),
        ("/a/*", "/a/b", true),
        ("/a/*", "/a", false),
        ("/a/*", "/a/", false),
        ("/a/*", "/a/b/c", false),
        ("/a/{id}/c", "/a/b/c", true),
        ("/a/{id}/c", "/a/b/d", false),
        ("/a/{id}/**", "/a/b", true),
        ("/a/{id}/**", "/a", false),
        // A slash at the end makes no difference.
        ("/a", "/a/", true),
        ("/a/{id}", "/a/b/", true),
        // The query is no part of the path.
        ("/a", "/a?b=/c//../", true),
        ("/a", "/a/?", true),
        // What is percent-encoded is compared decoded, on both sides.
        ("/orders/**", "/%6Frders/1", true),
        ("/orders", "/%6frders", true),
        ("/%6Frders", "/orders", true),
        ("/a%20b", "/a%20b", true),
        ("/käse", "/k%C3%A4se", true),
        ("/%7Bid%7D", "/{id}", true),
        ("/%7Bid%7D", "/%7Bid%7D", true),
        ("/%7Bid%7D", "/x", false),
        ("/%2A", "/*", true),
        ("/%2A", "/x", false),
        ("/a", "/a%3Fb", false),
        ("/100%25", "/100%25", true),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn a_path_longer_than_any_pattern_matches_only_what_is_above_it() {
    let longest = "/a".repeat(RULE_PATH_SEGMENTS_MAX);
    assert!(matches(&longest, &longest));
    assert!(!matches(&longest, &format!("{longest}/a")));
    assert!(matches(&format!("{longest}/**"), &format!("{longest}/a/a")));
    assert!(matches("/a/**", &"/a".repeat(30_000)));
    assert_eq!(PathPattern::parse(&format!("{longest}/a")), Err(InvalidPathPattern::TooLong));
    let rules = rules(vec![rule("longest", &[], &[&longest], &[])]);
    assert_eq!(decided(&rules, &request("GET", "a", &longest)), "longest");
    assert_eq!(decided(&rules, &request("GET", "a", &format!("{longest}/a"))), "none");
}

#[test]
fn the_rest_of_a_long_path_is_read_too() {
    let path = format!("{}/..", "/a".repeat(RULE_PATH_SEGMENTS_MAX));
    assert_eq!(RequestPath::parse(path.as_bytes()), Err(Ambiguous::Path));
}

#[test]
fn hosts_match_without_port_case_and_the_dot_at_the_end() {
    let rules = rules(vec![
        rule("shop", &["Shop.Example."], &[], &[]),
        rule("below", &["*.shop.example"], &[], &[]),
        rule("address", &["[::1]", "127.0.0.1"], &[], &[]),
    ]);
    for (host, expected) in [
        ("shop.example", "shop"),
        ("SHOP.example:8443", "shop"),
        ("shop.example.", "shop"),
        ("shop.example.:80", "shop"),
        ("shop.example:", "shop"),
        ("a.shop.example", "below"),
        ("a.b.shop.example:1", "below"),
        ("ashop.example", "none"),
        ("shop.example.evil", "none"),
        ("[::1]:80", "address"),
        ("[::1]", "address"),
        ("127.0.0.1:80", "address"),
        ("", "host_ambiguous"),
        ("shop.example..", "host_ambiguous"),
        (".shop.example", "host_ambiguous"),
        ("a..shop.example", "host_ambiguous"),
        ("user@shop.example", "host_ambiguous"),
        ("shop.example%2e", "host_ambiguous"),
        ("shop.example:80:80", "host_ambiguous"),
        ("shop.example:http", "host_ambiguous"),
        ("shop.example,other.example", "host_ambiguous"),
        ("shop.example ", "host_ambiguous"),
        ("[::1", "host_ambiguous"),
        ("[::1]x", "host_ambiguous"),
        ("[::1%25eth0]", "host_ambiguous"),
        ("şhop.example", "host_ambiguous"),
    ] {
        assert_eq!(decided(&rules, &request("GET", host, "/")), expected, "{host}");
    }
    let without = HeaderPairs::from_iter([(":method", "GET"), (":path", "/")]);
    assert_eq!(decided(&rules, &without), "host_ambiguous");
    let long = format!("{}.shop.example", "a".repeat(RULE_HOST_LEN));
    assert_eq!(decided(&rules, &request("GET", &long, "/")), "host_ambiguous");
}

const RULE_HOST_LEN: usize = crate::limits::RULE_HOST_LEN_MAX;

#[test]
fn what_is_no_host_is_no_pattern_of_one() {
    for text in [
        "", "*", "*.", "a:80", "*.a:80", "http://a", "a/b", "*.*.a", "a.*", "*a.b", "[::1]:80", "*.[::1]",
        "a..b",
    ] {
        assert_eq!(HostPattern::parse(text), None, "{text}");
    }
}

#[test]
fn what_is_no_pattern_of_a_path_is_refused_with_the_reason() {
    for (text, expected) in [
        ("", InvalidPathPattern::SlashMissing),
        ("a", InvalidPathPattern::SlashMissing),
        ("**", InvalidPathPattern::SlashMissing),
        ("/a/", InvalidPathPattern::SlashAtEnd),
        ("/**/", InvalidPathPattern::SlashAtEnd),
        ("//", InvalidPathPattern::SlashAtEnd),
        ("/a//b", InvalidPathPattern::Ambiguous),
        ("/a/../b", InvalidPathPattern::Ambiguous),
        ("/a;b", InvalidPathPattern::Ambiguous),
        ("/a?b", InvalidPathPattern::Ambiguous),
        ("/a#b", InvalidPathPattern::Ambiguous),
        ("/%2e", InvalidPathPattern::Ambiguous),
        ("/100%", InvalidPathPattern::Ambiguous),
        ("/**/a", InvalidPathPattern::RestNotLast),
        ("/*.png", InvalidPathPattern::OperatorInSegment),
        ("/{id}.json", InvalidPathPattern::OperatorInSegment),
        ("/***", InvalidPathPattern::OperatorInSegment),
        ("/{id", InvalidPathPattern::OperatorInSegment),
        ("/{}", InvalidPathPattern::BadName),
        ("/{id=**}", InvalidPathPattern::BadName),
        ("/{1a}", InvalidPathPattern::BadName),
        ("/{id}/{id}", InvalidPathPattern::NameTwice),
    ] {
        assert_eq!(PathPattern::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn names_stand_for_decoded_segments() {
    let rules = rules(vec![rule("item", &[], &["/nothing", "/orders/{id}/*/{item}/**"], &[])]);
    let headers = request("GET", "a", "/orders/a%20b/x/%C3%A4/rest?id=c");
    let asked = rules.ask(&headers).unwrap();
    assert_eq!(asked.captures.get("id"), Some("a b"));
    assert_eq!(asked.captures.get("item"), Some("ä"));
    assert_eq!(asked.captures.get("other"), None);
    let resource = |text| Resource::parse(text).unwrap();
    assert_eq!(resource("orders/{id}/{item}!").with(&asked.captures), Some(Cow::Borrowed("orders/a b/ä!")));
    assert_eq!(resource("all").with(&asked.captures), Some(Cow::Borrowed("all")));
    assert_eq!(resource("{other}").with(&asked.captures), None);
    for text in ["", "{", "}", "{}", "a}", "{a", "{{a}}", "a{b}c}", "orders/*"] {
        assert_eq!(Resource::parse(text), None, "{text}");
    }
}

#[test]
fn a_request_without_a_path_matches_no_rule_for_paths() {
    let rules = rules(vec![rule("paths", &[], &["/**"], &[]), rule("tunnel", &[], &[], &["CONNECT"])]);
    let connect = HeaderPairs::from_iter([(":method", "CONNECT"), (":authority", "db.example:5432")]);
    assert_eq!(decided(&rules, &connect), "tunnel");
    let options =
        |path| HeaderPairs::from_iter([(":method", "OPTIONS"), (":authority", "a"), (":path", path)]);
    assert_eq!(decided(&rules, &options("*")), "none");
    assert_eq!(decided(&rules, &options("/a")), "paths");
    assert_eq!(decided(&rules, &request("GET", "a", "*")), "path_ambiguous");
    assert_eq!(decided(&rules, &request("GET", "a", "")), "path_ambiguous");
    assert_eq!(decided(&rules, &request("GET", "a", "http://a/b")), "path_ambiguous");
    let without = HeaderPairs::from_iter([(":method", "GET"), (":authority", "a")]);
    assert_eq!(decided(&rules, &without), "path_ambiguous");
}

#[test]
fn where_no_rule_asks_for_a_path_or_a_host_none_is_read() {
    let by_method = rules(vec![rule("get", &[], &[], &["GET"])]);
    assert_eq!(decided(&by_method, &request("GET", "??", "//..%2e")), "get");
    let none = rules(Vec::new());
    assert_eq!(decided(&none, &request("GET", "??", "//..%2e")), "none");
}

#[test]
fn a_cors_preflight_passes_only_where_the_operator_says_so() {
    let list = vec![rule("all", &[], &["/**"], &[])];
    let headers = |method: &str, more: &[(&str, &str)]| {
        let line = [(":method", method), (":authority", "a"), (":path", "/b")];
        line.iter().chain(more).copied().collect::<HeaderPairs>()
    };
    let preflight = [("Origin", "https://a"), ("access-control-request-method", "PUT")];
    let asked = |preflights, headers: &HeaderPairs| {
        let rules = Rules::new(list.clone(), Vec::new(), otherwise(preflights));
        rules.ask(headers).unwrap().is_passing_preflight
    };
    for (method, more, expected) in [
        ("OPTIONS", &preflight[..], true),
        ("options", &preflight[..], false),
        ("GET", &preflight[..], false),
        ("OPTIONS", &preflight[..1], false),
        ("OPTIONS", &preflight[1..], false),
        ("OPTIONS", &[("origin", ""), preflight[1]], false),
    ] {
        assert_eq!(asked(CorsPreflight::Pass, &headers(method, more)), expected, "{method} {more:?}");
        assert!(!asked(CorsPreflight::Refuse, &headers(method, more)));
    }
    let without_rules = Rules::new(Vec::new(), Vec::new(), otherwise(CorsPreflight::Pass));
    assert!(without_rules.ask(&headers("OPTIONS", &preflight)).unwrap().is_passing_preflight);
}

#[test]
fn a_rule_covers_another_where_it_matches_all_that_the_other_does() {
    let matcher = |hosts, paths, methods| rule("any", hosts, paths, methods).matcher;
    for (one, other, expected) in [
        (matcher(&[], &[], &[]), matcher(&["a"], &["/b"], &["GET"]), true),
        (matcher(&["a"], &[], &[]), matcher(&[], &[], &[]), false),
        (matcher(&["*.a"], &[], &[]), matcher(&["b.a", "*.c.a"], &[], &[]), true),
        (matcher(&["*.a"], &[], &[]), matcher(&["a"], &[], &[]), false),
        (matcher(&[], &["/a/**"], &[]), matcher(&[], &["/a", "/a/{b}/c", "/a/b/**"], &[]), true),
        (matcher(&[], &["/a/*"], &[]), matcher(&[], &["/a/{b}", "/a/c"], &[]), true),
        (matcher(&[], &["/a/b"], &[]), matcher(&[], &["/a/*"], &[]), false),
        (matcher(&[], &["/a"], &[]), matcher(&[], &["/a/**"], &[]), false),
        (matcher(&[], &["/a"], &["GET", "PUT"]), matcher(&[], &["/a"], &["PUT"]), true),
        (matcher(&[], &["/a"], &["PUT"]), matcher(&[], &["/a"], &[]), false),
    ] {
        assert_eq!(one.covers(&other), expected, "{one:?} {other:?}");
    }
}

/// What [`Rules::find`] finds, by looking at every rule in turn.
fn found_by_looking_at_all(rules: &Rules, line: &RequestLine<'_>) -> Option<(usize, Option<usize>)> {
    rules.list().iter().enumerate().find_map(|(place, rule)| {
        let matcher = &rule.matcher;
        let host =
            || line.host.as_ref().is_some_and(|host| matcher.hosts.iter().any(|one| one.matches(host)));
        let method = || matcher.methods.iter().any(|method| method.as_bytes() == line.method);
        if !(matcher.hosts.is_empty() || host()) || !(matcher.methods.is_empty() || method()) {
            return None;
        }
        if matcher.paths.is_empty() {
            return Some((place, None));
        }
        let path =
            matcher.paths.iter().position(|one| line.path.as_ref().is_some_and(|path| one.matches(path)));
        path.map(|path| (place, Some(path)))
    })
}

fn some_of(texts: &'static [&'static str], max: usize) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(texts), 0..=max)
}

fn some_rules() -> impl Strategy<Value = Rules> {
    let path = prop::collection::vec(prop::sample::select(&["a", "b", "%61", "*", "{x}"][..]), 0..4);
    let path = (path, any::<bool>()).prop_map(|(segments, and_below)| {
        let rest = if and_below || segments.is_empty() { Some("**") } else { None };
        let names = ["{x}", "{y}", "{z}"];
        let named =
            segments.iter().enumerate().map(|(place, one)| if *one == "{x}" { names[place] } else { one });
        format!("/{}", named.chain(rest).collect::<Vec<_>>().join("/"))
    });
    let hosts = some_of(&["h", "g.h", "*.h", "*.g.h"], 2);
    let methods = some_of(&["GET", "PUT"], 2);
    let one = (hosts, prop::collection::vec(path, 0..3), methods);
    prop::collection::vec(one, 0..12).prop_map(|list| {
        let list = list.iter().map(|(hosts, paths, methods)| {
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            rule("any", hosts, &paths, methods)
        });
        rules(list.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_index_finds_what_looking_at_every_rule_finds(
        rules in some_rules(),
        requests in prop::collection::vec(
            (
                prop::sample::select(&["GET", "PUT", "POST"][..]),
                prop::sample::select(&["h", "g.h", "f.g.h", "x"][..]),
                prop::collection::vec(prop::sample::select(&["a", "b", "c", "%62"][..]), 0..5),
            ),
            1..8,
        ),
    ) {
        for (method, host, segments) in &requests {
            let headers = request(method, host, &format!("/{}", segments.join("/")));
            let line = RequestLine::read(&headers, rules.has_hosts, rules.has_paths).unwrap();
            let expected = found_by_looking_at_all(&rules, &line);
            let found = rules.index.find(&line, |place| rules.list()[place].matcher.takes_method(line.method));
            prop_assert_eq!(found, expected, "{} {} {:?}", method, host, segments);
        }
    }

    #[test]
    fn a_covered_rule_never_decides(rules in some_rules(), path in "(/[abc]){0,4}", host in "(f\\.)?(g\\.)?h") {
        let headers = request("GET", &host, if path.is_empty() { "/" } else { &path });
        let line = RequestLine::read(&headers, true, true).unwrap();
        if let Some((place, _)) = rules.find(&line).rule {
            let matcher = &rules.list()[place].matcher;
            prop_assert!(!rules.list()[..place].iter().any(|earlier| earlier.matcher.covers(matcher)));
        }
    }

    #[test]
    fn any_path_is_read_or_refused(path in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = RequestPath::parse(&path) {
            // What is read holds nothing by which it could be split or resolved in another way.
            for segment in &read.segments {
                prop_assert!(!segment.is_empty() && segment != "." && segment != "..");
                prop_assert!(!segment.contains(['/', '\\', ';']) && !segment.chars().any(char::is_control));
            }
        }
    }
}
