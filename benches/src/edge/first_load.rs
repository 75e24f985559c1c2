//! How long an edge takes to load every key, and what requests feel of it that a table serves meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use latchkey_local_stack::http::{Request, http1};
use latchkey_local_stack::shell::Shell;
use latchkey_local_stack::wait;
use serde_json::json;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::edge_stack::KeyService;
use crate::edge::gated_edge::{GatedEdge, SHELLS};
use crate::figure::{Figure, Target, counted};
use crate::key_set::{Credential, KeySet};
use crate::load::{Load, LoadResult};
use crate::report::{Report, Table};
use crate::samples::Samples;

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
    let mut table = Table::new(
        "Loading every key, and accepted requests meanwhile",
        &[
            "Keys",
            "Shell",
            "From Envoy's start",
            "Again, under load",
            "",
            "p50",
            "p99",
            "p99.9",
            "Requests/s",
        ],
    );
    report.add(Figure::new("first-load/keys", "keys", f64::from(keys.count)));
    for shell in SHELLS {
        measure_shell(shell, bench, &mut service, keys, report, &mut table)?;
    }
    report.table(table);
    Ok(())
}

fn measure_shell(
    (shell, title, prefix): (Shell, &'static str, &'static str),
    bench: &Bench,
    service: &mut KeyService,
    keys: KeySet,
    report: &mut Report,
    table: &mut Table,
) -> Result<()> {
    let began = Instant::now();
    let edge = GatedEdge::start(shell, service, keys, WORKERS, Place::AllCores)?;
    let took = Figure::new(format!("first-load/{prefix}time"), "s", began.elapsed().as_secs_f64());
    let most = Target::AtMost(if shell == Shell::Module { 5.0 } else { 10.0 });
    let took = report.add(bench.extent.choose(took.clone().with_target(most), took));

    let credentials = keys.credential_file(Credential::Valid, bench.directory())?;
    let load = Load { pause: PAUSE, ..Load::new(edge.listener, CONNECTIONS, Some(credentials)) };
    let mut rounds = Vec::new();
    for _ in 0..bench.extent.choose(5, 1) {
        rounds.push(Round::measure(service, &edge, &load)?);
    }
    Loading { title, prefix, keys, took, rounds }.tell(bench, report, table)
}

/// What was measured of one shell.
struct Loading {
    title: &'static str,
    prefix: &'static str,
    keys: KeySet,
    took: Figure,
    rounds: Vec<Round>,
}

/// A quiet while, and then a load of the same table under the same requests.
struct Round {
    quiet: LoadResult,
    meanwhile: LoadResult,
    /// How long the load took, in seconds.
    took: f64,
}

impl Round {
    fn measure(service: &mut KeyService, edge: &GatedEdge, load: &Load) -> Result<Self> {
        let quiet = load.run(QUIET)?;
        // The edge has a table, and is made to load all of it again.
        service.process.begin_epoch()?;
        let running = load.start()?;
        let began = Instant::now();
        await_loaded(service, edge)?;
        let took = began.elapsed().as_secs_f64();
        let meanwhile = running.end()?;
        anyhow::ensure!(
            quiet.error_statuses + meanwhile.error_statuses == 0,
            "{} requests were refused when quiet, {} during the load",
            quiet.error_statuses,
            meanwhile.error_statuses
        );
        Ok(Self { quiet, meanwhile, took })
    }
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

impl Loading {
    fn samples(&self, of: &dyn Fn(&Round) -> f64) -> Result<Samples> {
        Samples::new(self.rounds.iter().map(of).collect())
    }

    fn tell(&self, bench: &Bench, report: &mut Report, table: &mut Table) -> Result<()> {
        let Self { title, prefix, keys, took, .. } = self;
        let again = self.samples(&|round| round.took)?;
        let again = report.add(Figure::of(format!("first-load/{prefix}again"), "s", &again));
        let quiet: fn(&Round) -> &LoadResult = |round| &round.quiet;
        let loading: fn(&Round) -> &LoadResult = |round| &round.meanwhile;
        let heads = [[(*title).to_owned(), took.shown(), again.shown()], [const { String::new() }; 3]];
        for ((when, result), head) in [("quiet", quiet), ("loading", loading)].into_iter().zip(heads) {
            let mut figure = |name: &str, unit, of: fn(&LoadResult) -> f64| -> Result<String> {
                let samples = self.samples(&|round| of(result(round)))?;
                Ok(report
                    .add(Figure::of(format!("first-load/{prefix}{when}/{name}"), unit, &samples))
                    .shown())
            };
            let cells = [
                figure("p50", "µs", |result| result.p50_us)?,
                figure("p99", "µs", |result| result.p99_us)?,
                figure("p999", "µs", |result| result.p999_us)?,
                figure("rate", "/s", LoadResult::rate)?,
            ];
            table.row(counted(keys.count.into()), head.into_iter().chain([when.to_owned()]).chain(cells));
        }
        let p99 = |result: fn(&Round) -> &LoadResult| self.samples(&|round| result(round).p99_us);
        let ratio = Figure::ratio(format!("first-load/{prefix}p99-to-quiet"), &p99(loading)?, &p99(quiet)?)?;
        report.add(bench.extent.choose(ratio.clone().with_target(Target::AtMost(2.0)), ratio));
        Ok(())
    }
}
