use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchkey_local_stack::secrecy;
use serde_json::Value;

use super::{LoggedProcess, answered, complaint, http_client, latchkey, run, told};

/// What is made in the directory.
const FILES: [&str; 5] = ["admin.password", "edge.credential", "envoy.yaml", "latchkey.toml", "users.toml"];

/// `latchkey serve` on a free port, in spite of the settings, and where it listens.
fn served(settings: &Path) -> (LoggedProcess, String) {
    let mut command = latchkey();
    command.args(["serve", "--listen", "localhost:0", "--config"]).arg(settings);
    let service = LoggedProcess::start(command);
    let line = service.line_after(0, "url=");
    assert!(line.contains(" ready url="), "{line}");
    let url = service.url();
    (service, url)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn first_line(path: &Path) -> String {
    fs::read_to_string(path).unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn makes_all_that_a_first_start_needs() {
    let outer = tempfile::tempdir().unwrap();
    let gate = outer.path().join("my gate");
    let made = told(latchkey().arg("init").arg(&gate).args(["--filter", "/opt/f.wasm"]), &[], "");
    assert!(made.contains(&format!("latchkey serve --config '{}/latchkey.toml'", gate.display())), "{made}");
    assert_eq!(mode(&gate), 0o700);
    for file in FILES {
        assert_eq!(mode(&gate.join(file)), 0o600, "{file}");
        assert!(made.contains(file), "{file}\n{made}");
    }
    let (password, credential) = (first_line(&gate.join(FILES[0])), first_line(&gate.join(FILES[1])));
    secrecy::watch(&password);
    secrecy::watch_credential(&credential);
    for secret in [&password, &credential] {
        assert!(!made.contains(secret.as_str()), "{made}");
    }
    let envoy = fs::read_to_string(gate.join("envoy.yaml")).unwrap();
    assert!(envoy.contains(r#"filename: "/opt/f.wasm""#), "{envoy}");

    let (_service, url) = served(&gate.join("latchkey.toml"));
    let feed = http_client().get(format!("{url}/_latchkey/feed"));
    let feed = feed.header("Authorization", format!("ApiKey {credential}")).send().await.unwrap();
    assert_eq!(feed.status(), 200);
    let asked = || {
        let mut command = latchkey();
        command.env("LATCHKEY_URL", &url).args(["--log=info"]);
        command
    };
    let as_admin = ["--user=admin", &format!("--password-file={}", gate.join(FILES[0]).display())];
    let keys = answered(&mut asked(), &[&["key", "list"][..], &as_admin].concat(), "");
    let [edge] = keys["api_keys"].as_array().unwrap().as_slice() else { panic!("{keys}") };
    assert_eq!((&edge["username"], &edge["expiration"]), (&Value::from("edges"), &Value::Null));
    // What the comments of the users file say of another key for the edge.
    let another = ["key", "create", "edge-2", "--role=edge", "--expires=1h", "--run-as=edges"];
    let another = answered(&mut asked(), &[&another[..], &as_admin].concat(), "");
    let shown = ["key", "show", another["id"].as_str().unwrap()];
    let shown = answered(&mut asked(), &[&shown[..], &as_admin].concat(), "");
    assert_eq!(shown["api_keys"][0]["username"], "edges");
    let key_file = format!("--api-key-file={}", gate.join(FILES[1]).display());
    let refused = complaint(&mut asked(), &["user", "list", &key_file], "");
    assert!(
        refused.contains("of user edges may not do this"),
        "the key of the edge reads the feed and nothing else: {refused}"
    );
}

#[test]
fn overwrites_nothing_and_leaves_nothing_when_it_fails() {
    let outer = tempfile::tempdir().unwrap();
    let gate = outer.path().join("gate");
    told(latchkey().arg("init").arg(&gate), &[], "");
    let before = FILES.map(|file| fs::read(gate.join(file)).unwrap());
    let refused = complaint(latchkey().arg("init").arg(&gate), &[], "");
    assert!(
        refused.contains("has latchkey.toml, users.toml, ") && refused.contains("overwritten"),
        "{refused}"
    );
    assert_eq!(FILES.map(|file| fs::read(gate.join(file)).unwrap()), before);

    let other = outer.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("users.toml"), "mine").unwrap();
    assert!(complaint(latchkey().arg("init").arg(&other), &[], "").contains("other has users.toml already"));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    let portless =
        complaint(latchkey().args(["init", "--listen=localhost:0"]).arg(outer.path().join("x")), &[], "");
    assert!(portless.contains("--listen needs a port"), "{portless}");
    assert!(!outer.path().join("x").exists());
}

// Nobody could make the first user over the interface: to say "ready" would be a lie.
#[test]
fn a_service_in_which_nobody_can_log_in_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    let begin = || {
        let mut command = latchkey();
        command.args(["serve", "--listen=localhost:0", "--data=data", "--users=users.toml"]);
        command.current_dir(directory.path());
        LoggedProcess::start(command).line_after(0, "url=")
    };
    fs::write(&users, "").unwrap();
    let line = begin();
    assert!(line.contains("nobody can log in") && line.contains("latchkey user create"), "{line}");
    run(latchkey().args(["user", "create", "alice", "--file"]).arg(&users), "correct horse");
    assert!(begin().contains(" ready url="));
    run(latchkey().args(["user", "disable", "alice", "--file"]).arg(&users), "");
    assert!(begin().contains("nobody can log in"));
}
