//! What is counted of the work that requests cost.

use latchkey_budget::BudgetExceeded;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::lane::{Cost, Lane};

const STEPS: &str = "latchkey_work_steps_total";
const REFUSED: &str = "latchkey_work_refused_total";
const RUNNING: &str = "latchkey_work_running";
const ANSWER_MEMORY: &str = "latchkey_answer_memory_bytes";
const ANSWERS_DROPPED: &str = "latchkey_answers_dropped_total";

/// A piece of work has ended.
pub fn work_ended(lane: &'static str, cost: &Cost) {
    counter!(STEPS, "lane" => lane).increment(cost.steps);
    if let Some(exceeded) = cost.exceeded {
        counter!(REFUSED, "lane" => lane, "limit" => exceeded.as_str()).increment(1);
    }
}

/// An answer was dropped, because its client did not read it.
pub fn answer_dropped() {
    counter!(ANSWERS_DROPPED).increment(1);
}

/// How much work runs, and how many bytes answers hold.
pub fn work_counted<'a>(lanes: impl IntoIterator<Item = &'a Lane>, answer_memory: usize) {
    for lane in lanes {
        gauge!(RUNNING, "lane" => lane.name()).set(lane.running() as f64);
    }
    gauge!(ANSWER_MEMORY).set(answer_memory as f64);
}

/// Every limit is there from the start, so that a rate is known from the first refusal on.
pub fn begin_at_zero(lane: &'static str) {
    let limits = [
        BudgetExceeded::Bytes { bytes_max: 0 },
        BudgetExceeded::Crowded,
        BudgetExceeded::Failed,
        BudgetExceeded::Gone,
        BudgetExceeded::Late,
        BudgetExceeded::Memory,
        BudgetExceeded::Steps { steps_max: 0 },
    ];
    for limit in limits {
        counter!(REFUSED, "lane" => lane, "limit" => limit.as_str()).increment(0);
    }
    counter!(STEPS, "lane" => lane).increment(0);
}

pub(super) fn describe() {
    describe_counter!(STEPS, "Steps of work that requests took, by lane.");
    describe_counter!(
        REFUSED,
        "Pieces of work that ended early, by lane and by the limit that they ran into."
    );
    describe_gauge!(RUNNING, "Pieces of work that run, by lane.");
    describe_gauge!(ANSWER_MEMORY, Unit::Bytes, "Memory of answers that are made or have not been read yet.");
    describe_counter!(ANSWERS_DROPPED, "Answers that were dropped, because their clients did not read them.");
    counter!(ANSWERS_DROPPED).increment(0);
}
