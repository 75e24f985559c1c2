//! The parts of a run, each of which can be asked for alone.

use anyhow::Result;

use crate::bench::Bench;
use crate::edge::{accepted, first_load, protocols, refused, revocation, routes, start_up, tables, workers};
use crate::growth;
use crate::micro;
use crate::micro::rules;
use crate::report::Report;
use crate::service;
use crate::service::{console, logins};

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
pub const SECTIONS: &[Section] = &[
    Section {
        name: "accepted",
        about: "what an accepted request costs, beside everyone else",
        run: accepted::measure,
    },
    Section {
        name: "protocols",
        about: "what an accepted request costs over HTTP/2, and with an upstream",
        run: protocols::measure,
    },
    Section {
        name: "refused",
        about: "what a refused request costs, beside everyone else",
        run: refused::measure,
    },
    Section {
        name: "tables",
        about: "what an accepted request costs with a thousand keys and with a million",
        run: tables::measure,
    },
    Section {
        name: "routes",
        about: "what header edits cost where Envoy has many routes",
        run: routes::measure,
    },
    Section {
        name: "memory",
        about: "memory of Envoy for each key, and cost of a request, with several workers",
        run: workers::measure,
    },
    Section {
        name: "first-load",
        about: "how long a million keys take to load, and what requests feel of it",
        run: first_load::measure,
    },
    Section {
        name: "revocation",
        about: "from the answer of an invalidation to the first refusal at each worker",
        run: revocation::measure,
    },
    Section {
        name: "start-up",
        about: "size of the module, and from the start of Envoy to the first admitted request",
        run: start_up::measure,
    },
    Section {
        name: "service",
        about: "the key service: changes, look-ups, rows of the feed, ten thousand followers",
        run: service::measure,
    },
    Section {
        name: "logins",
        about: "a login by password, the first and those after it, beside an API key",
        run: logins::measure,
    },
    Section {
        name: "console",
        about: "how long pages of the console take with a million keys",
        run: console::measure,
    },
    Section {
        name: "micro",
        about: "the pure parts one by one: parse, look-up, verify, edits, page apply",
        run: micro::measure,
    },
    Section {
        name: "rules",
        about: "instructions of a decision with 0, 1, 100 and 1 000 rules",
        run: rules::measure,
    },
    Section {
        name: "growth",
        about: "100 million keys and a thousand edges, computed from what the other sections measured",
        run: growth::run,
    },
];
