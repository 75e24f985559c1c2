//! What a service on SQLite does when a page of its file is not what was written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::{DevProcess, http_client, latchkey, run, text};

/// The bytes of a page, and the kinds of page that hold rows and entries of an index (SQLite, "Database File
/// Format", section 1.6).
const PAGE_LEN: usize = 4_096;
const ROWS: u8 = 13;
const ENTRIES: u8 = 10;

/// Enough that they and their index have several pages.
const KEYS: usize = 200;

struct Key {
    id: String,
    encoded: String,
    is_ended: bool,
}

/// What a store was filled with.
struct Filled {
    keys: Vec<Key>,
    password: String,
    /// How far the feed is.
    latest: u64,
}

/// A store of many keys, of which every fifth is ended.
async fn filled(data: &Path) -> Filled {
    let service = DevProcess::start(data);
    let (client, password) = (http_client(), service.password.clone().unwrap());
    let create = service.request(&client, Method::POST, "/_security/api_key", &password);
    let maker: Value = create.json(&json!({"name": "maker"})).send().await.unwrap().json().await.unwrap();
    let by_maker = format!("ApiKey {}", maker["encoded"].as_str().unwrap());
    let mut keys = Vec::new();
    for number in 0..KEYS {
        let create = client.post(format!("{}/_security/api_key", service.url));
        let body = json!({"name": format!("name-{number:04}"), "role_descriptors": {"none": {}},
            "metadata": {"is": "x".repeat(400)}});
        let answer = create.header("authorization", &by_maker).json(&body).send().await.unwrap();
        let key: Value = answer.json().await.unwrap();
        let field = |name: &str| key[name].as_str().unwrap().to_owned();
        keys.push(Key { id: field("id"), encoded: field("encoded"), is_ended: number % 5 == 0 });
    }
    let ended: Vec<&str> = keys.iter().filter(|key| key.is_ended).map(|key| key.id.as_str()).collect();
    let end = service.request(&client, Method::DELETE, "/_security/api_key", &password);
    let answer = end.json(&json!({"ids": ended})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let feed: Value = follow(&service, &client, &password, 0).await.json().await.unwrap();
    assert_eq!(feed["more"], false);
    let latest = feed["cursor"].as_u64().unwrap();
    service.terminate();
    Filled { keys, password, latest }
}

/// Overwrites a page of this kind that holds the key and is needed to look it up, and says whose ids stood in it. A
/// key's id also stands in other tables and indexes and in what is free, so it is tried which page it is. What is free
/// in the page may hold ids too: not all that are told need be lost.
async fn damage<'k>(
    data: &Path,
    sound: &[u8],
    kind: u8,
    keys: &'k [Key],
    damaged: &Key,
) -> BTreeSet<&'k str> {
    let file = data.join("latchkey.db");
    let holds = |page: &[u8], key: &Key| page.windows(key.id.len()).any(|part| part == key.id.as_bytes());
    let pages = sound.chunks_exact(PAGE_LEN).enumerate();
    for (place, page) in pages.filter(|(_, page)| page[0] == kind && holds(page, damaged)) {
        let mut bytes = sound.to_vec();
        bytes[place * PAGE_LEN..][..PAGE_LEN].fill(0xA5);
        put_back(&file, &bytes);
        let service = DevProcess::start(data);
        let status = present(&service, &http_client(), damaged).await;
        service.terminate();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            put_back(&file, &bytes);
            return keys.iter().filter(|key| holds(page, key)).map(|key| key.id.as_str()).collect();
        }
    }
    panic!("no page of this kind is needed to look the key up");
}

/// Restores a store, as the guide says.
fn put_back(file: &Path, backup: &[u8]) {
    for rest in ["db-wal", "db-shm"] {
        let _ = fs::remove_file(file.with_extension(rest));
    }
    fs::write(file, backup).unwrap();
}

/// A service whose log goes to a file.
fn logging_to(log: &Path, data: &Path) -> DevProcess {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "log=$0; exec \"$@\" 2>\"$log\""]).arg(log).arg(latchkey().get_program());
    command.args(["dev", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    DevProcess::start_by(command)
}

async fn present(service: &DevProcess, client: &Client, key: &Key) -> StatusCode {
    let request = client.get(format!("{}/_security/_authenticate", service.url));
    let answer = request.header("authorization", format!("ApiKey {}", key.encoded)).send().await.unwrap();
    let status = answer.status();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        assert_unavailable(answer).await;
    }
    status
}

async fn assert_unavailable(answer: Response) {
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "2");
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["reason"], "the service is temporarily unavailable", "{body}");
}

/// The service on a store with one damaged page: what is on other pages is served, also to those who ask in
/// the same moment, and nothing that is on it is told wrongly.
async fn assert_served_around_damage(data: &Path, filled: &Filled, lost: &BTreeSet<&str>) {
    let Filled { keys, password, latest } = filled;
    assert!(!lost.is_empty() && lost.len() < keys.len(), "{}", lost.len());
    let log = data.join("log");
    let service = logging_to(&log, data);
    let client = http_client();
    assert_eq!(health(&service, &client).await, json!({"status": "ready"}));

    let statuses = join_all(keys.iter().map(|key| present(&service, &client, key))).await;
    let (mut beside, mut sound) = (0, None);
    for (key, status) in keys.iter().zip(statuses) {
        let readable = if key.is_ended { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            beside += usize::from(!lost.contains(key.id.as_str()));
        } else {
            assert_eq!(status, readable, "{}", key.id);
            sound = sound.or((status == StatusCode::OK).then_some(key));
        }
    }
    // SQLite also reads a page of an index for the entry above it that comes next.
    assert!(beside <= 1, "{beside} keys that are on other pages are not served");
    assert_eq!(health(&service, &client).await, json!({"status": "store damaged"}));

    // A new key would have its entry in an index where its moment puts it, which may be the damaged page for a while.
    let changed = sound.unwrap().id.as_str();
    let end = service.request(&client, Method::DELETE, "/_security/api_key", password);
    let answer = end.json(&json!({"ids": [changed]})).send().await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "a change elsewhere is made: {}",
        answer.text().await.unwrap()
    );
    let news: Value = follow(&service, &client, password, *latest).await.json().await.unwrap();
    assert_eq!(news["keys"][0]["id"], changed);
    assert_eq!(health(&service, &client).await, json!({"status": "store damaged"}));
    service.terminate();
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.matches("restore it from a backup (").count(), 1, "{log}");
    assert!(log.contains("database disk image is malformed"), "{log}");
    let check = run(latchkey().arg("check").arg("--data").arg(data), "");
    assert!(!check.status.success(), "{}", text(&check.stdout));
}

async fn follow(service: &DevProcess, client: &Client, password: &str, after: u64) -> Response {
    let path = format!("/_latchkey/feed?after={after}&limit=10000");
    let answer = service.request(client, Method::GET, &path, password).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer
}

async fn health(service: &DevProcess, client: &Client) -> Value {
    client.get(format!("{}/healthz", service.url)).send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn around_a_damaged_page_everything_is_served_and_nothing_is_told_wrongly() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let file = data.join("latchkey.db");
    let filled = filled(&data).await;
    let sound = fs::read(&file).unwrap();
    let lost = damage(&data, &sound, ROWS, &filled.keys, &filled.keys[101]).await;
    assert_served_around_damage(&data, &filled, &lost).await;

    let first = filled.keys.iter().min_by_key(|key| &key.id).unwrap();
    let lost = damage(&data, &sound, ENTRIES, &filled.keys, first).await;
    assert_served_around_damage(&data, &filled, &lost).await;

    // With its backup in place again, the service is as before.
    put_back(&file, &sound);
    let service = DevProcess::start(&data);
    let client = http_client();
    for key in &filled.keys {
        let expected = if key.is_ended { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(present(&service, &client, key).await, expected);
    }
    assert_eq!(health(&service, &client).await, json!({"status": "ready"}));
}
