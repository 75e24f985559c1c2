//! `latchkey key apply`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{DevProcess, answered, asking, run, text, told};

const SAMPLE: &str = include_str!("../../../../../deploy/keys.yaml");

fn written(data: &Path, file: &str) -> String {
    let path = data.join("keys.yaml");
    fs::write(&path, file).unwrap();
    path.display().to_string()
}

fn keys_of(service: &DevProcess, owner: &str) -> Vec<Value> {
    let owner = format!("--owner={owner}");
    answered(&mut asking(service), &["key", "list", &owner, "--active"], "")["api_keys"]
        .as_array()
        .unwrap()
        .clone()
}

#[track_caller]
fn refused(command: &mut Command, arguments: &[&str]) -> String {
    let output = run(command.args(arguments), "");
    assert!(!output.status.success(), "{}", text(&output.stdout));
    text(&output.stderr)
}

#[test]
fn the_sample_is_applied_once_and_then_there_is_nothing_to_do() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let file = written(data.path(), SAMPLE);
    let apply = ["key", "apply", "-f", &file];
    let dry = told(&mut asking(&service), &[&apply[..], &["--dry-run"]].concat(), "");
    let expected = "The set shop: 6 to create, 0 to change, 0 to prune.\n  + role orders-clerk\n  + privilege read of orders\n  \
                    + privilege write of orders\n  + owner team-shop\n  + key checkout of team-shop\n  + key returns of team-shop\n";
    assert_eq!(dry, expected);
    assert_eq!(answered(&mut asking(&service), &["owner", "list"], ""), json!({}));
    let done = told(&mut asking(&service), &apply, "");
    assert!(done.starts_with("The set shop: 6 created, 0 changed, 0 pruned.\n"), "{done}");

    let credential = data.path().join("checkout.credential");
    assert_eq!(fs::metadata(&credential).unwrap().permissions().mode() & 0o777, 0o600);
    let path = credential.display().to_string();
    assert!(done.contains(&format!("is in {path}.")), "{done}");
    let role = answered(&mut asking(&service), &["role", "list"], "")["orders-clerk"].clone();
    assert_eq!(role["metadata"], json!({"latchkey_apply": "shop"}));
    let keys = keys_of(&service, "team-shop");
    assert_eq!(keys.len(), 2, "{keys:?}");
    let checkout = keys.iter().find(|key| key["name"] == "checkout").unwrap();
    assert_eq!(checkout["metadata"], json!({"latchkey_apply": "shop", "team": "red"}));
    assert!(checkout["expiration"].as_u64().unwrap().abs_diff(4_073_500_800_000) < 60_000, "{checkout}");
    // The credential in the file is that of the key.
    let mut as_key = super::latchkey();
    as_key.env("LATCHKEY_URL", &service.url);
    let mine = refused(&mut as_key, &["key", "list", "--mine", "--api-key-file", &path]);
    assert!(mine.contains("user team-shop") || mine.contains("may not do this"), "{mine}");

    let again = told(&mut asking(&service), &apply, "");
    assert_eq!(again, "Nothing to do: the set shop is as it is declared.\n");
    // The file may go to where it is needed.
    fs::remove_file(&credential).unwrap();
    assert_eq!(told(&mut asking(&service), &apply, ""), again);
}

#[test]
fn what_changes_is_changed_and_what_is_pruned_is_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let file = written(data.path(), SAMPLE);
    let apply = ["key", "apply", "-f", &file];
    told(&mut asking(&service), &apply, "");
    let by_hand = ["key", "create", "by-hand", "--owner=team-shop", "--role=r"];
    told(&mut asking(&service), &by_hand, "");

    let changed = SAMPLE
        .replace("privileges: [write]", "privileges: [read, write]")
        .replace("{team: red}", "{team: blue}")
        .replace("2099-01-31", "2098-01-31")
        .replace("roles: [clerk]", "roles: [porter]");
    written(data.path(), &changed);
    let done = told(&mut asking(&service), &apply, "");
    for line in [
        "~ role orders-clerk: applications\n",
        "~ key checkout of team-shop: metadata, expiration, limits\n",
        "~ key returns of team-shop: role_descriptors, limits\n",
    ] {
        assert!(done.contains(line), "{line}\n{done}");
    }
    assert!(told(&mut asking(&service), &apply, "").starts_with("Nothing to do"));
    let keys = keys_of(&service, "team-shop");
    let checkout = keys.iter().find(|key| key["name"] == "checkout").unwrap();
    let id = checkout["id"].as_str().unwrap();
    assert_eq!(checkout["metadata"]["team"], "blue");
    assert!(checkout["expiration"].as_u64().unwrap().abs_diff(4_041_964_800_000) < 60_000, "{checkout}");
    let shown = answered(&mut asking(&service), &["key", "show", id, "--limited-by"], "");
    let limit = &shown["api_keys"][0]["limited_by"][0]["orders-clerk"]["applications"][0]["privileges"];
    assert_eq!(*limit, json!(["read", "write"]));

    // An owner that keeps no role, and a file without the rest: the key made by hand is of no set and stays.
    let fewer = "set: shop\nowners:\n  team-shop: {roles: []}\n";
    written(data.path(), fewer);
    let asked = refused(&mut asking(&service), &apply);
    assert!(
        asked.contains("- key checkout of team-shop (") && asked.contains("say --yes to do it"),
        "{asked}"
    );
    assert_eq!(keys_of(&service, "team-shop").len(), 3);
    let done = told(&mut asking(&service), &[&apply[..], &["--yes"]].concat(), "");
    assert!(
        done.contains("- privilege write of orders\n") && done.contains("- role orders-clerk\n"),
        "{done}"
    );
    let left = keys_of(&service, "team-shop");
    assert_eq!(left.iter().map(|key| key["name"].as_str().unwrap()).collect::<Vec<_>>(), ["by-hand"]);
    assert!(told(&mut asking(&service), &apply, "").starts_with("Nothing to do"));
}

#[test]
fn keys_of_an_owner_that_is_disabled_wait_until_it_is_enabled() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let file = written(data.path(), SAMPLE);
    let apply = ["key", "apply", "-f", &file];
    told(&mut asking(&service), &apply, "");
    told(&mut asking(&service), &["owner", "disable", "team-shop"], "");
    written(data.path(), &SAMPLE.replace("{team: red}", "{team: blue}"));
    let waits = told(&mut asking(&service), &apply, "");
    assert!(waits.starts_with("Nothing to do") && waits.contains("Note: team-shop is disabled"), "{waits}");
    told(&mut asking(&service), &["owner", "enable", "team-shop"], "");
    let done = told(&mut asking(&service), &apply, "");
    assert!(done.contains("~ key checkout of team-shop: metadata\n"), "{done}");
}

#[test]
fn the_mistakes_that_the_service_finds_have_lines_too_and_nothing_is_done() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    fs::write(data.path().join("old.key"), "hunter2hunter2\n").unwrap();
    fs::write(data.path().join("taken.credential"), "").unwrap();
    told(&mut asking(&service), &["role", "put", "monitors", "--cluster=monitor"], "");
    let file = written(
        data.path(),
        "set: shop\nroles:\n  monitors: {cluster: [monitor]}\n  new: {cluster: [monitor]}\nowners:\n  team: {roles: [new]}\nkeys:\n\
         - {owner: team, name: weak, roles: [r], key_file: old.key}\n- {owner: nobody, name: a, roles: [r]}\n\
         - {owner: team, name: _hidden, roles: [r]}\n- {owner: team, name: b, roles: [r], credential_file: taken.credential}\n\
         - {owner: team, name: c, roles: [r]}\n",
    );
    let apply = ["key", "apply", "-f", &file];
    let complaint = refused(&mut asking(&service), &apply);
    let lines: Vec<&str> = complaint.lines().filter(|line| line.trim_start().starts_with("line ")).collect();
    let expected = [
        "line 3: the role monitors is there already, and no set owns it: --adopt takes it over",
        "line 8: the key is weak",
        "line 9: there is no user [nobody]",
        "line 10: api key name may not begin with an underscore",
        "line 11: ",
    ];
    assert_eq!(lines.len(), expected.len(), "{complaint}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.trim_start().starts_with(expected), "{expected}\n{complaint}");
    }
    assert!(
        lines[4].contains("taken.credential is there already, and nothing is overwritten. If an apply"),
        "{complaint}"
    );
    assert!(!complaint.contains("hunter2"), "{complaint}");
    assert_eq!(answered(&mut asking(&service), &["owner", "list"], ""), json!({}));
    assert_eq!(answered(&mut asking(&service), &["role", "list"], "").get("new"), None);
    assert_eq!(
        fs::read_dir(data.path())
            .unwrap()
            .filter(|it| it.as_ref().unwrap().path().extension().is_some_and(|end| end == "next"))
            .count(),
        0
    );
}

#[test]
fn what_fails_midway_is_said_and_the_next_apply_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    // May write everything, and act for nobody: so the secret of no key is drawn.
    told(
        &mut asking(&service),
        &["role", "put", "keeper", "--cluster=manage_security", "--cluster=manage_api_key"],
        "",
    );
    told(&mut asking(&service), &["user", "create", "keeper", "--role=keeper"], "correct horse");
    let file = written(
        data.path(),
        "roles:\n  shop: {cluster: [monitor]}\nowners:\n  team: {roles: [shop]}\nusers:\n  keeper: {roles: [keeper, shop]}\nkeys:\n\
         - {owner: team, name: brought, roles: [r], digest: \"sha256:6e6006f1123f5e8d475f523874e822a352ffc238d60cba03194026d858dec958\"}\n\
         - {owner: team, name: drawn, roles: [r], expiration: 30d}\n- {owner: keeper, name: own, roles: [r], expiration: 30d}\n",
    );
    let apply = ["key", "apply", "-f", &file, "--set=shop"];
    let mut keeper = asking(&service);
    keeper.env("LATCHKEY_USER", "keeper").env("LATCHKEY_PASSWORD", "correct horse");
    let output = run(keeper.args(apply), "");
    assert!(!output.status.success());
    let (complaint, printed) = (text(&output.stderr), text(&output.stdout));
    assert!(complaint.contains("key drawn of team: "), "{complaint}");
    assert!(printed.starts_with("The set shop: 3 created, 1 changed, 0 pruned.\n"), "{printed}");
    let told_of = "4 of 6 steps were done. Not done: key drawn of team; key own of keeper. The same command goes on from there.";
    assert!(complaint.contains(told_of), "{complaint}");
    let done = answered(&mut asking(&service), &apply, "");
    assert_eq!(done["steps"].as_array().unwrap().len(), 2, "{done}");
    assert!(
        done["keys"].as_array().unwrap().iter().all(|key| key["encoded"].is_string()),
        "{}",
        done["keys"][0]["name"]
    );
    let keys = keys_of(&service, "team");
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.iter().all(|key| key["metadata"] == json!({"latchkey_apply": "shop"})), "{keys:?}");
    assert!(told(&mut asking(&service), &apply, "").starts_with("Nothing to do"));
    let roles = &answered(&mut asking(&service), &["user", "show", "keeper"], "")["keeper"]["roles"];
    assert_eq!(*roles, json!(["keeper", "shop"]));
}
