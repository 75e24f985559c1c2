use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use latchkey_key_service::limits::authentication_limits::FAILED_LOGINS_BURST;
use latchkey_key_service::log_line::JsonLines;
use serde_json::{Value, json};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;

use crate::service::{Answer, PASSWORD, Service};

/// A subscriber that lives as long as the process. While there is only one, tracing asks the thread that
/// comes first to a place in the code whether that is of interest, and a thread of another test, which has
/// none, would say for all that it is not (tracing-core, `Dispatchers::rebuilder`).
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));

/// Everything that is logged, at every level, as JSON lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything that this thread logs from now on, until the guard goes.
    fn begin() -> (Self, DefaultGuard) {
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines)
            .fmt_fields(JsonFields::new())
            .with_max_level(tracing::Level::TRACE)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn audit_lines(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["target"] == "audit").collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Runs on this thread alone, so that the log holds what this test did and nothing else.
#[tokio::test(flavor = "current_thread")]
async fn every_change_and_refusal_is_logged_and_no_secret_ever() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"x"}"#).await;
    service.key(&made).get("/_security/_authenticate").await;
    service.user("read").post("/_security/api_key", r#"{"name":"x"}"#).await;
    service.presenting("Basic b3duOmh1bnRlcjI=").get("/").await;
    service.presenting("ApiKey aHVudGVyMjpodW50ZXIy").get("/").await;
    service.key(&made).delete("/_security/api_key", &json!({"ids": [made.id]}).to_string()).await;
    service.key(&made).get("/").await;

    let lines = log.audit_lines();
    let seen: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or_default();
            let what = if line["action"].is_string() { field("action") } else { field("reason") };
            (field("outcome"), what, field("username"))
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("success", "create_api_key", "own"),
            ("forbidden", "cluster:admin/xpack/security/api_key/create", "read"),
            ("unauthenticated", "password_wrong", ""),
            ("unauthenticated", "key_unknown", ""),
            ("success", "invalidate_api_keys", "own"),
            ("unauthenticated", "key_invalidated", ""),
        ]
    );
    assert_eq!(lines[0]["key_ids"], json!(made.id));
    assert_eq!((&lines[4]["api_key"], &lines[4]["realm"]), (&json!(made.id), &json!("_es_api_key")));
    for secret in
        [made.secret.as_str(), made.encoded.as_str(), PASSWORD, "aHVudGVyMjpodW50ZXIy", "b3duOmh1bnRlcjI="]
    {
        assert!(!log.text().contains(secret), "{secret} was logged");
    }
}

// Users, roles and privileges: who did it, on whose behalf, to whom, and no password.
#[tokio::test(flavor = "current_thread")]
async fn changes_of_the_directory_are_logged_without_a_password() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let elastic = service.elastic();
    elastic.put("/_security/user/bob", r#"{"password":"hunter22","roles":[]}"#).await;
    elastic.running_as("security").put("/_security/role/r", "{}").await;
    elastic.running_as("nobody").put("/_security/role/r", "{}").await;
    service.basic("bob", "hunter22").post("/_security/user/_password", r#"{"password":"hunter33"}"#).await;

    let lines = log.audit_lines();
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let seen: Vec<[String; 4]> = lines
        .iter()
        .map(|line| ["action", "username", "run_as", "subjects"].map(|name| field(line, name)))
        .collect();
    assert_eq!(
        seen,
        [
            ["put_user", "elastic", "", "bob"],
            ["put_role", "elastic", "security", "r"],
            ["cluster:admin/xpack/security/role/put", "elastic", "nobody", ""],
            ["change_password", "bob", "", "bob"],
        ]
    );
    for secret in ["hunter22", "hunter33", "$argon2id$"] {
        assert!(!log.text().contains(secret), "{secret} was logged");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn lines_of_what_was_asked_through_the_console_say_so() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let made = service.user("own").through_the_console().make(r#"{"name":"x"}"#).await;
    service.user("read").through_the_console().post("/_security/api_key", r#"{"name":"x"}"#).await;
    service.basic("own", "wrong").through_the_console().get("/").await;
    service.user("own").through_the_console().put("/_security/role/r", "{}").await;
    service.elastic().through_the_console().put("/_security/role/r", "{}").await;
    service.key(&made).get("/_security/role").await;
    let told: Vec<_> = log.audit_lines().iter().map(|line| line.get("via").cloned()).collect();
    let console = || Some(json!("console"));
    assert_eq!(told, [console(), console(), console(), console(), console(), None]);
}

/// Runs on this thread alone, as above.
#[tokio::test(flavor = "current_thread")]
async fn credentials_inside_of_a_request_are_told_of_and_never_shown() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let grantor = service.user("grant");
    let grant = |password: &str| {
        json!({"grant_type": "password", "username": "own", "password": password, "api_key": {"name": "x"}})
            .to_string()
    };
    grantor.post("/_security/api_key/grant", &grant("hunter2 and more")).await;
    let token = r#"{"grant_type":"access_token","access_token":"aHVudGVyMg==","api_key":{"name":"x"}}"#;
    grantor.post("/_security/api_key/grant", token).await;
    let granted = grantor.post("/_security/api_key/grant", &grant(PASSWORD)).await.json();
    let clone = |encoded: &Value| json!({"api_key": encoded}).to_string();
    let cloned = grantor.post("/_security/api_key/clone", &clone(&granted["encoded"])).await.json();
    grantor.post("/_security/api_key/clone", &clone(&json!("aHVudGVyMjpodW50ZXIy"))).await;
    let path = format!("/_security/api_key/{}", granted["id"].as_str().unwrap());
    service.user("own").put(&path, r#"{"metadata":{"a":1}}"#).await;
    service.user("own").put(&path, "{}").await;

    let lines = log.audit_lines();
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let seen: Vec<[String; 3]> = lines
        .iter()
        .map(|line| {
            let what = if line["action"].is_string() { "action" } else { "reason" };
            [field(line, what), field(line, "username"), field(line, "claimed")]
        })
        .collect();
    assert_eq!(
        seen,
        [
            ["password_wrong", "", "own"],
            ["token_unknown", "", ""],
            ["grant_api_keys", "grant", ""],
            ["clone_api_key", "grant", ""],
            ["key_unknown", "", "hunter2"],
            ["update_api_keys", "own", ""],
        ]
    );
    for secret in [
        "hunter2 and more",
        "aHVudGVyMg==",
        "aHVudGVyMjpodW50ZXIy",
        PASSWORD,
        granted["api_key"].as_str().unwrap(),
        granted["encoded"].as_str().unwrap(),
        cloned["api_key"].as_str().unwrap(),
        cloned["encoded"].as_str().unwrap(),
    ] {
        assert!(!log.text().contains(secret), "{secret} was logged");
    }
}

/// Makes a key as the user `own`, with these headers.
async fn make_key(service: &Service, headers: &[(&str, &str)]) -> Answer {
    let peer = SocketAddr::from(([192, 0, 2, 1], 5000));
    let mut request = Request::post("/_security/api_key?filter_path=hunter2").extension(ConnectInfo(peer));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .header("authorization", "Basic b3duOmNvcnJlY3QgaG9yc2U=")
        .header("content-type", "application/json");
    service.send(request.body(Body::from(r#"{"name":"x"}"#)).unwrap()).await
}

// Also the line that is written where the change runs to its end, which is a task of its own.
#[tokio::test(flavor = "current_thread")]
async fn every_line_of_a_request_carries_its_id_and_so_does_the_answer() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let chosen = make_key(&service, &[("x-request-id", "r-1"), ("x-opaque-id", "kibana")]).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text);
    assert_eq!(
        (chosen.header("x-request-id"), chosen.header("x-opaque-id")),
        (vec!["r-1".to_owned()], vec!["kibana".to_owned()])
    );
    let drawn = make_key(&service, &[("x-request-id", "two words"), ("x-opaque-id", "two words")]).await;
    let [drawn_id] = <[String; 1]>::try_from(drawn.header("x-request-id")).unwrap();
    assert_eq!((drawn_id.len(), drawn.header("x-opaque-id")), (22, Vec::new()));
    for (id, opaque_id) in [("r-1", json!("kibana")), (drawn_id.as_str(), Value::Null)] {
        let lines: Vec<Value> = log.lines().into_iter().filter(|line| line["request_id"] == id).collect();
        let audited = lines.iter().find(|line| line["target"] == "audit").unwrap();
        assert_eq!(audited["action"], "create_api_key");
        assert_eq!((&audited["opaque_id"], &audited["source"]), (&opaque_id, &json!("192.0.2.1:5000")));
        let answered = lines.iter().find(|line| line["message"] == "answered").unwrap();
        assert_eq!(answered["route"], "/_security/api_key");
        assert_eq!((&answered["method"], &answered["status"]), (&json!("POST"), &json!(200)));
        assert_eq!((&answered["level"], &answered["source"]), (&json!("DEBUG"), &json!("192.0.2.1:5000")));
        assert!(answered["duration_ms"].is_u64(), "{answered}");
    }
    assert!(!log.text().contains("hunter2"), "a query was logged");
}

// What a refusal says is found by the id too.
#[tokio::test(flavor = "current_thread")]
async fn a_refusal_carries_the_id_of_its_request() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let answer = service.anonymous().get_with("/", "x-request-id", "r-2").await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (401, vec!["r-2".to_owned()]));
    assert_eq!(log.audit_lines()[0]["request_id"], "r-2");
    let nowhere = service.anonymous().get_with("/nowhere", "x-request-id", "r-3").await;
    assert_eq!(nowhere.header("x-request-id"), ["r-3"]);
}

// A page with keys has a line, an empty page has none.
#[tokio::test(flavor = "current_thread")]
async fn readings_of_the_feed_are_logged() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    service.user("own").make(r#"{"name":"x"}"#).await;
    let page = service.user("feed").get("/_latchkey/feed?edge=envoy-1").await.json();
    service.user("feed").get(&format!("/_latchkey/feed?edge=envoy-1&after={}", page["cursor"])).await;
    let lines = log.audit_lines();
    let readings: Vec<&Value> = lines.iter().filter(|line| line["action"] == "read_key_feed").collect();
    let [reading] = readings.as_slice() else { panic!("{readings:?}") };
    assert_eq!((&reading["username"], &reading["edge"]), (&json!("feed"), &json!("envoy-1")));
    assert_eq!((&reading["after"], &reading["keys"]), (&json!(0), &json!(1)));
}

// When the store does not answer, the lines name nobody, because the credentials may be good.
#[tokio::test(flavor = "current_thread")]
async fn trouble_of_the_store_is_told_as_trouble_and_of_nobody() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let made = service.user("own").make(r#"{"name":"x"}"#).await;
    service.store.close().await;
    let before = log.audit_lines().len();
    for client in [service.user("own"), service.elastic(), service.key(&made)] {
        assert_eq!(client.get("/_security/_authenticate").await.status, 503);
    }
    let lines = log.audit_lines();
    let lines = &lines[before..];
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert_eq!((&line["outcome"], &line["reason"]), (&json!("unavailable"), &json!("store")));
        assert_eq!((&line["claimed"], &line["username"]), (&Value::Null, &Value::Null), "{line}");
    }
    let metrics = service.anonymous().get("/metrics").await.text;
    assert!(metrics.contains(r#"latchkey_authentication_unavailable_total{reason="store"}"#), "{metrics}");
    assert!(!metrics.contains(r#"latchkey_authentication_failures_total{reason="store"}"#), "{metrics}");
}

// A password that was not looked at is neither right nor wrong.
#[tokio::test(flavor = "current_thread")]
async fn a_throttled_login_is_told_as_one() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    for _ in 0..FAILED_LOGINS_BURST {
        service.basic("own", "wrong").get("/").await;
    }
    assert_eq!(service.user("own").get("/").await.status, 429);
    let last = log.audit_lines().pop().unwrap();
    assert_eq!((&last["outcome"], &last["reason"]), (&json!("throttled"), &json!("login_throttled")));
    assert_eq!(last["claimed"], "own");
}

// A caller who runs into a limit is named, and one who comes near it.
#[tokio::test(flavor = "current_thread")]
async fn whoever_costs_most_is_named() {
    let (log, _guard) = Log::begin();
    let service = Service::new().await;
    let made = service.elastic().make(r#"{"name":"x"}"#).await;
    let question = |names: usize| {
        let names: Vec<String> = (0..names).map(|n| format!("*{n}*a*b*")).collect();
        json!({"index": [{"names": names, "privileges": ["all"]}]}).to_string()
    };
    let path = "/_security/user/_has_privileges";
    assert_eq!(service.key(&made).post(path, &question(50_000)).await.status.as_u16(), 400);
    let refused = log.audit_lines().into_iter().find(|line| line["reason"] == "work_limit").unwrap();
    let field = |name: &str| refused[name].clone();
    assert_eq!(
        [field("outcome"), field("limit"), field("lane"), field("username"), field("api_key"), field("path")],
        ["refused", "steps", "question", "elastic", made.id.as_str(), path].map(|text| json!(text))
    );
    assert_eq!(field("steps"), json!(32_000_000));
}
