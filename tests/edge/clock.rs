//! Somebody sets the clock of the machine while a proxy runs.
//!
//! A library that is preloaded shifts the wall clock of Envoy alone. It is compiled here, which takes a C
//! compiler (`cc`); what it does is seen in the time of the access log.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_key_feed::KeyId;
use latchkey_local_stack::envoy::{EnvoyOptions, EnvoyProcess};
use latchkey_local_stack::envoy_config::EnvoyConfig;
use latchkey_local_stack::fake_key_service::{FakeKeyService, FeedManner};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::places;
use latchkey_local_stack::upstream::Upstream;
use serde_json::json;
use tempfile::TempDir;

use crate::stage::{self, Stage, configure, encoded, epoch, key};

/// An edge with a clock of its own.
struct Shifted {
    stage: Stage,
    directory: TempDir,
}

impl Shifted {
    fn start(keys: FakeKeyService, edit: impl FnOnce(&mut EnvoyConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = library(directory.path());
        let upstream = Upstream::start(([127, 0, 0, 1], 0).into()).unwrap();
        let mut options: EnvoyOptions = stage::options(keys.address(), &upstream, edit);
        options.environment.push(("LD_PRELOAD".to_owned(), library.display().to_string()));
        let shift = shift_file(directory.path()).display().to_string();
        options.environment.push(("LATCHKEY_TEST_CLOCK_SHIFT".to_owned(), shift));
        let envoy = EnvoyProcess::start(&options).unwrap();
        let address = envoy.listener().unwrap();
        Self { stage: Stage { envoy, keys, upstream, address }, directory }
    }

    /// Sets the clock of the edge, and makes sure that it is set.
    fn set_clock(&self, seconds: i64) {
        let path = format!("/before-{seconds}");
        self.stage.send(&Request::get(&path));
        let before = self.logged_hour(&path);
        let written = self.directory.path().join("shift.new");
        fs::write(&written, seconds.to_string()).unwrap();
        fs::rename(written, shift_file(self.directory.path())).unwrap();
        let path = format!("/after-{seconds}");
        self.stage.send(&Request::get(&path));
        assert_ne!(self.logged_hour(&path), before, "the clock of Envoy was not set");
    }

    fn logged_hour(&self, path: &str) -> String {
        self.stage.envoy.logged_request(path).unwrap()["time"].as_str().unwrap()[..13].to_owned()
    }
}

fn shift_file(directory: &Path) -> PathBuf {
    directory.join("shift")
}

fn library(directory: &Path) -> PathBuf {
    let library = directory.join("clock_shift.so");
    let source = places::repository().join("tests/edge/clock_shift.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(source)
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}

fn impatient(config: &mut EnvoyConfig) {
    configure(config, "/key_service/wait", json!("1s"));
    configure(config, "/key_service/fetch_timeout", json!("1s"));
    configure(config, "/staleness/stale_after", json!("3s"));
    configure(config, "/staleness/refuse_after", json!("4s"));
    configure(config, "/start_up_wait", json!("100ms"));
}

const HOURS: i64 = 3_600;

#[test]
fn a_clock_set_back_before_the_service_is_reachable_does_not_stop_the_edge() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    keys.behave(FeedManner::Status(500));
    let edge = Shifted::start(keys, impatient);
    edge.stage.until("it has failed a few times", || edge.stage.stat("feed.failures") > 3);
    edge.set_clock(-2 * HOURS);
    edge.stage.keys.behave(FeedManner::Truthful);
    edge.stage.await_admitted(&encoded("id", "secret"));
}

#[test]
fn a_clock_that_is_set_keeps_no_revocation_away_and_refuses_nobody() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    let edge = Shifted::start(keys, |config| {
        impatient(config);
        // After a step forward, requests wait for the next answer of the service: the machine may have slept.
        configure(config, "/start_up_wait", json!("5s"));
    });
    let good = encoded("id", "secret");
    edge.stage.await_admitted(&good);
    for (number, hours) in [-2, 3, -26].into_iter().enumerate() {
        let (id, step) = (format!("revoked-{number}"), hours * HOURS);
        edge.stage.keys.put(key(&id, "secret"));
        edge.stage.await_admitted(&encoded(&id, "secret"));
        edge.set_clock(step);
        for _ in 0..20 {
            assert_eq!(edge.stage.status_for(&good), 200, "refused because the clock was set");
        }
        edge.stage.keys.remove(KeyId::try_from(id.as_str()).unwrap());
        edge.stage.await_refused(&encoded(&id, "secret"));
        let told = "the clock was set, or the machine slept: the key service is asked at once";
        edge.stage.until("the step is noticed", || edge.stage.envoy.log().stderr().contains(told));
    }
    edge.stage.assert_no_vm_died();
}

#[test]
fn a_clock_set_back_lets_no_table_serve_for_longer() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    let edge = Shifted::start(keys, impatient);
    let good = encoded("id", "secret");
    edge.stage.await_admitted(&good);
    edge.stage.keys.behave(FeedManner::Closing);
    edge.set_clock(-2 * HOURS);
    // It would go on for two hours by that clock.
    edge.stage.until("the table is too old", || edge.stage.status_for(&good) == 503);
    // And it is not fresh again because the clock is set to where it was.
    edge.set_clock(0);
    assert_eq!(edge.stage.status_for(&good), 503);
    assert!(!edge.stage.envoy.log().stderr().contains("fresh again"));
}

#[test]
fn a_clock_that_is_far_ahead_admits_nobody_before_the_service_has_answered() {
    let keys = FakeKeyService::start(epoch("first")).unwrap();
    keys.put(key("id", "secret"));
    let edge = Shifted::start(keys, |config| {
        impatient(config);
        configure(config, "/staleness/refuse_after", json!("1h"));
    });
    let good = encoded("id", "secret");
    edge.stage.await_admitted(&good);
    edge.stage.keys.behave(FeedManner::Closing);
    edge.set_clock(2 * HOURS);
    assert_eq!(edge.stage.status_for(&good), 503);
    edge.stage.keys.behave(FeedManner::Truthful);
    edge.stage.await_admitted(&good);
}
