use latchkey_key_feed::format_limits::JSON_DEPTH_MAX;
use serde_json::{Value, json};

use super::super::{Config, InvalidConfig};
use super::*;
use crate::limits::{
    REQUIREMENT_DEPTH_MAX, REQUIREMENT_LEN_MAX, REQUIREMENTS_MAX, RIGHTS_ASKED_MAX, RULE_PATH_LEN_MAX,
};
use crate::rules::{CorsPreflight, Requirement};

mod privileges;

fn parse_with(more: Value) -> Result<Config, InvalidConfig> {
    let mut config = json!({"key_service": {"cluster": "keys", "credential": {"inline": "aWQ6c2VjcmV0"}}});
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    Config::parse(config.to_string().as_bytes(), |_| None)
}

fn parse(rules: Value) -> Result<Config, InvalidConfig> {
    parse_with(json!({"rules": rules}))
}

/// All that is wrong with these rules.
#[track_caller]
fn refused(rules: Value) -> String {
    let message = parse(rules).unwrap_err().to_string();
    message.strip_prefix("the configuration is refused: ").unwrap().to_owned()
}

/// All that is wrong with a rule that requires this.
#[track_caller]
fn refused_requirement(require: Value) -> String {
    refused(json!([{"name": "a", "match": {"paths": ["/a/{id}"]}, "require": require}]))
}

fn required(require: Value) -> Requirement {
    let config = parse(json!([{"name": "a", "match": {"paths": ["/a/{id}"]}, "require": require}])).unwrap();
    config.rules.list()[0].requirement.clone().unwrap()
}

#[test]
fn a_rule_says_what_it_matches_and_what_it_asks() {
    let config = parse_with(json!({
        "cors_preflight": "pass",
        "rules": [
            {"name": "health", "match": {"paths": ["/healthz"]}, "authentication": "off"},
            {"name": "catalogue", "match": {"hosts": ["shop.example"], "paths": ["/catalogue/**"], "methods": ["GET"]},
             "authentication": "optional", "mode": "shadow"},
            {"name": "rest", "match": {}}
        ]
    }))
    .unwrap();
    assert_eq!(config.rules.otherwise().cors_preflight, CorsPreflight::Pass);
    let rules = config.rules.list();
    let asked = rules.iter().map(|rule| (rule.name.as_str(), rule.authentication, rule.mode));
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [
            ("health", Authentication::Off, Mode::Enforce),
            ("catalogue", Authentication::Optional, Mode::Shadow),
            ("rest", Authentication::Required, Mode::Enforce),
        ]
    );
    assert_eq!(rules[1].matcher.hosts, [HostPattern::Exact("shop.example".to_owned())]);
    assert_eq!(rules[1].matcher.methods, ["GET"]);
    assert_eq!(rules[2].matcher, Matcher::default());
}

#[test]
fn a_rule_has_the_mode_of_the_filter_unless_it_says_otherwise() {
    let rules =
        json!([{"name": "a", "match": {"paths": ["/a"]}}, {"name": "b", "match": {}, "mode": "enforce"}]);
    let config = parse_with(json!({"mode": "shadow", "rules": rules})).unwrap();
    let modes: Vec<_> = config.rules.list().iter().map(|rule| rule.mode).collect();
    assert_eq!(modes, [Mode::Shadow, Mode::Enforce]);
    assert_eq!(config.rules.otherwise().mode, Mode::Shadow);
}

#[test]
fn a_rule_does_not_inherit_that_keys_are_optional() {
    let config =
        parse_with(json!({"authentication": "off", "rules": [{"name": "a", "match": {"paths": ["/a"]}}]}))
            .unwrap();
    assert_eq!(config.rules.list()[0].authentication, Authentication::Required);
}

#[test]
fn all_mistakes_of_all_rules_are_told_at_once() {
    assert_eq!(
        refused(json!([
            {"name": "a b", "match": {"path": ["/a"], "methods": ["get"]}, "authenticate": "off"},
            {"match": {"hosts": ["a:80", 1], "paths": ["a", "/a/*b"], "methods": []}, "mode": "dry"},
            5,
            {"name": "off", "match": [], "authentication": "none"}
        ])),
        "rules[0].authenticate is not a known field, did you mean authentication?; \
         rules[0].name is not a name of at most 64 letters, digits, - and _; \
         rules[0].match.path is not a known field, did you mean paths?; \
         rules[0].match.methods[0] is not a method in upper case, such as GET; \
         rules[1].name is required; \
         rules[1].match.hosts[0] is not a host name or address without a port, or *. and a host name; \
         rules[1].match.hosts[1] is not a host name or address without a port, or *. and a host name; \
         rules[1].match.paths[0] does not begin with a slash; \
         rules[1].match.paths[1] holds * or a brace beside other characters; they stand for whole segments \
         (%2A, %7B and %7D are the characters); \
         rules[1].match.methods is not a list with at least one entry; \
         rules[1].mode is not enforce or shadow; \
         rules[2] is not an object; \
         rules[3].match is not an object; \
         rules[3].authentication is not required, optional or off"
    );
    assert_eq!(refused(json!({})), "rules is not a list");
    assert_eq!(refused(json!([{"name": "a"}])), "rules[0].match is required");
    assert_eq!(
        refused(json!([{"name": "a", "match": {}, "name": "b", "modes": 1}])),
        "rules[0].modes is not a known field, did you mean mode?"
    );
}

#[test]
fn a_name_that_resembles_a_known_one_is_suggested() {
    let message = parse_with(json!({"rule": []})).unwrap_err().to_string();
    assert_eq!(message, "the configuration is refused: rule is not a known field, did you mean rules?");
    let message = parse_with(json!({"cors": "pass"})).unwrap_err().to_string();
    assert_eq!(message, "the configuration is refused: cors is not a known field");
}

#[test]
fn a_name_belongs_to_one_rule() {
    assert_eq!(
        refused(
            json!([{"name": "a", "match": {"paths": ["/a"]}}, {"name": "a", "match": {"paths": ["/b"]}}])
        ),
        "rules[1].name is given twice"
    );
}

#[test]
fn a_rule_that_never_decides_is_a_mistake() {
    assert_eq!(
        refused(json!([
            {"name": "a", "match": {"paths": ["/a/**"], "methods": ["GET", "PUT"]}},
            {"name": "b", "match": {"paths": ["/a/{id}", "/a"], "methods": ["PUT"]}},
            {"name": "c", "match": {"paths": ["/a/{id}"]}},
            {"name": "d", "match": {"hosts": ["A.example."]}},
            {"name": "e", "match": {"hosts": ["a.example"], "paths": ["/b"]}}
        ])),
        "rules[1] never decides, because rules[0] before it matches all that it matches; \
         rules[4] never decides, because rules[3] before it matches all that it matches"
    );
}

#[test]
fn requirements_are_read_as_they_are_written() {
    let text = Requirement::text;
    assert_eq!(required(json!({"role": "a,b"})), text(RecordText::Roles, "a,b"));
    assert_eq!(required(json!({"limited_by": "ops"})), text(RecordText::LimitedBy, "ops"));
    let field = RecordText::Metadata { path: "team.name".to_owned(), claims: false };
    assert_eq!(required(json!({"metadata": {"path": "team.name", "value": "x"}})), text(field, "x"));
    let owners = [text(RecordText::Owner, "alice"), text(RecordText::OwnerRealm, "native")];
    assert_eq!(
        required(json!({"all_of": [{"owner": "alice"}, {"realm": "native"}]})),
        Requirement::AllOf(owners.to_vec())
    );
    let privilege =
        json!({"privilege": {"application": "shop", "privilege": "read", "resource": "orders/{id}"}});
    let config = parse(json!([
        {"name": "a", "match": {"paths": ["/a/{id}"]}, "require": privilege.clone()},
        {"name": "b", "match": {"paths": ["/b/{id}", "/c/{id}/**"]}, "require": {"any_of": [
            privilege,
            {"cluster_privilege": "monitor"},
            {"index_privilege": {"names": ["logs"], "privileges": ["read", "write"]}}
        ]}}
    ]))
    .unwrap();
    assert_eq!(config.rules.questions().len(), 3, "equal questions are one");
}

#[test]
fn the_table_holds_what_rules_require() {
    let config = parse_with(json!({
        "identity": {"headers": {"owner": null}, "filter_state": false},
        "rules": [{"name": "a", "match": {}, "require": {"any_of": [
            {"owner": "alice"}, {"metadata": {"path": "team", "value": "x"}}
        ]}}]
    }))
    .unwrap();
    let texts = config.record_shape();
    assert!(texts.texts().contains(&RecordText::Owner));
    assert!(texts.texts().contains(&RecordText::Metadata { path: "team".to_owned(), claims: false }));
    assert!(!config.identity.record_shape().texts().contains(&RecordText::Owner));
}

#[test]
fn a_claim_cannot_be_required() {
    let reason = "cannot be required, because it is a claim: whoever makes a key chooses it. Require what the key service \
                  vouches for: privilege, cluster_privilege, index_privilege, role, limited_by, owner, realm or metadata";
    for name in ["name", "claimed_role", "claimed_roles"] {
        assert_eq!(refused_requirement(json!({name: "x"})), format!("rules[0].require.{name} {reason}"));
    }
    assert_eq!(
        refused_requirement(json!({"metadata": {"path": "a", "value": "b", "claims": true}})),
        format!("rules[0].require.metadata.claims {reason}")
    );
}

#[test]
fn mistakes_in_requirements_are_told_with_their_place() {
    for (require, expected) in [
        (json!({}), "rules[0].require is not an object with exactly one of all_of"),
        (json!({"role": "a", "owner": "b"}), "rules[0].require is not an object with exactly one of all_of"),
        (json!({"rolle": "a"}), "rules[0].require.rolle is not a known field, did you mean role?"),
        (json!({"role": ""}), "rules[0].require.role is not a text that is not empty"),
        (json!({"role": ["a"]}), "rules[0].require.role is not a text that is not empty"),
        (json!({"any_of": []}), "rules[0].require.any_of is not a list with at least one entry"),
        (json!({"any_of": [{"role": 1}]}), "rules[0].require.any_of[0].role is not a text that is not empty"),
        (
            json!({"privilege": {"application": "*", "privilege": "read", "resource": "a"}}),
            "rules[0].require.privilege.application is not the name of an application: ",
        ),
        (
            json!({"privilege": {"application": "app", "privilege": "read", "resource": "a/*"}}),
            "rules[0].require.privilege.resource is not one resource",
        ),
        (
            json!({"privilege": {"application": "app", "privilege": "read", "resource": "a/{ix}"}}),
            "rules[0].require.privilege.resource has a name in braces that is not in every path of the rule",
        ),
        (
            json!({"privilege": {"application": "app", "privilege": "read"}}),
            "rules[0].require.privilege.resource is required",
        ),
        (
            json!({"index_privilege": {"names": "logs", "privileges": ["read"]}}),
            "rules[0].require.index_privilege.names is not a list",
        ),
        (
            json!({"metadata": {"path": "a..b", "value": "x"}}),
            "rules[0].require.metadata.path is not the names of nested metadata fields, joined by dots",
        ),
    ] {
        let message = refused_requirement(require.clone());
        assert!(message.starts_with(expected), "{require}: {message}");
    }
}

#[test]
fn a_name_in_a_resource_is_in_every_path_of_its_rule() {
    let refused = |matcher: Value| {
        let require = json!({"privilege": {"application": "app", "privilege": "b", "resource": "c/{id}"}});
        parse(json!([{"name": "a", "match": matcher, "require": require}])).is_err()
    };
    assert!(!refused(json!({"paths": ["/a/{id}", "/b/{id}/c"]})));
    assert!(refused(json!({"paths": ["/a/{id}", "/b/*"]})));
    assert!(refused(json!({})));
}

#[test]
fn only_a_rule_that_requires_a_key_may_require_something_of_it() {
    for authentication in ["off", "optional"] {
        let rule =
            json!([{"name": "a", "match": {}, "authentication": authentication, "require": {"role": "a"}}]);
        assert_eq!(
            refused(rule),
            "rules[0].require asks something of a key, and authentication of the rule is not required"
        );
    }
}

#[test]
fn rules_are_limited() {
    let rules = |count: usize| {
        let rule = |number| json!({"name": format!("r{number}"), "match": {"paths": [format!("/{number}")]}});
        parse(Value::Array((0..count).map(rule).collect()))
    };
    assert!(rules(RULES_MAX).is_ok());
    assert!(rules(RULES_MAX + 1).is_err());
    let named = |len: usize| parse(json!([{"name": "n".repeat(len), "match": {}}]));
    assert!(named(RULE_NAME_LEN_MAX).is_ok());
    assert!(named(RULE_NAME_LEN_MAX + 1).is_err());
    let paths = |count: usize| {
        let paths: Vec<_> = (0..count).map(|number| format!("/{number}")).collect();
        parse(json!([{"name": "a", "match": {"paths": paths}}]))
    };
    assert!(paths(RULE_PATTERNS_MAX).is_ok());
    assert!(paths(RULE_PATTERNS_MAX + 1).is_err());
    let path =
        |len: usize| parse(json!([{"name": "a", "match": {"paths": [format!("/{}", "a".repeat(len - 1))]}}]));
    assert!(path(RULE_PATH_LEN_MAX).is_ok());
    assert!(path(RULE_PATH_LEN_MAX + 1).is_err());
    let method = |len: usize| parse(json!([{"name": "a", "match": {"methods": ["M".repeat(len)]}}]));
    assert!(method(RULE_METHOD_LEN_MAX).is_ok());
    assert!(method(RULE_METHOD_LEN_MAX + 1).is_err());
    // As many pairs of host and path as a rule may have, in as many rules as that takes.
    let pairs = |count: usize| {
        let rule = |number: usize| {
            let hosts: Vec<_> = (0..50).map(|host| format!("h{number}-{host}")).collect();
            let paths: Vec<_> = (0..50).map(|path| format!("/{path}")).collect();
            json!({"name": format!("r{number}"), "match": {"hosts": hosts, "paths": paths}})
        };
        parse(Value::Array((0..count).map(rule).collect()))
    };
    assert!(pairs(RULE_PAIRS_MAX / 2_500).is_ok());
    let too_many = pairs(RULE_PAIRS_MAX / 2_500 + 1).unwrap_err().to_string();
    assert!(too_many.ends_with("rules have more than 10000 pairs of host and path together"), "{too_many}");
}

#[test]
fn requirements_are_limited() {
    let require = |require: Value| parse(json!([{"name": "a", "match": {}, "require": require}]));
    let deep = |depth| (0..depth).fold(json!({"role": "a"}), |inner, _| json!({"all_of": [inner]}));
    assert!(require(deep(REQUIREMENT_DEPTH_MAX)).is_ok());
    let message = require(deep(REQUIREMENT_DEPTH_MAX + 1)).unwrap_err().to_string();
    assert!(message.ends_with("is nested deeper than 8"), "{message}");
    assert!(require(deep(JSON_DEPTH_MAX)).is_err());
    let wide = |count: usize| {
        let half: Vec<_> = (0..count / 2).map(|_| json!({"role": "a"})).collect();
        let rest: Vec<_> = (count / 2..count).map(|_| json!({"role": "a"})).collect();
        require(json!({"any_of": [{"any_of": half}, {"any_of": rest}]}))
    };
    assert!(wide(REQUIREMENTS_MAX).is_ok());
    assert!(wide(REQUIREMENTS_MAX + 1).is_err());
    let fields = |count: usize| {
        let field = |number| json!({"metadata": {"path": format!("f{number}"), "value": "x"}});
        require(json!({"any_of": (0..count).map(field).collect::<Vec<_>>()}))
    };
    assert!(fields(METADATA_REQUIRED_MAX).is_ok());
    assert!(fields(METADATA_REQUIRED_MAX + 1).is_err());
    let questions = |count: usize| {
        let of_rule = |rule: usize| {
            let asked = (rule * REQUIREMENTS_MAX..count.min((rule + 1) * REQUIREMENTS_MAX))
                .map(|number| json!({"cluster_privilege": format!("cluster:p{number}")}));
            json!({"name": format!("r{rule}"), "match": {"paths": [format!("/{rule}")]},
                   "require": {"any_of": asked.collect::<Vec<_>>()}})
        };
        parse(Value::Array((0..count.div_ceil(REQUIREMENTS_MAX)).map(of_rule).collect()))
    };
    assert!(questions(RIGHTS_ASKED_MAX).is_ok());
    assert!(questions(RIGHTS_ASKED_MAX + 1).is_err());
    let text = |len: usize| require(json!({"role": "r".repeat(len)}));
    assert!(text(REQUIREMENT_LEN_MAX).is_ok());
    assert!(text(REQUIREMENT_LEN_MAX + 1).is_err());
}
