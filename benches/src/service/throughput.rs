//! How many requests a key service answers in a second, each change durable before its answer.

use std::fs::File;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use latchkey_local_stack::http::Request;
use latchkey_local_stack::http::http1::Http1Connection;
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::figure::{Figure, Target};
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::service::place::Database;

/// How many clients ask at once, each on a connection of its own.
const CLIENTS: usize = 256;

/// Answers a second, an entry a round.
#[derive(Clone, Debug, Default)]
struct Throughput {
    creates: Vec<f64>,
    gets: Vec<f64>,
    invalidates: Vec<f64>,
}

/// Measures both databases, in turns.
///
/// # Errors
///
/// When a request fails.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let (rounds, requests) = bench.extent.choose((7, 60), (2, 30));
    let places = Database::ALL.map(|database| database.start(bench, None));
    let mut throughputs = [Throughput::default(), Throughput::default()];
    for _ in 0..rounds {
        for (place, throughput) in places.iter().zip(&mut throughputs) {
            let place = place.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
            throughput.add_round(place.client()?, requests)?;
        }
    }
    let columns = ["Database", "Creates", "Gets", "Invalidations"];
    let mut table = Table::new("Requests that the key service answers in a second, 256 clients", &columns);
    for (database, throughput) in Database::ALL.into_iter().zip(&throughputs) {
        let cells = [
            throughput.figure(database, "creates", &throughput.creates)?,
            throughput.figure(database, "gets", &throughput.gets)?,
            throughput.figure(database, "invalidates", &throughput.invalidates)?,
        ];
        table.row(database.title(), cells.map(|figure| report.add(figure).shown()));
    }
    let sync = report.add(Figure::of("service/disk/fdatasync", "µs", &sync_times(bench.directory())?));
    table.row("one write of 4 KiB to the disk, for comparison", [sync.shown(), String::new(), String::new()]);
    report.table(table);
    Ok(())
}

impl Throughput {
    /// Lets the clients ask, one request after another each: so many keys each are made, then got, then
    /// invalidated. They show an API key, which costs the service next to nothing to verify.
    fn add_round(&mut self, admin: &KeyServiceClient, requests: usize) -> Result<()> {
        let rights =
            json!({"name": "measures", "role_descriptors": {"all": {"cluster": ["manage_api_key"]}}});
        let key = admin.create_key(&rights)?;
        let address = admin.address();
        let (creates, ids) = timed(CLIENTS, requests, |_| create(), address, &key, &[])?;
        let (gets, _) = timed(CLIENTS, requests, get, address, &key, &ids)?;
        let (invalidates, _) = timed(CLIENTS, requests, invalidate, address, &key, &ids)?;
        self.creates.push(creates);
        self.gets.push(gets);
        self.invalidates.push(invalidates);
        Ok(())
    }

    fn figure(&self, database: Database, what: &str, rounds: &[f64]) -> Result<Figure> {
        let name = format!("service/{}/{what}", database.name());
        let figure = Figure::of(name, "/s", &Samples::new(rounds.to_vec())?);
        Ok(match (database, what) {
            (Database::Sqlite, "creates") => figure.with_target(Target::AtLeast(5_000.0)),
            // Half of that is of the same order.
            (Database::Postgres, "creates") => figure.with_target(Target::AtLeast(2_500.0)),
            _ => figure,
        })
    }
}

/// How long the disk takes to have a write, in microseconds: what each group of changes waits for at least.
fn sync_times(directory: &Path) -> Result<Samples> {
    let mut file = tempfile::tempfile_in(directory)?;
    let once = |file: &mut File| -> Result<f64> {
        let began = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        Ok(began.elapsed().as_secs_f64() * 1e6)
    };
    Samples::new((0..200).map(|_| once(&mut file)).collect::<Result<_>>()?)
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
