use serde_json::Value;

use super::{DevProcess, LoggedProcess, answered, asking, latchkey, run, text, told};

#[test]
fn changes_are_listed_by_key_by_actor_and_by_time() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let made = answered(&mut asking(&service), &["key", "create", "ci", "--role=ci"], "");
    let id = made["id"].as_str().unwrap();
    told(&mut asking(&service), &["user", "create", "alice", "--role=superuser"], "correct horse\n");
    let mut alice = asking(&service);
    alice.env("LATCHKEY_USER", "alice").env("LATCHKEY_PASSWORD", "correct horse");
    told(&mut alice, &["key", "invalidate", id], "");

    let list = |more: &[&str]| {
        let data = data.path().display().to_string();
        told(&mut latchkey(), &[&["audit", "list", "--data", &data], more].concat(), "")
    };
    let actions = |more: &[&str]| -> Vec<String> {
        let lines = list(&[more, &["--json"]].concat());
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| line["action"].as_str().unwrap().to_owned()).collect()
    };
    let all = ["create_api_key", "put_user", "invalidate_api_keys"];
    assert_eq!(actions(&[]), all);
    assert_eq!(actions(&["--key", id]), ["create_api_key", "invalidate_api_keys"]);
    assert_eq!(actions(&["--actor", "alice"]), ["invalidate_api_keys"]);
    assert_eq!(actions(&["--action", "put_user"]), ["put_user"]);
    assert_eq!(actions(&["--since", "1h"]), all);
    assert_eq!(actions(&["--until", "1h"]), [""; 0]);
    assert_eq!(actions(&["--since", "2026-01-01", "--until", "2026-01-02"]), [""; 0]);
    let listed = list(&["--key", id]);
    let last = listed.lines().last().unwrap();
    assert!(last.contains("invalidate_api_keys   alice (native) from 127.0.0.1:"), "{last}");
    assert!(last.ends_with(id), "{last}");
    let wrong = run(latchkey().args(["audit", "list", "--data=x", "--since=yesterday"]), "");
    assert!(text(&wrong.stderr).contains("must be a time ago, such as 12h"), "{}", text(&wrong.stderr));
}

#[test]
fn changes_are_followed_as_they_are_made() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["key", "create", "before", "--role=ci"], "");
    let mut command = latchkey();
    command.args(["audit", "follow", "--data"]).arg(data.path());
    let follower = LoggedProcess::start(command);
    // It does not say when it has begun, so a change is made until it tells of one.
    let line = loop {
        told(&mut asking(&service), &["role", "put", "r", "--cluster=monitor"], "");
        let lines = follower.process.log().stdout();
        if let Some((line, _)) = lines.split_once('\n') {
            break line.to_owned();
        }
    };
    assert!(line.contains("put_role") && line.ends_with("  r"), "{line}");
}

// The row is in the store: a line of JSON before the answer was only in the way.
#[test]
fn a_command_for_people_writes_no_audit_log_before_its_answer() {
    let data = tempfile::tempdir().unwrap();
    DevProcess::start(data.path()).terminate();
    let output = run(latchkey().arg("new-epoch").arg("--data").arg(data.path()), "");
    assert_eq!(text(&output.stderr), "");
    assert!(text(&output.stdout).starts_with("The feed has the new epoch "));
    let json = run(latchkey().args(["new-epoch", "--log-format=json", "--data"]).arg(data.path()), "");
    assert!(text(&json.stderr).contains(r#""action":"begin_epoch""#), "{}", text(&json.stderr));
    let listed = told(latchkey().args(["audit", "list", "--data"]).arg(data.path()), &[], "");
    assert_eq!(listed.matches("begin_epoch").count(), 2, "{listed}");
}
