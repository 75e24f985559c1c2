use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use super::{DevProcess, answered, asking, complaint, latchkey, run, text, told};

#[test]
fn makes_lists_shows_and_ends_keys() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let roles = data.path().join("roles.json");
    fs::write(&roles, r#"{"reader":{"cluster":["monitor"]}}"#).unwrap();
    let roles = roles.display().to_string();

    let made = told(
        &mut asking(&service),
        &["key", "create", "ci", "--expires=30d", "--role-descriptors", &roles, "--metadata", "team=red"],
        "",
    );
    let field = |name: &str| {
        let line = made.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    let (id, credential) = (field("id"), field("credential"));
    assert!(field("expires").ends_with('Z'), "{made}");
    assert!(made.contains("shown this once"), "{made}");

    let listed = told(&mut asking(&service), &["key", "list"], "");
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[0],
        ["ID", "NAME", "OWNER", "REALM", "ROLES", "METADATA", "CREATED", "EXPIRES", "USED", "STATUS"]
    );
    assert_eq!(rows[1][..6], [&id, "ci", "elastic", "reserved", "reader", "team=red"]);
    assert_eq!(rows[1][8..], ["-", "active"]);
    assert!(!listed.contains(&credential));

    let shown = told(&mut asking(&service), &["key", "show", &id], "");
    for part in ["active", "\"team\": \"red\"", "\"reader\": {", "\"monitor\""] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    assert_eq!(told(&mut asking(&service), &["key", "list", "--name", "nothing*"], "").lines().count(), 1);

    let ended = told(&mut asking(&service), &["key", "invalidate", &id], "");
    assert_eq!(ended, format!("Invalidated 1 key.\n  {id}\n"));
    let again = run(asking(&service).args(["key", "revoke", &id]), "");
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains(&format!("invalid already: {id}")), "{}", text(&again.stderr));
    assert_eq!(told(&mut asking(&service), &["key", "list", "--active"], "").lines().count(), 1);
    assert!(told(&mut asking(&service), &["key", "list", "--mine"], "").contains("invalidated"));
}

#[test]
fn prints_the_json_of_the_service_for_scripts() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let made = answered(&mut asking(&service), &["key", "create", "ci", "--all-my-rights"], "");
    let id = made["id"].as_str().unwrap();
    assert!(made["encoded"].is_string());
    let listed = answered(&mut asking(&service), &["key", "list"], "");
    assert_eq!(listed["api_keys"][0]["id"], id);
    let shown = answered(&mut asking(&service), &["key", "show", id, "--limited-by"], "");
    assert_eq!(shown["api_keys"][0]["limited_by"][0]["superuser"]["cluster"], json!(["all"]));
    let ended = answered(&mut asking(&service), &["key", "invalidate", "--mine", "--yes"], "");
    assert_eq!(ended["invalidated_api_keys"], json!([id]));
}

#[test]
fn takes_the_credential_from_wherever_no_other_user_can_see_it() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let made = answered(&mut asking(&service), &["key", "create", "admin", "--all-my-rights"], "");
    let encoded = made["encoded"].as_str().unwrap();
    let password = service.password.as_ref().unwrap();
    let (key_file, password_file) = (data.path().join("key"), data.path().join("password"));
    fs::write(&key_file, format!("{encoded}\n")).unwrap();
    fs::write(&password_file, format!("{password}\n")).unwrap();

    let mut by_variable = latchkey();
    by_variable.env("LATCHKEY_API_KEY", encoded);
    let mut by_key_file = latchkey();
    by_key_file.arg("--log=info").args(["key", "list", "--api-key-file"]).arg(&key_file);
    let mut by_password_file = latchkey();
    by_password_file.args(["key", "list", "--user=elastic", "--password-file"]).arg(&password_file);
    let mut by_stdin = latchkey();
    for (command, arguments, stdin) in [
        (&mut by_variable, &["key", "list"][..], ""),
        (&mut by_key_file, &[], ""),
        (&mut by_password_file, &[], ""),
        (&mut by_stdin, &["key", "list", "--user=elastic"], &format!("{password}\n")),
    ] {
        let listed = told(command.env("LATCHKEY_URL", &service.url), arguments, stdin);
        assert!(listed.contains("admin"), "{listed}");
    }
}

#[test]
fn reads_what_follows_the_password_on_stdin() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let stdin = format!("{}\n{{\"none\":{{\"cluster\":[]}}}}\n", service.password.as_ref().unwrap());
    let arguments =
        ["key", "create", "ci", "--role-descriptors=-", "--user=elastic", "--url", service.url.as_str()];
    let made = answered(&mut latchkey(), &arguments, &stdin);
    let shown = answered(&mut asking(&service), &["key", "show", made["id"].as_str().unwrap()], "");
    assert!(shown["api_keys"][0]["role_descriptors"]["none"].is_object(), "{shown}");
}

#[test]
fn complains_on_one_line_and_fails() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    for (arguments, expected) in [
        (
            &["key", "create", "_ci", "--role=ci"][..],
            "latchkey: the service refuses this: api key name may not begin with an underscore",
        ),
        (&["key", "show", "nothing"], "latchkey: there is no key nothing"),
        (&["key", "update", "nothing", "--metadata=a=b"], "latchkey: whoever asks has no such key"),
        (
            &["role", "put", "viewer", "--cluster=monitor"],
            "latchkey: the service refuses this: Role [viewer] is reserved",
        ),
        (&["key", "list", "--url=http://127.0.0.1:1"], "latchkey: could not reach http://127.0.0.1:1: "),
        (&["key", "list", "--url=ftp://127.0.0.1"], "latchkey: --url must start with https:// or http://"),
        (&["key", "create", "ci", "--role-descriptors=/none"], "latchkey: could not read /none: "),
    ] {
        let complaint = complaint(&mut asking(&service), arguments, "");
        assert!(complaint.starts_with(expected), "{complaint}");
    }
    let stranger = complaint(asking(&service).env("LATCHKEY_PASSWORD", "hunter2"), &["key", "list"], "");
    assert_eq!(
        stranger,
        "latchkey: wrong name or password: the service does not let elastic in, or the user is disabled"
    );
    let misspelt = complaint(&mut asking(&service), &["role", "put", "r", "--cluster=monitr"], "");
    assert!(misspelt.ends_with("unknown cluster privilege [monitr]; did you mean monitor?"), "{misspelt}");
    let silent =
        complaint(latchkey().env("LATCHKEY_URL", &service.url), &["key", "list", "--user=elastic"], "");
    assert_eq!(
        silent,
        "latchkey: there is no password of elastic: put it into LATCHKEY_PASSWORD, into a file that is named, or on a line of stdin"
    );
    let unnamed = complaint(&mut latchkey(), &["key", "list", "--password-file=/none"], "");
    assert!(unnamed.starts_with("latchkey: --password-file needs --user"), "{unnamed}");
    let nobody = complaint(&mut latchkey(), &["key", "list"], "");
    assert!(nobody.starts_with("latchkey: say who asks: --user NAME, "), "{nobody}");
}

#[test]
fn escapes_what_a_terminal_would_obey() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    told(&mut asking(&service), &["key", "create", "a\u{1b}[2Jb", "--role=a"], "");
    assert!(told(&mut asking(&service), &["key", "list"], "").contains("a\\u{1b}[2Jb"));
}

// Seen: the documented line made a key that could do everything, for ever.
#[test]
fn makes_no_key_of_which_nobody_says_what_it_may() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let (empty, password) = (data.path().join("empty.json"), data.path().join("password"));
    fs::write(&empty, "{}").unwrap();
    fs::write(&password, service.password.as_ref().unwrap()).unwrap();
    let password = format!("--grantee-password-file={}", password.display());
    for arguments in [&["key", "create", "ci"][..], &["key", "grant", "ci", "--for=elastic", &password]] {
        let complaint = complaint(&mut asking(&service), arguments, "");
        assert!(complaint.starts_with("latchkey: say what the key may do here: --role LABEL"), "{complaint}");
        let label = answered(&mut asking(&service), &[arguments, &["--role=ci", "--role=shop"]].concat(), "");
        let shown = answered(&mut asking(&service), &["key", "show", label["id"].as_str().unwrap()], "");
        let roles = shown["api_keys"][0]["role_descriptors"].as_object().unwrap();
        assert_eq!(roles.keys().collect::<Vec<_>>(), ["ci", "shop"]);
        assert!(roles["ci"]["cluster"].as_array().unwrap().is_empty(), "{shown}");
        let mut all = asking(&service);
        let output = run(all.args([arguments, &["--all-my-rights", "--json"]].concat()), "");
        let warned = text(&output.stderr);
        assert!(warned.contains("may do everything that its owner may do"), "{warned}");
        assert!(warned.contains("the key never ends"), "{warned}");
    }
    let nothing = format!("--role-descriptors={}", empty.display());
    let complaint = complaint(&mut asking(&service), &["key", "create", "ci", &nothing], "");
    assert!(complaint.contains("the file has no role descriptor"), "{complaint}");
}

#[test]
fn a_key_ends_when_that_is_said() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    for (expires, ends) in [("--expires=1h", true), ("--expires-in=1h", true), ("--expires=never", false)] {
        let made = answered(&mut asking(&service), &["key", "create", "ci", "--role=ci", expires], "");
        assert_eq!(made.get("expiration").is_some(), ends, "{expires}: {made}");
        let id = made["id"].as_str().unwrap();
        let update = ["key", "update", id, "--expires=never"];
        assert!(complaint(&mut asking(&service), &update, "").contains("keeps one"));
        told(&mut asking(&service), &["key", "update", id, "--expires=2h"], "");
    }
}

/// A key that may do nothing but read the feed, and two others; their ids.
fn fleet(service: &DevProcess, directory: &std::path::Path) -> [String; 3] {
    let feed = directory.join("feed.json");
    fs::write(&feed, r#"{"edge":{"cluster":["read_key_feed"]}}"#).unwrap();
    let feed = format!("--role-descriptors={}", feed.display());
    [("edge-a", feed.as_str()), ("ci-1", "--role=ci"), ("ci-2", "--role=ci")].map(|(name, rights)| {
        let made = answered(&mut asking(service), &["key", "create", name, rights], "");
        made["id"].as_str().unwrap().to_owned()
    })
}

fn alive(service: &DevProcess) -> usize {
    told(&mut asking(service), &["key", "list", "--active"], "").lines().count() - 1
}

// Seen: to end one's keys cut the edges off, with every revoked key alive in them.
#[test]
fn a_choice_that_may_hit_many_is_told_and_asked_and_spares_the_edges() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let [edge, first, second] = fleet(&service, data.path());
    for choice in [&["--name=*"][..], &["--mine"], &["--username=elastic"], &["--realm=reserved"]] {
        let arguments = [&["key", "invalidate"], choice].concat();
        let refused = complaint(&mut asking(&service), &arguments, "");
        assert_eq!(
            refused,
            format!(
                "latchkey: this would invalidate 2 keys; --edges-too for the own keys of edges as well: edge-a ({edge}): \
                 say --yes to do it, or --dry-run to see which"
            ),
            "{choice:?}"
        );
        let dry = answered(&mut asking(&service), &[&arguments[..], &["--dry-run"]].concat(), "");
        assert_eq!(dry["would_spare"], json!([edge]));
        assert_eq!(dry["would_invalidate"].as_array().unwrap().len(), 2);
        let dry = told(&mut asking(&service), &[&arguments[..], &["--dry-run", "--edges-too"]].concat(), "");
        assert!(dry.contains(&format!("3 keys, among them the own keys of edges: edge-a ({edge})")), "{dry}");
    }
    let refused = complaint(&mut asking(&service), &["key", "invalidate", "--name=ci-*"], "");
    assert!(refused.starts_with("latchkey: this would invalidate 2 keys: say --yes"), "{refused}");
    assert_eq!(alive(&service), 3);

    let ended = told(&mut asking(&service), &["key", "invalidate", "--name=*", "--yes"], "");
    assert!(ended.starts_with("Invalidated 2 keys.\n"), "{ended}");
    assert!(ended.contains(&first) && ended.contains(&second), "{ended}");
    assert!(ended.ends_with(&format!("Spared the own keys of edges: edge-a ({edge}).\n")), "{ended}");
    assert_eq!(alive(&service), 1);
    for (choice, why) in [
        ("--name=edge-a", "only the own keys of edges: --edges-too ends them"),
        ("--name=*", "only the own keys of edges: --edges-too ends them"),
        ("--name=nobody", "no key that is valid"),
    ] {
        let output = run(asking(&service).args(["key", "invalidate", choice, "--yes"]), "");
        assert!(!output.status.success(), "{choice}: {}", text(&output.stdout));
        let complaint = format!("latchkey: nothing was invalidated, because this hits {why}\n");
        assert_eq!(text(&output.stderr), complaint);
    }
    assert_eq!(alive(&service), 1);
    let ended = answered(&mut asking(&service), &["key", "invalidate", "--mine", "--yes", "--edges-too"], "");
    assert_eq!(ended["invalidated_api_keys"], json!([edge]));
    assert_eq!(alive(&service), 0);
}

/// A service that has one key of an edge and so many others, invalidates as often as it is said and then
/// fails. Where it listens.
fn service_that_fails(others: usize, after: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let key = |id: String, privilege: &str| {
        let rights = json!({"r": {"cluster": [privilege]}});
        json!({"id": id, "name": "k", "username": "u", "realm": "r", "invalidated": false, "role_descriptors": rights})
    };
    let mut keys: Vec<_> = (0..others).map(|n| key(format!("id-{n}"), "monitor")).collect();
    keys.push(key("edge".to_owned(), "read_key_feed"));
    std::thread::spawn(move || {
        let mut deletions = 0;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (first, body) = read_request(&mut stream);
            let (status, answer) = if first.starts_with("GET") {
                (200, json!({ "api_keys": keys }))
            } else if deletions < after {
                deletions += 1;
                let body: Value = serde_json::from_slice(&body).unwrap();
                (200, json!({"invalidated_api_keys": body["ids"]}))
            } else {
                (503, json!({"error": "gone", "status": 503}))
            };
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            stream.get_mut().write_all((head + &answer).as_bytes()).unwrap();
        }
    });
    url
}

/// The first line and the body.
fn read_request(stream: &mut BufReader<TcpStream>) -> (String, Vec<u8>) {
    let (mut first, mut len) = (String::new(), 0);
    stream.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    (first, body)
}

// Too many for one request: of those that had been ended before one failed, nothing was said.
#[test]
fn what_was_ended_is_told_although_a_later_request_fails() {
    let url = service_that_fails(5_001, 1);
    let mut command = latchkey();
    command.env("LATCHKEY_URL", &url).env("LATCHKEY_USER", "u").env("LATCHKEY_PASSWORD", "p");
    let output = run(command.args(["key", "invalidate", "--name=*", "--yes"]), "");
    assert!(!output.status.success());
    let (told, complaint) = (text(&output.stdout), text(&output.stderr));
    assert!(told.starts_with("Invalidated 5000 keys.\n  id-0\n"), "{told}");
    assert!(told.contains("  id-4999\n") && !told.contains("id-5000"), "{complaint}");
    let unknown = "whether that is all is not known, ask again: the service answers 503 ";
    assert!(complaint.contains(unknown), "{complaint}");
}

#[test]
fn what_is_named_outright_is_ended_unasked_and_an_edges_own_key_with_a_warning() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let [edge, first, _] = fleet(&service, data.path());
    told(&mut asking(&service), &["key", "invalidate", "--name=ci-2"], "");
    let output = run(asking(&service).args(["key", "invalidate", &first]), "");
    assert!(output.status.success() && text(&output.stderr).is_empty(), "{}", text(&output.stderr));
    let dry = told(&mut asking(&service), &["key", "invalidate", &edge, "--dry-run"], "");
    assert!(dry.contains("among them the own keys of edges: edge-a"), "{dry}");
    let output = run(asking(&service).args(["key", "invalidate", &edge]), "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let warned = text(&output.stderr);
    assert!(warned.contains("hears of no later revocation") && warned.contains("edge-a"), "{warned}");
    assert_eq!(alive(&service), 0);
}
