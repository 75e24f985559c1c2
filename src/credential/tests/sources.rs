//! Places of a credential that the operator names.

use super::*;
use crate::config::Config;
use crate::headers::Headers as _;

#[path = "../../../tests/cases/sources.rs"]
mod cases;
use cases::{CASES, Meaning, SOURCES};

fn sources() -> CredentialSources {
    let config = format!(
        r#"{{"key_service": {{"cluster": "keys", "credential": {{"inline": "aWQ6c2VjcmV0"}}}},
            "credential_sources": {SOURCES}}}"#
    );
    Config::parse(config.as_bytes(), |_| None).unwrap().credential_sources
}

fn request(target: &str, headers: &[(&str, &str)]) -> HeaderPairs {
    [(":path", target)].iter().chain(headers).copied().collect()
}

/// What a request presents, where there are no opaque keys.
fn extract(
    sources: &CredentialSources,
    request: &HeaderPairs,
) -> Result<Option<Credential>, MalformedCredential> {
    sources.extract(request).and_then(|found| found.map(Presented::without_opaque_keys).transpose())
}

/// What the host makes of it.
fn stripped(sources: &CredentialSources, request: &HeaderPairs) -> HeaderPairs {
    let stripped = sources.strip(request);
    let mut headers: Vec<(&[u8], &[u8])> = Vec::new();
    for (name, value) in request.iter() {
        let edit = stripped.iter().find(|edit| name.eq_ignore_ascii_case(edit.name.as_bytes()));
        match edit.map(|edit| edit.rest.as_deref()) {
            None => headers.push((name, value)),
            Some(Some(rest)) => headers.push((name, rest)),
            Some(None) => {}
        }
    }
    headers.into_iter().collect()
}

#[test]
fn every_case_means_what_it_should_and_leaves_the_rest_alone() {
    let sources = sources();
    for case in CASES {
        let name = case.name;
        let request = request(case.target, case.headers);
        let found = extract(&sources, &request);
        let left = stripped(&sources, &request);
        match (&found, case.meaning) {
            (Ok(None), Meaning::Absent) => assert_eq!(left, request, "{name}"),
            (Ok(Some(credential)), Meaning::Key { id, secret, target, headers }) => {
                let expected = (id, secret.as_bytes());
                assert_eq!((credential.id.as_str(), credential.secret.expose()), expected, "{name}");
                assert_eq!(left, self::request(target, headers), "{name}");
            }
            (Err(malformed), Meaning::Malformed(reason)) => assert_eq!(malformed.reason(), reason, "{name}"),
            (found, meaning) => panic!("{name}: {found:?} is not {meaning:?}"),
        }
    }
}

#[test]
fn nothing_is_left_of_a_refused_credential_either() {
    let sources = sources();
    for case in CASES.iter().filter(|case| matches!(case.meaning, Meaning::Malformed(_))) {
        let left = stripped(&sources, &request(case.target, case.headers));
        assert!(matches!(sources.extract(&left), Ok(None)), "{}: {left:?}", case.name);
    }
    let cookies =
        HeaderPairs::from_iter([("cookie", "a=1; api_key=x"), ("cookie", "plain=y"), ("cookie", "b=2")]);
    let expected = Stripped { name: "cookie", rest: Some(b"a=1; b=2".to_vec()) };
    assert_eq!(sources.strip(&cookies), [expected]);
}

#[test]
fn by_default_no_other_place_is_looked_at() {
    for case in CASES {
        let sources = CredentialSources::default();
        let read = |headers| extract(&sources, headers).map(|found| found.map(|found| found.id));
        let alone = case.headers.iter().filter(|(name, _)| *name == "authorization").copied();
        let request = request(case.target, case.headers);
        assert_eq!(read(&request), read(&alone.collect()), "{}", case.name);
        assert_eq!(sources.path(&request).as_deref(), Some(case.target.as_bytes()), "{}", case.name);
    }
}

#[test]
fn the_path_is_shown_without_its_credential() {
    let sources = sources();
    let shown = |headers: &[(&str, &str)]| {
        let request: HeaderPairs = headers.iter().copied().collect();
        sources.path(&request).map(|path| String::from_utf8(path.into_owned()).unwrap())
    };
    assert_eq!(shown(&[(":path", "/a?b&api_key=x&plain.key")]).as_deref(), Some("/a?b"));
    assert_eq!(shown(&[(":path", "/a?b")]).as_deref(), Some("/a?b"));
    assert_eq!(shown(&[("x-other", "/a?b")]), None);
}

#[test]
fn the_copies_of_the_path_lose_the_credential_too() {
    let sources = sources();
    let request = HeaderPairs::from_iter([
        (":path", "/new?api_key=aWQ6c2VjcmV0"),
        ("x-envoy-original-path", "/old?a=1&api_key=aWQ6c2VjcmV0"),
        ("x-envoy-original-url", "http://a/older?api%5Fkey=aWQ6c2VjcmV0"),
    ]);
    let expected = [
        (":path", "/new"),
        ("x-envoy-original-path", "/old?a=1"),
        ("x-envoy-original-url", "http://a/older"),
    ];
    assert_eq!(stripped(&sources, &request), expected.into_iter().collect());
    assert_eq!(sources.strip_paths(&request).len(), 3);
    // A path that was rewritten before is no place of a credential, and loses it all the same.
    let rewritten =
        HeaderPairs::from_iter([(":path", "/new"), ("x-envoy-original-path", "/old?api_key=aWQ6c2VjcmV0")]);
    assert!(sources.extract(&rewritten).unwrap().is_none());
    assert_eq!(stripped(&sources, &rewritten).first("x-envoy-original-path"), Some(&b"/old"[..]));
}

#[test]
fn a_named_place_takes_a_credential_up_to_the_longest() {
    let sources = sources();
    let of_len = |len: usize| {
        let secret = "s".repeat(len - 3);
        [
            HeaderPairs::from_iter([("x-plain-key", format!("id:{secret}"))]),
            HeaderPairs::from_iter([("cookie", format!("plain=id:{secret}"))]),
            HeaderPairs::from_iter([(":path", format!("/?plain.key=id:{}", secret.replace('s', "%73")))]),
        ]
    };
    for request in of_len(CREDENTIAL_LEN_MAX) {
        assert!(sources.extract(&request).unwrap().is_some());
    }
    for request in of_len(CREDENTIAL_LEN_MAX + 1) {
        assert_eq!(sources.extract(&request).unwrap_err(), MalformedCredential::TooLong);
    }
    // Of a scheme that carries other things too, it is none.
    let long = format!("Bearer {}", STANDARD.encode(format!("id:{}", "s".repeat(CREDENTIAL_LEN_MAX))));
    assert!(sources.extract(&HeaderPairs::from_iter([("authorization", long)])).unwrap().is_none());
}

/// Some of these names, each with what may be a credential in some spelling.
fn some_of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let values = ["aWQ6c2VjcmV0", "id:secret", "", "x", "aWQ6cw%3D%3D", "\"aWQ6cw==\"", "a.b", ","];
    let one = (prop::sample::select(names), prop::sample::select(values.to_vec()));
    prop::collection::vec(one.prop_map(|(name, value)| [name, value].concat()), 0..3)
}

proptest! {
    #[test]
    fn a_request_without_its_credential_has_none_and_a_second_one_is_refused(
        authorization in some_of(&["ApiKey ", "Bearer ", "Basic ", "Bearer"]),
        headers in some_of(&["x-api-key:", "x-plain-key:", "x-other:"]),
        parameters in some_of(&["api_key=", "api%5Fkey=", "plain.key=", "b="]),
        cookies in some_of(&["api_key=", "plain=", "b="]),
    ) {
        let target = format!("/a?{}", parameters.join("&"));
        let cookies = cookies.join("; ");
        let mut pairs: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        pairs.extend(headers.iter().filter_map(|header| header.split_once(':')));
        pairs.push(("cookie", &cookies));
        let sources = sources();
        let request = request(&target, &pairs);
        let left = stripped(&sources, &request);
        match sources.extract(&request) {
            Ok(Some(_)) => {
                prop_assert!(matches!(sources.extract(&left), Ok(None)), "{:?}", left);
                // One of these is a second place, or a second value of the same.
                for second in [("x-api-key", "x"), ("authorization", "ApiKey")] {
                    let both = [&pairs[..], &[second]].concat();
                    let refused = sources.extract(&self::request(&target, &both)).map(|found| found.is_some());
                    prop_assert_eq!(refused, Err(MalformedCredential::Duplicate));
                }
            }
            Ok(None) => prop_assert_eq!(left, request),
            Err(_) => {}
        }
    }
}
