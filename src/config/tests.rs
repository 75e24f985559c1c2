use latchkey_key_feed::EdgeName;
use serde_json::{Value, json};

use super::fields::{DurationField, FIELDS};
use super::*;
use crate::identity::{FilterState, IdentityField};
use crate::limits::METADATA_HEADERS_MAX;
use crate::rules::Authentication;

mod identity;
mod places;

/// `printf id:secret | base64`.
const CREDENTIAL_TEXT: &str = "aWQ6c2VjcmV0";

/// The environment of these tests.
fn environment(name: &str) -> Option<String> {
    match name {
        "LATCHKEY_FEED_CREDENTIAL" => Some(CREDENTIAL_TEXT.to_owned()),
        "FROM_A_FILE" => Some(format!(" {CREDENTIAL_TEXT}\n")),
        "EMPTY" => Some(String::new()),
        "NOT_ENCODED" => Some("id:hunter2".to_owned()),
        _ => None,
    }
}

/// The least that is accepted, as a value to change.
fn least() -> Value {
    json!({"key_service": {"cluster": "keys", "credential": {"inline": CREDENTIAL_TEXT}}})
}

/// The least configuration with one value put at a path, which a JSON pointer names.
fn with(pointer: &str, value: Value) -> Value {
    put(least(), pointer, value)
}

fn put(mut config: Value, pointer: &str, value: Value) -> Value {
    let mut place = &mut config;
    for name in pointer.split('/').skip(1) {
        place = place.as_object_mut().unwrap().entry(name).or_insert_with(|| json!({}));
    }
    *place = value;
    config
}

/// Where a field stands, as a JSON pointer.
fn pointer_to(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

fn parse(config: &Value) -> Result<Config, InvalidConfig> {
    Config::parse(config.to_string().as_bytes(), environment)
}

#[track_caller]
fn accepted(config: &Value) -> Config {
    parse(config).unwrap()
}

/// The message without what it always begins with.
#[track_caller]
fn refused(config: &Value) -> String {
    let message = parse(config).unwrap_err().to_string();
    message.strip_prefix("the configuration is refused: ").unwrap().to_owned()
}

/// What the key service is shown.
fn header_value(config: &Config) -> String {
    let CredentialPlace::Here(credential) = &config.key_service.credential else { panic!("{config:?}") };
    credential.header_value()
}

#[test]
fn the_least_configuration_takes_all_defaults() {
    let config = accepted(&least());
    assert_eq!(config.key_service.cluster, "keys");
    assert_eq!(config.key_service.authority, "keys");
    assert_eq!(config.key_service.path, "/_latchkey/feed");
    assert_eq!(header_value(&config), "ApiKey aWQ6c2VjcmV0");
    assert_eq!(config.key_service.fetch_timeout, Duration::from_secs(5));
    assert_eq!(config.key_service.wait, Duration::from_secs(20));
    assert_eq!(
        config.staleness,
        StalenessLimits { stale_after: Duration::from_secs(60), refuse_after: Duration::from_secs(3_600) }
    );
    assert_eq!(config.start_up_wait, Duration::from_secs(5));
    assert_eq!(config.identity.record_shape(), IdentityHeaders::default().record_shape());
    assert_eq!(config.identity.filter_state(), &FilterState::default());
    assert_eq!(config.rules.otherwise().authentication, Authentication::Required);
    assert!(!config.forward_credential);
    assert_eq!(config.edge, None);
}

#[test]
fn every_field_can_be_set() {
    let config = accepted(&json!({
        "key_service": {
            "cluster": "outbound|9200||keys.svc", "authority": "keys.svc:9200", "path": "/feed",
            "credential": {"environment_variable": "FROM_A_FILE"}, "fetch_timeout": "250ms", "wait": "1m"
        },
        "staleness": {"stale_after": "2m", "refuse_after": "7d"},
        "start_up_wait": "0s",
        "identity": {
            "headers": {"id": "x-key", "name": null},
            "metadata_headers": {"x-team": "team.name"},
            "privileges": {"application": "shop", "header": "x-rights"},
            "filter_state": ["owner", "id"]
        },
        "authentication": "optional",
        "forward_credential": true,
        "credential_sources": [{"cookie": "key"}],
        "replies": {"format": "text"},
        "edge": "sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local"
    }));
    assert_eq!(config.key_service.cluster, "outbound|9200||keys.svc");
    assert_eq!(config.key_service.authority, "keys.svc:9200");
    assert_eq!(config.key_service.path, "/feed");
    assert_eq!(header_value(&config), "ApiKey aWQ6c2VjcmV0");
    assert_eq!(config.key_service.fetch_timeout, Duration::from_millis(250));
    assert_eq!(config.key_service.wait, Duration::from_secs(60));
    assert_eq!(config.staleness.stale_after, Duration::from_secs(120));
    assert_eq!(config.staleness.refuse_after, Duration::from_secs(7 * 86_400));
    assert_eq!(config.start_up_wait, Duration::ZERO);
    let mut headers = vec![("x-key".to_owned(), IdentitySource::Field(IdentityField::Id))];
    for field in &IdentityField::told_by_default()[2..] {
        headers.push((field.default_header().to_owned(), IdentitySource::Field(*field)));
    }
    headers.push(("x-rights".to_owned(), IdentitySource::Field(IdentityField::Privileges)));
    let team = IdentitySource::Metadata { path: "team.name".to_owned(), claims: false };
    headers.push(("x-team".to_owned(), team));
    let filter_state =
        FilterState { fields: vec![IdentityField::Id, IdentityField::Owner], claimed_id: false, rule: false };
    let identity = IdentityHeaders::new(headers, filter_state).unwrap();
    assert_eq!(config.identity, identity.with_application(Some("shop".to_owned())));
    assert_eq!(config.rules.otherwise().authentication, Authentication::Optional);
    assert!(config.forward_credential);
    assert_ne!(config.credential_sources, CredentialSources::default());
    assert_ne!(config.replies, Replies::default());
    assert_eq!(
        config.edge.as_ref().map(EdgeName::as_str),
        Some("sidecar~10.0.0.1~pod.ns~ns.svc.cluster.local")
    );
}

#[test]
fn no_configuration_says_what_is_needed() {
    assert_eq!(
        Config::parse(b"", environment).unwrap_err().to_string(),
        "the configuration is refused: it is empty; it needs at least {\"key_service\": {\"cluster\": \"...\", \
         \"credential\": {\"environment_variable\": \"...\"}}}"
    );
    assert_eq!(
        refused(&json!({})),
        "key_service.cluster is required; key_service.credential needs exactly one of environment_variable, inline and file"
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let refused = |json: &[u8]| Config::parse(json, environment).unwrap_err().problems;
    let at = |line, column| vec![(String::new(), Problem::BadJson { line, column })];
    assert_eq!(refused(b"{\n \"inline\": hunter2}"), at(2, 13));
    assert_eq!(refused(b"{} {}"), at(1, 4));
    assert_eq!(refused(b"\xFF"), at(1, 1));
    assert_eq!(refused(b"[]"), [(String::new(), Problem::IsNot("an object"))]);
}

#[test]
fn authentication_is_one_of_three_words() {
    for (word, authentication) in [
        ("required", Authentication::Required),
        ("optional", Authentication::Optional),
        ("off", Authentication::Off),
    ] {
        assert_eq!(
            accepted(&with("/authentication", json!(word))).rules.otherwise().authentication,
            authentication
        );
    }
    for other in [json!("on"), json!(""), json!(true), json!(null), json!(["off"])] {
        assert_eq!(
            refused(&with("/authentication", other)),
            "authentication is not required, optional or off"
        );
    }
}

#[test]
fn a_field_that_is_given_twice_is_refused() {
    let twice = Config::parse(br#"{"start_up_wait": "1s", "start_up_wait": "9s"}"#, environment).unwrap_err();
    assert!(twice.problems.contains(&("start_up_wait".to_owned(), Problem::Twice)), "{twice}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_eq!(
        refused(&json!({
            "key_service": {"cluster": 5, "credential": {}, "wait": "20"},
            "staleness": "never",
            "identity": {"headers": {"id": "X-Id", "role": "x-role"}, "metadata_headers": {"x-a": "a..b"}},
            "forward_credential": "yes",
            "mode": "open"
        })),
        "identity.headers.role is not a known field, did you mean roles?; \
         staleness is not an object; \
         mode is not enforce or shadow; \
         key_service.wait is not an integer and one of the units ms, s, m, h, d, such as \"30s\"; \
         key_service.cluster is not the name of a cluster; \
         key_service.credential needs exactly one of environment_variable, inline and file; \
         identity.metadata_headers.x-a is not the names of nested metadata fields, joined by dots; \
         identity.headers.id is not a header name in lower case; \
         forward_credential is not true or false"
    );
}

#[test]
fn a_name_with_a_dot_is_not_a_path() {
    assert_eq!(
        refused(&with("/staleness.refuse_after", json!("5m"))),
        "staleness.refuse_after is not a known field"
    );
    assert_eq!(refused(&with("/key_service/", json!("5m"))), "key_service. is not a known field");
}

#[test]
fn no_value_and_no_misplaced_secret_is_repeated() {
    let marked = "aHVudGVyMjpodW50ZXIy";
    let mut messages =
        vec![Config::parse(format!("{{\"{marked}\" {marked}").as_bytes(), environment).unwrap_err()];
    for field in &FIELDS {
        for value in [
            json!(format!("\n{marked}")),
            json!([marked]),
            json!({"x y": marked}),
            json!({"a": {"b": marked}}),
        ] {
            messages.push(parse(&with(&pointer_to(field.path()), value)).unwrap_err());
        }
    }
    messages
        .push(parse(&with("/key_service/credential", json!({marked: true, "inline": marked}))).unwrap_err());
    messages.push(parse(&with("/key_service/credential", json!(marked))).unwrap_err());
    for message in messages {
        assert!(!format!("{message} {message:?}").contains(marked), "{message}");
        assert!(!message.problems.is_empty());
    }
}

#[test]
fn an_unknown_name_is_shown_in_one_short_line() {
    assert_eq!(refused(&with("/a\nb", json!(1))), "a%0Ab is not a known field");
    assert_eq!(
        refused(&with(&format!("/{}", "a".repeat(1_000)), json!(1))).len(),
        64 + " is not a known field".len()
    );
}

#[test]
fn the_filters_own_credential_is_one_and_well_formed() {
    let credential = |value| refused(&with("/key_service/credential", value));
    let both = json!({"inline": CREDENTIAL_TEXT, "environment_variable": "LATCHKEY_FEED_CREDENTIAL"});
    assert_eq!(
        credential(both),
        "key_service.credential needs exactly one of environment_variable, inline and file"
    );
    for bad in ["aWQ6c2VjcmV0=", "aWRzZWNyZXQ=", "aWQ6", "ApiKey", "id:secret"] {
        assert_eq!(
            credential(json!({"inline": bad})),
            "key_service.credential.inline does not hold the standard Base64 of id:secret",
            "{bad}"
        );
    }
    assert_eq!(
        credential(json!({"inline": ""})),
        "key_service.credential.inline is not the Base64 of id:secret"
    );
    assert_eq!(
        credential(json!({"environment_variable": "NO_SUCH"})),
        "key_service.credential.environment_variable names a variable that is not set where the filter runs: set it for the \
         proxy; for the Wasm filter name it in vm_config.environment_variables too (in Istio, vmConfig.env)"
    );
    for variable in ["EMPTY", "NOT_ENCODED"] {
        assert_eq!(
            credential(json!({"environment_variable": variable})),
            "key_service.credential.environment_variable does not hold the standard Base64 of id:secret"
        );
    }
    assert_eq!(
        credential(json!({"inline": CREDENTIAL_TEXT, "secret": 1})),
        "key_service.credential.? is not a known field"
    );
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?}", accepted(&least()));
    assert!(printed.contains("credential: Here(FeedCredential),"), "{printed}");
    assert!(!printed.contains(CREDENTIAL_TEXT), "{printed}");
}

#[test]
fn durations_are_accepted_up_to_their_bounds_and_not_one_millisecond_more() {
    // Long enough to leave every other duration its range.
    let roomy = with("/staleness", json!({"stale_after": "3m", "refuse_after": "365d"}));
    let parse_with =
        |field: &DurationField, value| parse(&put(roomy.clone(), &pointer_to(field.path), json!(value)));
    let millis = |span: Duration| format!("{}ms", span.as_millis());
    for field in [&FETCH_TIMEOUT, &WAIT, &START_UP_WAIT] {
        assert!(parse_with(field, millis(field.min)).is_ok(), "{}", field.path);
        assert!(parse_with(field, millis(field.max)).is_ok(), "{}", field.path);
    }
    for field in [&FETCH_TIMEOUT, &WAIT, &START_UP_WAIT, &STALE_AFTER, &REFUSE_AFTER] {
        let out = (field.path.to_owned(), Problem::OutOfRange { min: field.min, max: field.max });
        let more = millis(field.max + Duration::from_millis(1));
        assert_eq!(parse_with(field, more).unwrap_err().problems, std::slice::from_ref(&out));
        if let Some(less) = field.min.checked_sub(Duration::from_millis(1)) {
            assert_eq!(parse_with(field, millis(less)).unwrap_err().problems, [out]);
        }
    }
}

#[test]
fn an_idle_feed_must_not_look_stale_and_staleness_comes_before_refusal() {
    let staleness = |stale, refuse| with("/staleness", json!({"stale_after": stale, "refuse_after": refuse}));
    // The defaults: wait 20 s, fetch_timeout 5 s.
    accepted(&staleness("25001ms", "25001ms"));
    assert_eq!(
        refused(&staleness("25s", "1h")),
        "staleness.stale_after is not longer than key_service.wait and key_service.fetch_timeout together, so an idle \
         feed would look stale"
    );
    assert_eq!(
        refused(&staleness("30s", "29999ms")),
        "staleness.refuse_after is shorter than staleness.stale_after"
    );
    // What depends on a mistake is not called one.
    let mut config = staleness("25s", "1h");
    config["key_service"]["wait"] = json!(20);
    assert_eq!(parse(&config).unwrap_err().problems.len(), 1);
}

#[test]
fn a_cluster_whose_name_is_no_host_needs_an_authority() {
    let istio = with("/key_service/cluster", json!("outbound|9200||keys.svc"));
    assert_eq!(
        refused(&istio),
        "key_service.authority is required, because the name of the cluster is not a host name"
    );
    assert_eq!(
        accepted(&with("/key_service/cluster", json!("key_service"))).key_service.authority,
        "key_service"
    );
}

#[test]
fn texts_that_would_end_a_header_or_a_query_are_refused() {
    for (pointer, values) in [
        ("/key_service/cluster", ["", "a b", "a\r\nb"]),
        ("/key_service/authority", ["a\r\nb", "a/b", "user@host"]),
        ("/key_service/path", ["feed", "/feed?a=b", "/a b"]),
        ("/edge", ["", "a&wait=0", "a b"]),
    ] {
        for value in values {
            let problems = parse(&with(pointer, json!(value))).unwrap_err().problems;
            assert_eq!(problems.len(), 1, "{pointer} {value}");
            assert!(matches!(problems[0].1, Problem::IsNot(_)), "{pointer} {value}");
        }
    }
}

#[test]
fn texts_are_accepted_up_to_their_limits_and_not_one_byte_more() {
    for field in [&CLUSTER, &AUTHORITY, &PATH, &EDGE] {
        let of_len = |len: usize| {
            let start = if field.path == PATH.path { "/" } else { "a" };
            let text = [start, &"a".repeat(len - 1)].concat();
            let config = with("/key_service/authority", json!("keys"));
            parse(&put(config, &pointer_to(field.path), json!(text)))
        };
        assert!(of_len(field.len_max).is_ok(), "{}", field.path);
        let too_long = (field.path.to_owned(), Problem::TooLong { bytes_max: field.len_max });
        assert_eq!(of_len(field.len_max + 1).unwrap_err().problems, [too_long]);
    }
}

#[test]
fn the_documents_examples_are_accepted() {
    const DOCUMENTS: [&str; 2] =
        [include_str!("../../docs/configuration.md"), include_str!("../../docs/native.md")];
    let blocks = DOCUMENTS.iter().flat_map(|document| document.split("```json\n").skip(1));
    let examples: Vec<&str> = blocks.filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        let mut example: Value = serde_json::from_str(example).unwrap();
        // Some show a part alone.
        let parts = example.as_object_mut().unwrap();
        parts.entry("key_service").or_insert_with(|| least()["key_service"].clone());
        accepted(&example);
    }
}
