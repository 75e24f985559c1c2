//! What a run tells of itself.

use std::collections::BTreeMap;

use crate::counts::Counts;
use crate::edge_process::EdgeFigures;
use crate::limits::{CLOCK_SLACK, GROWTH_MAX, PROPAGATION_BOUND, RECOVERY_BOUND};
use crate::model::At;
use crate::model::edge::{Edge, PerEdge};
use crate::plan::Plan;
use crate::residents::Growth;
use crate::telling::tell;

/// A row of figures.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) at: At,
    pub(crate) counts: Counts,
    pub(crate) live: usize,
    pub(crate) residents: BTreeMap<&'static str, u64>,
    pub(crate) edges: PerEdge<EdgeFigures>,
    pub(crate) store_len: u64,
}

pub(crate) fn introduce(plan: &Plan, seed: u64) {
    let title = latchkey_local_stack::shell::Shell::chosen().title();
    let (length, requests, changes) = (plan.length.as_secs(), plan.requests_a_second, plan.changes_a_second);
    tell(&format!(
        "{title}, {length} s, {requests} requests and {changes} key changes a second, seed {seed}"
    ));
    tell(&format!(
        "an answer is wrong if the key had no such state within the last {} s; after an outage, {} s more; \
         a table of {} s admits nobody; clocks: {} s",
        PROPAGATION_BOUND.as_secs(),
        RECOVERY_BOUND.as_secs(),
        plan.refuse_after.as_secs(),
        CLOCK_SLACK.as_secs()
    ));
}

pub(crate) fn tell_row(figures: &Figures) {
    let Figures { at, counts, live, residents, edges, store_len } = figures;
    let seconds = at.as_secs();
    tell(&format!("{:02}:{:02}:{:02} {counts}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    let residents: Vec<_> =
        residents.iter().map(|(process, bytes)| format!("{process} {}", mebibytes(*bytes))).collect();
    let tables = Edge::ALL.map(|edge| {
        let EdgeFigures { table_keys, loads, failed_polls } = edges.of(edge);
        format!("{table_keys} keys, {loads} loads, {failed_polls} failed polls")
    });
    tell(&format!(
        "         resident: {}; store on disk: {}; keys alive: {live}; tables: {}",
        residents.join(", "),
        mebibytes(*store_len),
        tables.join("; ")
    ));
}

/// Tells how a process grew. Returns a complaint if it did so too much.
pub(crate) fn tell_growth(growth: Growth) -> Option<String> {
    let Growth { process, from, to } = growth;
    let (grew, most) = (mebibytes(growth.bytes()), mebibytes(GROWTH_MAX));
    let told =
        format!("{process} grew by {grew} after the warm-up: from {} to {}", mebibytes(from), mebibytes(to));
    tell(&told);
    (growth.bytes() > GROWTH_MAX).then(|| format!("{told}, more than {most}"))
}

pub(crate) fn tell_end(counts: &Counts) {
    tell(&format!("in all: {counts}"));
}

fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_beyond_the_bound_is_a_complaint() {
        let from = 50 * 1024 * 1024;
        assert_eq!(tell_growth(Growth { process: "edge-1", from, to: from + GROWTH_MAX }), None);
        let told = tell_growth(Growth { process: "edge-1", from, to: from + GROWTH_MAX + 1 }).unwrap();
        assert!(told.starts_with("edge-1 grew by 24.0 MiB after the warm-up: from 50.0 MiB"), "{told}");
    }
}
