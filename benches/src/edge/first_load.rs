//! How long an edge takes to load every key, and what requests feel of it that a table serves meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::wait;
use serde_json::json;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::edge_stack::KeyService;
use crate::edge::gated_edge::GatedEdge;
use crate::figure::{Figure, Target, counted};
use crate::key_set::{Credential, KeySet};
use crate::load::{Load, LoadResult};
use crate::report::{Report, Table};

/// Worker threads of the Envoy that loads, on both cores, beside the service and the clients.
const WORKERS: u32 = 2;

/// A moderate load: each of these connections asks, waits for its answer and then for [`PAUSE`].
const CONNECTIONS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(4);

/// How long the quiet edge is watched for comparison.
const QUIET: Duration = Duration::from_secs(5);

/// How long a load may take until it is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let keys = KeySet { count: bench.extent.choose(1_000_000, 100_000) };
    let mut service = KeyService::start(bench, keys)?;
    let began = Instant::now();
    let edge = GatedEdge::start(&service, keys, WORKERS, Place::AllCores)?;
    let took = Figure::new("first-load/time", "s", began.elapsed().as_secs_f64());
    let took = report.add(bench.extent.choose(took.clone().with_target(Target::AtMost(10.0)), took));
    report.add(Figure::new("first-load/keys", "keys", f64::from(keys.count)));

    let credentials = keys.credential_file(Credential::Valid, bench.directory())?;
    let load = Load { pause: PAUSE, ..Load::new(edge.listener, CONNECTIONS, Some(credentials)) };
    let quiet = load.run(QUIET)?;
    // The edge has a table, and is made to load all of it again.
    service.process.begin_epoch()?;
    let running = load.start()?;
    let began = Instant::now();
    await_loaded(&service, &edge)?;
    let again = report.add(Figure::new("first-load/again", "s", began.elapsed().as_secs_f64()));
    let meanwhile = running.end()?;
    anyhow::ensure!(
        quiet.error_statuses + meanwhile.error_statuses == 0,
        "{} requests were refused when quiet, {} during the load",
        quiet.error_statuses,
        meanwhile.error_statuses
    );
    tell(bench, keys, (&took, &again), (&quiet, &meanwhile), report);
    Ok(())
}

/// Waits until the edge admits a key that was made after the load began. Changes wait for its end.
fn await_loaded(service: &KeyService, edge: &GatedEdge) -> Result<()> {
    let key = service.process.client().create_key(&json!({"name": "made during the load"}))?;
    let request = Request::get("/").api_key(&key.encoded);
    wait::patiently(PATIENCE, "the load ends", || {
        // Seldom enough that looking costs the edge nothing.
        thread::sleep(Duration::from_millis(20));
        Ok((http1::exchange(edge.listener, &request)?.status == 200).then_some(()))
    })
}

fn tell(
    bench: &Bench,
    keys: KeySet,
    (took, again): (&Figure, &Figure),
    (quiet, meanwhile): (&LoadResult, &LoadResult),
    report: &mut Report,
) {
    let mut table = Table::new(
        "Loading every key, and accepted requests meanwhile",
        &["Keys", "From Envoy's start", "Again, under load", "", "p50", "p99", "p99.9", "Requests/s"],
    );
    let mut p99 = [0.0; 2];
    for (at, (when, result)) in [("quiet", quiet), ("loading", meanwhile)].into_iter().enumerate() {
        let cells = [("p50", result.p50_us), ("p99", result.p99_us), ("p999", result.p999_us)].map(
            |(name, value)| report.add(Figure::new(format!("first-load/{when}/{name}"), "µs", value)).shown(),
        );
        if let Some(p99) = p99.get_mut(at) {
            *p99 = result.p99_us;
        }
        let rate = report.add(Figure::new(format!("first-load/{when}/rate"), "/s", result.rate()));
        let head = if at == 0 { [took.shown(), again.shown()] } else { [String::new(), String::new()] };
        let cells = head.into_iter().chain([when.to_owned()]).chain(cells).chain([rate.shown()]);
        table.row(if at == 0 { counted(keys.count.into()) } else { String::new() }, cells);
    }
    let [quiet, loading] = p99;
    let ratio = Figure::new("first-load/p99-to-quiet", "times", loading / quiet.max(1.0));
    report.add(bench.extent.choose(ratio.clone().with_target(Target::AtMost(2.0)), ratio));
    report.table(table);
}
