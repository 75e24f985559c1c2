use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rules::QuestionId;
use crate::table::RecordText;
use crate::testing::route_metadata;

fn config() -> Config {
    let config = json!({
        "key_service": {"cluster": "keys", "credential": {"inline": "aWQ6c2VjcmV0"}},
        "route_metadata": true,
        "rules": [{"name": "orders", "match": {}, "require": {"all_of": [
            {"privilege": {"application": "shop", "privilege": "read", "resource": "orders"}},
            {"metadata": {"path": "team", "value": "search"}}
        ]}}]
    });
    Config::parse(config.to_string().as_bytes(), |_| None).unwrap()
}

/// What a route asks whose namespace `latchkey` holds that.
fn asks(latchkey: &Value) -> Result<RouteAsks, String> {
    let metadata = json!({"istio": {"config": "x", "weight": 1}, "latchkey": latchkey, "other": {"require": {"role": "x"}}});
    config().route_asks(&route_metadata(&metadata)).map_err(|invalid| invalid.to_string())
}

#[test]
fn a_route_asks_in_the_words_of_a_rule() {
    let role = |name: &str| Requirement::text(RecordText::Roles, name);
    for (require, requirement) in [
        (json!({"role": "writer"}), role("writer")),
        (
            json!({"any_of": [{"role": "a"}, {"all_of": [{"owner": "b"}]}]}),
            Requirement::AnyOf(vec![
                role("a"),
                Requirement::AllOf(vec![Requirement::text(RecordText::Owner, "b")]),
            ]),
        ),
        // What a rule asks for is at hand.
        (
            json!({"privilege": {"application": "shop", "privilege": "read", "resource": "orders"}}),
            Requirement::Right(QuestionId(0)),
        ),
        (
            json!({"metadata": {"path": "team", "value": "ops", "claims": false}}),
            Requirement::text(RecordText::Metadata { path: "team".to_owned(), claims: false }, "ops"),
        ),
    ] {
        assert_eq!(asks(&json!({"require": require})), Ok(RouteAsks::Requires(requirement)), "{require}");
    }
}

#[test]
fn a_route_without_our_namespace_asks_nothing() {
    let others = json!({"istio": {"config": "x"}, "latchkey2": {"require": {"role": "x"}}});
    for metadata in [Vec::new(), route_metadata(&others)] {
        assert_eq!(config().route_asks(&metadata), Ok(RouteAsks::Nothing));
    }
}

#[test]
fn what_is_not_understood_is_a_problem_and_never_nothing() {
    for (latchkey, problem) in [
        (json!({}), "latchkey.require is required"),
        (
            json!({"requires": {"role": "a"}}),
            "latchkey.requires is not a known field, did you mean require?; latchkey.require is required",
        ),
        (
            json!({"require": {"role": "a"}, "authentication": "off"}),
            "latchkey.authentication is not a known field",
        ),
        (json!({"require": {"rule": "a"}}), "latchkey.require.rule is not a known field, did you mean role?"),
        (json!({"require": {"role": 7}}), "latchkey.require.role is not a name of at most"),
        (json!({"require": {"role": null}}), "latchkey.require.role is not"),
        (json!({"require": "{\"role\": \"a\"}"}), "latchkey.require is not an object"),
        (
            json!({"require": {"name": "a"}}),
            "latchkey.require.name cannot be required, because it is a claim",
        ),
        (json!({"require": {"any_of": []}}), "latchkey.require.any_of is not a list with at least one entry"),
        (
            json!({"require": {"cluster_privilege": "all"}}),
            "latchkey.require requires a privilege or a metadata field that no rule",
        ),
        (
            json!({"require": {"metadata": {"path": "level", "value": "1"}}}),
            "latchkey.require requires a privilege or a metadata field that no rule",
        ),
        (
            json!({"require": {"privilege": {"application": "shop", "privilege": "read", "resource": "orders/{id}"}}}),
            "latchkey.require.privilege.resource has a name in braces",
        ),
        (json!({"require": {"role": "a".repeat(70_000)}}), "latchkey is longer than 65536 bytes"),
    ] {
        let told = asks(&latchkey).unwrap_err();
        let (problem, told) = (
            problem.replace(" a name of at most", ""),
            told.strip_prefix("the metadata of a route is not understood: ").unwrap().to_owned(),
        );
        assert!(told.starts_with(&problem), "{latchkey:.80}: {told}");
    }
}

#[test]
fn metadata_is_read_up_to_its_limit() {
    let of_len = |len: usize| {
        let with = |text: usize| route_metadata(&json!({"other": {"text": "x".repeat(text)}}));
        let beside = with(len).len() - len;
        let metadata = with(len - beside);
        assert_eq!(metadata.len(), len);
        config().route_asks(&metadata)
    };
    assert_eq!(of_len(ROUTE_METADATA_LEN_MAX), Ok(RouteAsks::Nothing));
    assert!(of_len(ROUTE_METADATA_LEN_MAX + 1).is_err());
}

#[test]
fn metadata_that_breaks_off_is_a_problem() {
    let whole = route_metadata(&json!({"latchkey": {"require": {"role": "a"}}}));
    for len in 1..whole.len() {
        config().route_asks(&whole[..len]).unwrap_err();
    }
    // Groups, which nobody uses any more, and a number that never ends.
    for bytes in [&[0x0B][..], &[0x0F], &[0x08; 1], &[0xFF; 32]] {
        config().route_asks(bytes).unwrap_err();
    }
}

#[test]
fn what_is_nested_too_deep_is_a_problem() {
    let mut value = json!("a");
    for _ in 0..JSON_DEPTH_MAX + 2 {
        value = json!([value]);
    }
    let told = asks(&json!({ "require": value })).unwrap_err();
    assert!(told.ends_with("latchkey is not metadata of a route"), "{told}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = config().route_asks(&bytes);
    }
}
