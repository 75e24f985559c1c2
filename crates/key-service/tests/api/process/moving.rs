use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use super::{DevProcess, answered, asking, complaint, http_client, latchkey, run, text, told};

/// The lines of an export but the first, which tells when it was made.
fn body(export: &str) -> &str {
    export.split_once('\n').unwrap().1
}

fn export(data: &Path) -> String {
    told(latchkey().arg("export").arg("--data").arg(data), &[], "")
}

/// The status of a request with this header.
async fn status(service: &DevProcess, authorization: &str) -> u16 {
    let url = format!("{}/_security/_authenticate", service.url);
    http_client().get(url).header("Authorization", authorization).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn keys_and_users_are_let_in_after_a_move_and_ended_keys_are_not() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = new.path().join("export.jsonl");
    let service = DevProcess::start(old.path());
    let make = |name| answered(&mut asking(&service), &["key", "create", name, "--all-my-rights"], "");
    let (kept, ended) = (make("kept"), make("ended"));
    told(&mut asking(&service), &["user", "create", "alice"], "correct horse");
    told(&mut asking(&service), &["key", "invalidate", "--name", "ended"], "");
    // While the service runs.
    told(latchkey().arg("export").arg("--data").arg(old.path()).arg("--output").arg(&file), &[], "");
    let key = |made: &Value| format!("ApiKey {}", made["encoded"].as_str().unwrap());
    assert_eq!(status(&service, &key(&kept)).await, 200);
    service.terminate();

    let data = new.path().join("data");
    let imported = told(latchkey().args(["import", "--data"]).arg(&data).arg(&file), &[], "");
    assert!(imported.starts_with("Imported 2 API keys, 1 user, "), "{imported}");
    assert_eq!(body(&export(&data)), body(&fs::read_to_string(&file).unwrap()));
    let service = DevProcess::start(&data);
    assert_eq!(status(&service, &key(&kept)).await, 200);
    assert_eq!(status(&service, &key(&ended)).await, 401);
    let alice = http_client().get(format!("{}/_security/_authenticate", service.url));
    assert_eq!(alice.basic_auth("alice", Some("correct horse")).send().await.unwrap().status(), 200);
}

#[test]
fn an_export_is_for_its_owner_alone_and_replaces_a_file_as_a_whole() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    DevProcess::start(&data).terminate();
    let file = directory.path().join("export.jsonl");
    fs::write(&file, "before").unwrap();
    let output = run(latchkey().arg("export").arg("--data").arg(&data).arg("--output").arg(&file), "");
    assert_eq!(text(&output.stdout), "");
    let told_of = format!(
        "Exported 0 API keys, 0 users, 0 reserved users, 0 roles, 0 application privileges to {}.\n",
        file.display()
    );
    assert_eq!(text(&output.stderr), told_of);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).unwrap().contains(r#"{"end":{"#));
    let nowhere = directory.path().join("nowhere");
    let output = directory.path().join("other.jsonl");
    let mut failing = latchkey();
    failing.arg("export").arg("--data").arg(&nowhere).arg("--output").arg(&output);
    let refused = complaint(&mut failing, &[], "");
    assert!(refused.contains("there is no store in"), "{refused}");
    let mut left: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["data", "export.jsonl"]);
}

#[test]
fn an_import_that_is_refused_says_why_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (data, file) = (directory.path().join("data"), directory.path().join("export.jsonl"));
    let service = DevProcess::start(&data);
    let made = answered(&mut asking(&service), &["key", "create", "hunter2", "--all-my-rights"], "");
    let exported = export(&data);
    let import = |text: &str, data: &Path| {
        fs::write(&file, text).unwrap();
        complaint(latchkey().arg("import").arg("--data").arg(data).arg(&file), &[], "")
    };
    let refused = import(&exported, &data);
    assert!(refused.contains("another process uses the directory"), "{refused}");
    service.terminate();
    let id = made["id"].as_str().unwrap();
    let refused = import(&exported, &data);
    assert_eq!(refused, format!("latchkey: nothing was imported: the store has the API key {id} already"));
    assert_eq!(body(&export(&data)), body(&exported));
    // A file that is wrong is refused before anything is made.
    let new = directory.path().join("new");
    let cut: String = exported.lines().take(2).map(|line| format!("{line}\n")).collect();
    let refused = import(&cut, &new);
    assert!(
        refused.ends_with("line 3: the file ends here, before the line that counts its entries"),
        "{refused}"
    );
    let refused = import(&exported.replace("\"digest\":\"", "\"digest\":\"hunter2"), &new);
    assert!(refused.contains("line 2: is not an entry, at column "), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    assert!(!new.exists());
    fs::write(&file, &exported).unwrap();
    let skipped =
        told(latchkey().args(["import", "--skip-existing", "--data"]).arg(&data).arg(&file), &[], "");
    assert!(skipped.starts_with("Imported 0 API keys, "), "{skipped}");
}

#[tokio::test]
async fn a_backup_of_a_running_service_is_whole_and_a_restored_one_gets_another_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let (data, copy) = (directory.path().join("data"), directory.path().join("copy.db"));
    let service = DevProcess::start(&data);
    told(&mut asking(&service), &["key", "create", "kept", "--all-my-rights"], "");
    told(latchkey().arg("backup").arg("--data").arg(&data).arg("--output").arg(&copy), &[], "");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&copy).unwrap();
    let again =
        complaint(latchkey().arg("backup").arg("--data").arg(&data).arg("--output").arg(&copy), &[], "");
    assert!(again.contains("copy.db is there already, and a backup overwrites nothing"), "{again}");
    assert_eq!(fs::read(&copy).unwrap(), before);
    told(&mut asking(&service), &["key", "create", "lost", "--all-my-rights"], "");
    let password = service.password.clone().unwrap();
    let feed = async |service: &DevProcess, after: u64| -> Value {
        let path = format!("/_latchkey/feed?after={after}");
        service
            .request(&http_client(), Method::GET, &path, &password)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    };
    let before = feed(&service, 0).await;
    assert_eq!(before["total"], 2);
    let held = run(latchkey().arg("new-epoch").arg("--data").arg(&data), "");
    assert!(text(&held.stderr).contains("another process uses the directory"), "{}", text(&held.stderr));
    service.terminate();

    for rest in ["latchkey.db-wal", "latchkey.db-shm"] {
        let _ = fs::remove_file(data.join(rest));
    }
    fs::copy(&copy, data.join("latchkey.db")).unwrap();
    let sound = told(latchkey().arg("check").arg("--data").arg(&data), &[], "");
    assert!(sound.contains(" is sound: 1 API key, "), "{sound}");
    told(latchkey().arg("new-epoch").arg("--data").arg(&data), &[], "");
    let service = DevProcess::start(&data);
    let after = feed(&service, before["cursor"].as_u64().unwrap()).await;
    assert_ne!(after["epoch"], before["epoch"]);
    assert_eq!(feed(&service, 0).await["total"], 1);
}

#[test]
fn a_store_is_never_made_by_looking_for_one() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["check", "export", "new-epoch"] {
        let refused = complaint(latchkey().arg(verb).arg("--data").arg(directory.path()), &[], "");
        assert!(refused.contains("there is no store in"), "{verb}: {refused}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_password_is_never_an_argument() {
    let url = "postgres://u:hunter2@127.0.0.1/db";
    let refused = complaint(&mut latchkey(), &["check", "--store", url], "");
    assert!(refused.contains("--store must hold no password"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
    let refused = complaint(&mut latchkey(), &["check", "--store", "db"], "");
    assert!(refused.contains("--store must be a URL such as postgres://"), "{refused}");
    let neither = run(latchkey().arg("check"), "");
    assert!(!neither.status.success());
    let both = run(latchkey().args(["check", "--data", "d", "--store", "postgres://u@db/k"]), "");
    assert!(!both.status.success());
}

/// From SQLite to PostgreSQL and back, when there is one.
#[tokio::test]
async fn a_move_to_postgresql_and_back_changes_nothing() {
    let scratch = crate::scratch::Scratch::new().await;
    let crate::scratch::ScratchLocation::Database(url) = &scratch.place else { return };
    let directory = tempfile::tempdir().unwrap();
    let (data, back) = (directory.path().join("data"), directory.path().join("back"));
    let service = DevProcess::start(&data);
    for number in 0..300 {
        let request = service.request(
            &http_client(),
            Method::POST,
            "/_security/api_key",
            service.password.as_ref().unwrap(),
        );
        let body = json!({"name": format!("é{number}"), "metadata": {"n": 0.1}, "expiration": "1d"});
        assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    }
    told(&mut asking(&service), &["user", "create", "alice"], "correct horse");
    told(&mut asking(&service), &["role", "put", "r", "--cluster=monitor"], "");
    service.terminate();
    let (first, second) = (directory.path().join("first.jsonl"), directory.path().join("second.jsonl"));
    told(latchkey().arg("export").arg("--data").arg(&data).arg("--output").arg(&first), &[], "");
    told(latchkey().args(["import", "--store", url]).arg(&first), &[], "");
    let sound = told(latchkey().args(["check", "--store", url]), &[], "");
    assert!(sound.contains(" is sound: 300 API keys, 1 user, "), "{sound}");
    told(latchkey().args(["export", "--store", url, "--output"]).arg(&second), &[], "");
    told(latchkey().arg("import").arg("--data").arg(&back).arg(&second), &[], "");
    assert_eq!(body(&export(&back)), body(&fs::read_to_string(&first).unwrap()));
}
