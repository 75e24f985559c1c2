use std::fs;

use serde_json::{Value, json};

use super::{DevProcess, answered, asking, complaint, run, text, told};

/// A command of this user, who was made with this password.
fn of_user(service: &DevProcess, user: &str) -> std::process::Command {
    let mut command = asking(service);
    command.env("LATCHKEY_USER", user).env("LATCHKEY_PASSWORD", "correct horse");
    command
}

/// A service with two users who may have keys of their own.
fn team(data: &std::path::Path) -> DevProcess {
    let service = DevProcess::start(data);
    told(&mut asking(&service), &["role", "put", "key-maker", "--cluster=manage_own_api_key"], "");
    for user in ["alice", "bob"] {
        told(&mut asking(&service), &["user", "create", user, "--role=key-maker"], "correct horse");
    }
    service
}

fn made_by(service: &DevProcess, user: &str, name: &str) -> String {
    let made = answered(&mut of_user(service, user), &["key", "create", name, "--role=ci"], "");
    made["id"].as_str().unwrap().to_owned()
}

fn key(service: &DevProcess, id: &str) -> Value {
    answered(&mut asking(service), &["key", "show", id], "")["api_keys"][0].clone()
}

#[test]
fn an_administrator_relabels_and_extends_the_keys_of_a_team() {
    let data = tempfile::tempdir().unwrap();
    let service = team(data.path());
    let (first, second) = (made_by(&service, "alice", "ci-1"), made_by(&service, "alice", "ci-2"));
    let other = made_by(&service, "bob", "ci-3");
    let own = answered(&mut asking(&service), &["key", "create", "own", "--role=ci"], "");
    let own = own["id"].as_str().unwrap();
    let one = ["key", "update", &first, "--expires=30d", "--metadata=team=red"];
    assert_eq!(told(&mut asking(&service), &one, ""), format!("Updated the key {first}.\n"));
    let shown = key(&service, &first);
    assert_eq!((&shown["username"], &shown["metadata"]), (&json!("alice"), &json!({"team": "red"})));
    assert!(shown["expiration"].is_u64(), "{shown}");

    let named = ["key", "update", &first, &other, own, "--role=shop"];
    let told_of = told(&mut asking(&service), &named, "");
    assert!(told_of.starts_with("Updated 3 keys.\n"), "{told_of}");
    for id in [&first, &other, own] {
        assert!(key(&service, id)["role_descriptors"]["shop"].is_object(), "{id}");
    }
    let choice = ["key", "update", "--username=alice", "--metadata=team=blue"];
    let asked = complaint(&mut asking(&service), &choice, "");
    assert!(asked.contains("this would change 2 keys: ") && asked.ends_with("say --yes to do it"), "{asked}");
    let done = answered(&mut asking(&service), &[&choice[..], &["--yes"]].concat(), "");
    assert_eq!(done["updated"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(key(&service, &second)["metadata"], json!({"team": "blue"}));
    assert_eq!(key(&service, &other)["metadata"], json!({}));
    let audit =
        told(super::latchkey().args(["audit", "list", "--actor=alice", "--data"]).arg(data.path()), &[], "");
    assert!(audit.contains("elastic (reserved) for alice"), "{audit}");
}

#[test]
fn whoever_may_not_act_for_another_changes_no_keys_of_others() {
    let data = tempfile::tempdir().unwrap();
    let service = team(data.path());
    let (own, other) = (made_by(&service, "alice", "a"), made_by(&service, "bob", "b"));
    let update = |id: &str| run(of_user(&service, "alice").args(["key", "update", id, "--metadata=n=1"]), "");
    assert!(update(&own).status.success());
    let refused = update(&other);
    assert!(!refused.status.success());
    let complaint = text(&refused.stderr);
    assert!(complaint.contains("whoever asks has no such key"), "{complaint}");
    assert_eq!(key(&service, &other)["metadata"], json!({}));
}

// The label of a role would take `read_key_feed` from the key of an edge.
#[test]
fn a_choice_spares_the_keys_of_edges() {
    let data = tempfile::tempdir().unwrap();
    let service = team(data.path());
    let feed = data.path().join("feed.json");
    fs::write(&feed, r#"{"edge":{"cluster":["read_key_feed"]}}"#).unwrap();
    let feed = format!("--role-descriptors={}", feed.display());
    answered(&mut asking(&service), &["key", "create", "edge", &feed], "");
    let all = ["key", "update", "--mine", "--role=ci"];
    let nothing = complaint(&mut asking(&service), &all, "");
    assert_eq!(nothing, "latchkey: nothing was changed, because this hits no key that is valid");
    told(&mut asking(&service), &[&all[..], &["--edges-too"]].concat(), "");
}
