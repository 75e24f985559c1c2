use reqwest::Method;
use serde_json::json;

use super::{DevProcess, answered, asking, complaint, http_client, run, text, told};

/// An edge asks for what comes after a cursor.
async fn follow(service: &DevProcess, edge: &str, after: u64) {
    ask(service, &format!("after={after}&edge={edge}&refuse_after=7200s")).await;
}

async fn ask(service: &DevProcess, query: &str) {
    let path = format!("/_latchkey/feed?{query}");
    let password = service.password.as_ref().unwrap();
    let answer = service.request(&http_client(), Method::GET, &path, password).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

#[tokio::test]
async fn shows_the_edges_and_fails_when_one_has_not_applied_a_change() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    assert_eq!(told(&mut asking(&service), &["edges"], "").lines().count(), 3, "headings and a sum");

    let id = answered(&mut asking(&service), &["key", "create", "ci", "--role=ci"], "")["id"].clone();
    let id = id.as_str().unwrap();
    follow(&service, "edge-a", 2).await;
    follow(&service, "edge-b", 1).await;
    let listed = told(&mut asking(&service), &["edges"], "");
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0].concat(), "NAMEINSTANCECURSORLAGLASTSEENSTATE");
    assert_eq!((&rows[1][..4], rows[1][5]), (&["edge-a", "edge-a", "2", "0"][..], "live"));
    assert_eq!((&rows[2][..4], rows[2][5]), (&["edge-b", "edge-b", "1", "1"][..], "live"));
    assert!(listed.ends_with("\n1 of 2 live edges have applied every change.\n"), "{listed}");
    let json = answered(&mut asking(&service), &["edges"], "");
    assert_eq!(json["edges"][1]["name"], "edge-b");

    let update = ["key", "update", id, "--metadata=a=b", "--wait-for-edges=1ms"];
    let late = run(asking(&service).args(update), "");
    assert!(!late.status.success());
    let printed = text(&late.stdout);
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines[..2], [&format!("Updated the key {id}."), "Applied by 0 edges."]);
    assert!(
        lines[2].starts_with("edge-a, last seen ") && lines[3].starts_with("edge-b, last seen "),
        "{printed}"
    );
    assert!(lines[2].contains("Z, may go by the key as it was until "), "{printed}");
    assert_eq!(text(&late.stderr), "latchkey: not yet applied by 2 of 2 edges: edge-a, edge-b\n");

    follow(&service, "edge-a", 3).await;
    follow(&service, "edge-b", 3).await;
    let in_time = told(&mut asking(&service), &update, "");
    assert!(in_time.ends_with("Applied by 2 edges.\n"), "{in_time}");

    let invalidate = ["key", "invalidate", id, "--wait-for-edges=1ms", "--json"];
    let late = run(asking(&service).args(invalidate), "");
    assert!(!late.status.success());
    let printed: serde_json::Value = serde_json::from_str(&text(&late.stdout)).unwrap();
    assert_eq!(printed["edges"]["missing"], json!(["edge-a", "edge-b"]));
    let again = run(asking(&service).args(invalidate), "");
    let complaint_of_both =
        format!("invalid already: {id}; not yet applied by 2 of 2 edges: edge-a, edge-b\n");
    assert!(text(&again.stderr).ends_with(&complaint_of_both), "{}", text(&again.stderr));
    let nothing = run(asking(&service).args(["key", "invalidate", "--wait-for-edges=1ms"]), "");
    assert_eq!(nothing.status.code(), Some(2), "a wait is no choice of keys");
    let too_long = run(asking(&service).args(["key", "update", id, "--wait-for-edges=2m"]), "");
    assert!(text(&too_long.stderr).contains("the service waits at most 60s"), "{}", text(&too_long.stderr));
}

#[tokio::test]
async fn a_new_key_waits_for_edges_and_an_edge_that_is_gone_is_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let edge = format!("after=1&edge=edge-a&instance={:032x}", 1);
    ask(&service, &edge).await;
    let create = ["key", "create", "ci", "--role=ci", "--expires=1h", "--wait-for-edges=1ms"];
    let late = run(asking(&service).args(create), "");
    assert!(!late.status.success());
    let printed = text(&late.stdout);
    assert!(
        printed.contains("Authorization: ApiKey ") && printed.contains("\nApplied by 0 edges. edge-a, "),
        "{printed}"
    );
    assert_eq!(text(&late.stderr), "latchkey: not yet applied by 1 of 1 edges: edge-a\n");

    let kept = run(asking(&service).args(["edges", "forget", "edge-a"]), "");
    assert!(!kept.status.success());
    assert_eq!(text(&kept.stdout), "Forgot 0 instances.\n");
    let still = "latchkey: 1 instance still asks, and is kept: before you say that it is gone, stop its proxy, or end its key\n";
    assert_eq!(text(&kept.stderr), still);
    ask(&service, &format!("{edge}&leaving=true")).await;
    assert!(told(&mut asking(&service), &["edges"], "").contains("  gone\n"));
    assert_eq!(told(&mut asking(&service), &["edges", "forget", "edge-a"], ""), "Forgot 0 instances.\n");
    let in_time = told(&mut asking(&service), &create, "");
    assert!(in_time.ends_with("\nNo edge follows this service.\n"), "{in_time}");
    assert_eq!(answered(&mut asking(&service), &["edges", "forget", "--key", "nobody"], "")["forgotten"], 0);
    let misspelt = complaint(&mut asking(&service), &["edges", "forget", "edge-aa"], "");
    assert_eq!(
        misspelt,
        "latchkey: the service knows no edge edge-aa: `latchkey edges` lists those that it knows"
    );
    let both = run(asking(&service).args(["edges", "forget", "edge-a", "--key", "x"]), "");
    assert_eq!(both.status.code(), Some(2));
}

#[tokio::test]
async fn what_a_file_declares_waits_for_edges_also_when_there_is_nothing_left_to_do() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    follow(&service, "edge-a", 1).await;
    let file = data.path().join("keys.yaml");
    let declared = "set: shop\nowners:\n  team: {roles: []}\nkeys:\n  - {owner: team, name: ci, roles: [ci], expiration: never}\n";
    std::fs::write(&file, declared).unwrap();
    let file = file.display().to_string();
    let apply = ["key", "apply", "-f", &file, "--wait-for-edges=1ms"];
    let late = run(asking(&service).args(apply), "");
    assert!(!late.status.success());
    let printed = text(&late.stdout);
    assert!(
        printed.contains("The set shop: 2 created") && printed.contains("Authorization: ApiKey "),
        "{printed}"
    );
    let (done, edges) = printed.rsplit_once("Applied by 0 edges. edge-a, last seen ").unwrap();
    assert!(done.contains("Authorization: ApiKey "), "a credential is shown before the wait: {printed}");
    assert!(edges.contains("may go by what was before until"), "{printed}");
    assert_eq!(text(&late.stderr), "latchkey: not yet applied by 1 of 1 edges: edge-a\n");
    let still = run(asking(&service).args(apply).arg("--json"), "");
    assert!(!still.status.success());
    let printed = text(&still.stdout);
    let lines: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [done, edges] = &lines[..] else { panic!("{printed}") };
    assert_eq!((&done["steps"], &edges["edges"]["missing"]), (&json!([]), &json!(["edge-a"])));
    let latest = answered(&mut asking(&service), &["edges"], "")["cursor"].as_u64().unwrap();
    follow(&service, "edge-a", latest).await;
    let in_time = told(&mut asking(&service), &apply, "");
    assert_eq!(in_time, "Nothing to do: the set shop is as it is declared.\nApplied by 1 edge.\n");
}
