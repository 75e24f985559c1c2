//! The parts of a run, each of which can be asked for alone.

use anyhow::Result;

use crate::bench::Bench;
use crate::growth;
use crate::report::Report;

/// A part of a run.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// What `--only` calls it.
    pub name: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// Measures it; an error means that nothing can be said, and fails the run.
    pub run: fn(&Bench, &mut Report) -> Result<()>,
}

/// All of them, in the order in which they run: the edge, the service, and what is computed from both.
pub const SECTIONS: &[Section] = &[Section {
    name: "growth",
    about: "100 million keys and a thousand edges, computed from what the other sections measured",
    run: growth::run,
}];
