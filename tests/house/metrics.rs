//! Alerts, dashboards and their guide speak of metrics that exist.

use std::collections::BTreeSet;
use std::fs;

use crate::{code, root};

const ALERTS: &str = "deploy/prometheus/alerts.yaml";
const CASES: &str = "tests/deploy/alerts.test.yaml";
const DASHBOARDS: [&str; 2] = ["deploy/grafana/edges.json", "deploy/grafana/service.json"];

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The part of the guide that is about metrics.
fn guide() -> String {
    let guide = text("docs/operations.md");
    guide.split("\n## Metrics and alerts").nth(1).unwrap().split("\n## ").next().unwrap().to_owned()
}

#[test]
fn alerts_dashboards_and_their_guide_name_only_metrics_that_exist() {
    let existing = metrics();
    let read = DASHBOARDS.into_iter().chain([ALERTS, CASES]).map(|name| (name, text(name)));
    for (name, text) in read.chain([("docs/operations.md", guide())]) {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let named: Vec<_> = words.filter_map(|word| Some(&word[word.find("latchkey_")?..])).collect();
        assert!(named.len() >= 10, "{name}: only {named:?}");
        for word in named {
            // Where a proxy makes no labels of them, rule and reason are parts of the name.
            let metric =
                ["_rule_", "_reason_"].iter().fold(word, |word, part| word.split(part).next().unwrap());
            let metric = metric.trim_end_matches("_bucket");
            assert!(existing.iter().any(|known| known == metric), "{name}: there is no metric {word}");
        }
    }
}

#[test]
fn the_reasons_in_the_cases_of_alerts_are_those_of_the_filter() {
    let reasons = text("src/denial.rs");
    let cases = text(CASES);
    let named: Vec<_> = cases
        .split("_reason_")
        .chain(cases.split("_denied{").flat_map(|part| part.split("reason=\"")))
        .skip(1)
        .filter_map(|part| part.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').next())
        .filter(|reason| reason.starts_with("table_"))
        .collect();
    assert!(named.len() > 4, "only {named:?}");
    for reason in named {
        assert!(reasons.contains(&format!("\"{reason}\"")), "there is no reason {reason}");
    }
}

/// Edges tell how many requests they refuse by reason, and the service counts each that it knows apart.
#[test]
fn every_reason_of_a_refusal_is_one_that_the_service_knows() {
    let reasons = |file: &str| -> BTreeSet<String> {
        let text = text(file);
        let texts = text.split("=> \"").skip(1).filter_map(|part| part.split('"').next());
        texts.map(str::to_owned).collect()
    };
    let mut told = reasons("src/denial.rs");
    told.extend(reasons("src/credential.rs").into_iter().filter(|reason| reason.starts_with("credential_")));
    told.extend(reasons("src/rules.rs").into_iter().filter(|reason| reason.ends_with("_ambiguous")));
    assert!(told.len() > 25, "{told:?}");
    let list = text("crates/key-feed/src/refusal_counts.rs");
    let list = list.split("REFUSAL_REASONS: ").nth(1).unwrap().split("];").next().unwrap();
    let known: BTreeSet<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(told, known);
}

#[test]
fn the_guide_says_what_to_do_about_every_alert() {
    let (alerts, guide) = (text(ALERTS), guide());
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(guide.contains(&format!("`{alert}`")), "the guide does not say what to do about {alert}");
    }
}

/// The names of all metrics, as Prometheus has them: those of the service stand in its code as they are,
/// those of the filter with periods. The reason of a denial is a label (`envoy/local.yaml`).
fn metrics() -> Vec<String> {
    let names = |text: &str, begin: &str| -> Vec<String> {
        let texts = text.split('"').skip(1).step_by(2).filter(|text| text.starts_with(begin));
        texts.map(|name| name.trim_end_matches(".reason.").replace('.', "_")).collect()
    };
    let of_service = code()
        .filter(|(path, _)| path.starts_with("crates/key-service/src"))
        .flat_map(|(_, text)| text.lines().flat_map(|line| names(line, "latchkey_")).collect::<Vec<_>>());
    let of_filter = text("src/metrics.rs");
    of_service.chain(of_filter.lines().flat_map(|line| names(line, "latchkey."))).collect()
}
