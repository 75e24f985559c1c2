use super::*;

#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (query, expected) in rows {
        assert_eq!(matches(query), *expected, "{query}");
    }
}

#[test]
fn an_absent_query_matches_every_key() {
    assert_eq!(ids(&search("")), "abcde");
    assert_eq!(ids(&search("{}")), "abcde");
    check(&[(r#"{"match_all":{}}"#, "abcde"), (r#"{"match_all":{"boost":2,"_name":"all"}}"#, "abcde")]);
}

#[test]
fn keywords_match_whole_and_by_case() {
    check(&[
        (r#"{"term":{"name":"ci"}}"#, "a"),
        (r#"{"term":{"name":{"value":"CI"}}}"#, ""),
        (r#"{"term":{"name":{"value":"CI","case_insensitive":true,"boost":1.5,"_name":"n"}}}"#, "a"),
        (r#"{"terms":{"username":["alice","carol","nobody"],"boost":2}}"#, "abe"),
        (r#"{"terms":{"username":[]}}"#, ""),
        (r#"{"prefix":{"name":"ci"}}"#, "ab"),
        (r#"{"prefix":{"name":{"value":"night"}}}"#, "d"),
        (r#"{"prefix":{"name":{"value":"NIGHT","case_insensitive":true}}}"#, "cd"),
        (r#"{"wildcard":{"name":"*ight*"}}"#, "cd"),
        (r#"{"wildcard":{"name":{"value":"?i"}}}"#, "a"),
        (r#"{"wildcard":{"name":{"wildcard":"NIGHT*","case_insensitive":"true"}}}"#, "cd"),
        (r#"{"wildcard":{"name":"nightly\\*build"}}"#, "d"),
        (r#"{"match":{"name":"ci deploy"}}"#, "b"), // Not analyzed: not the words, but the whole.
        (r#"{"match":{"name":{"query":"ci","operator":"and"}}}"#, "a"),
        (r#"{"range":{"name":{"gte":"ci","lt":"o"}}}"#, "abd"),
        (r#"{"range":{"name":{"gt":"ci","lte":"ops"}}}"#, "bde"),
        (r#"{"term":{"realm_name":"native"}}"#, "abcde"),
        (r#"{"term":{"type":"cross_cluster"}}"#, "e"),
        (r#"{"ids":{"values":["a","e","nobody"]}}"#, "ae"),
        (r#"{"ids":{"values":"c"}}"#, "c"),
        (r#"{"ids":{}}"#, ""),
    ]);
}

// The keys were made 48, 36, 13, 12 and 0 hours before noon of 2026-01-15.
#[test]
fn dates_are_numbers_texts_or_math() {
    check(&[
        (r#"{"term":{"creation":1768478400000}}"#, "e"),
        (r#"{"term":{"creation":"1768478400000"}}"#, "e"),
        (r#"{"term":{"creation":"2026-01-15"}}"#, "de"), // A whole day.
        (r#"{"terms":{"creation":["2026-01-13","2026-01-15T12"]}}"#, "ae"),
        (r#"{"terms":{"creation":["2026","2026-01-15","now"]}}"#, "abcde"),
        (r#"{"match":{"creation":"2026-01-14"}}"#, "bc"),
        (r#"{"match":{"creation":{"query":"soon","lenient":true}}}"#, ""),
        (r#"{"range":{"creation":{"gte":"now-1d"}}}"#, "cde"),
        (r#"{"range":{"creation":{"gte":"now-1d/d"}}}"#, "bcde"),
        (r#"{"range":{"creation":{"gt":"now-1d/d"}}}"#, "de"), // After the end of that day.
        (r#"{"range":{"creation":{"lt":"now/d"}}}"#, "abc"),
        (r#"{"range":{"creation":{"lte":"now/d"}}}"#, "abcde"),
        (r#"{"range":{"creation":{"gte":"2026-01-14","lt":"2026-01-15"}}}"#, "bc"),
        (r#"{"range":{"creation":{"gte":"2026-01-14||+1d"}}}"#, "de"),
        (r#"{"range":{"creation":{"gte":"2026-01-15","time_zone":"+01:00"}}}"#, "cde"),
        (r#"{"range":{"creation":{"gte":"2026-01-15","time_zone":"America/New_York"}}}"#, "e"),
        (r#"{"range":{"creation":{"gte":"15/01/2026","format":"dd/MM/yyyy||yyyy"}}}"#, "de"),
        (r#"{"range":{"creation":{"gte":1768435200,"format":"epoch_second"}}}"#, "de"),
        (r#"{"range":{"expiration":{"lte":"now"}}}"#, "d"), // Without an expiration nothing expires.
        (r#"{"range":{"expiration":{"gte":null}}}"#, "ad"),
        (r#"{"range":{"creation":{"gt":9223372036854775807}}}"#, ""),
        (r#"{"exists":{"field":"expiration"}}"#, "ad"),
        (r#"{"exists":{"field":"invalidation"}}"#, "c"),
    ]);
}

#[test]
fn invalidated_is_a_truth() {
    check(&[
        (r#"{"term":{"invalidated":true}}"#, "c"),
        (r#"{"term":{"invalidated":"false"}}"#, "abde"),
        (r#"{"terms":{"invalidated":[true,false]}}"#, "abcde"),
        (r#"{"range":{"invalidated":{"gt":false}}}"#, "c"),
        (r#"{"range":{"invalidated":{"lte":"false"}}}"#, "abde"),
        (r#"{"exists":{"field":"invalidated"}}"#, "abcde"),
    ]);
}

// Every leaf is compared as a text.
#[test]
fn metadata_is_flattened() {
    check(&[
        (r#"{"term":{"metadata.team":"blue"}}"#, "ac"),
        (r#"{"term":{"metadata.level":42}}"#, "a"),
        (r#"{"term":{"metadata.level":"42"}}"#, "a"),
        (r#"{"range":{"metadata.level":{"gt":"42"}}}"#, "c"), // "7" is after "42".
        (r#"{"term":{"metadata.tags":"x"}}"#, "ae"),
        (r#"{"term":{"metadata.tags":"z"}}"#, "e"),
        (r#"{"term":{"metadata.on.call":true}}"#, "b"),
        (r#"{"term":{"metadata.on.site.name":"Oslo"}}"#, "b"),
        (r#"{"term":{"metadata":"blue"}}"#, "ac"),
        (r#"{"prefix":{"metadata":"Os"}}"#, "b"),
        (r#"{"wildcard":{"metadata.team":"*e*"}}"#, "abc"),
        (r#"{"exists":{"field":"metadata.team"}}"#, "abc"), // `null` is no value,
        (r#"{"exists":{"field":"metadata.tags"}}"#, "ae"),  // an empty array has none,
        (r#"{"exists":{"field":"metadata.on"}}"#, ""),      // and an object is none.
        (r#"{"exists":{"field":"metadata"}}"#, "abce"),
        (r#"{"term":{"metadata.":"x"}}"#, ""),
    ]);
}

#[test]
fn bool_combines() {
    let team = r#"{"term":{"metadata.team":"blue"}}"#;
    let alice = r#"{"term":{"username":"alice"}}"#;
    let ci = r#"{"prefix":{"name":"ci"}}"#;
    let rows = [
        ("{}".to_owned(), "abcde"),
        (format!(r#"{{"must":{alice}}}"#), "ab"),
        (format!(r#"{{"must":[{alice},{team}]}}"#), "a"),
        (format!(r#"{{"filter":{alice},"must":{team},"boost":1,"_name":"n"}}"#), "a"),
        (format!(r#"{{"should":[{alice},{team}]}}"#), "abc"),
        (format!(r#"{{"must_not":[{alice},{team}]}}"#), "de"),
        (format!(r#"{{"mustNot":{alice}}}"#), "cde"),
        (format!(r#"{{"must_not":{alice},"adjust_pure_negative":false}}"#), ""),
        // With `must` or `filter`, `should` is optional unless a minimum says so.
        (format!(r#"{{"filter":{team},"should":{alice}}}"#), "ac"),
        (format!(r#"{{"filter":{team},"should":{alice},"minimum_should_match":1}}"#), "a"),
        (format!(r#"{{"should":[{alice},{team},{ci}],"minimum_should_match":2}}"#), "ab"),
        (format!(r#"{{"should":[{alice},{team},{ci}],"minimum_should_match":"-1"}}"#), "ab"),
        (format!(r#"{{"should":[{alice},{team},{ci}],"minimum_should_match":"70%"}}"#), "ab"),
        (format!(r#"{{"should":[{alice},{team},{ci}],"minimum_should_match":"100%"}}"#), "a"),
        (format!(r#"{{"should":[{alice},{team},{ci}],"minimum_should_match":"2<-25% 9<-3"}}"#), "a"),
        (format!(r#"{{"should":[{alice},{team}],"minimum_should_match":3}}"#), ""),
        // Without `must` and `filter` one has to match, even if the minimum is 0.
        (format!(r#"{{"should":[{alice}],"minimum_should_match":0}}"#), "ab"),
        (r#"{"must":null}"#.to_owned(), "abcde"),
    ];
    for (body, expected) in rows {
        assert_eq!(matches(&format!(r#"{{"bool":{body}}}"#)), expected, "{body}");
    }
}

#[test]
fn a_page_is_cut_from_all_hits() {
    // Body, ids, total.
    let rows = [
        (r#"{"size":2}"#, "ab", 5),
        (r#"{"from":1,"size":"2"}"#, "bc", 5),
        (r#"{"from":4}"#, "e", 5),
        (r#"{"from":5}"#, "", 5),
        (r#"{"size":0}"#, "", 5),
        (r#"{"from":0,"size":10000}"#, "abcde", 5),
        (r#"{"size":1,"query":{"term":{"username":"bob"}}}"#, "c", 2),
    ];
    for (body, expected, total) in rows {
        let result = search(body);
        assert_eq!((ids(&result).as_str(), result.total), (expected, total), "{body}");
        assert!(result.hits.iter().all(|hit| hit.sort_values.is_empty()), "{body}");
        assert_eq!(result.aggregations, None, "{body}");
    }
}

#[test]
fn keys_given_in_any_order_are_found_in_the_order_of_the_index() {
    let mut keys = keys();
    keys.reverse();
    let result = prepare("{}").unwrap().run(keys, TypedKeys::Plain, &mut budget()).unwrap();
    assert_eq!(ids(&result), "abcde");
}
