use std::fs;
use std::path::Path;

use super::{latchkey, run, text};

fn user(users: &Path, arguments: &[&str], stdin: &str) -> Result<String, String> {
    let (verb, rest) = arguments.split_first().unwrap();
    let output = run(latchkey().args(["user", verb]).args(rest).arg("--file").arg(users), stdin);
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn adds_lists_and_changes_users_and_keeps_comments() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    fs::write(&users, "# who may do what\n[roles.maker]\ncluster = [\"manage_own_api_key\"] # own keys\n")
        .unwrap();
    let added =
        user(&users, &["create", "alice", "--role", "maker", "--full-name", "Alice"], "correct horse\n");
    assert_eq!(added, Ok("Added the user alice.\n".to_owned()));
    user(&users, &["create", "bob"], "battery staple\r\n").unwrap();
    user(&users, &["disable", "bob"], "").unwrap();
    let listed = "NAME   ROLES  FULL NAME  EMAIL  STATUS\nalice  maker  Alice      -      enabled\nbob    -      -          -      disabled\n";
    assert_eq!(user(&users, &["list"], ""), Ok(listed.to_owned()));
    let before = fs::read_to_string(&users).unwrap();
    user(&users, &["passwd", "alice"], "another horse\n").unwrap();
    let after = fs::read_to_string(&users).unwrap();
    assert_ne!(before, after);
    for kept in ["# who may do what", "# own keys", "full_name = \"Alice\"", "$argon2id$"] {
        assert!(after.contains(kept), "{kept}\n{after}");
    }
    for secret in ["correct horse", "another horse", "battery staple"] {
        assert!(!after.contains(secret), "{after}");
    }
}

#[test]
fn shows_enables_and_removes_users_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    user(&users, &["create", "alice", "--email", "alice@example.org"], "correct horse").unwrap();
    user(&users, &["disable", "alice"], "").unwrap();
    assert!(fs::read_to_string(&users).unwrap().contains("enabled = false"));
    user(&users, &["enable", "alice"], "").unwrap();
    let shown = user(&users, &["show", "alice"], "").unwrap();
    assert_eq!(shown, "User alice\n\n  name    alice\n  email   alice@example.org\n  status  enabled\n");
    let json: serde_json::Value =
        serde_json::from_str(&user(&users, &["show", "alice", "--json"], "").unwrap()).unwrap();
    assert_eq!(json["alice"]["enabled"], true);
    assert_eq!(user(&users, &["delete", "alice"], ""), Ok("Removed the user alice.\n".to_owned()));
    assert_eq!(user(&users, &["list", "--json"], ""), Ok("{}\n".to_owned()));
}

#[test]
fn makes_a_file_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    user(&users, &["create", "alice", "--role", "superuser"], "correct horse").unwrap();
    assert_eq!(fs::metadata(&users).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn refuses_what_would_spoil_the_file_and_leaves_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    user(&users, &["create", "alice", "--role", "superuser"], "correct horse").unwrap();
    let before = fs::read_to_string(&users).unwrap();
    for (arguments, stdin, complaint) in [
        (["create", "alice", "--role=superuser"].as_slice(), "correct horse", "has a user alice already"),
        (&["create", "bob", "--role=nobody"], "correct horse", "users.bob.roles: there is no role nobody"),
        (&["create", "elastic"], "correct horse", "is the name of the built-in super-user"),
        (&["create", "bob"], "short", "a password has at least 6 characters"),
        (&["create", "bob"], "", "a password has at least 6 characters"),
        (&["passwd", "bob"], "correct horse", "has no user bob"),
        (&["delete", "bob"], "", "has no user bob"),
        (&["enable", "bob"], "", "has no user bob"),
        (&["show", "bob"], "", "there is no user bob"),
    ] {
        let refused = user(&users, arguments, stdin).unwrap_err();
        assert!(refused.contains(complaint), "{complaint}\n{refused}");
        assert_eq!(fs::read_to_string(&users).unwrap(), before);
    }
    let missing = directory.path().join("missing.toml");
    assert!(user(&missing, &["list"], "").is_err());
    assert!(user(&missing, &["passwd", "alice"], "correct horse").is_err());
    assert!(!missing.exists());
}
