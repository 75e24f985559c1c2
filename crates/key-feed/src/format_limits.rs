//! Every limit of the vocabulary: named, with its unit, and where the number comes from.

/// Longest key id, in bytes of UTF-8. Elasticsearch's ids have 20 characters; ids imported from elsewhere may
/// be longer, and its document ids end at 512 bytes.
pub const KEY_ID_LEN_MAX: usize = 512;

/// Longest prefix of secrets, in bytes.
pub const SECRET_PREFIX_LEN_MAX: usize = 20;

/// Longest opaque key, in bytes. Those that gateways make have 32 to 64, tokens of services up to two hundred.
pub const OPAQUE_KEY_LEN_MAX: usize = 1_024;

/// Length of the key of the keyed digest by which opaque keys are found, in bytes: as long as the output, which RFC
/// 2104 (section 3) recommends.
pub const OPAQUE_KEY_PEPPER_LEN: usize = 32;

/// Length of a salt in bytes: 128 bits, the shortest that NIST SP 800-132 (section 5.1) accepts.
pub const SALT_LEN: usize = 16;

/// Length of a digest in bytes: the output of SHA-256 (FIPS 180-4).
pub const DIGEST_LEN: usize = 32;

/// Longest name of a feed, in bytes. A UUID has 36.
pub const EPOCH_LEN_MAX: usize = 64;

/// Longest name of an edge, in bytes. A node id of Istio names type, address, pod and namespace twice, each
/// of the last two of up to 63 bytes.
pub const EDGE_NAME_LEN_MAX: usize = 256;

/// Digits of the identity of an instance: 128 bits, which nobody guesses.
pub const EDGE_INSTANCE_DIGITS: usize = 32;

/// Most bytes of one feed answer. Envoy buffers at most 32 MiB of an answer before it resets the call
/// (`http.async_response_buffer_limit`).
pub const FEED_ANSWER_LEN_MAX: usize = 32 * 1024 * 1024;

/// Deepest nesting of a JSON value that is read. It is that of serde_json, with which the key service reads
/// metadata; each level takes a frame of the stack.
pub const JSON_DEPTH_MAX: usize = 128;

/// Most bytes of one key in the table of an edge. Its texts become request headers, and Envoy refuses
/// requests whose headers exceed 60 KiB (`max_request_headers_kb`); half of that leaves room for the client's
/// own.
pub const RECORD_LEN_MAX: usize = 32 * 1024;

/// Bytes of such a record beside the texts: salt, digest, expiration, flags and lengths take about a hundred,
/// and what a later layout adds.
pub const RECORD_FRAME_LEN: usize = 256;

/// Most bytes that the texts of a new key come to as header values, with all of its metadata. It leaves an
/// eighth of a record free, so that an edge of another version holds the key too.
pub const ROW_LEN_MAX: usize = 28 * 1024;

/// Most bytes of a new key's metadata as JSON. What Fleet and APM Server attach has some hundred.
pub const METADATA_JSON_LEN_MAX: usize = 64 * 1024;

/// Most values in a new key's metadata, at all depths together. Each may become a header, and a request has
/// at most 100 of those.
pub const METADATA_VALUES_MAX: usize = 2_048;

/// Deepest nesting of a new key's metadata, itself included. Elasticsearch indexes metadata as a flattened
/// field, which is 20 deep at most (`depth_limit`).
pub const METADATA_DEPTH_MAX: usize = 32;

/// Longest dotted path to a value in a new key's metadata, in bytes. A filter can be told of paths of 256.
pub const METADATA_FIELD_PATH_LEN_MAX: usize = 1_024;

/// Most role descriptors of a new key, and most roles of its owner. All their names are one header.
pub const ROLE_NAMES_MAX: usize = 1_024;

/// Most bytes of what a key may do, as JSON. Elasticsearch sets no limit of its own; the roles that a person
/// writes have some hundred bytes. An edge keeps each distinct set once, and reads it for a request as a
/// whole.
pub const RIGHTS_LEN_MAX: usize = 64 * 1024;

/// Most bytes of what one application has registered, as JSON: some ten thousand privileges. Kibana, which
/// registers the most that is known, takes some 200 KiB.
pub const APPLICATION_PRIVILEGES_LEN_MAX: usize = 1024 * 1024;

/// Most bytes of a report of uses: some 8,700 of Latchkey's ids. What an edge keeps and sends is bounded by it.
pub const USAGE_REPORT_LEN_MAX: usize = 256 * 1024;

const _: () = assert!(ROW_LEN_MAX + RECORD_FRAME_LEN <= RECORD_LEN_MAX, "what is accepted can be sent");
const _: () = assert!(METADATA_DEPTH_MAX < JSON_DEPTH_MAX, "what is accepted can be read");
// Lengths inside of a record are 16 bits wide.
const _: () = assert!(RECORD_LEN_MAX <= u16::MAX as usize);
const _: () =
    assert!(EPOCH_LEN_MAX < KEY_ID_LEN_MAX, "an epoch is shorter than a key id, and both fit a u16");
const _: () = assert!(KEY_ID_LEN_MAX <= u16::MAX as usize);
