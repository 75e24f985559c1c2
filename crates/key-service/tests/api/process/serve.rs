use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::{http_client, latchkey, run, text};

#[tokio::test]
async fn serves_what_the_configuration_says() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    run(
        latchkey().args(["user", "add", "alice", "--role=superuser", "--users"]).arg(&users),
        "correct horse",
    );
    let config = directory.path().join("latchkey.toml");
    let text = "listen = \"127.0.0.1:0\"\ndata = \"data\"\nusers = \"users.toml\"\n[xpack.security.authc.api_key]\nenabled = false\n";
    fs::write(&config, text).unwrap();
    let mut service =
        latchkey().args(["serve", "--config"]).arg(&config).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(service.stderr.take().unwrap()).lines().map(Result::unwrap);
    let ready = lines.find(|line| line.contains("url=")).unwrap();
    let url = ready.split("url=").nth(1).unwrap().split(' ').next().unwrap();
    let path = format!("{url}/_security/api_key");
    let answer = http_client().get(path).basic_auth("alice", Some("correct horse")).send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("api keys are not enabled"));
    assert!(directory.path().join("data/latchkey.db").exists());
    service.kill().unwrap();
    service.wait().unwrap();
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
        "latchkey.toml has mistakes:",
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

#[test]
fn reports_every_mistake_of_the_users_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("latchkey.toml");
    fs::write(&config, "data = \"data\"\nusers = \"users.toml\"\n").unwrap();
    let users = "[users.alice]\npassword_hash = \"hunter2\"\nroles = [\"nobody\"]\n[users.bob]\n";
    fs::write(directory.path().join("users.toml"), users).unwrap();
    let refused = run(latchkey().args(["serve", "--config"]).arg(&config), "");
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
