//! What an accepted request costs, beside everyone else.

use anyhow::{Context as _, Result};
use latchkey_local_stack::envoy::EnvoyProcess;

use crate::bench::Bench;
use crate::chart::Chart;
use crate::cores::Place;
use crate::edge::authoriser_process::AuthoriserProcess;
use crate::edge::contender::{
    self, BARE, CALLS, Contender, NATIVE, NATIVE_HEADERS, NATIVE_OPAQUE, NATIVE_ROTATED, OUR_HEADERS, OURS,
    OURS_OPAQUE, OURS_ROTATED,
};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop, Visits};
use crate::figure::{Figure, Target};
use crate::key_set::{Credential, KeySet};
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::{Samples, paired};

/// How many keys everyone knows. Where opaque or rotated keys are shown, our filters know as many of these besides.
pub const KEYS: KeySet = KeySet { count: 1000 };

/// An Envoy with everyone, a key service and an authoriser.
#[derive(Debug)]
pub struct Arena {
    /// The Envoy, on its own core.
    pub envoy: EnvoyProcess,
    /// What `ext_authz` asks.
    pub authoriser: AuthoriserProcess,
    _service: KeyService,
}

impl Arena {
    /// Starts it, and waits until everyone admits the last key.
    ///
    /// # Errors
    ///
    /// When a part does not start, or someone does not admit the key.
    pub fn start(bench: &Bench) -> Result<Self> {
        let service = KeyService::start(bench, KEYS)?;
        for kind in [Credential::Opaque, Credential::BeforeRotation] {
            if contender::all(bench).iter().any(|contender| contender.takes == kind) {
                service.bring_along(KEYS, kind)?;
            }
        }
        let authoriser = AuthoriserProcess::start(KEYS)?;
        let mut config = contender::config(bench, KEYS, &service.feed_key.encoded)?;
        config.set_cluster_address("key_service", service.process.address())?;
        config.set_cluster_address("authoriser_http", authoriser.address())?;
        config.set_cluster_address("authoriser_grpc", authoriser.address())?;
        let envoy = edge_stack::envoy(config, 1, Place::OwnCore)?;
        for contender in contender::all(bench) {
            let listener = envoy.admin().listener(contender.name)?;
            let authorization = KEYS.last_authorization(contender.takes);
            edge_stack::await_status(listener, "/", Some(&authorization), 200)
                .with_context(|| contender.name)?;
        }
        Ok(Self { envoy, authoriser, _service: service })
    }
}

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let arena = Arena::start(bench)?;
    let contenders = contender::all(bench);
    let stops =
        contenders.iter().map(|contender| stop(bench, &arena, contender)).collect::<Result<Vec<_>>>()?;
    let pace = Pace { with_latency: true, ..Pace::of(bench.extent, 7) };
    let visits = rounds::measure(&arena.envoy, &stops, pace)?;
    let results: Vec<(Contender, Visits)> = contenders.into_iter().zip(visits).collect();
    tell_costs(&results, report)?;
    tell_ratios(&results, report)
}

fn stop(bench: &Bench, arena: &Arena, contender: &Contender) -> Result<Stop> {
    let target = arena.envoy.admin().listener(contender.name)?;
    let credentials = KEYS.credential_file(contender.takes, bench.directory())?;
    Ok(Stop {
        listener: contender.name.to_owned(),
        traffic: Load::new(target, BUSY_CONNECTIONS, Some(credentials)).into(),
        status: 200,
        behind: contender.asks.then(|| arena.authoriser.id()),
    })
}

fn tell_costs(results: &[(Contender, Visits)], report: &mut Report) -> Result<()> {
    let bare = of(results, BARE)?;
    let mut table = Table::new(
        "What an accepted request costs (1 000 keys; added: over Envoy without a filter)",
        &[
            "Filter",
            "CPU of Envoy",
            "Added CPU",
            "Added CPU, authoriser included",
            "Requests/s of a worker",
            "Added latency, p50",
            "p99",
        ],
    );
    let mut chart = Chart::new("accepted-cpu", "CPU added to an accepted request", "µs");
    for (contender, visits) in results {
        let name = contender.name;
        let added = |left: &[f64], right: &[f64]| paired(left, right, |left, right| left - right);
        let mut figure = |what: &str, unit, samples: Samples| {
            report.add(Figure::of(format!("accepted/{name}/{what}"), unit, &samples))
        };
        let cpu = figure("cpu", "µs", Samples::new(visits.cpu_us.clone())?);
        let added_cpu = figure("added_cpu", "µs", added(&visits.cpu_us, &bare.cpu_us)?);
        let whole = added(&with_behind(visits), &bare.cpu_us)?;
        let whole = figure("added_cpu_with_authoriser", "µs", whole);
        let rate = figure("rate", "/s", Samples::new(visits.rate.clone())?);
        let p50 = figure("added_p50", "µs", added(&visits.p50_us, &bare.p50_us)?);
        let p99 = figure("added_p99", "µs", added(&visits.p99_us, &bare.p99_us)?);
        chart = match name {
            BARE => chart,
            _ if contender.is_ours() => chart.our_bar(contender.label, &added_cpu),
            _ => chart.bar(contender.label, &added_cpu),
        };
        table.row(contender.label, [&cpu, &added_cpu, &whole, &rate, &p50, &p99].map(Figure::shown));
    }
    report.table(table);
    report.chart(chart);
    Ok(())
}

fn tell_ratios(results: &[(Contender, Visits)], report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "Added CPU of an accepted request, authoriser included, as ratios",
        &["Ratio", "Measured"],
    );
    let bare = &of(results, BARE)?.cpu_us;
    let added = |name| paired(&with_behind(of(results, name)?), bare, |cpu, bare| cpu - bare);
    for (left, right, target) in [
        (NATIVE_HEADERS, "empty", Some(Target::AtMost(1.0))),
        (NATIVE_HEADERS, "lua", Some(Target::AtMost(0.6))),
        (NATIVE, "empty", Some(Target::AtMost(1.15))),
        ("latchkey-native-rules", NATIVE_HEADERS, None),
        ("ext-authz-http", NATIVE_HEADERS, Some(Target::AtLeast(10.0))),
        (OUR_HEADERS, "empty", Some(Target::AtMost(3.0))),
        (OUR_HEADERS, "lua", None),
        (OUR_HEADERS, CALLS, None),
        ("latchkey-rules", OUR_HEADERS, None),
        (OURS, "empty", None),
        (OURS, NATIVE, None),
        (CALLS, "empty", None),
        ("ext-authz-http", OUR_HEADERS, None),
        ("ext-authz-grpc", NATIVE_HEADERS, None),
        (OURS_OPAQUE, OURS, None),
        (OURS_ROTATED, OURS, None),
        (NATIVE_OPAQUE, NATIVE, None),
        (NATIVE_ROTATED, NATIVE, None),
        (OURS, "latchkey-against", None),
        (OUR_HEADERS, "latchkey-against-headers", None),
        (NATIVE, "latchkey-against", None),
        (NATIVE_HEADERS, "latchkey-against-headers", None),
    ] {
        let is_there = |name| results.iter().any(|(contender, _)| contender.name == name);
        if !(is_there(left) && is_there(right)) {
            continue;
        }
        let (name, about) = (format!("accepted/ratio/{left}/{right}"), format!("{left} to {right}"));
        // On a machine that is busy otherwise, what costs little may seem to cost nothing. Then nothing is
        // told of it.
        let Ok(figure) = Figure::ratio(name, &added(left)?, &added(right)?) else {
            table.row(about, ["lost in the noise".to_owned()]);
            continue;
        };
        let figure = report.add(match target {
            Some(target) => figure.with_target(target),
            None => figure,
        });
        table.row(about, [figure.shown()]);
    }
    report.table(table);
    Ok(())
}

fn with_behind(visits: &Visits) -> Vec<f64> {
    visits.cpu_us.iter().zip(&visits.behind_cpu_us).map(|(cpu, behind)| cpu + behind).collect()
}

fn of<'a>(results: &'a [(Contender, Visits)], name: &str) -> Result<&'a Visits> {
    let found = results.iter().find(|(contender, _)| contender.name == name);
    found.map(|(_, visits)| visits).with_context(|| format!("{name} was not measured"))
}
