//! The configurations of the filter that edges are given.

use std::sync::Arc;
use std::time::Duration;

use latchkey_filter::config::Config;
use latchkey_filter::limits::{PAGE_BITS_MIN, PAGES_PER_PARTITION_BITS};
use latchkey_filter::table::TableIdentity;
use latchkey_key_feed::FeedVersion;
use serde_json::{Value, json};

use crate::setting::ConfigKind;

/// A configuration, read.
#[derive(Clone)]
pub(crate) struct Configured {
    pub(crate) config: Arc<Config>,
    pub(crate) table: TableIdentity,
    /// Entries of its table in shared data at most.
    pub(crate) entries_max: usize,
}

/// For how long a table may serve, in milliseconds, by kind.
pub(crate) const fn refuse_after_ms(kind: ConfigKind) -> u64 {
    match kind {
        ConfigKind::Strict => 6_000,
        ConfigKind::Patient => 40_000,
        ConfigKind::Wide => 10_000,
        ConfigKind::Rights => 20_000,
    }
}

impl Configured {
    pub(crate) fn all() -> Vec<Self> {
        ConfigKind::ALL.iter().map(|kind| Self::of(*kind)).collect()
    }

    fn of(kind: ConfigKind) -> Self {
        let json = json_of(kind).to_string();
        let config = Config::parse(json.as_bytes(), |_| None);
        let config = config.unwrap_or_else(|invalid| panic!("{kind:?}: {invalid}"));
        assert_eq!(config.staleness.refuse_after, Duration::from_millis(refuse_after_ms(kind)));
        let names = config.table_names();
        // Four single entries, two slots of pages, and a run for each range of pages, of which there is one.
        let has_rights = names.shape().feed_version() == FeedVersion::V2;
        let page_bits = if has_rights { PAGES_PER_PARTITION_BITS + 1 } else { PAGE_BITS_MIN };
        let pages = 1 << page_bits;
        Self { table: names.table(), entries_max: 4 + 2 * pages + 1, config: Arc::new(config) }
    }
}

fn json_of(kind: ConfigKind) -> Value {
    let refuse_after = format!("{}ms", refuse_after_ms(kind));
    let mut config = json!({
        "key_service": {
            "cluster": "keys", "credential": {"inline": "aWQ6c2VjcmV0"}, "wait": "2s", "fetch_timeout": "1s"
        },
        "staleness": {"stale_after": "4s", "refuse_after": refuse_after},
        "start_up_wait": "0s",
    });
    match kind {
        ConfigKind::Strict => {}
        ConfigKind::Patient => {
            config["start_up_wait"] = json!("3s");
            config["key_service"]["wait"] = json!("1s");
        }
        ConfigKind::Wide => config["identity"] = json!({"metadata_headers": {"x-team": "team"}}),
        ConfigKind::Rights => {
            config["identity"] = json!({"privileges": {"application": "shop"}});
        }
    }
    config
}
