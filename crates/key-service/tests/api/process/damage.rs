//! What a service on SQLite does when a page of its file is not what was written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use futures_util::future::join_all;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use super::{DevProcess, http_client, latchkey, run, text};

/// The bytes of a page (SQLite, "Database File Format", section 1.6).
const PAGE_LEN: usize = 4_096;

/// What SQLite calls the rows of keys, and the index over their ids that their primary key makes.
const ROWS: &str = "api_key";
const IDS: &str = "sqlite_autoindex_api_key_1";

/// Enough that they and their index have several pages.
const KEYS: usize = 200;

/// How often a key is made before one is far from the damage.
const TRIES_MAX: usize = 40;

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
    vacuum(&data.join("latchkey.db")).await;
    Filled { keys, password, latest }
}

/// Lets no page hold what was deleted or moved elsewhere.
async fn vacuum(file: &Path) {
    let mut connection =
        SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    sqlx::query("vacuum").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Overwrites the page of a table or an index that holds a key, and says whose ids it held. SQLite says which pages
/// those are: an id stands in other tables too, and in pages that are free.
async fn damage<'k>(file: &Path, of: &str, keys: &'k [Key], damaged: &Key) -> BTreeSet<&'k str> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let leaves = "select pageno from dbstat where name = $1 and pagetype = 'leaf'";
    let leaves: Vec<i64> = sqlx::query_scalar(leaves).bind(of).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let mut bytes = fs::read(file).unwrap();
    let pages = bytes.chunks_exact_mut(PAGE_LEN).zip(1..);
    let holds = |page: &[u8], key: &Key| page.windows(key.id.len()).any(|part| part == key.id.as_bytes());
    let mut holding =
        pages.filter(|(page, number)| leaves.contains(number) && holds(page, damaged)).map(|(page, _)| page);
    let page = holding.next().unwrap();
    let lost = keys.iter().filter(|key| holds(page, key)).map(|key| key.id.as_str()).collect();
    page.fill(0xA5);
    fs::write(file, bytes).unwrap();
    lost
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
    for (key, status) in keys.iter().zip(statuses) {
        let expected = match (lost.contains(key.id.as_str()), key.is_ended) {
            (true, _) => StatusCode::SERVICE_UNAVAILABLE,
            (false, true) => StatusCode::UNAUTHORIZED,
            (false, false) => StatusCode::OK,
        };
        assert_eq!(status, expected, "{}", key.id);
    }
    assert_eq!(health(&service, &client).await, json!({"status": "store damaged"}));

    let mut tries = 0;
    let created = loop {
        let create = service.request(&client, Method::POST, "/_security/api_key", password);
        let answer = create.json(&json!({"name": "new"})).send().await.unwrap();
        if answer.status() == StatusCode::OK {
            break answer.json::<Value>().await.unwrap();
        }
        assert_unavailable(answer).await;
        tries += 1;
        assert!(tries < TRIES_MAX, "no change is made any more");
    };
    let news: Value = follow(&service, &client, password, *latest).await.json().await.unwrap();
    assert_eq!(news["keys"][0]["id"], created["id"]);
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
    let lost = damage(&file, ROWS, &filled.keys, &filled.keys[101]).await;
    assert_served_around_damage(&data, &filled, &lost).await;

    put_back(&file, &sound);
    let lost = damage(&file, IDS, &filled.keys, &filled.keys[101]).await;
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
