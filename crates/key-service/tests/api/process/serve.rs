use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchkey_local_stack::{secrecy, wait};
use serde_json::Value;

use super::{LoggedProcess, http_client, latchkey, run, text};

#[tokio::test]
async fn serves_what_the_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    run(
        latchkey().args(["user", "create", "alice", "--role=superuser", "--file"]).arg(&users),
        "correct horse",
    );
    let config = directory.path().join("latchkey.toml");
    let text = "listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n[xpack.security.authc.api_key]\nenabled = false\n";
    fs::write(&config, text).unwrap();
    let mut command = latchkey();
    command.args(["serve", "--config"]).arg(&config);
    let service = LoggedProcess::start(command);
    let path = format!("{}/_security/api_key", service.url());
    let answer = http_client().get(path).basic_auth("alice", Some("correct horse")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("api keys are not enabled"));
    assert!(directory.path().join("data/latchkey.db").exists());
}

#[test]
fn reports_every_mistake_of_the_configuration_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("latchkey.toml");
    fs::write(
        &config,
        "listen = \"hunter2\"\nusrs = \"hunter2\"\n[xpack.security.authc.api_key]\nenabled = 1\n",
    )
    .unwrap();
    let refused = run(latchkey().args(["serve", "--config"]).arg(&config), "");
    assert!(!refused.status.success());
    let printed = text(&refused.stderr);
    for line in [
        "the settings have mistakes:",
        "listen: must be an address and a port",
        "data: is required",
        "users: is required",
        "usrs: is not known",
        "xpack.security.authc.api_key.enabled: must be true or false",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert!(!printed.contains("hunter2"), "{printed}");
}

// No file: everything comes from the environment and flags, and the service starts in the current directory.
#[tokio::test]
async fn serves_what_environment_and_flags_say() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("users.toml"), "").unwrap();
    let mut command = latchkey();
    command
        .args(["serve", "-E", "listen=127.0.0.1:0", "-E", "data=data", "--log-format=json"])
        .env("LATCHKEY_SETTING_USERS", "users.toml")
        .env("LATCHKEY_SETTING_LISTEN", "of no use, because the flag is stronger")
        .env("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_ANONYMOUS_ROLES", "superuser")
        .env("LATCHKEY_SETTING_XPACK_SECURITY_AUTHC_API__KEY_ENABLED", "false")
        .current_dir(directory.path());
    let service = LoggedProcess::start(command);
    let ready: Value = serde_json::from_str(&service.line_after(0, r#""message":"ready""#)).unwrap();
    let path = format!("{}/_security/api_key", ready["url"].as_str().unwrap());
    let answer = http_client().get(path).header("x-request-id", "r-1").send().await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "r-1");
    assert!(answer.text().await.unwrap().contains("api keys are not enabled"));
    assert!(directory.path().join("data/latchkey.db").exists());
}

// The whole log is JSON, also the last line about the end of the process.
#[test]
fn says_its_end_as_json_when_it_logs_json() {
    let refused =
        run(latchkey().args(["serve", "-E", "listen=hunter2"]).env("LATCHKEY_LOG_FORMAT", "json"), "");
    assert!(!refused.status.success());
    let line: Value = serde_json::from_str(&text(&refused.stderr)).unwrap();
    assert_eq!(line["level"], "ERROR");
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("port, such as localhost:9200 or 127.0.0.1:9200 (-E listen)"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

// Statements of SQL and frames of HTTP hid it.
#[tokio::test]
async fn logs_a_request_as_one_line_at_debug() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = latchkey();
    command.args(["dev", "--log=debug", "--json", "--listen", "localhost:0", "--data"]).arg(directory.path());
    let service = LoggedProcess::start_confidential(command);
    let ready: Value = wait::until("the service is ready", || {
        Ok(serde_json::from_str(service.process.log().stdout().lines().next().unwrap_or_default()).ok())
    })
    .unwrap();
    secrecy::watch(ready["password"].as_str().unwrap());
    let asked = http_client().get(format!("{}/_security/api_key", ready["url"].as_str().unwrap()));
    let answer = asked.basic_auth("elastic", ready["password"].as_str()).header("x-request-id", "r-7").send();
    assert_eq!(answer.await.unwrap().status(), 200);
    service.line_after(0, "r-7");
    let log = service.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("r-7")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("answered") && lines[0].contains("status=200"), "{log}");
    assert!(!log.to_lowercase().contains("select "), "{log}");
}

#[test]
fn a_port_that_is_taken_is_told_with_the_flag_that_takes_another() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = format!("localhost:{}", address.port());
    let mut command = latchkey();
    command.args(["dev", "--listen", &listen, "--data"]).arg(directory.path());
    let refused = super::complaint(&mut command, &[], "");
    assert!(refused.starts_with(&format!("latchkey: could not listen on {address}: ")), "{refused}");
    assert!(refused.contains("--listen (or the setting `listen`)"), "{refused}");
}

#[test]
fn reports_every_mistake_of_the_users_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("latchkey.toml");
    fs::write(&config, "data = \"data\"\nusers = \"users.toml\"\n").unwrap();
    let users = "[users.alice]\npassword_hash = \"hunter2\"\nroles = [\"nobody\"]\n[users.bob]\n";
    fs::write(directory.path().join("users.toml"), users).unwrap();
    let refused = run(latchkey().arg("serve").env("LATCHKEY_CONFIG", &config), "");
    assert!(!refused.status.success());
    let printed = text(&refused.stderr);
    for line in [
        "users.toml has mistakes:",
        "users.alice.password_hash: not an Argon2id hash",
        "users.alice.roles: there is no role nobody",
        "users.bob.password_hash: is required",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn settings_users_and_keys_that_everybody_may_write_are_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let (config, users) = (directory.path().join("latchkey.toml"), directory.path().join("users.toml"));
    let key = directory.path().join("tls.key");
    fs::write(&users, "").unwrap();
    fs::write(&key, "").unwrap();
    let ssl = "[xpack.security.http.ssl]\nenabled = true\ncertificate = \"tls.key\"\nkey = \"tls.key\"\n";
    fs::write(&config, format!("listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n{ssl}"))
        .unwrap();
    for path in [&config, &users, &key] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o646)).unwrap();
        let refused = run(latchkey().args(["serve", "--config"]).arg(&config), "");
        assert!(!refused.status.success());
        let printed = text(&refused.stderr);
        let expected = format!(
            "{} may be written by everybody on this machine (mode 0646)",
            path.canonicalize().unwrap().display()
        );
        assert!(printed.contains(&expected), "{printed}");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}
