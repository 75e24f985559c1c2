//! How many requests a key service answers in a second, each change durable before its answer.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::http::Request;
use crate::http::http1::Http1Connection;
use crate::key_service::{CreatedKey, KeyServiceClient};

/// Answers a second, by what was asked.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    clients: usize,
    creates: f64,
    gets: f64,
    invalidates: f64,
}

impl Throughput {
    /// Lets `clients` ask on a connection each, one request after another: `requests` keys each are made, then got, then
    /// invalidated. They show an API key, which costs the service next to nothing to verify.
    ///
    /// # Errors
    ///
    /// When a request fails.
    pub fn measure(admin: &KeyServiceClient, clients: usize, requests: usize) -> Result<Self> {
        let rights =
            json!({"name": "measures", "role_descriptors": {"all": {"cluster": ["manage_api_key"]}}});
        let key = admin.create_key(&rights)?;
        let address = admin.address();
        let (creates, ids) = timed(clients, requests, |_| create(), address, &key, &[])?;
        let (gets, _) = timed(clients, requests, get, address, &key, &ids)?;
        let (invalidates, _) = timed(clients, requests, invalidate, address, &key, &ids)?;
        Ok(Self { clients, creates, gets, invalidates })
    }

    /// The result for a person.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { clients, creates, gets, invalidates } = self;
        format!(
            "{clients} clients: {creates:.0} creates, {gets:.0} gets, {invalidates:.0} invalidates a second"
        )
    }
}

/// A key that grants nothing: what a key may make (Elasticsearch, derived API keys).
fn create() -> Request {
    Request::new("POST", "/_security/api_key")
        .json(&json!({"name": "made", "role_descriptors": {"none": {}}}))
}

fn get(id: &str) -> Request {
    Request::get(&format!("/_security/api_key?id={id}"))
}

fn invalidate(id: &str) -> Request {
    Request::new("DELETE", "/_security/api_key").json(&json!({"ids": [id]}))
}

/// Answers a second of all clients together, and the ids in the answers, in the order of clients.
fn timed(
    clients: usize,
    requests: usize,
    request: impl Fn(&str) -> Request + Sync,
    address: SocketAddr,
    key: &CreatedKey,
    ids: &[String],
) -> Result<(f64, Vec<String>)> {
    let began = Instant::now();
    let answered = thread::scope(|scope| {
        let request = &request;
        let asking: Vec<_> = (0..clients)
            .map(|client| {
                let own = ids.chunks(requests).nth(client).unwrap_or_default();
                scope.spawn(move || {
                    ask(address, key, requests, |number| request(own.get(number).map_or("", String::as_str)))
                })
            })
            .collect();
        let joined = asking.into_iter().map(|client| client.join().ok().context("a client panicked")?);
        joined.collect::<Result<Vec<_>>>()
    })?;
    let took = began.elapsed().max(Duration::from_micros(1));
    Ok(((clients * requests) as f64 / took.as_secs_f64(), answered.concat()))
}

fn ask(
    address: SocketAddr,
    key: &CreatedKey,
    requests: usize,
    request: impl Fn(usize) -> Request,
) -> Result<Vec<String>> {
    let mut connection = Http1Connection::open(address)?;
    let mut ids = Vec::with_capacity(requests);
    for number in 0..requests {
        let answer = connection.exchange(&request(number).api_key(&key.encoded))?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ids.extend(answer.json()?.get("id").and_then(Value::as_str).map(str::to_owned));
    }
    Ok(ids)
}
