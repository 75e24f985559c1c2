//! What an accepted request costs when there are more keys, and when few of them are used most.

use anyhow::{Context as _, Result};
use latchkey_local_stack::places;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::contender::BARE;
use crate::edge::edge_config::{EdgeConfig, Filter, Gate, Identity};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::rounds::{self, BUSY_CONNECTIONS, Pace, Stop, Visits};
use crate::figure::{Figure, Target, counted};
use crate::key_set::{Credential, KeySet};
use crate::load::{Choice, Load};
use crate::report::{Report, Table};
use crate::samples::{Samples, paired};

/// A key service and a table of so many keys.
struct Size {
    keys: KeySet,
    listener: &'static str,
    cluster: &'static str,
}

const SIZES: [Size; 3] = [
    Size { keys: KeySet { count: 1_000 }, listener: "keys-1000", cluster: "key_service" },
    Size { keys: KeySet { count: 100_000 }, listener: "keys-100000", cluster: "key_service_middle" },
    Size { keys: KeySet { count: 1_000_000 }, listener: "keys-1000000", cluster: "key_service_large" },
];

/// The section.
///
/// # Errors
///
/// When something could not be measured.
pub fn measure(bench: &Bench, report: &mut Report) -> Result<()> {
    // Importing and loading a million keys takes longer than a quick run may.
    let sizes = SIZES.get(..bench.extent.choose(3, 2)).unwrap_or(&SIZES);
    let services =
        sizes.iter().map(|size| KeyService::start(bench, size.keys)).collect::<Result<Vec<_>>>()?;
    let envoy = edge_stack::envoy(config(sizes, &services)?, 1, Place::OwnCore)?;
    let target = envoy.admin().listener(BARE)?;
    let mut stops = vec![stop(BARE, Load::new(target, BUSY_CONNECTIONS, None))];
    for size in sizes {
        let target = envoy.admin().listener(size.listener)?;
        let last = size.keys.last_authorization(Credential::Valid);
        edge_stack::await_status(target, "/", Some(&last), 200).context(size.listener)?;
        let credentials = size.keys.credential_file(Credential::Valid, bench.directory())?;
        for choice in [Choice::Uniform, Choice::Skewed] {
            let load = Load::new(target, BUSY_CONNECTIONS, Some(credentials.clone()));
            stops.push(stop(size.listener, Load { choice, ..load }));
        }
    }
    let pace = Pace::of(bench.extent, 6);
    let visits = rounds::measure(&envoy, &stops, pace)?;
    tell(sizes, &visits, report)
}

fn config(sizes: &[Size], services: &[KeyService]) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    config.add_listener(BARE, None)?;
    let module = places::filter_module();
    for (Size { listener, cluster, .. }, service) in sizes.iter().zip(services) {
        let feed_credential = service.feed_key.encoded.as_str();
        let identity = Identity::Both;
        let gate = Gate { module: &module, table: listener, cluster, feed_credential, identity };
        config.add_listener(listener, Some(Filter::latchkey(&gate)?))?;
        config.set_cluster_address(cluster, service.process.address())?;
    }
    Ok(config)
}

fn stop(listener: &str, load: Load) -> Stop {
    Stop { listener: listener.to_owned(), load, status: 200, behind: None }
}

fn tell(sizes: &[Size], visits: &[Visits], report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "What an accepted request costs with more keys",
        &["Keys", "Added CPU, any key", "To the smallest", "Added CPU, few keys most", "To the smallest"],
    );
    let (bare, loaded) = visits.split_first().context("nothing was measured")?;
    let mut smallest: Option<(Samples, Samples)> = None;
    for (size, visits) in sizes.iter().zip(loaded.chunks_exact(2)) {
        let [uniform, skewed] = visits else { continue };
        let added = |visits: &Visits| paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare);
        let (uniform, skewed) = (added(uniform)?, added(skewed)?);
        let (first_uniform, first_skewed) = smallest.get_or_insert_with(|| (uniform.clone(), skewed.clone()));
        let count = size.keys.count;
        let mut cells = Vec::new();
        for (choice, added, first) in
            [("uniform", &uniform, first_uniform), ("skewed", &skewed, first_skewed)]
        {
            let name = format!("tables/{count}-keys/{choice}");
            cells.push(report.add(Figure::of(format!("{name}/added-cpu"), "µs", added)).shown());
            let ratio = Figure::ratio(format!("{name}/to-smallest"), added, first)?;
            let is_judged = count == 1_000_000;
            let ratio = if is_judged { ratio.with_target(Target::AtMost(1.1)) } else { ratio };
            cells.push(report.add(ratio).shown());
        }
        table.row(counted(count.into()), cells);
    }
    report.table(table);
    Ok(())
}
