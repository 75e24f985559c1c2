//! Clients that hang up in the middle of a long search: their work ends, and what it held is free.

use std::io::Write as _;
use std::net::TcpStream;

use latchkey_local_stack::http::Request;
use latchkey_local_stack::key_service::{KeyServiceClient, KeyServiceProcess};
use latchkey_local_stack::postgres::DATABASE_VARIABLE;
use latchkey_local_stack::replicas::Replicas;
use latchkey_local_stack::wait;
use serde_json::{Value, json};

const SEARCH: &str = "/_security/_query/api_key";

/// Searches that run at once for one user.
const SEARCHES: usize = 2;

/// Keys of a store, and how many of them one request makes. They come to more than what the sockets between
/// service and database hold.
const KEYS: usize = 600;
const KEYS_AT_ONCE: usize = 60;

/// Bytes of the text in the metadata of each.
const TEXT_LEN: usize = 13_000;

/// How often clients hang up before the test has failed: on a slow machine a search may have ended by itself.
const TRIES_MAX: usize = 20;

fn ask(client: &KeyServiceClient, request: Request) -> String {
    let answer = client.send(request).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn make_keys(client: &KeyServiceClient) {
    let put = |path: &str, body: Value| ask(client, Request::new("PUT", path).json(&body));
    put("/_security/user/alice", json!({"password": "wonderland", "roles": ["superuser"]}));
    let key = json!({"name": "long", "metadata": {"t": "a".repeat(TEXT_LEN)}});
    let grant = json!({
        "grant_type": "password", "username": "alice", "password": "wonderland",
        "api_keys": vec![key; KEYS_AT_ONCE],
    });
    for _ in 0..KEYS / KEYS_AT_ONCE {
        ask(client, Request::new("POST", "/_security/api_key/_bulk_grant").json(&grant));
    }
}

/// A search that takes as many steps as one may, without its answer.
fn begin_long_search(client: &KeyServiceClient) -> TcpStream {
    let pattern = format!("*{}b*", "a".repeat(300));
    let body = json!({"query": {"wildcard": {"metadata.t": pattern}}}).to_string();
    let mut stream = TcpStream::connect(client.address()).unwrap();
    let (authorization, len) = (client.authorization(), body.len());
    write!(
        stream,
        "POST {SEARCH} HTTP/1.1\r\nhost: a\r\nauthorization: {authorization}\r\n\
         content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
    )
    .unwrap();
    stream
}

/// The number that a metric has.
fn metric(client: &KeyServiceClient, name: &str) -> usize {
    let metrics = ask(client, Request::get("/metrics"));
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{metrics}")).parse().unwrap()
}

fn running(client: &KeyServiceClient) -> usize {
    metric(client, r#"latchkey_work_running{lane="search"}"#)
}

/// Searches that have ended early for this reason.
fn ended(client: &KeyServiceClient, limit: &str) -> usize {
    metric(client, &format!(r#"latchkey_work_refused_total{{lane="search",limit="{limit}"}}"#))
}

/// Begins searches, hangs up while they run, and waits until they have ended by that.
fn hang_up_in_searches(client: &KeyServiceClient) {
    for _ in 0..TRIES_MAX {
        let (cancelled, by_itself) = (ended(client, "gone"), ended(client, "steps"));
        let searches: Vec<TcpStream> = (0..SEARCHES).map(|_| begin_long_search(client)).collect();
        wait::until("a search runs", || {
            Ok((running(client) > 0 || ended(client, "steps") > by_itself).then_some(()))
        })
        .unwrap();
        drop(searches);
        wait::until("no search runs", || Ok((running(client) == 0).then_some(()))).unwrap();
        if ended(client, "gone") > cancelled {
            return;
        }
    }
    panic!("no search has ended because its client was gone");
}

#[test]
fn a_client_that_goes_away_ends_its_search_and_frees_its_permit_in_either_store() {
    // The tests are run again for this database, and nothing would be different then.
    if std::env::var_os(DATABASE_VARIABLE).is_some() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let on_sqlite = KeyServiceProcess::start(([127, 0, 0, 1], 0).into(), &data, directory.path()).unwrap();
    let on_postgres = Replicas::start(1).unwrap();
    for client in [on_sqlite.client(), on_postgres.client(0).unwrap()] {
        make_keys(client);
        hang_up_in_searches(client);
        let found = ask(client, Request::new("POST", SEARCH).json(&json!({"size": 1})));
        assert!(found.starts_with(&format!(r#"{{"total":{KEYS},"#)), "{found}");
    }
    wait::until("PostgreSQL works on nothing", || {
        let active = "select count(*) from pg_stat_activity where state = 'active'
                      and backend_type = 'client backend' and pid <> pg_backend_pid()";
        Ok((on_postgres.database.run(active)? == "0").then_some(()))
    })
    .unwrap();
}
