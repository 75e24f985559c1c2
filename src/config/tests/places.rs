//! Where a credential may come from, how a refusal looks, and where the table is kept.

use latchkey_key_feed::credential::Scheme;

use super::*;
use crate::credential::{Bearer, CredentialSource, CredentialSources, Place, Schemes, SourceFormat};
use crate::limits::{
    CREDENTIAL_PLACE_LEN_MAX, CREDENTIAL_SOURCES_MAX, FILE_PATH_LEN_MAX, REALM_LEN_MAX, REPLY_TEXT_LEN_MAX,
};
use crate::reply::{BodyFormat, Replies, ReplyChoices};

fn sources(value: Value) -> CredentialSources {
    accepted(&with("/credential_sources", value)).credential_sources
}

/// The mistakes of one source, without where they are.
#[track_caller]
fn refused_source(source: Value) -> String {
    refused(&with("/credential_sources", json!([source]))).replace("credential_sources[0]", "it")
}

fn named(place: Place, name: &str, format: SourceFormat) -> CredentialSource {
    CredentialSource::Named { place, name: name.to_owned(), format }
}

#[test]
fn sources_are_read_in_their_order() {
    assert_eq!(accepted(&least()).credential_sources, CredentialSources::default());
    let all = json!([
        {"header": "x-api-key"},
        {"query": "api_key", "format": "id:secret"},
        {"authorization": ["Basic", "ApiKey"]},
        {"cookie": "K.e~y-1", "format": "encoded"}
    ]);
    let expected = vec![
        named(Place::Header, "x-api-key", SourceFormat::Encoded),
        named(Place::Query, "api_key", SourceFormat::IdSecret),
        CredentialSource::Authorization(vec![Scheme::Basic, Scheme::ApiKey].into()),
        named(Place::Cookie, "K.e~y-1", SourceFormat::Encoded),
    ];
    assert_eq!(sources(all), CredentialSources::new(expected));
    // The same name in places of another kind is another place.
    sources(json!([{"header": "key"}, {"query": "key"}, {"cookie": "key"}, {"cookie": "Key"}]));
}

#[test]
fn a_list_of_sources_has_at_least_one_and_not_too_many() {
    let many = |count| (0..count).map(|number| json!({"query": format!("q{number}")})).collect::<Vec<_>>();
    sources(json!(many(CREDENTIAL_SOURCES_MAX)));
    for list in [json!([]), json!(many(CREDENTIAL_SOURCES_MAX + 1)), json!({"header": "x-key"}), json!(null)]
    {
        assert_eq!(
            refused(&with("/credential_sources", list)),
            "credential_sources is not a list of one to eight sources"
        );
    }
}

#[test]
fn a_source_is_one_place() {
    let one = "it is not an object with exactly one of authorization, header, query and cookie";
    for source in
        [json!({}), json!("x-api-key"), json!({"header": "a", "query": "b"}), json!({"format": "encoded"})]
    {
        assert_eq!(refused_source(source), one);
    }
    assert_eq!(
        refused_source(json!({"header": "x-key", "formats": 1})),
        "it.formats is not a known field, did you mean format?"
    );
    assert_eq!(
        refused_source(json!({"headers": "x-key"})),
        format!("it.headers is not a known field, did you mean header?; {one}")
    );
    assert_eq!(
        refused_source(json!({"authorization": ["ApiKey"], "format": "encoded"})),
        "it.format is not a known field"
    );
    for format in [json!("base64"), json!("Encoded"), json!(null), json!(["encoded"])] {
        assert_eq!(
            refused_source(json!({"query": "key", "format": format})),
            "it.format is not encoded or id:secret"
        );
    }
}

#[test]
fn schemes_are_three_words_each_at_most_once() {
    for schemes in
        [json!([]), json!("ApiKey"), json!(["apikey"]), json!(["Basic", "Basic"]), json!(["Digest"])]
    {
        assert_eq!(
            refused_source(json!({"authorization": schemes})),
            "it.authorization is not a list of ApiKey, Bearer and Basic, each at most once"
        );
    }
}

#[test]
fn bearer_may_be_only_for_keys_where_it_is_one_of_the_schemes() {
    let with = |bearer| json!([{"authorization": ["ApiKey", "Bearer"], "bearer": bearer}]);
    for (word, bearer) in [("any", Bearer::Any), ("keys", Bearer::OnlyKeys)] {
        let schemes = Schemes { list: vec![Scheme::ApiKey, Scheme::Bearer], bearer };
        let expected = CredentialSources::new(vec![CredentialSource::Authorization(schemes)]);
        assert_eq!(sources(json!(with(word))), expected);
    }
    for bearer in [json!("key"), json!(true), json!(null)] {
        let source = json!({"authorization": ["Bearer"], "bearer": bearer});
        assert_eq!(refused_source(source), "it.bearer is not any or keys");
    }
    for source in
        [json!({"authorization": ["ApiKey"], "bearer": "keys"}), json!({"header": "x-key", "bearer": "keys"})]
    {
        assert_eq!(refused_source(source), "it.bearer is not a known field");
    }
}

#[test]
fn a_source_has_a_name_that_nothing_else_has() {
    for (name, mistake) in [
        ("", "is empty"),
        ("X-Api-Key", "is not a header name in lower case"),
        ("x_api_key.owner", "is the name of another identity header, or looks like it to an upstream"),
        ("x-api-key-shadow", "is the name of another identity header, or looks like it to an upstream"),
    ] {
        assert_eq!(refused_source(json!({"header": name})), format!("it.header {mistake}"));
    }
    assert_eq!(refused_source(json!({"header": 5})), "it.header is not the name of a header");
    for place in ["query", "cookie"] {
        for name in [json!(""), json!("a b"), json!("a=b"), json!("a%5F"), json!("\u{e4}"), json!(5)] {
            assert_eq!(
                refused_source(json!({place: name})),
                format!("it.{place} is not a name of letters, digits and - . _ ~")
            );
        }
        let of_len = |len: usize| json!({place: "k".repeat(len)});
        sources(json!([of_len(CREDENTIAL_PLACE_LEN_MAX)]));
        assert_eq!(
            refused_source(of_len(CREDENTIAL_PLACE_LEN_MAX + 1)),
            format!("it.{place} is longer than {CREDENTIAL_PLACE_LEN_MAX} bytes")
        );
    }
}

// A credential there would make another request of it, or no client could help sending one.
#[test]
fn no_credential_comes_in_a_header_that_http_or_envoy_gives_a_meaning() {
    for name in [
        ":authority",
        ":method",
        ":path",
        "accept",
        "access-control-request-headers",
        "access-control-request-method",
        "access_control_request_method",
        "authorization",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "if-none-match",
        "keep-alive",
        "origin",
        "proxy-authorization",
        "referer",
        "sec-fetch-mode",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "x-b3-traceid",
        "x-envoy-original-path",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-request-id",
        "x_forwarded.user",
    ] {
        assert_eq!(
            refused_source(json!({"header": name})),
            "it.header has a meaning of its own in HTTP or in Envoy",
            "{name}"
        );
    }
    // A proxy that tells who somebody is does it there.
    accepted(&with("/identity", json!({"headers": {"owner": "x-forwarded-user"}})));
    for name in ["x-api-key", "api-key", "x-forward", "origin-key", "x-key"] {
        sources(json!([{"header": name}]));
    }
}

#[test]
fn no_place_is_given_twice() {
    for (one, other) in [
        (json!({"authorization": ["ApiKey"]}), json!({"authorization": ["Basic"]})),
        (json!({"header": "x-key"}), json!({"header": "x_key", "format": "id:secret"})),
        (json!({"query": "key"}), json!({"query": "key", "format": "id:secret"})),
        (json!({"cookie": "key"}), json!({"cookie": "key"})),
    ] {
        assert_eq!(
            refused(&with("/credential_sources", json!([one, other]))),
            "credential_sources[1] is given twice"
        );
    }
    let twice = br#"{"key_service": {"cluster": "keys", "credential": {"inline": "aWQ6c2VjcmV0"}},
        "credential_sources": [{"query": "a", "query": "b"}]}"#;
    assert_eq!(
        Config::parse(twice, environment).unwrap_err().problems,
        [("credential_sources[0].query".to_owned(), Problem::Twice)]
    );
}

#[test]
fn every_mistake_in_sources_and_replies_is_told_and_no_value() {
    let mut config = with(
        "/credential_sources",
        json!([{"header": "Hunter2"}, {"query": "hunter 2"}, {"authorization": ["hunter2"]}, 5]),
    );
    config = put(config, "/identity", json!({"metadata_headers": {"x-team": "team"}}));
    config = put(
        config,
        "/replies",
        json!({"format": "hunter2", "texts": {"401": "hunter\r\n2", "404": ""}, "realm": "hunter\"2", "table_absent_status": 418}),
    );
    assert_eq!(
        refused(&config),
        "replies.texts.404 is not a known field; \
         credential_sources[0].header is not a header name in lower case; \
         credential_sources[1].query is not a name of letters, digits and - . _ ~; \
         credential_sources[2].authorization is not a list of ApiKey, Bearer and Basic, each at most once; \
         credential_sources[3] is not an object with exactly one of authorization, header, query and cookie; \
         replies.texts.401 is not a text without control characters; \
         replies.format is not elasticsearch, problem+json or text; \
         replies.realm is not a text of printable ASCII without quotes and backslashes; \
         replies.table_absent_status is not 503, 429, 500, 502 or 504"
    );
}

#[test]
fn replies_are_read() {
    assert_eq!(accepted(&least()).replies, Replies::default());
    let replies = json!({
        "format": "problem+json", "texts": {"401": "Bring a key.", "503": "Sp\u{e4}ter."}, "realm": "a realm", "table_absent_status": 429
    });
    let config =
        put(with("/replies", replies), "/credential_sources", json!([{"authorization": ["Bearer"]}]));
    let choices = ReplyChoices {
        format: BodyFormat::ProblemJson,
        texts: vec![(401, "Bring a key.".to_owned()), (503, "Sp\u{e4}ter.".to_owned())],
        realm: Some("a realm".to_owned()),
        table_absent_status: Some(429),
    };
    assert_eq!(accepted(&config).replies, Replies::new(choices, [Scheme::Bearer].into_iter()));
}

#[test]
fn no_text_of_a_reply_can_end_a_header_or_outgrow_it() {
    for text in ["", "a\nb", "a\rb", "a\0", "\u{7f}", "\u{85}"] {
        for status in ["400", "401", "403", "503"] {
            assert_eq!(
                refused(&with(&format!("/replies/texts/{status}"), json!(text))),
                format!("replies.texts.{status} is not a text without control characters")
            );
        }
    }
    for realm in ["", "a\"b", "a\\b", "a\nb", "\u{e4}"] {
        let refused = refused(&with("/replies/realm", json!(realm)));
        assert_eq!(refused, "replies.realm is not a text of printable ASCII without quotes and backslashes");
    }
    for (pointer, len_max) in [("/replies/texts/401", REPLY_TEXT_LEN_MAX), ("/replies/realm", REALM_LEN_MAX)]
    {
        let of_len = |len: usize| with(pointer, json!("r".repeat(len)));
        accepted(&of_len(len_max));
        assert!(refused(&of_len(len_max + 1)).ends_with(&format!("is longer than {len_max} bytes")));
    }
    for status in [json!(200), json!("503"), json!(503.5), json!(null), json!(50300)] {
        refused(&with("/replies/table_absent_status", status));
    }
}

#[test]
fn a_table_file_has_a_path_from_the_root() {
    assert_eq!(accepted(&least()).table_file, None);
    let kept = accepted(&with("/table_file", json!({"path": "/var/lib/latchkey/table"}))).table_file.unwrap();
    assert_eq!((kept.path.as_str(), kept.interval), ("/var/lib/latchkey/table", Duration::from_secs(30)));
    let long = format!("/{}", "x".repeat(FILE_PATH_LEN_MAX));
    for (wrong, problem) in [
        (json!({"path": "table"}), "table_file.path is not the path of a file, from the root"),
        (json!({"path": "/var/lib/"}), "table_file.path is not the path of a file, from the root"),
        (json!({"path": "/a\u{0}b"}), "table_file.path is not the path of a file, from the root"),
        (json!({"path": long}), "table_file.path is longer than 1024 bytes"),
        (json!({"interval": "1m"}), "table_file.path is required"),
        (json!({"path": "/t", "interval": "0s"}), "table_file.interval is not between 1s and 1h"),
    ] {
        let told = refused(&with("/table_file", wrong.clone()));
        assert!(told.contains(problem), "{wrong}: {told}");
    }
}

#[test]
fn a_credential_is_in_one_place() {
    let places = |credential: Value| with("/key_service/credential", credential);
    let file = accepted(&places(json!({"file": "/run/secrets/edge"})));
    assert!(
        matches!(&file.key_service.credential, CredentialPlace::File(path) if path == "/run/secrets/edge")
    );
    assert_eq!(file.field_with_a_file(), Some("key_service.credential.file"));
    assert_eq!(accepted(&least()).field_with_a_file(), None);
    for (wrong, problem) in [
        (json!({}), "key_service.credential needs exactly one of environment_variable, inline and file"),
        (
            json!({"file": "/a", "inline": "aWQ6c2VjcmV0"}),
            "key_service.credential needs exactly one of environment_variable, inline and file",
        ),
        (json!({"file": "a"}), "key_service.credential.file is not the path of a file, from the root"),
    ] {
        let told = refused(&places(wrong.clone()));
        assert!(told.contains(problem), "{wrong}: {told}");
    }
}
