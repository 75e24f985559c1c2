//! The pure parts one by one: time by criterion, and instructions by callgrind, which a busy machine does not
//! change.
//!
//! They run as native code. Inside Envoy they are WebAssembly, and what a request costs there is mostly what
//! the host's calls cost; see the section `accepted`.

mod cases;
mod instructions;
pub mod rules;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use criterion::Criterion;
use serde_json::Value;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::report::{Report, Table};
pub use cases::Case;
use instructions::Instructions;

/// How many samples criterion takes of a case, and how often it draws from them again for its estimate: a
/// tenth of what it would by itself. These numbers are here to be compared with each other, not to find the
/// last percent.
const SAMPLES: usize = 20;
const RESAMPLES: usize = 10_000;

/// The section.
///
/// # Errors
///
/// When a case could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let directory = bench.directory().join("criterion");
    let mut table = Table::new("The pure parts, native", &["Part", "Time", "Instructions"]);
    // Valgrind takes minutes for all of them.
    let counted = bench.extent.choose(Instructions::available(), None);
    for case in Case::all()? {
        time(&case, &directory, bench.extent.choose(Duration::from_secs(3), Duration::from_millis(300)));
        let nanos = mean_of(&directory, case.name)?;
        let time = report.add(Figure::new(format!("micro/{}/time", case.name), "ns", nanos));
        let instructions = match &counted {
            None => "not counted".to_owned(),
            Some(counted) => {
                let count = counted.of(case.name)?;
                report.add(Figure::new(format!("micro/{}/instructions", case.name), "", count)).shown()
            }
        };
        table.row(case.about, [time.shown(), instructions]);
    }
    report.table(table);
    Ok(())
}

fn time(case: &Case, directory: &Path, measured: Duration) {
    let mut criterion = Criterion::default()
        .output_directory(directory)
        .measurement_time(measured)
        .warm_up_time(measured / 3)
        .sample_size(SAMPLES)
        .nresamples(RESAMPLES)
        .without_plots();
    criterion.bench_function(case.name, |bencher| bencher.iter(|| (case.run)()));
}

/// The mean that criterion estimated, in nanoseconds.
fn mean_of(directory: &Path, case: &str) -> Result<f64> {
    let path = directory.join(case).join("new/estimates.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates.pointer("/mean/point_estimate").and_then(Value::as_f64).context("criterion estimated no mean")
}
