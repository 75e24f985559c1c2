//! `latchkey key import`.

use std::fs;

use serde_json::json;

use super::{DevProcess, answered, asking, run, text, told};

const KONG: &str = "_format_version: \"3.0\"\nconsumers:\n- username: elastic\n  acls:\n  - group: readers\n  keyauth_credentials:\n  \
                    - key: 5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90\n";

#[test]
fn a_list_and_kongs_consumers_are_brought_along_once() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let file = |name: &str, text: &str| {
        let path = data.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let list = file(
        "keys.csv",
        "key,owner,name,roles,expiration\nold-id:ui2lp2axTNmsyakw9tvNnw,elastic,old,reader,30d\n\
         sk-4f1c9a5e7d3b2a10-9f8e7d6c5b4a3210,elastic,opaque,reader;writer,\n",
    );
    let dry = told(&mut asking(&service), &["key", "import", &list, "--dry-run"], "");
    assert_eq!(dry, "Would import 2 keys.\n");
    assert!(!told(&mut asking(&service), &["key", "list"], "").contains("old"));
    assert_eq!(told(&mut asking(&service), &["key", "import", &list], ""), "Imported 2 keys.\n");
    let again = answered(&mut asking(&service), &["key", "import", &list], "");
    assert_eq!((&again["imported"], &again["already_there"]), (&json!(0), &json!(2)));
    let listed = told(&mut asking(&service), &["key", "list"], "");
    assert!(listed.contains("old-id") && listed.contains("reader,writer"), "{listed}");

    let kong = file("kong.yaml", KONG);
    let imported = answered(&mut asking(&service), &["key", "import", &kong, "--roles-from-groups"], "");
    assert_eq!(imported["imported"], 1);
    let id = imported["keys"][0]["id"].as_str().unwrap();
    let shown = told(&mut asking(&service), &["key", "show", id], "");
    assert!(shown.contains("\"readers\"") && shown.contains("\"kong\""), "{shown}");
    let lines = file("keys.jsonl", "{\"key\":\"hunter2hunter2\",\"owner\":\"elastic\",\"name\":\"weak\"}\n");
    let weak = ["key", "import", &lines, "--role", "reader", "--allow-weak-keys"];
    assert_eq!(told(&mut asking(&service), &weak, ""), "Imported 1 key.\n");
}

#[test]
fn every_mistake_is_told_with_its_line_and_no_key_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let path = data.path().join("keys.csv");
    let keys = "key,owner,name,roles\nhunter2hunter2,elastic,weak,r\n5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e90,nobody,b,r\n\
                5f0f3b0c-55aa-4c1f-9a4e-6b1d2a7c8e91,elastic,good,r\n";
    fs::write(&path, keys).unwrap();
    let path = path.display().to_string();
    let refused = |arguments: &[&str]| {
        let output = run(asking(&service).args(["key", "import", &path]).args(arguments), "");
        assert!(!output.status.success(), "{}", text(&output.stdout));
        text(&output.stderr).to_owned()
    };
    let complaint = refused(&[]);
    let told: Vec<&str> = complaint.lines().filter(|line| line.trim_start().starts_with("line ")).collect();
    assert_eq!(told.len(), 2, "{complaint}");
    assert!(
        told[0].contains("line 2: the key is weak") && told[1].contains("line 3: there is no user"),
        "{complaint}"
    );
    assert!(!complaint.contains("hunter2"), "{complaint}");
    // What the file itself gets wrong is told before anybody is asked.
    fs::write(&path, "key,name\nk1,a\nk1,b\n").unwrap();
    let complaint = refused(&["--owner=elastic"]);
    for words in ["line 2: says no roles", "line 3: says no roles", "line 3: has the key of line 2"] {
        assert!(complaint.contains(words), "{words}\n{complaint}");
    }
    assert_eq!(super::told(&mut asking(&service), &["key", "list"], "").lines().count(), 1);
}
