//! What an accepted request costs over HTTP/2, and with an upstream behind the gate.
//!
//! The other sections have Envoy answer by itself, so that little else is measured with the filter. This one
//! shows that what a filter adds is the same where more happens around it.

use anyhow::{Context as _, Result};
use latchkey_local_stack::envoy::EnvoyProcess;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::accepted::KEYS;
use crate::edge::contender::{self, BARE, Contender, NATIVE_HEADERS, OUR_HEADERS};
use crate::edge::edge_config::{Answer, EdgeConfig, Surroundings};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop, Visits};
use crate::edge::traffic::Traffic;
use crate::figure::Figure;
use crate::key_set::Credential;
use crate::load::Load;
use crate::load::h2load::Http2Load;
use crate::report::{Report, Table};
use crate::samples::{Samples, paired};

/// Who is compared: the one without a filter first.
const COMPARED: [&str; 5] = [BARE, NATIVE_HEADERS, OUR_HEADERS, "empty", "lua"];

/// How many connections HTTP/2 has, with so many requests each that as many are under way as over HTTP/1.1.
const HTTP2_CONNECTIONS: u32 = 4;

/// The name of the listener of the Envoy that is the upstream.
const UPSTREAM: &str = "upstream";

/// The ways to ask, and how figures and people name each.
const WAYS: [(&str, &str, Surroundings); 4] = [
    ("http1", "HTTP/1.1", way(false, Answer::Direct(200))),
    ("http2", "HTTP/2", way(true, Answer::Direct(200))),
    ("http1-upstream", "HTTP/1.1, with an upstream", way(false, Answer::Upstream)),
    ("http2-upstream", "HTTP/2, with an upstream", way(true, Answer::Upstream)),
];

const fn way(http2: bool, answer: Answer) -> Surroundings {
    Surroundings { routes: 1, http2, answer }
}

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let contenders = compared(bench)?;
    let service = KeyService::start(bench, KEYS)?;
    let upstream = upstream()?;
    let mut config = config(bench, &contenders, &service)?;
    config.set_cluster_address("upstream", upstream.admin().listener(UPSTREAM)?)?;
    let envoy = edge_stack::envoy(config, 1, Place::OwnCore)?;
    let mut stops = Vec::new();
    for (way, _, surroundings) in WAYS {
        for contender in &contenders {
            stops.push(stop(bench, &envoy, &listener(way, contender), surroundings.http2)?);
        }
    }
    let visits = rounds::measure(&envoy, &stops, Pace::of(bench.extent, 5))?;
    tell(&contenders, &visits, report)
}

/// Waits until the listener admits the last key, which a follower learns last.
fn stop(bench: &Bench, envoy: &EnvoyProcess, listener: &str, http2: bool) -> Result<Stop> {
    let target = envoy.admin().listener(listener)?;
    let authorization = KEYS.last_authorization(Credential::Valid);
    let traffic = if http2 {
        let (connections, streams) = (HTTP2_CONNECTIONS, BUSY_CONNECTIONS / HTTP2_CONNECTIONS);
        Traffic::Http2(Http2Load { target, connections, streams, authorization })
    } else {
        // All gates of one shell share a table: who waits for one waits for those of HTTP/2 too.
        edge_stack::await_status(target, "/", Some(&authorization), 200).context(listener.to_owned())?;
        let credentials = KEYS.credential_file(Credential::Valid, bench.directory())?;
        Load::new(target, BUSY_CONNECTIONS, Some(credentials)).into()
    };
    Ok(Stop { listener: listener.to_owned(), traffic, status: 200, behind: None })
}

/// Another Envoy that answers by itself: a server that costs little, beside the load generator.
fn upstream() -> Result<EnvoyProcess> {
    let mut config = EdgeConfig::new()?;
    config.add_listener(UPSTREAM, None, Surroundings::default())?;
    edge_stack::envoy(config, 1, Place::OtherCores)
}

fn config(bench: &Bench, contenders: &[Contender], service: &KeyService) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    for (way, _, surroundings) in WAYS {
        for contender in contenders {
            let filter = contender::filter(bench, *contender, KEYS, &service.feed_key.encoded)?;
            config.add_listener(&listener(way, contender), filter, surroundings)?;
        }
    }
    config.set_cluster_address("key_service", service.process.address())?;
    Ok(config)
}

fn compared(bench: &Bench) -> Result<Vec<Contender>> {
    let all = contender::all(bench);
    let named = |name| all.iter().find(|contender| contender.name == name).copied();
    COMPARED
        .map(|name| named(name).with_context(|| format!("there is no contender {name}")))
        .into_iter()
        .collect()
}

fn listener(way: &str, contender: &Contender) -> String {
    format!("{way}-{}", contender.name)
}

fn tell(contenders: &[Contender], visits: &[Visits], report: &mut Report) -> Result<()> {
    let mut columns = vec!["Way", "CPU without a filter"];
    columns.extend(contenders.iter().skip(1).map(|contender| contender.label));
    let mut table =
        Table::new("What an accepted request costs over HTTP/2 and with an upstream (CPU added)", &columns);
    for ((way, title, _), visits) in WAYS.iter().zip(visits.chunks_exact(contenders.len())) {
        let (bare, others) = visits.split_first().context("nothing was measured")?;
        let whole = Samples::new(bare.cpu_us.clone())?;
        let mut cells =
            vec![report.add(Figure::of(format!("protocols/{way}/bare/cpu"), "µs", &whole)).shown()];
        for (contender, visits) in contenders.iter().skip(1).zip(others) {
            let added = paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare)?;
            let name = format!("protocols/{way}/{}/added-cpu", contender.name);
            cells.push(report.add(Figure::of(name, "µs", &added)).shown());
        }
        table.row(*title, cells);
    }
    report.table(table);
    Ok(())
}
