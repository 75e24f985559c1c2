//! `deploy/prometheus`, as Prometheus reads and works it out.

use std::collections::BTreeSet;

use crate::{checker, document, path, printed};

pub(crate) const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const CASES: &str = "tests/deploy/alerts.test.yaml";

/// The values of a field of every rule.
fn rules(field: &str) -> BTreeSet<String> {
    let file = document(ALERTS);
    let groups = file["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.filter_map(|rule| Some(rule.get(field)?.as_str()?.to_owned())).collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let said = printed(checker("promtool").args(["check", "rules"]).arg(path(ALERTS)));
    let rules = rules("alert").len() + rules("record").len();
    assert!(rules > 30 && said.contains(&format!("{rules} rules found")), "{said}");
}

#[test]
fn every_alert_fires_when_it_should_and_none_while_all_is_well() {
    let said = printed(checker("promtool").args(["test", "rules"]).arg(path(CASES)));
    assert!(said.contains("SUCCESS"), "{said}");
    let cases = document(CASES);
    let tested: BTreeSet<String> = cases["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|case| case["alert_rule_test"].as_array().into_iter().flatten())
        .filter(|case| !case["exp_alerts"].as_array().unwrap().is_empty())
        .map(|case| case["alertname"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(tested, rules("alert"));
}
