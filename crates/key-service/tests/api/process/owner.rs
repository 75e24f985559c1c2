use serde_json::json;

use super::{DevProcess, answered, asking, complaint, run, text, told};

/// A service with the account `team-orders`, whose role is `orders_reader`.
fn with_team(data: &std::path::Path) -> DevProcess {
    let service = DevProcess::start(data);
    told(&mut asking(&service), &["role", "put", "orders_reader", "--cluster=monitor"], "");
    let create = ["owner", "create", "team-orders", "--role=orders_reader", "--full-name=Orders"];
    assert_eq!(told(&mut asking(&service), &create, ""), "Made the owner team-orders.\n");
    service
}

#[test]
fn makes_shows_changes_and_removes_owners_without_a_password() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    let verb = |arguments: &[&str]| told(&mut asking(&service), &[&["owner"], arguments].concat(), "");
    told(&mut asking(&service), &["user", "create", "alice", "--role=orders_reader"], "correct horse");
    let listed = verb(&["list"]);
    let row = listed.lines().nth(1).unwrap();
    assert!(row.starts_with("team-orders") && row.ends_with("enabled (service account)"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "alice is a person: {listed}");
    assert_eq!(
        verb(&["update", "team-orders", "--email=orders@example.org"]),
        "Changed the owner team-orders.\n"
    );
    for name in ["get", "show"] {
        let shown = verb(&[name, "team-orders"]);
        for part in ["orders_reader", "Orders", "orders@example.org"] {
            assert!(shown.contains(part), "{shown}");
        }
    }
    verb(&["update", "team-orders", "--role=orders_reader", "--role=superuser"]);
    let changed =
        answered(&mut asking(&service), &["owner", "get", "team-orders"], "")["team-orders"].clone();
    assert_eq!(
        (&changed["roles"], &changed["full_name"]),
        (&json!(["orders_reader", "superuser"]), &json!("Orders"))
    );
    // What is disabled stays so when it is changed.
    verb(&["disable", "team-orders"]);
    verb(&["update", "team-orders", "--full-name=Order desk"]);
    let row = verb(&["list"]);
    assert!(row.contains("Order desk") && row.contains("disabled with its keys"), "{row}");
    assert_eq!(verb(&["delete", "team-orders"]), "Removed the owner team-orders.\n");
    assert_eq!(answered(&mut asking(&service), &["owner", "list"], ""), json!({}));
}

#[test]
fn an_administrator_makes_relabels_extends_rotates_and_ends_the_keys_of_an_owner() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    let create = ["key", "create", "checkout", "--owner=team-orders", "--role=shop", "--expires=1d"];
    let made = answered(&mut asking(&service), &create, "");
    let id = made["id"].as_str().unwrap();
    let listed =
        || answered(&mut asking(&service), &["key", "list", "--owner=team-orders"], "")["api_keys"].clone();
    assert_eq!((&listed()[0]["id"], &listed()[0]["username"]), (&json!(id), &json!("team-orders")));
    let update = ["key", "update", id, "--expires=30d", "--metadata=label=new"];
    assert_eq!(told(&mut asking(&service), &update, ""), format!("Updated the key {id}.\n"));
    assert_eq!(listed()[0]["metadata"], json!({"label": "new"}));
    assert!(listed()[0]["expiration"].as_u64() > made["expiration"].as_u64());
    let rotated = answered(&mut asking(&service), &["key", "rotate", id, "--overlap=0"], "");
    assert_ne!(rotated["encoded"], made["encoded"]);
    told(&mut asking(&service), &["key", "invalidate", "--owner=team-orders", "--yes"], "");
    assert_eq!(listed()[0]["invalidated"], true);
    let no_such = ["key", "create", "x", "--owner=team-absent", "--role=shop"];
    let complaint = complaint(&mut asking(&service), &no_such, "");
    assert!(complaint.starts_with("latchkey: no key was made on behalf of team-absent: "), "{complaint}");
}

#[test]
fn says_what_becomes_of_the_keys_of_an_owner() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    let told_of = |arguments: &[&str]| told(&mut asking(&service), arguments, "");
    let make = || told_of(&["key", "create", "ci", "--owner=team-orders", "--role=ci"]);
    make();
    make();
    assert_eq!(
        told_of(&["owner", "disable", "team-orders", "--wait-for-edges=1s"]),
        "Disabled the owner team-orders.\nIts keys stopped, until the owner is enabled again: 2 keys.\nNo edge follows this service.\n"
    );
    assert_eq!(
        told_of(&["owner", "enable", "team-orders"]),
        "Enabled the owner team-orders.\nIts keys work again: 2 keys.\n"
    );
    assert_eq!(
        told_of(&["owner", "disable", "team-orders", "--with-keys"]),
        "Disabled the owner team-orders.\nIts keys ended for ever: 2 keys.\n"
    );
    assert_eq!(told_of(&["owner", "enable", "team-orders"]), "Enabled the owner team-orders.\n");
    make();
    assert_eq!(
        told_of(&["owner", "delete", "team-orders"]),
        "Removed the owner team-orders.\nIts keys ended for ever: 1 key.\n"
    );
}

#[test]
fn what_cannot_be_done_with_an_owner_is_told_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    let create = ["key", "create", "checkout", "--owner=team-orders", "--role=shop"];
    let id = answered(&mut asking(&service), &create, "")["id"].as_str().unwrap().to_owned();
    told(&mut asking(&service), &["owner", "disable", "team-orders"], "");
    let disabled = "the owner team-orders is disabled, so nothing is done on its behalf: latchkey owner enable team-orders lets it again";
    assert_eq!(
        complaint(&mut asking(&service), &create, ""),
        format!("latchkey: no key was made on behalf of team-orders: {disabled}")
    );
    for arguments in [&["key", "update", &id, "--role=r"][..], &["key", "rotate", &id]] {
        let told = complaint(&mut asking(&service), arguments, "");
        assert!(told.ends_with(disabled), "{told}");
    }
    assert!(told(&mut asking(&service), &["key", "list"], "").contains("suspended with its owner"));
    assert!(told(&mut asking(&service), &["key", "show", &id], "").contains("suspended with its owner"));
    assert_eq!(told(&mut asking(&service), &["key", "list", "--active"], "").lines().count(), 1);

    told(&mut asking(&service), &["owner", "delete", "team-orders"], "");
    let rotated = complaint(&mut asking(&service), &["key", "rotate", &id], "");
    let expected = format!("latchkey: the key {id} was invalidated at ");
    assert!(
        rotated.starts_with(&expected) && rotated.ends_with("only a key that works gets another secret"),
        "{rotated}"
    );
    assert_eq!(
        complaint(&mut asking(&service), &["owner", "update", "team-orders"], ""),
        "latchkey: say what is to change: --role NAME, --full-name TEXT or --email ADDRESS"
    );
}

// To look takes less than to change.
#[test]
fn whoever_may_not_change_owners_is_told_what_that_takes() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    told(&mut asking(&service), &["user", "create", "alice", "--role=orders_reader"], "correct horse");
    let told_to_alice = |arguments: &[&str]| {
        let mut alice = asking(&service);
        alice.env("LATCHKEY_USER", "alice").env("LATCHKEY_PASSWORD", "correct horse");
        complaint(&mut alice, arguments, "")
    };
    let takes = |what: &str| {
        format!("latchkey: user alice with effective roles orders_reader may not do this; it takes {what}")
    };
    for arguments in [
        &["owner", "create", "x", "--role=a"][..],
        &["owner", "update", "team-orders", "--email=a"],
        &["owner", "disable", "team-orders"],
        &["owner", "delete", "team-orders"],
    ] {
        assert_eq!(told_to_alice(arguments), takes("the cluster privilege manage_security"), "{arguments:?}");
    }
    let invalidate = ["key", "invalidate", "--username=team-orders", "--yes"];
    assert_eq!(told_to_alice(&invalidate), takes("the cluster privilege manage_api_key"));
    let create = ["key", "create", "y", "--role=r", "--owner=team-orders"];
    assert!(told_to_alice(&create).ends_with("may not act for team-orders: that takes a role with run_as"));
}

#[test]
fn tells_owners_from_users_and_says_who_is_missing() {
    let data = tempfile::tempdir().unwrap();
    let service = with_team(data.path());
    told(&mut asking(&service), &["user", "create", "alice", "--role=orders_reader"], "correct horse");
    let person = "latchkey: alice is a user with a password, not a service account: see latchkey user";
    for (arguments, expected) in [
        (
            &["owner", "create", "team-orders"][..],
            "latchkey: there is a user or an owner team-orders already",
        ),
        (&["owner", "create", "alice"], "latchkey: there is a user or an owner alice already"),
        (&["owner", "get", "alice"], person),
        (&["owner", "disable", "alice"], person),
        (&["owner", "delete", "alice"], person),
        (&["owner", "update", "alice", "--email=a"], person),
        (&["owner", "get", "bob"], "latchkey: there is no owner bob"),
        (&["owner", "enable", "bob"], "latchkey: there is no owner bob"),
    ] {
        assert_eq!(complaint(&mut asking(&service), arguments, ""), expected);
    }
    let passwd = complaint(&mut asking(&service), &["user", "passwd", "team-orders"], "correct horse");
    assert!(passwd.contains("is a service account, which has no password"), "{passwd}");
    let mut team = asking(&service);
    team.env("LATCHKEY_USER", "team-orders").env("LATCHKEY_PASSWORD", "correct horse");
    let refused = run(team.args(["key", "list", "--mine"]), "");
    assert!(text(&refused.stderr).contains("wrong name or password"), "{}", text(&refused.stderr));
    let warned = run(asking(&service).args(["owner", "create", "team-x"]), "");
    assert!(text(&warned.stderr).contains("the owner has no role"), "{}", text(&warned.stderr));
}
