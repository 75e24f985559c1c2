use reqwest::Method;
use serde_json::json;

use super::{DevProcess, answered, asking, complaint, http_client, run, text, told};

/// An edge asks for what comes after a cursor.
async fn follow(service: &DevProcess, edge: &str, after: u64) {
    let path = format!("/_latchkey/feed?after={after}&edge={edge}");
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
    assert_eq!(rows[0].concat(), "NAMECURSORLAGLASTSEENLIVE");
    assert_eq!((&rows[1][..3], rows[1][4]), (&["edge-a", "2", "0"][..], "yes"));
    assert_eq!((&rows[2][..3], rows[2][4]), (&["edge-b", "1", "1"][..], "yes"));
    assert!(listed.ends_with("\n1 of 2 live edges have applied every change.\n"), "{listed}");
    let json = answered(&mut asking(&service), &["edges"], "");
    assert_eq!(json["edges"][1]["name"], "edge-b");

    let update = ["key", "update", id, "--metadata=a=b", "--wait-for-edges=1ms"];
    let late = run(asking(&service).args(update), "");
    assert!(!late.status.success());
    assert_eq!(text(&late.stdout), format!("Updated the key {id}.\nApplied by 0 of 2 live edges.\n"));
    assert_eq!(text(&late.stderr), "latchkey: not yet applied by 2 of 2 live edges: edge-a, edge-b\n");

    follow(&service, "edge-a", 3).await;
    follow(&service, "edge-b", 3).await;
    let in_time = told(&mut asking(&service), &update, "");
    assert!(in_time.ends_with("Applied by 2 of 2 live edges.\n"), "{in_time}");

    let invalidate = ["key", "invalidate", id, "--wait-for-edges=1ms", "--json"];
    let late = run(asking(&service).args(invalidate), "");
    assert!(!late.status.success());
    let printed: serde_json::Value = serde_json::from_str(&text(&late.stdout)).unwrap();
    assert_eq!(printed["edges"]["missing"], json!(["edge-a", "edge-b"]));
    let again = run(asking(&service).args(invalidate), "");
    let complaint_of_both =
        format!("invalid already: {id}; not yet applied by 2 of 2 live edges: edge-a, edge-b\n");
    assert!(text(&again.stderr).ends_with(&complaint_of_both), "{}", text(&again.stderr));
    let nothing = run(asking(&service).args(["key", "invalidate", "--wait-for-edges=1ms"]), "");
    assert_eq!(nothing.status.code(), Some(2), "a wait is no choice of keys");
    let too_long = complaint(&mut asking(&service), &["key", "update", id, "--wait-for-edges=2m"], "");
    assert!(too_long.ends_with("[wait_for_edges] must not exceed 60s"), "{too_long}");
}
