//! Every limit of the filter: named, with its unit, and where the number comes from.

use latchkey_key_feed::limits::KEY_ID_LEN_MAX;

/// Longest Base64 text of a credential, in bytes. Ours have 60 (a 20-byte id, a colon, a 22-byte secret). Room is left for
/// the longest id with a secret of 1000 bytes, and decoding plus hashing stays at a few microseconds for whoever asks.
pub const CREDENTIAL_LEN_MAX: usize = 2048;

/// Most bytes of a path that a refusal repeats to the client. A path may have 60 KiB (Envoy, `max_request_headers_kb`),
/// and a refusal costs its sender more than us only while it is short.
pub const REPLY_PATH_LEN_MAX: usize = 256;

/// Longest name of an identity header, in bytes. HTTP sets no limit; common names stay below 40.
pub const HEADER_NAME_LEN_MAX: usize = 128;

const _: () = assert!(
    CREDENTIAL_LEN_MAX / 4 * 3 > KEY_ID_LEN_MAX + 1 + 22,
    "a credential of the longest id and one of our secrets is accepted"
);
