use std::fs;
use std::path::Path;

use super::{latchkey, run, text};

fn user(users: &Path, arguments: &[&str], stdin: &str) -> Result<String, String> {
    let (verb, rest) = arguments.split_first().unwrap();
    let output = run(latchkey().args(["user", verb]).args(rest).arg("--users").arg(users), stdin);
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn adds_lists_and_changes_users_and_keeps_comments() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    fs::write(&users, "# who may do what\n[roles.maker]\ncluster = [\"manage_own_api_key\"] # own keys\n")
        .unwrap();
    let added = user(&users, &["add", "alice", "--role", "maker", "--full-name", "Alice"], "correct horse\n");
    assert_eq!(added, Ok(String::new()));
    assert_eq!(user(&users, &["add", "bob"], "battery staple\r\n"), Ok(String::new()));
    assert_eq!(user(&users, &["list"], ""), Ok("alice\tmaker\tenabled\nbob\t\tenabled\n".to_owned()));
    let before = fs::read_to_string(&users).unwrap();
    assert_eq!(user(&users, &["passwd", "alice"], "another horse\n"), Ok(String::new()));
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
fn makes_a_file_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    assert_eq!(user(&users, &["add", "alice", "--role", "superuser"], "correct horse"), Ok(String::new()));
    assert_eq!(fs::metadata(&users).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn refuses_what_would_spoil_the_file_and_leaves_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.toml");
    user(&users, &["add", "alice", "--role", "superuser"], "correct horse").unwrap();
    let before = fs::read_to_string(&users).unwrap();
    for (arguments, stdin, complaint) in [
        (["add", "alice", "--role=superuser"].as_slice(), "correct horse", "has a user alice already"),
        (&["add", "bob", "--role=nobody"], "correct horse", "users.bob.roles: there is no role nobody"),
        (&["add", "elastic"], "correct horse", "is the name of the built-in super-user"),
        (&["add", "bob"], "short", "a password has at least 6 characters"),
        (&["add", "bob"], "", "a password has at least 6 characters"),
        (&["passwd", "bob"], "correct horse", "has no user bob"),
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
