//! What is handed out to run Latchkey with (`deploy/`, and the samples for Istio and Envoy Gateway) is what those take who
//! read it.
//!
//! Kubernetes, the Prometheus Operator and compose have published schemas, which `tests/schemas` holds. kubectl, promtool and
//! systemd-analyze are there after `make checkers`.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a failing test may panic")]

mod compose;
mod gateways;
mod grafana;
mod image;
mod kubernetes;
mod prometheus;
mod schema;
mod service;
mod systemd;

use std::path::PathBuf;
use std::process::{Command, Output};

use latchkey_local_stack::places;
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    places::repository().join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents of a file in YAML.
fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The only document of a file in YAML.
fn document(name: &str) -> Value {
    let mut documents = documents(name);
    assert_eq!(documents.len(), 1, "{name}");
    documents.remove(0)
}

/// A program that `make checkers` brings, or the machine has.
fn checker(name: &str) -> Command {
    let brought = path(".tools").join(name);
    Command::new(if brought.is_file() { brought } else { name.into() })
}

#[track_caller]
fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}: run `make checkers`"))
}

/// What a command prints that must succeed.
#[track_caller]
fn printed(command: &mut Command) -> String {
    let output = output(command);
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{command:?}\n{stdout}{stderr}");
    stdout.into_owned()
}
