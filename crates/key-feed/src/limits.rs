//! Every limit of the vocabulary: named, with its unit, and where the number comes from.

/// Longest key id, in bytes of UTF-8. Elasticsearch's ids have 20 characters; ids imported from elsewhere may be longer,
/// and its document ids end at 512 bytes.
pub const KEY_ID_LEN_MAX: usize = 512;

/// Length of a salt in bytes: 128 bits, the shortest that NIST SP 800-132 (section 5.1) accepts.
pub const SALT_LEN: usize = 16;

/// Length of a digest in bytes: the output of SHA-256 (FIPS 180-4).
pub const DIGEST_LEN: usize = 32;

/// Longest name of a feed, in bytes. A UUID has 36.
pub const EPOCH_LEN_MAX: usize = 64;

/// Most bytes of one feed answer. Envoy buffers at most 32 MiB of an answer before it resets the call
/// (`http.async_response_buffer_limit`).
pub const FEED_ANSWER_LEN_MAX: usize = 32 * 1024 * 1024;

/// Deepest nesting of a JSON value that is read. It is that of serde_json, with which the key service reads metadata; each level takes a
/// frame of the stack.
pub const JSON_DEPTH_MAX: usize = 128;

const _: () =
    assert!(EPOCH_LEN_MAX < KEY_ID_LEN_MAX, "an epoch is shorter than a key id, and both fit a u16");
const _: () = assert!(KEY_ID_LEN_MAX <= u16::MAX as usize);
