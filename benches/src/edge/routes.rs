//! What header edits cost where Envoy has many routes: after each it matches the route again.

use anyhow::{Context as _, Result};
use latchkey_local_stack::places;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::accepted::KEYS;
use crate::edge::edge_config::{EdgeConfig, Filter, Gate, Identity};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop};
use crate::figure::{Figure, counted};
use crate::key_set::Credential;
use crate::load::Load;
use crate::report::{Report, Table};
use crate::samples::paired;

const ROUTES: [usize; 2] = [1, 2000];

const WAYS: [(&str, Option<Identity>); 5] = [
    ("bare", None),
    ("both", Some(Identity::Both)),
    ("headers", Some(Identity::Headers)),
    ("filter-state", Some(Identity::FilterState)),
    ("no-edit", Some(Identity::FilterStateAndCredential)),
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
        for (way, _) in WAYS {
            let listener = listener(way, routes);
            let target = envoy.admin().listener(&listener)?;
            let last = KEYS.last_authorization(Credential::Valid);
            edge_stack::await_status(target, "/", Some(&last), 200)?;
            let load = Load::new(target, BUSY_CONNECTIONS, Some(credentials.clone()));
            stops.push(Stop { listener, load, status: 200, behind: None });
        }
    }
    let pace = Pace::of(bench.extent, 5);
    let visits = rounds::measure(&envoy, &stops, pace)?;

    let mut table = Table::new(
        "What telling the identity costs, by the number of routes (CPU added)",
        &[
            "Routes",
            "Headers and filter state",
            "Headers alone",
            "Filter state alone",
            "Filter state alone, credential forwarded",
        ],
    );
    for (routes, visits) in ROUTES.iter().zip(visits.chunks_exact(WAYS.len())) {
        let (bare, ways) = visits.split_first().context("nothing was measured")?;
        let mut cells = Vec::new();
        for ((way, _), visits) in WAYS.iter().skip(1).zip(ways) {
            let added = paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare)?;
            let name = format!("routes/{routes}/{way}/added-cpu");
            cells.push(report.add(Figure::of(name, "µs", &added)).shown());
        }
        table.row(counted(*routes as u64), cells);
    }
    report.table(table);
    Ok(())
}

fn config(service: &KeyService) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    let module = places::filter_module();
    let (cluster, feed_credential) = ("key_service", service.feed_key.encoded.as_str());
    config.set_cluster_address(cluster, service.process.address())?;
    for routes in ROUTES {
        for (way, identity) in WAYS {
            let gate = |identity| {
                let gate = Gate { module: &module, table: "routes", cluster, feed_credential, identity };
                Filter::latchkey(&gate)
            };
            let filter = identity.map(gate).transpose()?;
            config.add_listener_with_routes(&listener(way, routes), filter, routes)?;
        }
    }
    Ok(config)
}

fn listener(way: &str, routes: usize) -> String {
    format!("{way}-{routes}")
}
