//! What header edits cost where Envoy has many routes: after each it matches the route again.

use anyhow::{Context as _, Result};
use latchkey_local_stack::shell::Shell;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::accepted::KEYS;
use crate::edge::edge_config::{Build, EdgeConfig, Filter, Gate, Identity, Surroundings};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::gated_edge::SHELLS;
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop};
use crate::figure::{Figure, Target, counted};
use crate::key_set::Credential;
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::paired;

const ROUTES: [usize; 2] = [1, 2000];

const WAYS: [(&str, Identity); 4] = [
    ("both", Identity::Both),
    ("headers", Identity::Headers),
    ("filter-state", Identity::FilterState),
    ("no-edit", Identity::FilterStateAndCredential),
];

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    let service = KeyService::start(bench, KEYS)?;
    let envoy = edge_stack::envoy(config(&service)?, 1, Place::OwnCore)?;
    let credentials = KEYS.credential_file(Credential::Valid, bench.directory())?;
    let mut stops = Vec::new();
    for routes in ROUTES {
        for listener in listeners(routes) {
            let target = envoy.admin().listener(&listener)?;
            let last = KEYS.last_authorization(Credential::Valid);
            edge_stack::await_status(target, "/", Some(&last), 200)?;
            let load = Load::new(target, BUSY_CONNECTIONS, Some(credentials.clone()));
            stops.push(Stop { listener, traffic: load.into(), status: 200, behind: None });
        }
    }
    let pace = Pace::of(bench.extent, 5);
    let visits = rounds::measure(&envoy, &stops, pace)?;

    let mut table = Table::new(
        "What telling the identity costs, by the number of routes (CPU added)",
        &[
            "Routes",
            "Shell",
            "Headers and filter state",
            "Headers alone",
            "Filter state alone",
            "Filter state alone, credential forwarded",
        ],
    );
    for (routes, visits) in ROUTES.iter().zip(visits.chunks_exact(1 + WAYS.len() * SHELLS.len())) {
        let (bare, gates) = visits.split_first().context("nothing was measured")?;
        for ((shell, title, prefix), ways) in SHELLS.into_iter().zip(gates.chunks_exact(WAYS.len())) {
            let mut cells = vec![title.to_owned()];
            for ((way, _), visits) in WAYS.iter().zip(ways) {
                let added = paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare)?;
                let figure = Figure::of(format!("routes/{prefix}{routes}/{way}/added-cpu"), "µs", &added);
                let is_judged = shell == Shell::Module && *routes == 2000 && *way == "headers";
                let figure = if is_judged { figure.with_target(Target::AtMost(10.0)) } else { figure };
                cells.push(report.add(figure).shown());
            }
            table.row(counted(*routes as u64), cells);
        }
    }
    report.table(table);
    Ok(())
}

fn config(service: &KeyService) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    let (cluster, feed_credential) = ("key_service", service.feed_key.encoded.as_str());
    config.set_cluster_address(cluster, service.process.address())?;
    for routes in ROUTES {
        let surroundings = Surroundings { routes, ..Surroundings::default() };
        config.add_listener(&bare(routes), None, surroundings)?;
        for (shell, title, _) in SHELLS {
            for (way, identity) in WAYS {
                let (build, table) = (Build::Ours(shell), "routes");
                let gate = Gate {
                    build,
                    table,
                    cluster,
                    feed_credential,
                    identity,
                    rules: 0,
                    takes_bearer_keys: false,
                };
                let filter = Filter::latchkey(&gate)?;
                config.add_listener(&listener(title, way, routes), Some(filter), surroundings)?;
            }
        }
    }
    Ok(config)
}

/// All listeners with so many routes: the one without a filter, and each shell in each way.
fn listeners(routes: usize) -> Vec<String> {
    let gates = SHELLS.iter().flat_map(|(_, title, _)| WAYS.map(|(way, _)| listener(title, way, routes)));
    [bare(routes)].into_iter().chain(gates).collect()
}

fn bare(routes: usize) -> String {
    format!("bare-{routes}")
}

fn listener(shell: &str, way: &str, routes: usize) -> String {
    format!("{shell}-{way}-{routes}")
}
