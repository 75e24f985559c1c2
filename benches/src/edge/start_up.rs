//! How large the module is, and how soon an Envoy with it admits.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use latchkey_local_stack::shell::Shell;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::accepted::KEYS;
use crate::edge::edge_stack::KeyService;
use crate::edge::gated_edge::{GatedEdge, SHELLS};
use crate::figure::{Figure, Target};
use crate::report::{Report, Table};
use crate::samples::Samples;

/// Worker threads of the Envoy that is started.
const WORKERS: u32 = 2;

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let service = KeyService::start(bench, KEYS)?;
    let mut table = Table::new(
        "The module, and the start of an Envoy",
        &["Shell", "Size", "To the first admitted request, 1 000 keys"],
    );
    for (shell, title, prefix) in SHELLS {
        let mut times = Vec::new();
        for _ in 0..bench.extent.choose(9, 3) {
            let began = Instant::now();
            let edge = GatedEdge::start(shell, &service, KEYS, WORKERS, Place::AllCores)?;
            times.push(began.elapsed().as_secs_f64());
            drop(edge);
        }
        let time = Figure::of(format!("start-up/{prefix}first-admitted"), "s", &Samples::new(times)?);
        let time = report.add(time.with_target(Target::AtMost(1.0)));
        let module = fs::metadata(shell.file()).context("the filter is not built")?.len();
        let size = Figure::new(format!("start-up/{prefix}module"), "KiB", module as f64 / 1024.0);
        // Only the Wasm filter is compiled when Envoy starts.
        let size = if shell == Shell::Wasm { size.with_target(Target::AtMost(200.0)) } else { size };
        table.row(title, [report.add(size).shown(), time.shown()]);
    }
    report.table(table);
    Ok(())
}
