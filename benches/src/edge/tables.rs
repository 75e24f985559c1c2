//! What an accepted request costs when there are more keys, and when few of them are used most.

use anyhow::{Context as _, Result};
use latchkey_local_stack::shell::Shell;

use crate::bench::Bench;
use crate::cores::Place;
use crate::edge::contender::BARE;
use crate::edge::edge_config::{Build, EdgeConfig, Filter, Gate, Identity, Surroundings};
use crate::edge::edge_stack::{self, KeyService};
use crate::edge::gated_edge::SHELLS;
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

const SMALLEST: u32 = 1_000;

const SIZES: [Size; 3] = [
    Size { keys: KeySet { count: SMALLEST }, listener: "keys-1000", cluster: "key_service" },
    Size { keys: KeySet { count: 100_000 }, listener: "keys-100000", cluster: "key_service_middle" },
    Size { keys: KeySet { count: 1_000_000 }, listener: "keys-1000000", cluster: "key_service_large" },
];

impl Size {
    fn listener(&self, shell: &str) -> String {
        format!("{}-{shell}", self.listener)
    }
}

/// Every size in the one shell, then every size in the other.
fn of_all_shells(sizes: &[Size]) -> impl Iterator<Item = (&Size, (Shell, &'static str, &'static str))> {
    SHELLS.into_iter().flat_map(move |shell| sizes.iter().map(move |size| (size, shell)))
}

/// What a million keys may cost, as a multiple of a thousand.
fn most(shell: Shell, choice: &str) -> Option<Target> {
    match (shell, choice) {
        (Shell::Module, "uniform") => Some(Target::AtMost(1.2)),
        (_, "skewed") => Some(Target::AtMost(1.1)),
        _ => None,
    }
}

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
    for (size, (_, title, _)) in of_all_shells(sizes) {
        let listener = size.listener(title);
        let target = envoy.admin().listener(&listener)?;
        let last = size.keys.last_authorization(Credential::Valid);
        edge_stack::await_status(target, "/", Some(&last), 200).with_context(|| listener.clone())?;
        let credentials = size.keys.credential_file(Credential::Valid, bench.directory())?;
        for choice in [Choice::Uniform, Choice::Skewed] {
            let load = Load::new(target, BUSY_CONNECTIONS, Some(credentials.clone()));
            stops.push(stop(&listener, Load { choice, ..load }));
        }
    }
    let pace = Pace::of(bench.extent, 6);
    let visits = rounds::measure(&envoy, &stops, pace)?;
    tell(sizes, &visits, report)
}

fn config(sizes: &[Size], services: &[KeyService]) -> Result<EdgeConfig> {
    let mut config = EdgeConfig::new()?;
    config.add_listener(BARE, None, Surroundings::default())?;
    for (size, service) in sizes.iter().zip(services) {
        config.set_cluster_address(size.cluster, service.process.address())?;
        for (shell, title, _) in SHELLS {
            let (build, identity) = (Build::Ours(shell), Identity::Both);
            let (listener, cluster) = (size.listener(title), size.cluster);
            let feed_credential = service.feed_key.encoded.as_str();
            let gate = Gate {
                build,
                table: &listener,
                cluster,
                feed_credential,
                identity,
                rules: 0,
                takes_bearer_keys: false,
            };
            config.add_listener(&listener, Some(Filter::latchkey(&gate)?), Surroundings::default())?;
        }
    }
    Ok(config)
}

fn stop(listener: &str, load: Load) -> Stop {
    Stop { listener: listener.to_owned(), traffic: load.into(), status: 200, behind: None }
}

fn tell(sizes: &[Size], visits: &[Visits], report: &mut Report) -> Result<()> {
    let mut table = Table::new(
        "What an accepted request costs with more keys",
        &[
            "Keys",
            "Shell",
            "Added CPU, any key",
            "To the smallest",
            "Added CPU, few keys most",
            "To the smallest",
        ],
    );
    let (bare, loaded) = visits.split_first().context("nothing was measured")?;
    let mut smallest: Option<(Samples, Samples)> = None;
    for ((size, (shell, title, prefix)), visits) in of_all_shells(sizes).zip(loaded.chunks_exact(2)) {
        let [uniform, skewed] = visits else { continue };
        if size.keys.count == SMALLEST {
            smallest = None;
        }
        let added = |visits: &Visits| paired(&visits.cpu_us, &bare.cpu_us, |cpu, bare| cpu - bare);
        let (uniform, skewed) = (added(uniform)?, added(skewed)?);
        let (first_uniform, first_skewed) = smallest.get_or_insert_with(|| (uniform.clone(), skewed.clone()));
        let count = size.keys.count;
        let mut cells = Vec::new();
        for (choice, added, first) in
            [("uniform", &uniform, first_uniform), ("skewed", &skewed, first_skewed)]
        {
            let name = format!("tables/{prefix}{count}-keys/{choice}");
            cells.push(report.add(Figure::of(format!("{name}/added-cpu"), "µs", added)).shown());
            let ratio = Figure::ratio(format!("{name}/to-smallest"), added, first)?;
            let ratio = match most(shell, choice).filter(|_| count == 1_000_000) {
                Some(target) => ratio.with_target(target),
                None => ratio,
            };
            cells.push(report.add(ratio).shown());
        }
        table.row(counted(count.into()), [title.to_owned()].into_iter().chain(cells));
    }
    report.table(table);
    Ok(())
}
