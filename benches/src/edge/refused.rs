//! What a refused request costs, beside everyone else who refuses.

use anyhow::Result;

use crate::bench::Bench;
use crate::chart::Chart;
use crate::edge::accepted::{Arena, KEYS};
use crate::edge::contender::{BARE, BARE_REFUSING, NATIVE, OURS};
use crate::edge::edge_stack;
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop};
use crate::figure::{Figure, Target};
use crate::key_set::Credential;
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::paired;

/// A refusal to measure.
struct Refusal {
    listener: &'static str,
    name: &'static str,
    label: &'static str,
    shows: Option<Credential>,
    status: u16,
}

const fn refusal(
    listener: &'static str,
    name: &'static str,
    label: &'static str,
    shows: Option<Credential>,
) -> Refusal {
    Refusal { listener, name, label, shows, status: 401 }
}

const NATIVE_WRONG_SECRET: &str = "native/wrong-secret";

/// What is visited besides, to compare with: accepted requests, without a filter and with an empty one.
const ACCEPTED: [Refusal; 2] = [
    Refusal { status: 200, ..refusal(BARE, "accepted/bare", "", None) },
    Refusal { status: 200, ..refusal("empty", "accepted/empty", "", None) },
];

const REFUSALS: &[Refusal] = &[
    refusal(BARE_REFUSING, "bare", "no filter, a route that answers 401", None),
    refusal(OURS, "latchkey/no-credential", "Latchkey, no credential", None),
    refusal(OURS, "latchkey/unknown-id", "Latchkey, unknown id", Some(Credential::UnknownId)),
    refusal(OURS, "latchkey/wrong-secret", "Latchkey, wrong secret", Some(Credential::WrongSecret)),
    refusal(NATIVE, "native/no-credential", "Latchkey, native, no credential", None),
    refusal(NATIVE, "native/unknown-id", "Latchkey, native, unknown id", Some(Credential::UnknownId)),
    refusal(NATIVE, NATIVE_WRONG_SECRET, "Latchkey, native, wrong secret", Some(Credential::WrongSecret)),
    refusal("api-key-auth", "api-key-auth/no-credential", "api_key_auth (native), no credential", None),
    refusal(
        "api-key-auth",
        "api-key-auth/unknown-key",
        "api_key_auth (native), unknown key",
        Some(Credential::UnknownId),
    ),
    refusal("basic-auth", "basic-auth/no-credential", "basic_auth (native), no credential", None),
    refusal(
        "ext-authz-http",
        "ext-authz-http/unknown-key",
        "ext_authz over HTTP, unknown key",
        Some(Credential::UnknownId),
    ),
    Refusal {
        // What Envoy answers when the authoriser says no and nothing else.
        status: 403,
        ..refusal(
            "ext-authz-grpc",
            "ext-authz-grpc/unknown-key",
            "ext_authz over gRPC, unknown key",
            Some(Credential::UnknownId),
        )
    },
];

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let arena = Arena::start(bench)?;
    let all = ACCEPTED.iter().chain(REFUSALS);
    let stops = all.map(|refusal| stop(bench, &arena, refusal)).collect::<Result<Vec<_>>>()?;
    let pace = Pace::of(bench.extent, 5);
    let visits = rounds::measure(&arena.envoy, &stops, pace)?;
    let [without, empty, bare, ..] = visits.as_slice() else { return Ok(()) };
    let empty = paired(&empty.cpu_us, &without.cpu_us, |cpu, bare| cpu - bare)?;

    let mut table = Table::new("What a refused request costs", &["Refusal", "Added CPU of Envoy"]);
    let mut chart = Chart::new("refused-cpu", "CPU added to a refused request", "µs");
    let mut to_empty = None;
    for (refusal, visits) in ACCEPTED.iter().chain(REFUSALS).zip(&visits).skip(ACCEPTED.len() + 1) {
        let added = paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare)?;
        let figure = report.add(Figure::of(format!("refused/{}/added-cpu", refusal.name), "µs", &added));
        if refusal.name == NATIVE_WRONG_SECRET {
            to_empty = Figure::ratio("refused/native/wrong-secret/to-empty", &added, &empty).ok();
        }
        chart = if refusal.listener.starts_with(OURS) {
            chart.our_bar(refusal.label, &figure)
        } else {
            chart.bar(refusal.label, &figure)
        };
        table.row(refusal.label, [figure.shown()]);
    }
    if let Some(ratio) = to_empty {
        let ratio = report.add(ratio.with_target(Target::AtMost(0.5)));
        table.row(
            "Latchkey, native, wrong secret, to an accepted request of the empty Wasm filter",
            [ratio.shown()],
        );
    }
    report.table(table);
    report.chart(chart);
    Ok(())
}

fn stop(bench: &Bench, arena: &Arena, refusal: &Refusal) -> Result<Stop> {
    let target = arena.envoy.admin().listener(refusal.listener)?;
    let shown = refusal.shows.map(|kind| KEYS.last_authorization(kind));
    edge_stack::await_status(target, "/", shown.as_deref(), refusal.status)?;
    let credentials = refusal.shows.map(|kind| KEYS.credential_file(kind, bench.directory())).transpose()?;
    Ok(Stop {
        listener: refusal.listener.to_owned(),
        traffic: Load::new(target, BUSY_CONNECTIONS, credentials).into(),
        status: refusal.status,
        behind: None,
    })
}
