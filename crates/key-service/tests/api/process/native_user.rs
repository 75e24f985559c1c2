use super::{DevProcess, answered, asking, complaint, latchkey, run, text, told};

#[test]
fn adds_shows_disables_and_removes_users_of_a_service() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let verb = |arguments: &[&str], stdin: &str| {
        told(&mut asking(&service), &[&["user"], arguments].concat(), stdin)
    };
    let arguments = ["create", "alice b", "--role=superuser", "--full-name=Alice", "--email=a@example.org"];
    assert_eq!(verb(&arguments, "correct horse\n"), "Added the user alice b.\n");
    let listed = verb(&["list"], "");
    assert!(listed.starts_with("NAME"), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("alice b") && line.ends_with("enabled")), "{listed}");
    assert!(verb(&["show", "alice b"], "").contains("a@example.org"));

    let mut alice = latchkey();
    alice.env("LATCHKEY_URL", &service.url).env("LATCHKEY_USER", "alice b");
    let own = alice.args(["key", "list", "--mine"]);
    assert!(run(own, "correct horse\n").status.success());
    verb(&["passwd", "alice b"], "another horse\n");
    assert!(!run(own, "correct horse\n").status.success());
    assert!(run(own, "another horse\n").status.success());
    verb(&["disable", "alice b"], "");
    assert!(!run(own, "another horse\n").status.success());
    verb(&["enable", "alice b"], "");
    let listed = run(own, "another horse\n");
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert_eq!(verb(&["delete", "alice b"], ""), "Removed the user alice b.\n");
    let users = answered(&mut asking(&service), &["user", "list"], "");
    assert!(users["alice b"].is_null());
}

#[test]
fn never_replaces_a_user_and_says_who_is_missing() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["user", "create", "alice"], "correct horse");
    for (arguments, stdin, expected) in [
        (&["create", "alice"][..], "another horse", "latchkey: there is a user alice already"),
        (&["create", "elastic"], "another horse", "latchkey: there is a user elastic already"),
        (&["create", "bob"], "short", "latchkey: a password has at least 6 characters"),
        (&["show", "bob"], "", "latchkey: there is no user bob"),
        (&["delete", "bob"], "", "latchkey: there is no user bob"),
        (&["disable", "bob"], "", "latchkey: there is no such user"),
        (&["passwd", "bob"], "correct horse", "latchkey: there is no such user"),
    ] {
        let complaint = complaint(&mut asking(&service), &[&["user"], arguments].concat(), stdin);
        assert!(complaint.starts_with(expected), "{complaint}");
    }
}

#[test]
fn says_what_becomes_of_the_keys_of_who_is_let_in_no_more() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["user", "create", "alice", "--role=superuser"], "correct horse\n");
    let make = || {
        let mut alice = asking(&service);
        alice.env("LATCHKEY_USER", "alice").env("LATCHKEY_PASSWORD", "correct horse");
        told(&mut alice, &["key", "create", "ci", "--role=ci"], "");
    };
    make();
    make();
    let told_of = |arguments: &[&str]| told(&mut asking(&service), arguments, "");
    assert_eq!(
        told_of(&["user", "disable", "alice"]),
        "Disabled the user alice.\n2 API keys of this user go on working; --with-keys invalidates them.\n"
    );
    assert_eq!(
        told_of(&["user", "disable", "alice", "--with-keys"]),
        "Disabled the user alice.\nInvalidated 2 keys of this user.\n"
    );
    told_of(&["user", "enable", "alice"]);
    make();
    assert_eq!(
        told_of(&["user", "disable", "alice", "--with-keys", "--wait-for-edges", "1s"]),
        "Disabled the user alice.\nInvalidated 1 key of this user.\nNo edge follows this service.\n"
    );
    told_of(&["user", "enable", "alice"]);
    make();
    assert_eq!(
        told_of(&["user", "delete", "alice", "--with-keys", "--wait-for-edges", "1s"]),
        "Removed the user alice.\nInvalidated 1 key of this user.\nNo edge follows this service.\n"
    );
}

// A role that is misspelt grants nothing, and nobody notices.
#[test]
fn a_user_with_a_role_that_does_not_exist_is_made_with_a_warning() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["role", "put", "key-maker", "--cluster=manage_own_api_key"], "");
    let warned = |name: &str, roles: &[&str]| {
        let output = run(asking(&service).args(["user", "create", name]).args(roles), "correct horse");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    assert_eq!(warned("alice", &["--role=key-maker", "--role=superuser"]), "");
    let misspelt = warned("bob", &["--role=key-maker", "--role=key-mkaer"]);
    assert!(misspelt.contains("there is no role key-mkaer"), "{misspelt}");
    assert_eq!(misspelt.lines().count(), 1, "{misspelt}");
    assert!(warned("carol", &[]).contains("the user has no role"));
}
