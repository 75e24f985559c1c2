//! Ten thousand followers that wait on one replica: what they cost while nothing happens, and how soon all
//! hear of a change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use latchkey_key_feed::{AskingEdge, Cursor, EdgeName, FeedRequest};
use latchkey_local_stack::key_service::{CreatedKey, KeyServiceClient};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::accounting::{cpu_time, memory};
use crate::bench::Bench;
use crate::figure::{Figure, Target, counted};
use crate::report::{Report, Table};
use crate::samples::Samples;
use crate::service::place::Database;

/// How many connect at once: what the queue of a listener holds.
const CONNECTING_MAX: usize = 64;

/// How long a follower lets the service wait for a change: as long as it may.
const WAIT: Duration = Duration::from_secs(60);

/// How many edges share a key: fewer than the instances of one key that a service keeps by default (1,024).
const EDGES_PER_KEY: usize = 1_000;

/// Longest wait for anything here.
const PATIENCE: Duration = Duration::from_secs(90);

/// What so many followers of one replica come to.
struct Measured {
    /// Bytes of memory that they take.
    memory: u64,
    /// Seconds of processor for each second in which nothing happens.
    idle_cpu: f64,
    /// Milliseconds from a change to the answer of half of them, by round.
    half_woken: Samples,
    /// And to the answer of the last.
    all_woken: Samples,
}

/// Measures them on both databases.
///
/// # Errors
///
/// When a follower is refused, or the limit of open files is too low for all of them.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.extent.choose(10_000, 2_000);
    report.add(Figure::new("service/followers/count", "", count as f64));
    let mut table = Table::new(
        "Followers that wait on one replica",
        &[
            "Database",
            "Followers",
            "Memory that they take",
            "Processor while nothing happens",
            "From a change to the answer of half of them",
            "To the answer of the last",
        ],
    );
    for database in Database::ALL {
        let measured = Measured::of(bench, database, count)?;
        let judged = |figure: Figure, target| {
            bench.extent.choose(figure.clone().with_target(Target::AtMost(target)), figure)
        };
        let name = |what: &str| format!("service/{}/followers/{what}", database.name());
        let figures = [
            judged(Figure::new(name("memory"), "MB", measured.memory as f64 / 1e6), 500.0),
            Figure::new(name("idle-cpu"), "% of a core", measured.idle_cpu * 100.0),
            Figure::of(name("woken/half"), "ms", &measured.half_woken),
            judged(Figure::of(name("woken/last"), "ms", &measured.all_woken), 1_000.0),
        ];
        let cells = figures.map(|figure| report.add(figure).shown());
        table.row(database.title(), [counted(count as u64)].into_iter().chain(cells));
    }
    report.table(table);
    Ok(())
}

impl Measured {
    fn of(bench: &Bench, database: Database, count: usize) -> Result<Self> {
        let place = database.start(bench, None)?;
        let (client, process) = (place.client()?, place.process_id()?);
        let keys = Keys::create(client, count)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let memory_before = memory(process)?;
        let cursor = runtime.block_on(current_cursor(client.address(), &keys))?;
        let mut followers = runtime.block_on(wait_all(client.address(), &keys, cursor, count))?;

        let idle = bench.extent.choose(Duration::from_secs(20), Duration::from_secs(4));
        let cpu_before = cpu_time(process)?;
        std::thread::sleep(idle);
        let idle_cpu = (cpu_time(process)? - cpu_before).as_secs_f64() / idle.as_secs_f64();
        let memory = memory(process)?.saturating_sub(memory_before);

        let (mut half_woken, mut all_woken) = (Vec::new(), Vec::new());
        for round in 0..bench.extent.choose(5, 1) {
            let heard = wake_all(&runtime, client, followers, round)?;
            let times = Samples::new(heard.times)?;
            half_woken.push(times.median());
            all_woken.push(times.worst());
            followers = heard.followers;
            let cursor = runtime.block_on(current_cursor(client.address(), &keys))?;
            runtime.block_on(ask_again(&mut followers, &keys, cursor))?;
        }
        let (half_woken, all_woken) = (Samples::new(half_woken)?, Samples::new(all_woken)?);
        Ok(Self { memory, idle_cpu, half_woken, all_woken })
    }
}

/// The keys of a fleet.
struct Keys(Vec<CreatedKey>);

impl Keys {
    /// Enough for so many edges.
    fn create(client: &KeyServiceClient, edges: usize) -> Result<Self> {
        (0..edges.div_ceil(EDGES_PER_KEY)).map(|_| client.create_feed_key()).collect::<Result<_>>().map(Self)
    }

    /// The one of that edge.
    fn of(&self, edge: usize) -> Result<&CreatedKey> {
        self.0.get(edge / EDGES_PER_KEY).context("there are keys for all edges")
    }
}

/// Who has heard, and after how many milliseconds.
struct Heard {
    followers: Vec<TcpStream>,
    times: Vec<f64>,
}

fn request(keys: &Keys, after: u64, wait: Duration, edge: usize) -> Result<String> {
    let name = EdgeName::of_node_id(format!("edge-{edge}").as_bytes());
    let request = FeedRequest {
        after: Cursor(after),
        limit: Some(1_000),
        wait: Some(wait),
        edge: Some(AskingEdge { name, instance: None, refuse_after: None }),
        ..FeedRequest::default()
    };
    let mut path = "/_latchkey/feed".to_owned();
    request.push_query(&mut path);
    let encoded = &keys.of(edge)?.encoded;
    Ok(format!("GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: ApiKey {encoded}\r\n\r\n"))
}

async fn current_cursor(address: SocketAddr, keys: &Keys) -> Result<u64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request(keys, 0, Duration::ZERO, 0)?.as_bytes()).await?;
    let body = answer(&mut stream).await?;
    let rest = body.split_once("\"cursor\":").context("an answer has a cursor")?.1;
    Ok(rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap_or_default().parse()?)
}

/// Opens all connections, and lets each wait for what comes after `cursor`.
async fn wait_all(address: SocketAddr, keys: &Keys, cursor: u64, count: usize) -> Result<Vec<TcpStream>> {
    let began = Instant::now();
    let connecting = Arc::new(Semaphore::new(CONNECTING_MAX));
    let opening = (0..count).map(|edge| {
        let (connecting, text) = (Arc::clone(&connecting), request(keys, cursor, WAIT, edge));
        async move {
            let _turn = connecting.acquire().await?;
            let mut stream = TcpStream::connect(address).await.context("mind the limit of open files")?;
            stream.write_all(text?.as_bytes()).await?;
            anyhow::Ok(stream)
        }
    });
    let streams = futures_util::future::try_join_all(opening);
    let streams = tokio::time::timeout(PATIENCE, streams).await.context("not all could connect")??;
    // A follower that is refused hears at once.
    tokio::time::sleep(Duration::from_secs(2)).await;
    for (edge, stream) in streams.iter().enumerate() {
        let mut heard = [0; 64];
        if let Ok(len) = stream.try_read(&mut heard) {
            let heard = String::from_utf8_lossy(heard.get(..len).unwrap_or_default()).into_owned();
            let after = began.elapsed().as_secs();
            bail!(
                "follower {edge} ought to wait and was answered: {heard:?}, {after} s after the first came"
            );
        }
    }
    Ok(streams)
}

async fn ask_again(streams: &mut [TcpStream], keys: &Keys, cursor: u64) -> Result<()> {
    for (edge, stream) in streams.iter_mut().enumerate() {
        stream.write_all(request(keys, cursor, WAIT, edge)?.as_bytes()).await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// Makes a key, which everyone is to hear of.
fn wake_all(
    runtime: &Runtime,
    client: &KeyServiceClient,
    followers: Vec<TcpStream>,
    round: usize,
) -> Result<Heard> {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.create_key(&json!({"name": format!("wakes-{round}")})));
        let heard = runtime.block_on(hear_all(followers, began));
        asking.join().ok().context("the client panicked")??;
        heard
    })
}

/// Waits for the answer of everyone.
async fn hear_all(streams: Vec<TcpStream>, began: Instant) -> Result<Heard> {
    let hearing = streams.into_iter().map(|mut stream| async move {
        answer(&mut stream).await?;
        anyhow::Ok((stream, began.elapsed().as_secs_f64() * 1e3))
    });
    let heard = tokio::time::timeout(PATIENCE, futures_util::future::try_join_all(hearing));
    let (followers, times) = heard.await.context("not all heard of the change")??.into_iter().unzip();
    Ok(Heard { followers, times })
}

/// One whole answer; an error unless it is 200.
async fn answer(stream: &mut TcpStream) -> Result<String> {
    let (mut bytes, mut room) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut room).await?;
        ensure!(read > 0, "the service hung up");
        bytes.extend_from_slice(room.get(..read).unwrap_or_default());
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        let len = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if body.len() >= len.context("the answer has no length")? {
            return Ok(body.to_owned());
        }
    }
}
