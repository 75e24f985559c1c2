//! `deploy/grafana`: dashboards that ask Prometheus what it understands.

use std::collections::BTreeSet;
use std::fs;

use latchkey_local_stack::scratch_directory::ScratchDirectory;
use serde_json::{Value, json};

use crate::prometheus::ALERTS;
use crate::{checker, document, printed, text};

const DASHBOARDS: [&str; 2] = ["deploy/grafana/edges.json", "deploy/grafana/service.json"];

/// What Grafana puts in the place of its variables, as Prometheus would be asked.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "1m"), ("$instance", ".*")];

fn dashboard(name: &str) -> Value {
    serde_json::from_str(&text(name)).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

fn queries(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn prometheus_understands_every_query() {
    for name in DASHBOARDS {
        let queries = queries(&dashboard(name));
        assert!(queries.len() > 15, "{name}");
        let rules: Vec<Value> = queries
            .iter()
            .enumerate()
            .map(|(number, query)| {
                let query =
                    VARIABLES.iter().fold(query.clone(), |query, (name, value)| query.replace(name, value));
                assert!(!query.contains('$'), "{query}");
                json!({"record": format!("query:{number}"), "expr": query})
            })
            .collect();
        let scratch = ScratchDirectory::new("latchkey-queries").unwrap();
        let file = scratch.path().join("queries.yaml");
        fs::write(&file, json!({"groups": [{"name": "queries", "rules": rules}]}).to_string()).unwrap();
        printed(checker("promtool").args(["check", "rules"]).arg(&file));
    }
}

#[test]
fn every_panel_has_a_place_a_name_and_the_source_that_is_chosen() {
    for name in DASHBOARDS {
        let dashboard = dashboard(name);
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = &panel["title"];
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: {title}");
            let at = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {title}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {title} lies on another panel");
                }
            }
        }
        for panel in panels(&dashboard) {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{name}: {}", panel["title"]);
        }
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let names: Vec<_> = variables.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["datasource", "instance"]);
    }
}

// What the rules record is there under these names only.
#[test]
fn what_dashboards_ask_of_edges_is_recorded() {
    let rules = document(ALERTS);
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let recorded: BTreeSet<&str> = rules.filter_map(|rule| rule["record"].as_str()).collect();
    let asked = queries(&dashboard(DASHBOARDS[0])).join(" ");
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    let asked: BTreeSet<&str> =
        asked.split(|letter| !is_of_name(letter)).filter(|word| word.contains("latchkey")).collect();
    assert!(asked.len() > 10);
    assert_eq!(asked.difference(&recorded).collect::<Vec<_>>(), Vec::<&&str>::new());
}
