use serde_json::Value;

use super::{DevProcess, answered, asking, complaint, latchkey, run, told};

#[test]
fn gets_refreshes_uses_and_ends_tokens() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let password = service.password.clone().unwrap();
    let shown = told(&mut asking(&service), &["token", "get"], "");
    assert!(shown.contains("shown this once") && shown.contains("elastic"), "{shown}");
    assert!(!shown.contains("refresh token"), "{shown}");

    let got = answered(&mut asking(&service), &["token", "get", "--for=elastic"], &format!("{password}\n"));
    let text = |tokens: &Value, field: &str| tokens[field].as_str().unwrap().to_owned();
    let refresh = text(&got, "refresh_token");
    let again =
        answered(&mut asking(&service), &["token", "get", "--refresh-token-file=-"], &format!("{refresh}\n"));
    let access = text(&again, "access_token");
    assert_ne!(access, text(&got, "access_token"));

    let mut bearer = latchkey();
    bearer.env("LATCHKEY_URL", &service.url).env("LATCHKEY_ACCESS_TOKEN", &access);
    let own = bearer.args(["key", "list"]);
    assert!(run(own, "").status.success());
    let ended = told(&mut asking(&service), &["token", "invalidate", "--access-token-file=-"], &access);
    assert_eq!(ended, "Invalidated 1 token.\n");
    assert!(!run(own, "").status.success());
    let all = answered(&mut asking(&service), &["token", "invalidate", "--username=elastic"], "");
    assert_eq!(all["error_count"], 0);
}

#[test]
fn makes_keys_for_others_from_their_credentials() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["user", "create", "alice", "--role=superuser"], "correct horse");
    let granted = answered(
        &mut asking(&service),
        &["key", "grant", "hers", "--role=hers", "--for=alice"],
        "correct horse\n",
    );
    let id = granted["id"].as_str().unwrap();
    let shown = answered(&mut asking(&service), &["key", "show", id], "");
    assert_eq!(shown["api_keys"][0]["username"], "alice");

    let mut alice = latchkey();
    alice
        .env("LATCHKEY_URL", &service.url)
        .env("LATCHKEY_USER", "alice")
        .env("LATCHKEY_PASSWORD", "correct horse");
    let updated = told(&mut alice, &["key", "update", id, "--metadata=team=blue"], "");
    assert_eq!(updated, format!("Updated the key {id}.\n"));
    let shown = answered(&mut asking(&service), &["key", "show", id], "");
    assert_eq!(shown["api_keys"][0]["metadata"]["team"], "blue");

    let token = answered(&mut asking(&service), &["token", "get"], "");
    let token = token["access_token"].as_str().unwrap();
    let granted =
        told(&mut asking(&service), &["key", "grant", "mine", "--role=mine", "--access-token-file=-"], token);
    assert!(granted.contains("shown this once"), "{granted}");
    let refused = complaint(
        &mut asking(&service),
        &["key", "grant", "no", "--role=no", "--for=alice"],
        "wrong horse\n",
    );
    let expected =
        "latchkey: wrong name or password: the service does not let alice in, or the user is disabled";
    assert_eq!(refused, expected);
}
