//! How cost grows beyond what one machine can measure: to 100 million keys by arithmetic, to thousands of
//! edges by simulation.
//!
//! Everything here is computed from costs that the same run has measured, and from assumptions that are named
//! where they are made ([`keys`], [`edge_growth`]). Nothing is fitted to a wished result: where a limit of the
//! design is reached, the table says so.

use anyhow::Result;

use crate::bench::Bench;
use crate::figure::{Figure, rounded};
use crate::report::{Report, Table};
use edge_growth::Fleet;
use keys::{KeyCosts, KeyGrowth};

pub mod edge_growth;
pub mod keys;

/// Names of the figures that this builds on.
mod measured {
    pub(super) const EDGE_MEMORY: &str = "memory/workers-2/bytes-a-key";
    pub(super) const FEED_ROW: &str = "service/feed/row-bytes";
    pub(super) const STORE: &str = "service/store/bytes-a-key";
    pub(super) const FIRST_LOAD: &str = "first-load/time";
    pub(super) const FIRST_LOAD_KEYS: &str = "first-load/keys";
    pub(super) const FOLLOWERS: &str = "service/followers/count";
    pub(super) const ALL_WOKEN: &str = "service/sqlite/followers/woken/last";
    pub(super) const REVOKED: &str = "revocation/idle/p50";
}

const KEYS: [u64; 3] = [1_000_000, 10_000_000, 100_000_000];
const EDGES: [usize; 4] = [1, 10, 100, 1_000];
const CHANGES_PER_SECOND: [f64; 3] = [0.1, 10.0, 100.0];

/// From replica to edge, in microseconds: another zone of the same region.
const ONE_WAY_US: u64 = 500;

/// How many changes each fleet is told of, about: enough for a 99th percentile even of one edge.
const CHANGES: f64 = 200.0;

/// Where the random moments of changes begin: any number, always the same.
const SEED: u64 = 1;

const GIB: f64 = (1_u64 << 30) as f64;

/// Computes both tables from what `report` has so far.
///
/// # Errors
///
/// When a figure to compute from has not been measured in this run.
pub fn run(_bench: &Bench, report: &mut Report) -> Result<()> {
    let costs = KeyCosts {
        edge_memory_bytes: report.value(measured::EDGE_MEMORY)?,
        feed_row_bytes: report.value(measured::FEED_ROW)?,
        store_bytes: report.value(measured::STORE)?,
        load_rows_per_second: report.value(measured::FIRST_LOAD_KEYS)?
            / report.value(measured::FIRST_LOAD)?,
    };
    let poll_us = report.value(measured::ALL_WOKEN)? * 1e3 / report.value(measured::FOLLOWERS)?;
    let apply_us = report.value(measured::REVOKED)? * 1e3;
    keys_table(&costs, report);
    edges_table(poll_us.ceil() as u64, apply_us.ceil() as u64, report);
    Ok(())
}

fn keys_table(costs: &KeyCosts, report: &mut Report) {
    let columns = [
        "Keys",
        "Memory of an Envoy",
        "Keys a page",
        "Store on disk",
        "First load, bytes",
        "First load, time",
    ];
    let mut table = Table::new("Growth with keys", &columns);
    for keys in KEYS {
        let grown = KeyGrowth::to(keys, costs);
        let gib = |bytes: f64| format!("{} GiB", rounded(bytes / GIB));
        let seconds = Figure::new(format!("growth/{keys}-keys/first-load"), "s", grown.load_seconds);
        table.row(
            rounded(keys as f64),
            [
                gib(grown.edge_memory_bytes),
                rounded(grown.keys_per_page),
                gib(grown.store_bytes),
                gib(grown.load_bytes),
                report.add(seconds).shown(),
            ],
        );
    }
    report.table(table);
}

fn edges_table(poll_us: u64, apply_us: u64, report: &mut Report) {
    let columns =
        ["Edges", "Changes a second", "In force: median", "99th percentile", "Last edge", "Replica busy"];
    let mut table = Table::new("Growth with edges", &columns);
    for edges in EDGES {
        let fleet = Fleet { edges, poll_us, one_way_us: ONE_WAY_US, apply_us };
        for rate in CHANGES_PER_SECOND {
            let Some(seen) = fleet.propagate(rate, (CHANGES / rate) as u64, SEED) else { continue };
            let ms = |us: u64| format!("{} ms", rounded(us as f64 / 1e3));
            let name = format!("growth/{edges}-edges/{rate}-changes-a-second/p99");
            let p99 = report.add(Figure::new(name, "ms", seen.p99_us as f64 / 1e3));
            let busy = format!("{} %", rounded(seen.busy * 100.0));
            table.row(
                rounded(edges as f64),
                [rounded(rate), ms(seen.p50_us), p99.shown(), ms(seen.worst_us), busy],
            );
        }
    }
    report.table(table);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Extent;

    const MEASURED: [(&str, f64); 8] = [
        (measured::EDGE_MEMORY, 180.0),
        (measured::FEED_ROW, 300.0),
        (measured::STORE, 400.0),
        (measured::FIRST_LOAD, 10.0),
        (measured::FIRST_LOAD_KEYS, 1_000_000.0),
        (measured::FOLLOWERS, 10_000.0),
        (measured::ALL_WOKEN, 500.0),
        (measured::REVOKED, 1.0),
    ];

    fn report_of(measured: &[(&str, f64)]) -> Report {
        let mut report = Report::default();
        for (name, value) in measured {
            report.add(Figure::new(*name, "", *value));
        }
        report
    }

    #[test]
    fn growth_is_computed_from_what_was_measured() {
        let mut report = report_of(&MEASURED);
        let bench = Bench::new(Extent::Quick, None, Vec::new()).unwrap();
        run(&bench, &mut report).unwrap();
        assert_eq!(report.value("growth/100000000-keys/first-load").unwrap(), 1_000.0);
        // A thousand edges at 50 µs each: the last is told after 50 ms.
        let p99 = report.value("growth/1000-edges/0.1-changes-a-second/p99").unwrap();
        assert!((49.0..53.0).contains(&p99), "{p99}");
    }

    #[test]
    fn nothing_is_computed_from_what_was_not_measured() {
        let bench = Bench::new(Extent::Quick, None, Vec::new()).unwrap();
        for left_out in MEASURED {
            let rest: Vec<_> = MEASURED.into_iter().filter(|figure| figure.0 != left_out.0).collect();
            let error = run(&bench, &mut report_of(&rest)).unwrap_err().to_string();
            assert!(error.contains(left_out.0), "{error}");
        }
    }
}
