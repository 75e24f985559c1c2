//! Every limit of the filter: named, with its unit, and where the number comes from.

use std::time::Duration;

use latchkey_key_feed::limits::KEY_ID_LEN_MAX;

/// Longest Base64 text of a credential, in bytes. Ours have 60 (a 20-byte id, a colon, a 22-byte secret). Room is left for
/// the longest id with a secret of 1000 bytes, and decoding plus hashing stays at a few microseconds for whoever asks.
pub const CREDENTIAL_LEN_MAX: usize = 2048;

/// Most bytes of a path that a refusal repeats to the client. A path may have 60 KiB (Envoy, `max_request_headers_kb`),
/// and a refusal costs its sender more than us only while it is short.
pub const REPLY_PATH_LEN_MAX: usize = 256;

/// Longest name of an identity header, in bytes. HTTP sets no limit; common names stay below 40.
pub const HEADER_NAME_LEN_MAX: usize = 128;

/// Most metadata headers. Every header of a request is compared with each.
pub const METADATA_HEADERS_MAX: usize = 32;

/// Longest dotted path into a key's metadata, in bytes: room for a dozen nested names.
pub const METADATA_PATH_LEN_MAX: usize = 256;

/// Longest name of a cluster, in bytes. Istio builds it of a host name (at most 253 bytes, RFC 1035, section 2.3.4), a
/// port, a subset and a direction.
pub const CLUSTER_LEN_MAX: usize = 512;

/// Longest `:authority`, in bytes: a host name (at most 253, RFC 1035, section 2.3.4), a colon and a port.
pub const AUTHORITY_LEN_MAX: usize = 259;

/// Longest path of the feed, in bytes.
pub const FEED_PATH_LEN_MAX: usize = 256;

/// Longest name of an environment variable, in bytes.
pub const VARIABLE_LEN_MAX: usize = 256;

/// Longest name of an edge, in bytes. A node id of Istio is about 100.
pub const EDGE_LEN_MAX: usize = 256;

/// Shortest long poll. A shorter one would ask the service more often than changes happen.
pub const WAIT_MIN: Duration = Duration::from_secs(1);

/// Longest long poll. Load balancers close idle connections after 60 seconds (the default of AWS and nginx).
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Shortest time in which an answer may be expected.
pub const FETCH_TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// Longest time to wait for an answer that is due.
pub const FETCH_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// Longest time that a request may wait for the first table. Envoy ends a stream that is idle for 5 minutes
/// (`stream_idle_timeout`).
pub const START_UP_WAIT_MAX: Duration = Duration::from_secs(5 * 60);

/// Shortest age at which a table may be called stale or refused: that of the shortest long poll.
pub const STALE_AFTER_MIN: Duration = Duration::from_secs(1);

/// Longest age of a table by which requests are still admitted, and longest to call it fresh. Whoever wants more wants no
/// revocation.
pub const REFUSE_AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const _: () = assert!(
    CREDENTIAL_LEN_MAX / 4 * 3 > KEY_ID_LEN_MAX + 1 + 22,
    "a credential of the longest id and one of our secrets is accepted"
);
