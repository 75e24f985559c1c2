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

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use super::abi::{self, HostFailed};
use crate::limits::SWAP_TRIES_MAX;
use crate::metrics;
use crate::table::{Entry, EntryName, SharedStore, Stamp, SwapLost, Version};

/// proxy-wasm shared data of this VM's namespace.
#[derive(Clone, Copy)]
pub(super) struct EnvoySharedData {
    /// The gauge, unless the host would not define it.
    stamp: Option<u32>,
}

thread_local! {
    /// By how much this VM has moved the stamp.
    static OWN_MOVES: Cell<u64> = const { Cell::new(0) };
}

/// A number that no entry has: writing with it creates an absent entry, and loses against one that was
/// created meanwhile. (The host counts from 1 over all entries of the process, and compares only where an
/// entry exists.)
const CREATE: u32 = u32::MAX;

impl EnvoySharedData {
    /// Also moves the stamp, so that the next VM knows it for shared.
    pub(super) fn new() -> Self {
        let mut this = Self { stamp: None };
        if let Some(number) = this.stamp_number() {
            let name = format!("{}.{number:016x}", metrics::TABLE_STAMP);
            this.stamp = hostcalls::define_metric(MetricType::Gauge, &name).ok();
        }
        this.move_stamp();
        this
    }

    /// The number in the name of the stamp, which the first VM of the namespace draws.
    fn stamp_number(&self) -> Option<u64> {
        let name = EntryName::StampNumber;
        for _ in 0..SWAP_TRIES_MAX {
            let entry = self.read(name);
            if let Ok(drawn) = entry.bytes.try_into().map(u64::from_le_bytes) {
                return Some(drawn);
            }
            let drawn = abi::random();
            if self.swap(name, &drawn.to_le_bytes(), entry.version).is_ok() {
                return Some(drawn);
            }
        }
        None
    }
}

impl SharedStore for EnvoySharedData {
    fn read(&self, name: EntryName) -> Entry {
        abi::shared_data(name.text().as_bytes())
    }

    fn swap(&self, name: EntryName, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let cas = match read_at {
            Version::Absent => CREATE,
            Version::Cas(cas) => cas,
        };
        abi::set_shared_data(name.text().as_bytes(), bytes, cas).map_err(|HostFailed| SwapLost)
    }

    /// A stamp that nobody but this VM ever moved may be this VM's alone. In Envoy the VM of the main thread
    /// comes before those of the workers.
    fn stamp(&self) -> Option<Stamp> {
        let value = hostcalls::get_metric(self.stamp?).ok()?;
        (value > OWN_MOVES.get()).then_some(Stamp(value))
    }

    /// By a random distance: while Envoy restarts hot, the gauge holds the old process's too, and falls by
    /// that much when it ends. It must not come to stand where it stood.
    fn move_stamp(&self) {
        let distance = abi::random() as u32 | 1;
        if let Some(stamp) = self.stamp
            && hostcalls::increment_metric(stamp, i64::from(distance)).is_ok()
        {
            OWN_MOVES.set(OWN_MOVES.get().saturating_add(u64::from(distance)));
        }
    }
}
