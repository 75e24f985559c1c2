//! The README promises nothing that is not there.

use std::fs;

use latchkey_filter::config::Config;
use serde_json::Value;

use crate::root;

#[test]
fn the_readme_names_only_verbs_that_exist() {
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let named: Vec<_> = readme
        .split(['`', '\n'])
        .filter_map(|text| text.trim().strip_prefix("make "))
        .filter_map(|text| text.split_whitespace().next())
        .collect();
    assert!(!named.is_empty(), "the README says nothing of make");
    for verb in named {
        assert!(
            makefile.contains(&format!("\n{verb}: ")),
            "the README says `make {verb}`, and there is no such verb"
        );
    }
}

#[test]
fn the_rules_that_the_readme_shows_are_those_of_the_demo() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown = readme.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(Config::parse(shown.as_bytes(), |_| Some("aWQ6c2VjcmV0".to_owned())).is_ok());
    let shown: Value = serde_json::from_str(shown).unwrap();
    let sample = fs::read_to_string(root().join("envoy/rules.yaml")).unwrap();
    let sample: Value = serde_saphyr::from_str(&sample).unwrap();
    let demo: Value = serde_json::from_str(sample["configuration"]["value"].as_str().unwrap()).unwrap();
    let rules = shown["rules"].as_array().unwrap();
    assert!(rules.len() > 2, "only {} rules", rules.len());
    for rule in rules {
        assert!(demo["rules"].as_array().unwrap().contains(rule), "the demo has another rule than {rule}");
    }
    assert_eq!(shown["cors_preflight"], demo["cors_preflight"]);
}
