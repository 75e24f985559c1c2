//! How long a revoked key is still admitted: from the answer of its invalidation to the first refusal, at
//! each worker.

use std::time::Duration;

use anyhow::{Result, ensure};
use latchkey_local_stack::revocation::RevocationTimes;
use latchkey_local_stack::shell::Shell;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::edge_stack::KeyService;
use crate::edge::gated_edge::{GatedEdge, SHELLS};
use crate::figure::{Figure, Target};
use crate::key_set::{Credential, KeySet};
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::Samples;

/// Worker threads of the Envoy, each of which is watched.
const WORKERS: u32 = 2;

/// The load beside which revocations are made: each of these connections asks, waits for its answer and then
/// for [`PAUSE`].
const CONNECTIONS: u32 = 8;
const PAUSE: Duration = Duration::from_millis(2);

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let keys = KeySet { count: bench.extent.choose(1_000_000, 100_000) };
    let service = KeyService::start(bench, keys)?;
    let mut table = Table::new(
        "From the answer of an invalidation to the first refusal at each worker",
        &["Edge", "Shell", "p50", "p99", "Worst", "Other requests/s"],
    );
    for shell in SHELLS {
        measure_shell(shell, bench, &service, keys, report, &mut table)?;
    }
    report.table(table);
    Ok(())
}

fn measure_shell(
    (shell, title, prefix): (Shell, &str, &str),
    bench: &Bench,
    service: &KeyService,
    keys: KeySet,
    report: &mut Report,
    table: &mut Table,
) -> Result<()> {
    let runs = bench.extent.choose(200, 20);
    let edge = GatedEdge::start(shell, service, keys, WORKERS, Place::AllCores)?;
    let measure = || RevocationTimes::measure(edge.envoy.admin(), service.process.client(), runs);

    let idle = measure()?;
    let credentials = keys.credential_file(Credential::Valid, bench.directory())?;
    let load = Load { pause: PAUSE, ..Load::new(edge.listener, CONNECTIONS, Some(credentials)) };
    // Each worker gets its watcher before the load takes connections of its own.
    let running = load.start()?;
    let loaded = measure()?;
    let load = running.end()?;
    ensure!(load.error_statuses == 0, "{} requests of the load were refused", load.error_statuses);

    let rate = report.add(Figure::new(format!("revocation/{prefix}loaded/rate"), "/s", load.rate()));
    for (name, times, rate) in [("idle", idle, String::new()), ("loaded", loaded, rate.shown())] {
        let times = Samples::new(times.all_ms())?;
        let of = |what: &str, value| Figure::new(format!("revocation/{prefix}{name}/{what}"), "ms", value);
        let p50 = report.add(of("p50", times.quantile(0.5)));
        let p99 = report.add(of("p99", times.quantile(0.99)).with_target(Target::AtMost(10.0)));
        let worst = report.add(of("worst", times.worst()));
        table.row(name, [title.to_owned(), p50.shown(), p99.shown(), worst.shown(), rate]);
    }
    Ok(())
}
