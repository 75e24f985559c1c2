//! What workers cost: memory of the process for each key, and processor time of a request when all read one
//! table.

use anyhow::{Context as _, Result};
use latchkey_local_stack::shell::Shell;

use crate::accounting::memory;
use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::edge_stack::KeyService;
use crate::edge::gated_edge::{EDGE, GatedEdge, SHELLS};
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop};
use crate::figure::{Figure, Target, counted};
use crate::key_set::{Credential, KeySet};
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::Samples;

/// As good as none: an Envoy whose table is empty would not admit anybody, and so not show that it is up.
const HARDLY_ANY: KeySet = KeySet { count: 1 };

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let keys = KeySet { count: bench.extent.choose(1_000_000, 100_000) };
    let workers: &[u32] = bench.extent.choose(&[1, 2, 4], &[2]);
    let (none, many) = (KeyService::start(bench, HARDLY_ANY)?, KeyService::start(bench, keys)?);
    let mut table = Table::new(
        "What workers cost (all on two cores, with the load generator)",
        &["Workers", "Shell", "Memory a key", "Memory without keys", "CPU of a request", "Requests/s"],
    );
    for (count, (shell, title, prefix)) in
        workers.iter().flat_map(|count| SHELLS.map(|shell| (*count, shell)))
    {
        let empty = GatedEdge::start(shell, &none, HARDLY_ANY, count, Place::AllCores)?;
        let without = memory(empty.envoy.id())?;
        drop(empty);
        let edge = GatedEdge::start(shell, &many, keys, count, Place::AllCores)?;
        let with = memory(edge.envoy.id())?;
        let per_key = (with as f64 - without as f64) / f64::from(keys.count);
        let name = format!("memory/{prefix}workers-{count}");
        let per_key = Figure::new(format!("{name}/bytes-a-key"), "bytes", per_key);
        // With fewer keys, what grows in steps weighs more on each.
        let per_key = bench.extent.choose(per_key.clone().with_target(most_bytes(shell)), per_key);
        let per_key = report.add(per_key);
        let without = report.add(Figure::new(format!("{name}/without-keys"), "MB", without as f64 / 1e6));
        let (cpu, rate) = request_cost(bench, &edge, keys, count)?;
        let cpu = report.add(Figure::of(format!("contention/{prefix}workers-{count}/cpu"), "µs", &cpu));
        let rate = report.add(Figure::of(format!("contention/{prefix}workers-{count}/rate"), "/s", &rate));
        let cells = [&per_key, &without, &cpu, &rate].map(Figure::shown);
        table.row(counted(count.into()), [title.to_owned()].into_iter().chain(cells));
    }
    report.table(table);
    Ok(())
}

/// Bytes that a key may take.
fn most_bytes(shell: Shell) -> Target {
    Target::AtMost(if shell == Shell::Module { 150.0 } else { 200.0 })
}

/// Processor time of a request, and requests a second, while all workers are busy with keys chosen at random.
fn request_cost(bench: &Bench, edge: &GatedEdge, keys: KeySet, workers: u32) -> Result<(Samples, Samples)> {
    let credentials = keys.credential_file(Credential::Valid, bench.directory())?;
    let load = Load::new(edge.listener, BUSY_CONNECTIONS * workers, Some(credentials));
    let stop = Stop { listener: EDGE.to_owned(), traffic: load.into(), status: 200, behind: None };
    let pace = Pace::of(bench.extent, 5);
    let visits = rounds::measure(&edge.envoy, &[stop], pace)?.pop().context("nothing was measured")?;
    Ok((Samples::new(visits.cpu_us)?, Samples::new(visits.rate)?))
}
