//! The host's shared data as the table's store, and a gauge of the host's as its change stamp.
//!
//! Envoy's gauges are the process's: adding to one is atomic and seen by every thread at once, reading one
//! hands over no memory, and nothing resets it as `/reset_counters` does a counter. One that the operator's
//! `stats_matcher` rejects reads 0 for ever.
//!
//! A gauge is set by whoever knows its name, plugins of other `vm_id`s too, and one that was set back to
//! where it stood would keep old pages in use after their change was acknowledged, until the next tick
//! forgets them. So the name has a random number in it, which stands in shared data: only plugins of the same
//! `vm_id` can read it, and they could write the table itself.

use std::cell::Cell;

use super::abi::{self, Metric};
use super::envoy_host::EnvoyHost;
use crate::host::HostFailed;
use crate::limits::SWAP_TRIES_MAX;
use crate::metrics;
use crate::table::{Entry, EntryName, SharedEntries, SharedStore, Stamp, SwapLost, Version};

thread_local! {
    /// By how much this VM has moved the stamp.
    static OWN_MOVES: Cell<u64> = const { Cell::new(0) };
}

/// A number that no entry has: writing with it creates an absent entry, and loses against one that was
/// created meanwhile. (The host counts from 1 over all entries of the process, and compares only where an
/// entry exists.)
const CREATE: u32 = u32::MAX;

/// The host with its stamp. Also moves it, so that the next VM knows it for shared.
pub(super) fn with_stamp(host: EnvoyHost) -> EnvoyHost {
    let stamp = stamp_number(host).and_then(|number| {
        let name = format!("{}.{number:016x}", metrics::TABLE_STAMP);
        abi::define_metric(Metric::Gauge, &name).ok()
    });
    let host = EnvoyHost { stamp, ..host };
    host.move_stamp();
    host
}

/// The number in the name of the stamp, which the first VM of the namespace draws.
fn stamp_number(host: EnvoyHost) -> Option<u64> {
    for _ in 0..SWAP_TRIES_MAX {
        let entry = host.read(EntryName::StampNumber);
        if let Ok(drawn) = entry.bytes.try_into().map(u64::from_le_bytes) {
            return Some(drawn);
        }
        let drawn = abi::random();
        if host.swap(EntryName::StampNumber, &drawn.to_le_bytes(), entry.version).is_ok() {
            return Some(drawn);
        }
    }
    None
}

impl SharedEntries for EnvoyHost {
    fn read(&self, name: EntryName) -> Entry {
        match abi::shared_data(name.text().as_bytes()) {
            // The host counts from 1.
            Ok((bytes, cas @ 1..)) => Entry { bytes, version: Version::Cas(cas) },
            Ok((bytes, 0)) => Entry { bytes, version: Version::Absent },
            Err(HostFailed) => Entry { bytes: Vec::new(), version: Version::Absent },
        }
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let cas = match read_at {
            Version::Absent => CREATE,
            Version::Cas(cas) => cas,
        };
        abi::set_shared_data(name.text().as_bytes(), bytes, cas).map_err(|HostFailed| SwapLost)
    }
}

impl SharedStore for EnvoyHost {
    /// A stamp that nobody but this VM ever moved may be this VM's alone. In Envoy the VM of the main thread
    /// comes before those of the workers.
    fn stamp(&self) -> Option<Stamp> {
        let value = abi::metric(self.stamp?).ok()?;
        (value > OWN_MOVES.get()).then_some(Stamp(value))
    }

    /// By a random distance: while Envoy restarts hot, the gauge holds the old process's too, and falls by
    /// that much when it ends. It must not come to stand where it stood.
    fn move_stamp(&self) {
        let distance = abi::random() as u32 | 1;
        if let Some(stamp) = self.stamp
            && abi::increment_metric(stamp, i64::from(distance)).is_ok()
        {
            OWN_MOVES.set(OWN_MOVES.get().saturating_add(u64::from(distance)));
        }
    }
}
