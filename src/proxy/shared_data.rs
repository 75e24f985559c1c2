//! The host's shared data as the table's store.

use proxy_wasm::hostcalls;

use crate::table::{Entry, SharedStore, SwapLost, Version};

/// proxy-wasm shared data of this VM's namespace.
#[derive(Clone, Copy)]
pub(super) struct EnvoySharedData;

/// A number that no entry has: writing with it creates an absent entry, and loses against one that was created meanwhile. (The host counts from 1 over all
/// entries of the process, and compares only where an entry exists.)
const CREATE: u32 = u32::MAX;

impl SharedStore for EnvoySharedData {
    fn read(&self, name: &str) -> Entry {
        let (bytes, cas) = hostcalls::get_shared_data(name).unwrap_or_default();
        Entry { bytes: bytes.unwrap_or_default(), version: cas.map_or(Version::Absent, Version::Cas) }
    }

    fn swap(&self, name: &str, bytes: &[u8], read_at: Version) -> Result<(), SwapLost> {
        let cas = match read_at {
            Version::Absent => CREATE,
            Version::Cas(cas) => cas,
        };
        hostcalls::set_shared_data(name, Some(bytes), Some(cas)).map_err(|_| SwapLost)
    }
}
