use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use latchkey_local_stack::secrecy;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{DevProcess, complaint, http_client, latchkey, run, text};

#[tokio::test]
async fn prints_one_line_when_it_is_ready_and_the_password_once() {
    let data = tempfile::tempdir().unwrap();
    let client = http_client();
    let first = DevProcess::start(data.path());
    let line: Value = serde_json::from_str(&first.line).unwrap();
    let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["data", "password", "url", "username"]);
    assert_eq!(line["username"], "elastic");
    assert_eq!(line["data"], data.path().canonicalize().unwrap().display().to_string());
    let password = first.password.clone().unwrap();
    let me = first.request(&client, Method::GET, "/_security/_authenticate", &password).send().await.unwrap();
    assert_eq!(me.status(), 200);
    let (status, rest) = first.terminate();
    assert!(status.success());
    assert_eq!(rest, "", "nothing but the line");

    let second = DevProcess::start(data.path());
    assert_eq!(second.password, None);
    let me =
        second.request(&client, Method::GET, "/_security/_authenticate", &password).send().await.unwrap();
    assert_eq!(me.status(), 200, "the password of the first start stays valid");
    let stranger =
        second.request(&client, Method::GET, "/_security/_authenticate", "wrong").send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

#[tokio::test]
async fn a_changed_password_stays_until_the_file_is_removed() {
    let data = tempfile::tempdir().unwrap();
    let client = Client::new();
    let first = DevProcess::start(data.path());
    let drawn = first.password.clone().unwrap();
    let changed = first
        .request(&client, Method::POST, "/_security/user/_password", &drawn)
        .json(&json!({"password": "looking glass"}))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.status(), 200);
    assert!(first.terminate().0.success());

    let second = DevProcess::start(data.path());
    for (password, status) in [("looking glass", 200), (drawn.as_str(), 401)] {
        let me =
            second.request(&client, Method::GET, "/_security/_authenticate", password).send().await.unwrap();
        assert_eq!(me.status(), status);
    }
    assert!(second.terminate().0.success());

    fs::remove_file(data.path().join("elastic.password-hash")).unwrap();
    let third = DevProcess::start(data.path());
    for (password, status) in [(third.password.as_deref().unwrap(), 200), ("looking glass", 401)] {
        let me =
            third.request(&client, Method::GET, "/_security/_authenticate", password).send().await.unwrap();
        assert_eq!(me.status(), status);
    }
}

#[tokio::test]
async fn lets_the_users_of_its_directory_in() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users.toml");
    let added = run(latchkey().args(["user", "create", "alice", "--file"]).arg(&users), "correct horse\n");
    assert!(added.status.success(), "{}", text(&added.stderr));
    let service = DevProcess::start(data.path());
    let path = format!("{}/_security/_authenticate", service.url);
    let me = http_client().get(path).basic_auth("alice", Some("correct horse")).send().await.unwrap();
    assert_eq!(me.json::<Value>().await.unwrap()["authentication_realm"]["name"], "file");
}

#[tokio::test]
async fn takes_the_settings_of_its_flags() {
    let data = tempfile::tempdir().unwrap();
    let client = http_client();
    let with_flag = |flag: &str| {
        let mut command = latchkey();
        command.args(["dev", "--json", "--listen", "127.0.0.1:0", "-E", flag, "--data"]).arg(data.path());
        DevProcess::start_by(command)
    };
    let service = with_flag("xpack.security.authc.api_key.enabled=false");
    let password = service.password.clone().unwrap();
    let refused = service
        .request(&client, Method::GET, "/_security/api_key?owner=true", &password)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["type"], "feature_not_enabled_exception");
    let grant = json!({"grant_type": "client_credentials"});
    let asked = async |service: &DevProcess| {
        let request = service.request(&client, Method::POST, "/_security/oauth2/token", &password);
        request.json(&grant).send().await.unwrap().status().as_u16()
    };
    assert_eq!(asked(&service).await, 200, "tokens are on unless a flag says otherwise");
    assert!(service.terminate().0.success());
    let service = with_flag("xpack.security.authc.token.enabled=false");
    assert_eq!(asked(&service).await, 400);
}

#[test]
fn lists_every_mistake_of_its_flags() {
    let data = tempfile::tempdir().unwrap();
    let mut dev = latchkey();
    dev.args(["dev", "--data"]).arg(data.path().join("made"));
    for flag in [
        "data=elsewhere",
        "store.url=postgres://x",
        "users=x",
        "xpack.security.http.ssl.enabled=true",
        "xpack.security.authc.api_kye.enabled=true",
        "edges.live_for=soon",
        "nothing",
    ] {
        dev.args(["-E", flag]);
    }
    let output = run(&mut dev, "");
    assert!(!output.status.success());
    let refused = text(&output.stderr);
    for expected in [
        "latchkey: the settings have mistakes:",
        "data: dev keeps its store where --data says (-E data)",
        "store: dev keeps its store where --data says (-E store)",
        "users: dev reads users.toml in the directory of --data (-E users)",
        "xpack.security.http: dev speaks no TLS: `latchkey serve` does (-E xpack.security.http)",
        "xpack.security.authc.api_kye",
        "edges.live_for",
        "-E number 7: must be the path of a setting",
    ] {
        assert!(refused.contains(expected), "{expected}\n{refused}");
    }
    assert_eq!(refused.lines().count(), 8, "{refused}");
    assert!(!data.path().join("made").exists());
}

#[tokio::test]
async fn refuses_a_head_past_its_limits() {
    let data = tempfile::tempdir().unwrap();
    let service = DevProcess::start(data.path());
    let path = format!("{}/healthz", service.url);
    let ask = async |headers: usize, len: usize| {
        let mut request = http_client().get(&path);
        for number in 0..headers {
            request = request.header(format!("x-{number}"), "x".repeat(len));
        }
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(1, 60_000).await, 200);
    assert_eq!(ask(1, 70_000).await, 431);
    assert_eq!(ask(90, 1).await, 200);
    assert_eq!(ask(101, 1).await, 431);
}

#[tokio::test]
async fn keeps_its_directory_to_itself() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("made/by/it");
    let running = DevProcess::start(&data);
    assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        let stored = fs::read(entry.path()).unwrap();
        let password = running.password.as_ref().unwrap().as_bytes();
        assert!(!stored.windows(password.len()).any(|window| window == password), "{:?}", entry.path());
    }
    let second = run(latchkey().args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(&data), "");
    assert!(!second.status.success());
    assert!(text(&second.stderr).contains("another process uses the directory"), "{}", text(&second.stderr));
}

#[test]
fn refuses_addresses_that_others_can_reach() {
    let data = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = run(latchkey().args(["dev", "--listen", address, "--data"]).arg(data.path()), "");
        assert!(!refused.status.success());
        assert!(text(&refused.stderr).contains("dev listens on loopback addresses only"), "{address}");
    }
}

#[tokio::test]
async fn a_change_wakes_a_follower_and_stopping_answers_it() {
    let data = tempfile::tempdir().unwrap();
    let client = http_client();
    let service = DevProcess::start(data.path());
    let password = service.password.clone().unwrap();
    let poll = |after: u64| {
        let path = format!("/_latchkey/feed?after={after}&wait=60s&edge=envoy-1");
        service.request(&client, Method::GET, &path, &password).timeout(Duration::from_secs(50))
    };
    let loaded: Value = poll(0).send().await.unwrap().json().await.unwrap();
    let cursor = loaded["cursor"].as_u64().unwrap();
    let waiting = tokio::spawn(poll(cursor).send());
    let body = json!({"name": "x"});
    let created = service
        .request(&client, Method::POST, "/_security/api_key", &password)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(created.status(), 200);
    let woken: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(woken["keys"][0]["name"], "x");

    let cursor = woken["cursor"].as_u64().unwrap();
    let waiting = tokio::spawn(poll(cursor).send());
    while waiting_polls(&service, &client).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stopped = tokio::task::spawn_blocking(move || service.terminate());
    let last: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!((&last["cursor"], &last["keys"]), (&json!(cursor), &json!([])));
    assert!(stopped.await.unwrap().0.success());
}

async fn waiting_polls(service: &DevProcess, client: &Client) -> u64 {
    let metrics = client.get(format!("{}/metrics", service.url)).send().await.unwrap().text().await.unwrap();
    let line = metrics.lines().find(|line| line.starts_with("latchkey_feed_polls_waiting "));
    line.map_or(0, |line| line.split(' ').nth(1).unwrap().parse().unwrap())
}

// A password that was drawn, stored as a hash and never printed would lock everybody out.
#[test]
fn a_password_that_could_not_be_told_is_drawn_again() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused =
        complaint(latchkey().args(["dev", "--listen", &address, "--data"]).arg(data.path()), &[], "");
    assert!(refused.starts_with(&format!("latchkey: could not listen on {address}")), "{refused}");

    let mut command = latchkey();
    command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
    command.stdout(File::options().write(true).open("/dev/full").unwrap());
    let deaf = secrecy::searched_output("a command", &mut command).unwrap();
    assert!(!deaf.status.success());
    assert!(text(&deaf.stderr).starts_with("latchkey: could not write to stdout"), "{}", text(&deaf.stderr));

    let service = DevProcess::start(data.path());
    assert!(service.password.is_some(), "{}", service.line);
}

// A user who can write there could become the super-user.
#[test]
fn what_everybody_may_write_is_not_used() {
    let data = tempfile::tempdir().unwrap();
    let users = data.path().join("users.toml");
    fs::write(&users, "").unwrap();
    let dev = || {
        let mut command = latchkey();
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        command
    };
    for (path, mode, private) in [(data.path(), 0o777, 0o700), (&users, 0o666, 0o600)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let refused = complaint(&mut dev(), &[], "");
        let canonical = path.canonicalize().unwrap();
        let expected = format!(
            "latchkey: {0} may be written by everybody on this machine (mode {mode:04o}), and it decides who is let in. \
             See that nobody has changed it, and take that away: chmod o-w {0}",
            canonical.display()
        );
        assert_eq!(refused, expected);
        fs::set_permissions(path, Permissions::from_mode(private)).unwrap();
    }
    // Kubernetes gives a volume to a group (`fsGroup`), which is another matter.
    fs::set_permissions(data.path(), Permissions::from_mode(0o2770)).unwrap();
    fs::set_permissions(&users, Permissions::from_mode(0o664)).unwrap();
    assert!(DevProcess::start(data.path()).terminate().0.success());
}
