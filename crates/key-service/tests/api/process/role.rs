use std::fs;

use serde_json::json;

use super::{DevProcess, answered, asking, complaint, run, told};

#[test]
fn makes_shows_lists_and_removes_roles() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let verb = |arguments: &[&str]| told(&mut asking(&service), &[&["role"], arguments].concat(), "");
    let put = ["put", "maker", "--cluster=manage_own_api_key", "--cluster=monitor"];
    assert_eq!(verb(&put), "Made the role maker.\n");
    assert_eq!(verb(&put), "Replaced the role maker.\n");
    let listed = verb(&["list"]);
    assert!(
        listed.lines().any(|line| line.starts_with("maker") && line.contains("manage_own_api_key,monitor"))
    );

    let file = data.path().join("role.json");
    fs::write(&file, r#"{"cluster":["all"],"description":"everything"}"#).unwrap();
    verb(&["put", "boss", "--from", &file.display().to_string()]);
    let shown: serde_json::Value = serde_json::from_str(&verb(&["show", "boss"])).unwrap();
    assert_eq!((&shown["cluster"], &shown["description"]), (&json!(["all"]), &json!("everything")));
    assert_eq!(
        answered(&mut asking(&service), &["role", "show", "boss"], "")["boss"]["cluster"],
        json!(["all"])
    );
    assert_eq!(verb(&["delete", "boss"]), "Removed the role boss.\n");
    for arguments in [["role", "show", "boss"], ["role", "delete", "boss"]] {
        let complaint = complaint(&mut asking(&service), &arguments, "");
        assert_eq!(complaint, "latchkey: there is no role boss");
    }
    assert!(!run(asking(&service).args(["role", "put", "boss"]), "").status.success());
}
