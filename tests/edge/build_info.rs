//! An operator sees which build of the filter is at work.

use latchkey_build_info::{COMMIT, FILTER, VERSION};

use crate::stage::{Stage, key};

#[test]
fn the_log_begins_with_the_build_and_the_metrics_name_it() {
    let stage = Stage::with_keys(vec![key("id", "secret")], |_| {});
    let log = stage.envoy.log().stderr();
    assert_eq!(log.matches(FILTER).count(), 1, "once for the process, whatever VMs it has: {log}");
    let first =
        log.lines().find(|line| line.contains("[info][wasm]") || line.contains("[info][dynamic_modules]"));
    assert!(first.is_some_and(|line| line.contains(FILTER)), "{first:?}");

    let metrics = stage.envoy.admin().get("/stats/prometheus").unwrap().text();
    let line = metrics.lines().find(|line| line.starts_with("latchkey_build_info{")).unwrap_or_default();
    for part in [format!("version=\"{VERSION}\""), format!("commit=\"{COMMIT}\""), "} 1".to_owned()] {
        assert!(line.contains(&part), "{line:?} has no {part}");
    }
}
