//! `bench`: measures everything, prints tables, and leaves `results.json` and charts in `target/bench`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use latchkey_benches::bench::{Bench, Extent};
use latchkey_benches::progress::Progress;
use latchkey_benches::report::{Report, Table};
use latchkey_benches::sections::{SECTIONS, Section};
use latchkey_benches::{cores, machine, page};
use latchkey_local_stack::places;

/// What an API key costs, on this machine.
#[derive(Parser)]
#[command(version, after_help = sections_in_words())]
struct Arguments {
    /// Measure less of everything: minutes instead of a quarter of an hour.
    #[arg(long)]
    quick: bool,
    /// Measure only this section; may be given several times.
    #[arg(long, value_name = "SECTION")]
    only: Vec<String>,
    /// Another build of the filter to measure beside this one: `.wasm`, or `.so` for the native module.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Compare only these with the listener without a filter; may be given several times.
    #[arg(long, value_name = "CONTENDER")]
    among: Vec<String>,
    /// Also write the tables and charts that the documentation shows: `docs/performance.md` and
    /// `docs/charts`.
    #[arg(long, conflicts_with_all = ["only", "against", "among"])]
    docs: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let sections = chosen(&arguments.only)?;
    let extent = if arguments.quick { Extent::Quick } else { Extent::Full };
    let bench = Bench::new(extent, arguments.against.clone(), arguments.among.clone())?;
    let (machine, commit) = (machine::description(), machine::commit());
    let progress = Progress::default();
    cores::leave_the_first_core()?;
    progress.tell(&format!("{commit} on {machine}"));

    let mut report = Report::default();
    report.table(the_run(&machine, &commit, extent));
    let mut failed = Vec::new();
    for section in sections {
        progress.tell(&format!("{}: {}", section.name, section.about));
        // What one section cannot tell, the others still can.
        if let Err(error) = (section.run)(&bench, &mut report) {
            eprintln!("bench: {}: {error:#}", section.name);
            failed.push(section.name);
        }
    }
    report.print(&mut std::io::stdout().lock())?;
    report.write_results(bench.directory(), &machine, &commit)?;
    report.write_charts(bench.directory())?;
    if arguments.docs {
        let docs = places::repository().join("docs");
        page::fill(&docs.join("performance.md"), &report.tables())?;
        report.write_charts(&docs.join("charts"))?;
    }
    let (targets, met) = report.judged();
    let (figures, place) = (report.figures().len(), bench.directory().display());
    progress
        .tell(&format!("{figures} figures, {met} of {targets} targets met; results and charts in {place}"));
    ensure!(failed.is_empty(), "could not be measured: {}", failed.join(", "));
    Ok(())
}

/// Where and of what the numbers are.
fn the_run(machine: &str, commit: &str, extent: Extent) -> Table {
    let mut table = Table::new("The run", &["Machine", "Commit", "Extent"]);
    table.row(machine, [commit.to_owned(), extent.choose("full", "quick").to_owned()]);
    table
}

/// All sections, or those that were named.
fn chosen(names: &[String]) -> Result<Vec<&'static Section>> {
    for name in names {
        ensure!(
            SECTIONS.iter().any(|section| section.name == name),
            "there is no section {name}; see --help"
        );
    }
    let is_chosen = |section: &&Section| names.is_empty() || names.iter().any(|name| name == section.name);
    Ok(SECTIONS.iter().filter(is_chosen).collect())
}

fn sections_in_words() -> String {
    let lines = SECTIONS.iter().map(|section| format!("  {:<12} {}\n", section.name, section.about));
    format!("Sections:\n{}", lines.collect::<String>())
}
