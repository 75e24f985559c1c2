//! What a number of keys costs, where every part grows in proportion to it.

use latchkey_filter::limits::{KEYS_PER_PAGE, PAGE_BITS_MAX};

/// What one key costs, as this run has measured it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyCosts {
    /// Memory of an Envoy process, in bytes a key.
    pub edge_memory_bytes: f64,
    /// The answer of the feed, in bytes a row.
    pub feed_row_bytes: f64,
    /// The store of the key service on disk, in bytes a key.
    pub store_bytes: f64,
    /// Rows that one edge loads from one replica in a second.
    pub load_rows_per_second: f64,
}

/// What that many keys come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeyGrowth {
    /// How many keys.
    pub keys: u64,
    /// Pages of the table.
    pub pages: u64,
    /// Keys of a page on average: what a look-up copies.
    pub keys_per_page: f64,
    /// Memory of each Envoy process, in bytes.
    pub edge_memory_bytes: f64,
    /// The store on disk, in bytes.
    pub store_bytes: f64,
    /// What a first load transfers, in bytes, not compressed.
    pub load_bytes: f64,
    /// How long a first load takes, in seconds.
    pub load_seconds: f64,
}

impl KeyGrowth {
    /// What `keys` keys come to, if each goes on costing what it costs now.
    #[must_use]
    pub fn to(keys: u64, each: &KeyCosts) -> Self {
        let wanted = keys.div_ceil(KEYS_PER_PAGE).max(1).next_power_of_two();
        let pages = wanted.min(1 << PAGE_BITS_MAX);
        let count = keys as f64;
        Self {
            keys,
            pages,
            keys_per_page: count / pages as f64,
            edge_memory_bytes: count * each.edge_memory_bytes,
            store_bytes: count * each.store_bytes,
            load_bytes: count * each.feed_row_bytes,
            load_seconds: count / each.load_rows_per_second,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EACH: KeyCosts = KeyCosts {
        edge_memory_bytes: 200.0,
        feed_row_bytes: 400.0,
        store_bytes: 500.0,
        load_rows_per_second: 100_000.0,
    };

    #[test]
    fn a_hundred_million_keys_cost_a_hundred_times_a_million() {
        let (one, hundred) = (KeyGrowth::to(1_000_000, &EACH), KeyGrowth::to(100_000_000, &EACH));
        assert_eq!((one.load_seconds, hundred.load_seconds), (10.0, 1_000.0));
        assert_eq!((one.edge_memory_bytes, hundred.edge_memory_bytes), (200e6, 20e9));
        assert_eq!((one.store_bytes, hundred.load_bytes), (500e6, 40e9));
    }

    #[test]
    fn pages_stay_as_full_until_there_can_be_no_more_of_them() {
        let full = |keys| KeyGrowth::to(keys, &EACH).keys_per_page;
        assert!(full(1_000_000) <= 8.0 && full(100_000_000) <= 8.0);
        assert!(full(1_000_000_000) > 50.0);
        assert_eq!(KeyGrowth::to(1_000_000_000, &EACH).pages, 1 << 24);
    }
}
