use std::fs;

use super::{latchkey, run, text};

#[test]
fn reports_every_mistake_of_the_configuration_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("latchkey.toml");
    fs::write(&config, "listen = \"hunter2\"\nusrs = \"hunter2\"\n[api_keys]\nenabled = 1\n").unwrap();
    let refused = run(latchkey().args(["serve", "--config"]).arg(&config), "");
    assert!(!refused.status.success());
    let printed = text(&refused.stderr);
    for line in [
        "latchkey.toml has mistakes:",
        "listen: must be an address and a port",
        "data: is required",
        "users: is required",
        "usrs: is not known",
        "api_keys.enabled: must be true or false",
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
