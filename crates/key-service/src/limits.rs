//! Every limit of the service: named, with its unit, and where the number comes from.

pub(crate) mod audit_limits;
pub mod authentication_limits;
pub mod edge_limits;
pub(crate) mod row_limits;
pub(crate) mod trace_limits;
pub(crate) mod work_limits;

use std::time::Duration;

use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;

use latchkey_edge_ledger::limits::FEED_WAIT_MAX;

use latchkey_key_feed::format_limits::{APPLICATION_PRIVILEGES_LEN_MAX, FEED_ANSWER_LEN_MAX, RIGHTS_LEN_MAX};

/// Most bytes of a request body, when nothing is set. The largest honest request names some ten thousand keys to
/// invalidate, 23 bytes each.
pub const REQUEST_BODY_LEN_DEFAULT: usize = 1024 * 1024;

/// Least that may be set for it: what a client sends who makes a key with some roles.
pub const REQUEST_BODY_LEN_LEAST: usize = 64 * 1024;

/// Most that may be set for it: one user's share of `BODY_MEMORY` holds one such body.
pub const REQUEST_BODY_LEN_MAX: usize = 8 * 1024 * 1024;

/// Most bytes of one request's head, in HTTP/1 (the buffer) and HTTP/2 (the header list). Envoy's own limit
/// is 60 KiB.
pub const REQUEST_HEAD_LEN_MAX: u32 = 64 * 1024;

/// Most headers of one request: Envoy's default (`max_headers_count`).
pub const REQUEST_HEADERS_MAX: usize = 100;

/// How long a client may take to send one request's head, and so how long an idle HTTP/1 connection stays
/// open. Longer than the longest wait between two feed requests, so that a follower's connection is not
/// closed under it.
pub const REQUEST_HEAD_WAIT_MAX: Duration = Duration::from_secs(90);

/// How often a silent HTTP/2 connection is asked whether it still lives.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long a client may take to send one request's body.
pub const REQUEST_BODY_WAIT_MAX: Duration = Duration::from_secs(30);

/// Most open connections when nothing is set: those of ten thousand edges, and of half as many clients
/// besides. An idle one takes some ten kilobytes, one that waits for the feed some forty.
pub const CONNECTIONS_DEFAULT: u32 = 16_384;

/// Most that may be set for it: half of what a process may open at most on Linux when nobody raises it
/// (`fs.nr_open`).
pub const CONNECTIONS_MAX: u32 = 524_288;

/// One connection in so many is kept from waiting for the feed, so that edges that wait never hold them all:
/// a health check and an operator find one.
pub const CONNECTIONS_PER_KEPT: u32 = 16;

/// Open files that are left for the store, the log and the listener, whatever the limit of the process. A
/// store in SQLite takes some thirty.
pub const FILES_KEPT: usize = 124;

/// Most streams that one HTTP/2 connection may have open. RFC 9113, section 6.5.2, advises no fewer than 100.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 128;

/// When to come back after a 503, or a 429 that knows no better. Trouble of the store is often a restart of
/// seconds.
pub const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// How long open requests may still run once the service is told to stop. Kubernetes kills 30 s after it
/// asked.
pub const SHUTDOWN_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a client may take for its TLS handshake. An honest one takes two round trips; the permit of a
/// connection is held meanwhile.
pub const TLS_HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a connection whose handshake failed stays open for the client to read why.
pub const TLS_PARTING_WAIT_MAX: Duration = Duration::from_secs(1);

/// Most bytes that are still read from such a client: more than the first flight of any.
pub const TLS_PARTING_LEN_MAX: u64 = 64 * 1024;

/// How often the files of certificates and keys are looked at again. Kubernetes brings a changed secret
/// within a minute.
pub const TLS_FILES_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Longest file of certificates or keys, in bytes. A file with every public authority has some 220 KB.
pub const PEM_FILE_LEN_MAX: usize = 1024 * 1024;

/// Rows of one feed answer when the follower names no number.
pub const FEED_ROWS_DEFAULT: u32 = 1_000;

/// Most rows of one feed answer. At some 400 bytes a row that is 4 MB, well under what the proxy buffers.
pub const FEED_ROWS_MAX: u32 = 10_000;

/// Most keys whose uses wait to be written: some 20 MB. More are not counted, and their number is told.
pub const USAGE_PENDING_KEYS_MAX: usize = 100_000;

/// Most keys whose uses are written in one transaction, so that no change of a key waits long for SQLite's one writer.
pub const USAGE_ROWS_AT_ONCE_MAX: usize = 512;

/// Shortest time to which the moment of a last use may be rounded down, and between two moments at which uses are
/// written: the store would be written to all the time.
pub const USAGE_TIME_MIN: Duration = Duration::from_secs(1);

/// Longest such time. An unused key is looked for by days.
pub const USAGE_TIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Requests with a wrong secret of one key within ten seconds from which on the log names the key. A client with a
/// wrong configuration tries a few times.
pub const WRONG_SECRETS_LOGGED_MIN: u64 = 20;

/// Bytes of stored rows after which a feed answer ends early, whatever the number of rows: a row carries its
/// key's metadata, which may be as long as a request body. Leaves room for that last row, and for escapes,
/// under the proxy's buffer.
pub const FEED_ROWS_LEN_MAX: usize = 4 * 1024 * 1024;

/// Keys of the feed that a database hands over at once: enough that what a statement costs beside its keys is
/// little, and few enough that a large page has several such parts, so that one is read while the one before
/// becomes rows.
pub const FEED_ROWS_AT_ONCE: usize = 1_000;

/// From so many bytes of texts on, a key is handed over by itself, so that a page whose keys are long can end
/// early. An honest key has some hundred.
pub const FEED_TEXTS_LEN_AT_ONCE: usize = 4 * 1024;

/// The same where the descriptors of a key are read too, for its rights. Those of Elasticsearch's own roles
/// have up to some ten kilobytes.
pub const FEED_TEXTS_LEN_AT_ONCE_WITH_RIGHTS: usize = 16 * 1024;

/// Bytes of what applications have registered after which a feed answer ends early. It leaves room for rows
/// under [`FEED_ROWS_LEN_MAX`], also with one more application, so that every answer brings the feed forward.
pub const FEED_APPLICATIONS_LEN_MAX: usize = 2 * 1024 * 1024;

/// How long a page of a load stays for others who load at the same time: a page takes some milliseconds, and
/// edges of one deployment start within seconds of each other.
pub const FEED_PAGE_LIFE: Duration = Duration::from_secs(2);

/// Most pages that stay so. One has some 270 KB at the size that the filter asks for, and may have
/// [`FEED_ROWS_LEN_MAX`] and a row.
pub const FEED_PAGES_KEPT_MAX: usize = 8;

/// Most pages that are read one after the other before they are asked for: one while the one before is being
/// sent, and one more, so that the database does not wait for the follower.
pub const FEED_PAGES_AHEAD_MAX: usize = 2;

/// Most followers for whom pages are read before they are asked for, at once. Reads of requests need
/// connections too ([`STORE_READERS_MAX`]).
pub const FEED_READS_AHEAD_MAX: usize = 2;

/// Most keys that one listing answers. More are refused, because a list cut short would look complete.
pub const KEYS_LISTED_MAX: u32 = 100_000;

/// Most bytes of keys that one listing, or one page of a search, may hold, counted as they would be written.
/// An honest key takes some 500, so that is as much as [`KEYS_LISTED_MAX`] of them take; but the metadata of
/// a key can be as long as a request body.
pub const KEYS_LISTED_LEN_MAX: usize = latchkey_query::search_limits::HITS_LEN_MAX;

/// Most keys that are looked up by one statement: half a second's worth of edges that come back together, in
/// some milliseconds.
pub const KEYS_LOOKED_UP_MAX: usize = 1_000;

/// Most roles that one request may write or remove. Each is written by itself.
pub const ROLES_AT_ONCE_MAX: usize = 1_000;

/// Longest wait of `GET /_cluster/health` for a status; a longer one is cut, as the answer says: its time was over.
pub const CLUSTER_HEALTH_WAIT_MAX: Duration = Duration::from_secs(60);

/// Most keys that a search has been sent and has not looked at yet.
pub const KEYS_SCANNED_AHEAD: usize = 64;

/// Most keys that one request may grant. Each is written, audited and shown; Elasticsearch's bulk requests
/// have no number, only a length.
pub const KEYS_GRANTED_MAX: usize = 1_000;

/// Longest file of keys that the command line reads to bring them along, in bytes: some hundred thousand keys.
pub const KEY_FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Most keys that one request may bring along, as many as one may grant.
pub const KEYS_IMPORTED_MAX: usize = 1_000;

/// Most bytes that the keys of one import come to with what their owners may do, as JSON. Each key is written with all of
/// it. A thousand keys of owners whose roles have 16 KiB are more than most fleets bring along.
pub const IMPORTED_RIGHTS_LEN_MAX: usize = 16 * 1024 * 1024;

/// Least strength of a key that is brought along, in bits by its length and alphabet. What can be tried at a thousand
/// million digests a second is not found in the age of the universe; a UUID has more.
pub const KEY_STRENGTH_BITS_MIN: u32 = 96;

/// Most keys that one request may update: what Elasticsearch finds at once (`index.max_result_window`). They
/// are changed in parts of [`GROUP_KEYS_MAX`] keys or [`GROUP_LEN_MAX`] bytes, between which other changes
/// are made.
pub const KEYS_UPDATED_MAX: usize = 10_000;

/// How long the secret that a key had works on after a rotation, when the request does not say.
pub const ROTATION_OVERLAP_DEFAULT: Duration = Duration::from_secs(24 * 3_600);

/// Longest time for which a request may let it work on: the longest in which a secret must be changed by common
/// rules (PCI DSS 4.0, 8.3.9).
pub const ROTATION_OVERLAP_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);

/// Most keys that are ended, suspended or resumed in one transaction, which PostgreSQL does well within [`STORE_STATEMENT_WAIT_MAX`]. A
/// request that does that to more does so in parts, between which other changes are made.
pub const KEYS_ENDED_AT_ONCE_MAX: usize = 25_000;

/// Most dead keys of each kind that are removed in one transaction, for which other changes wait: a few
/// milliseconds.
pub const KEYS_REMOVED_AT_ONCE_MAX: u32 = 500;

/// Most events of the audit log that are read at once, each with the ids of the keys of one change.
pub const AUDIT_EVENTS_READ_AT_ONCE_MAX: i64 = 500;

/// Most events of the audit log that are forgotten in one transaction, for which other changes wait.
pub const AUDIT_EVENTS_FORGOTTEN_AT_ONCE_MAX: i64 = 500;

/// How often it is looked whether dead keys are to be removed, however long the interval between two
/// removals. A service that was asleep when one was due is at most this late.
pub const REMOVAL_CHECK_INTERVAL_MAX: Duration = Duration::from_secs(3_600);

/// How often at most it is looked whether dead keys are to be removed, however short the interval.
pub const REMOVAL_CHECK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Shortest time for which a setting may keep changes for the audit log: what happened today is always there.
pub const AUDIT_RETENTION_MIN: Duration = Duration::from_secs(24 * 3_600);

/// Shortest life that a setting may give all keys: expirations are reckoned in seconds.
pub const KEY_LIFETIME_MIN: Duration = Duration::from_secs(1);

/// Longest life that a setting may give all keys: a century. Whoever wants more leaves the setting out.
pub const KEY_LIFETIME_MAX: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// Longest name of a key, in UTF-16 code units: Elasticsearch's limit.
pub const KEY_NAME_LEN_MAX: usize = 256;

/// Longest username, in characters: Elasticsearch's limit for native users.
pub const USERNAME_CHARS_MAX: usize = 507;

/// Most users of the native realm. A listing holds the text of all of them, at some 500 bytes each.
pub const NATIVE_USERS_MAX: i64 = 100_000;

/// Most roles that are managed over the interface. A listing holds the text of all of them.
pub const NATIVE_ROLES_MAX: i64 = 10_000;

/// Most application privileges. A question about privileges reads all of an application.
pub const APPLICATION_PRIVILEGES_MAX: i64 = 10_000;

/// Longest description of a role, in characters: Elasticsearch's limit.
pub const ROLE_DESCRIPTION_CHARS_MAX: usize = 1_000;

/// Longest id of a request that a client may choose, in bytes. Envoy's are UUIDs of 36, trace ids have 32.
pub const REQUEST_ID_LEN_MAX: usize = 128;

/// Random bytes of the id of a request whose client chose none: 128 bits.
pub const REQUEST_ID_RANDOM_LEN: usize = 16;

/// Bytes of a generated key id. Fifteen make 20 characters of Base64 without padding.
pub const KEY_ID_RANDOM_LEN: usize = 15;

/// Random bytes of a key's secret: 128 bits, 22 characters of Base64 without padding.
pub const KEY_SECRET_RANDOM_LEN: usize = 16;

/// Random bytes of an epoch: 128 bits.
pub const EPOCH_RANDOM_LEN: usize = 16;

/// How often a fresh key id is drawn before giving up. Two equal ones in a store mean a broken random source.
pub const KEY_ID_DRAWS_MAX: usize = 3;

/// Connections that read the store at once.
pub const STORE_READERS_MAX: u32 = 8;

/// Connections of one replica that change a PostgreSQL store. Changes come one after the other; the others
/// prepare theirs.
pub const STORE_WRITERS_MAX: u32 = 4;

/// Most changes of keys that wait to be written; a further one is refused. Thousands are written in a second,
/// so the last of them still waits for less than a client does.
pub const CHANGES_WAITING_MAX: usize = 4_096;

/// Most of them that one user asks for, so that others find a permit. Invalidations of keys have as many
/// permits of their own.
pub const CHANGES_WAITING_PER_PRINCIPAL_MAX: usize = CHANGES_WAITING_MAX / 4;

/// Most changes that fill a group alone and are in the line at once, one for each who asks. Others wait
/// before it.
pub const LARGE_CHANGES_MAX: usize = 4;

/// Most changes of the directory that are made or wait for the store at once, one for each who asks, and as
/// many of tokens. So a change of keys waits for a few of them, however many are asked for.
pub const SIDE_CHANGES_MAX: usize = 2;

/// Most keys that the changes of one group are about, so that neither the first of them nor another replica
/// waits for long. A larger change is a group of its own.
pub const GROUP_KEYS_MAX: usize = 256;

/// Most bytes of texts that the changes of one group bring, counted as JSON, and about as many as one
/// transaction of an update writes. SQLite writes them twice before a commit is over; a disk of one megabyte
/// a second does that within [`STORE_STATEMENT_WAIT_MAX`]. A group of honest keys has some hundred kilobytes.
pub const GROUP_LEN_MAX: usize = 4 * 1024 * 1024;

/// Most rows that one statement of a group adds; a power of two. PostgreSQL takes 65,535 parameters a
/// statement, SQLite 32,766, and a key has 23.
pub const ROWS_AT_ONCE_MAX: usize = 64;

/// How long a change waits for those of other replicas before it is given up.
pub const STORE_LOCK_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a replica may be silent within a change before PostgreSQL takes the lock from it, in which the
/// others wait.
pub const STORE_SILENCE_MAX: Duration = Duration::from_secs(3);

/// How often a new connection that waits for a permit looks again for one whose client does not read its
/// answer.
pub const PERMIT_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a statement may take before it is given up.
pub const STORE_STATEMENT_WAIT_MAX: Duration = Duration::from_secs(15);

/// How often a replica looks for changes of which no announcement told it.
pub const STORE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a statement waits for another process's lock on the store.
pub const STORE_BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How long a request waits for a connection to an SQLite store: for the changes before it.
pub const STORE_CONNECTION_WAIT_MAX: Duration = Duration::from_secs(10);

/// Most servers that the URL of a PostgreSQL store names. All are asked at once which of them is the primary.
pub const DATABASE_SERVERS_MAX: usize = 8;

/// How often a connection to a standby looks whether that was promoted.
pub const PROMOTION_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a request waits for a connection to a PostgreSQL store. One that is down is tried anew until
/// then.
pub const DATABASE_CONNECTION_WAIT_MAX: Duration = Duration::from_secs(2);

/// Entries of an export that are read from the store before anybody asks for them.
pub const ENTRIES_EXPORTED_AHEAD: usize = 256;

/// Most keys of an import that are written by one statement, and most names in one event of the audit log.
/// PostgreSQL takes 65,535 parameters a statement, SQLite 32,766, and a key has 23.
pub const ENTRIES_IMPORTED_AT_ONCE_MAX: usize = 250;

/// From so many bytes of texts on, keys of an import are written without waiting for more.
pub const ENTRIES_IMPORTED_LEN_MAX: usize = 4 * 1024 * 1024;

/// Longest line of an export that is read, in bytes. A key holds two bodies of requests, and the descriptors
/// of all roles of its owner; escaped, a byte may take six.
pub const EXPORT_LINE_LEN_MAX: u64 = 128 * 1024 * 1024;

/// Longest line read from a terminal, pipe or file as a secret, with its end, in bytes. The longest secret is
/// a JSON Web Token, and every secret must fit into the head of a request.
pub const SECRET_LINE_LEN_MAX: u64 = REQUEST_HEAD_LEN_MAX as u64;

const _: () = assert!(2 * GROUP_LEN_MAX as u64 / 1_000_000 < STORE_STATEMENT_WAIT_MAX.as_secs());
// Whoever may wait, waits no longer than the statement that it is part of.
const _: () = assert!(STORE_LOCK_WAIT_MAX.as_secs() < STORE_STATEMENT_WAIT_MAX.as_secs());
const _: () = assert!(STORE_BUSY_WAIT_MAX.as_secs() < STORE_STATEMENT_WAIT_MAX.as_secs());
const _: () = assert!(ROWS_AT_ONCE_MAX.is_power_of_two());
// A replica that has fallen silent loses its lock before the others give up.
const _: () = assert!(STORE_SILENCE_MAX.as_secs() < STORE_LOCK_WAIT_MAX.as_secs());
const _: () = assert!(CONNECTIONS_DEFAULT <= CONNECTIONS_MAX);
const _: () = assert!(FEED_ROWS_DEFAULT <= FEED_ROWS_MAX);
const _: () = assert!(FEED_WAIT_MAX.as_secs() < REQUEST_HEAD_WAIT_MAX.as_secs());
// What clients chose of a key is at most this long; escaping can make a byte six (`\u0001`), which a client must
// itself have sent.
const _: () = assert!(FEED_ROWS_LEN_MAX + 6 * DESCRIPTORS_LEN_MAX + RIGHTS_LEN_MAX < FEED_ANSWER_LEN_MAX);
const _: () = assert!(FEED_APPLICATIONS_LEN_MAX + APPLICATION_PRIVILEGES_LEN_MAX < FEED_ROWS_LEN_MAX);
// At least one key fits, and what it takes while it is read.
const _: () = assert!(KEYS_LISTED_LEN_MAX > 6 * DESCRIPTORS_LEN_MAX);
const _: () = assert!(REQUEST_HEADERS_MAX < REQUEST_HEAD_LEN_MAX as usize);
