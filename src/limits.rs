//! Every limit of the filter: named, with its unit, and where the number comes from.

use std::time::Duration;

use latchkey_budget::Allowance;
use latchkey_key_feed::format_limits::KEY_ID_LEN_MAX;

/// Longest Base64 text of a credential, in bytes. Ours have 60 (a 20-byte id, a colon, a 22-byte secret).
/// Room is left for the longest id with a secret of 1000 bytes, and decoding plus hashing stays at a few
/// microseconds for whoever asks.
pub const CREDENTIAL_LEN_MAX: usize = 2048;

/// Most bytes of a path that a refusal repeats to the client. A path may have 60 KiB (Envoy,
/// `max_request_headers_kb`), and a refusal costs its sender more than us only while it is short.
pub const REPLY_PATH_LEN_MAX: usize = 256;

/// Longest file with the filter's own credential, in bytes: the longest credential, with white space around it.
pub const CREDENTIAL_FILE_LEN_MAX: usize = 2 * CREDENTIAL_LEN_MAX;

/// Keys that a page of a fresh table holds on average. Eight records of 150 bytes make a page of about 1 KiB,
/// which the host hands over in the time of a 200-byte one (1.5 microseconds; copying begins to show at 16
/// KiB).
pub const KEYS_PER_PAGE: u64 = 8;

/// Keys a page may hold on average before the table is built anew with more pages. Four times the aim, so
/// that a growing fleet of keys is laid out again only every second doubling.
pub const KEYS_PER_PAGE_MAX: u64 = 32;

/// Binary logarithm of the pages that a load lays out at once: 512 pages, 4,096 keys at [`KEYS_PER_PAGE`].
/// That is 2 milliseconds of work, the longest that a load holds its thread.
pub const PAGES_PER_PARTITION_BITS: u8 = 9;

/// Most bytes that a load holds back of a partition before it puts them into shared data. A partition of
/// 4,096 records of 150 bytes fills forty of these; what all partitions hold back comes to 4 bytes a key, for
/// as long as the VM lives.
pub const RUN_LEN: usize = 16 * 1024;

/// Fewest page bits of a table: 16 pages. Smaller tables would save nothing and be rebuilt sooner.
pub const PAGE_BITS_MIN: u8 = 4;

/// Most page bits of a table: 16.7 million pages, 134 million keys at [`KEYS_PER_PAGE`].
pub const PAGE_BITS_MAX: u8 = 24;

/// Most bytes that removed keys take in a page: about fifty of Latchkey's ids, so that for each key six
/// removed ones can be told from unknown ones. A table that is full of them takes about twice as much memory.
pub const REMOVED_LEN_MAX: usize = 2 * 1024;

/// Most ids that are logged of the rows of one answer that were set aside. Their number is told whole.
pub const SET_ASIDE_NAMED_MAX: usize = 16;

/// How often a compare-and-swap of shared data is tried before the writer gives up. Only a deposed follower
/// competes, and it stops at its first defeat.
pub const SWAP_TRIES_MAX: u32 = 8;

/// How often a reader follows the table to a new generation within one look-up. Generations are minutes
/// apart.
pub const GENERATION_HOPS_MAX: u32 = 3;

/// Time between two moments at which a thread's uses of keys are brought together with those of others, in
/// milliseconds. Each costs a read and a write of at most `USAGE_REPORT_LEN_MAX` (256 KiB).
pub const USAGE_GATHERED_MS: u64 = 5_000;

/// Least time between two reports of uses to the key service, in milliseconds. The service shows uses by the hour.
pub const USAGE_REPORTED_MS: u64 = 10_000;

/// Time after which a service that takes no reports is asked again, in milliseconds. It may have been upgraded.
pub const USAGE_REFUSED_MS: u64 = 600_000;

/// How long a VM uses the table header it has read, in milliseconds. It only ages the freshness that the VM
/// sees: a page of another generation sends the reader back at once.
pub const HEADER_LIFE_MS: u64 = 250;

/// Most pages that a VM keeps for itself. A thousand keys lie in so many at most; a page is about 1 KiB, so
/// all are about 1 MiB of a VM.
pub const CACHED_PAGES_MAX: usize = 1_024;

/// Longest page that a VM keeps, in bytes: four times the common one. It bounds what a VM keeps to 4 MiB.
pub const CACHED_PAGE_LEN_MAX: usize = 4 * 1024;

/// Longest name of an application that a configuration asks about, in bytes. Elasticsearch sets no limit
/// (`ApplicationPrivilege#validateApplicationName`); common names stay below 40.
pub const APPLICATION_NAME_LEN_MAX: usize = 1_024;

/// Most sets of rights that a load remembers to have put aside: 64 bytes each, so 4 MiB of a VM. A load with
/// more distinct sets puts some aside again, which costs memory until it is done.
pub const LOAD_SETS_MAX: usize = 65_536;

/// Bytes of sets of rights written since a load that cause the next one, which drops those that no key has any
/// more: as much as 100,000 keys take. It bounds how far shared data grows beyond what is in use.
pub const RIGHTS_GARBAGE_MAX: u64 = 16 * 1024 * 1024;

/// Time between two loads that sets of rights cause, in milliseconds: a load of a million keys takes some ten
/// seconds of a thread. A key that is updated in a loop causes no more of them.
pub const RIGHTS_LOAD_PAUSE_MS: u64 = 60_000;

/// Bytes of sets of rights written since a load that cause the next one whatever the time: it takes 4,096
/// updates to the longest rights there are (`RIGHTS_LEN_MAX`) within a minute.
pub const RIGHTS_WRITTEN_MAX: u64 = 256 * 1024 * 1024;

/// Most sets of rights that a VM keeps answers about. As many keys as have pages kept
/// ([`CACHED_PAGES_MAX`]) may have a set each.
pub const PREPARED_SETS_MAX: usize = 1_024;

/// Most bytes of the path of a file: a quarter of what Linux takes (`PATH_MAX`), whose names get an ending.
pub const FILE_PATH_LEN_MAX: usize = 1_024;

/// Shortest time between two writes of a table file: a table of a million keys takes about as long to write.
pub const SAVE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Longest time between two writes of a table file. Until the next write, a restart begins without a table.
pub const SAVE_INTERVAL_MAX: Duration = Duration::from_hours(1);

/// Most bytes of answers that a VM keeps, about. With the sets above that is 4 KiB each; the longest set with a
/// resource that names a part of the path takes 1 MiB.
pub const PREPARED_LEN_MAX: usize = 4 * 1024 * 1024;

/// What an answer takes in memory besides the resources in it, in bytes.
pub const PREPARED_ANSWER_LEN: usize = 128;

/// Most bytes of memory that the resources in an answer take for each byte of the JSON of their set. A resource
/// of one character takes four bytes of JSON; in memory its pattern takes 32 bytes of a 32-bit VM, and its one part
/// the least that is allocated, 32 bytes.
pub const PREPARED_LEN_OF_BYTE: usize = 16;

/// What it may cost to ask a set of rights one question, once in a VM: some milliseconds, as a slice of a load.
/// A set of the longest rights there are with plain names takes a tenth of it.
pub const RIGHTS_ALLOWANCE: Allowance = Allowance { steps: 1_000_000, bytes: 1024 * 1024 };

/// Longest header that tells the privileges of a key, in bytes. Many servers take 8 KiB of headers at most, and
/// the other identity headers and the client's have to fit in as well.
pub const TOLD_PRIVILEGES_LEN_MAX: usize = 4 * 1024;

/// What it may cost to look for the resource of a request where a privilege is held: a millisecond of each
/// request with such a rule.
pub const RESOURCE_ALLOWANCE: Allowance = Allowance { steps: 200_000, bytes: 64 * 1024 };

/// Pages of an old generation cleared in one tick: about 4 milliseconds of work, so that no request of the
/// thread waits longer.
pub const SWEEP_PAGES_PER_TICK: u32 = 2_048;

/// Rows asked of the feed at once: 1,000 apply in about 5 milliseconds, the longest the follower holds its
/// thread.
pub const FEED_ROWS_PER_POLL: u64 = 1_000;

/// How long the follower's lease lasts without renewal, in milliseconds: thirty ticks. It bounds how long the
/// feed stands still after the following VM has died.
pub const LEASE_MS: u64 = 3_000;

/// How many of the VMs of a process may follow at once, the others after [`IDLE_FIRST_MS`]: Envoy configures
/// a canary VM, which never ticks, then the VM of its main thread, which never serves a request, then those
/// of its workers.
pub const FIRST_FOLLOWERS: u32 = 2;

/// How long a VM that serves requests leaves a free lease to VMs that do not, in milliseconds: three of their
/// ticks.
pub const IDLE_FIRST_MS: u64 = 300;

/// Time between ticks of a VM, in milliseconds: how soon a waiting request sees the first table, and how soon
/// a free lease is taken. A tick costs about 3 microseconds.
pub const TICK_MS: u64 = 100;

/// Time between ticks while there is work to do in slices, in milliseconds.
pub const TICK_BUSY_MS: u64 = 1;

/// Most requests of one plugin in one VM that wait at once; a further one is answered as if its time were
/// over. Each tick looks at all of them, which takes a tenth of a processor for so many.
pub const WAITING_REQUESTS_MAX: usize = 4_096;

/// Most waiting requests that one tick settles. Envoy 1.39 ends each request that was answered or resumed
/// inside the end of the one before it, and some 300 of them use up V8's stack, which ends the VM. Other
/// filters of the chain add frames of their own, so this is a tenth of that.
pub const SETTLED_PER_TICK_MAX: usize = 32;

/// By how much the wall clock may have moved on since the last tick for a request to tell the time by it
/// alone, in milliseconds: ten ticks, so that a late tick costs no further call of the host. It is also the
/// most by which setting the wall clock can make an age wrong, until the next tick.
pub const TICK_LATE_MS_MAX: u64 = 10 * TICK_MS;

/// By how much the two clocks may drift apart between two ticks, in milliseconds, before the wall clock
/// counts as set. NTP slews by at most half a millisecond a second (`adjtimex`, RFC 5905 section 11.3), and
/// steps from 128 milliseconds on.
pub const CLOCK_STEP_MS: u64 = 1_000;

/// Time until the first tick of a new configuration, in milliseconds: the feed is asked for at once, but not
/// by a canary VM, which never ticks.
pub const FIRST_TICK_MS: u64 = 1;

/// When a client that was refused for lack of a table may ask again, in milliseconds: the follower has tried
/// a few times by then.
pub const RETRY_AFTER_MS: u64 = 1_000;

/// How long the follower leaves a service alone that has told it everything up to the end of its credential,
/// in milliseconds: as long as after many failures. The credential may be mended, and nothing else is to be
/// had.
pub const CREDENTIAL_ENDED_MS: u64 = BACKOFF_MS_MAX;

/// How long a plugin that ends stays among those that count, in milliseconds: ten ticks. The one that takes
/// its place has ticked by then, and so the table is not given up between the two.
pub const LINGER_MS: u64 = 10 * TICK_MS;

/// How long the answer to the goodbye of a plugin that has ended is waited for, in milliseconds. Nothing is
/// kept alive for it.
pub const GOODBYE_MS: u64 = 2_000;

/// Most tables that the directory of a process lists, each with 16 bytes. A proxy has one or two, and another
/// for each change of the key service's place or of what the upstream is told.
pub const TABLES_MAX: usize = 64;

/// Time between two looks at the tables of the process, in milliseconds.
pub const TABLE_LOOK_MS: u64 = 1_000;

/// After how many looks at a table that gives no sign of life it is cleared: a minute, six hundred ticks.
/// Looks are counted and not time, because a process that was stopped has not looked either.
pub const TABLE_SILENT_LOOKS: u32 = 60;

/// First delay after a failed poll, in milliseconds; each further failure doubles it.
pub const BACKOFF_MS_MIN: u64 = 100;

/// Longest delay after a failed poll, in milliseconds: how long an edge takes to notice that the service is
/// back.
pub const BACKOFF_MS_MAX: u64 = 10_000;

/// Failures in a row after which a follower hands its lease over: another VM may reach what this one cannot
/// (a cluster that its thread does not know yet, a newer credential).
pub const FAILURES_BEFORE_HANDOVER: u32 = 3;

/// How often in a row an answer of an older replica of the service is passed over, before its version is read:
/// with two replicas behind one address, eight requests in a row meet the older one once in 256 times. That takes
/// some twenty seconds. A table that has served for half of its time does not wait for so long.
pub const OLDER_ANSWERS_MAX: u32 = 8;

/// How much longer than the call's own timeout the follower waits for its answer, in milliseconds. The host
/// drops the answer of a call whose plugin was replaced meanwhile.
pub const ANSWER_GRACE_MS: u64 = 2_000;

/// Longest name of an identity header, in bytes. HTTP sets no limit; common names stay below 40.
pub const HEADER_NAME_LEN_MAX: usize = 128;

/// Most metadata headers. Every header of a request is compared with each.
pub const METADATA_HEADERS_MAX: usize = 32;

/// Longest dotted path into a key's metadata, in bytes: room for a dozen nested names.
pub const METADATA_PATH_LEN_MAX: usize = 256;

/// Most places where a credential may come from. Each is looked for in every request.
pub const CREDENTIAL_SOURCES_MAX: usize = 8;

/// Longest name of a parameter or a cookie that holds a credential, in bytes. Common names stay below 40.
pub const CREDENTIAL_PLACE_LEN_MAX: usize = 128;

/// Longest text of the operator's in a refusal, in bytes: a few sentences. A refusal costs its sender more
/// than us only while it is short.
pub const REPLY_TEXT_LEN_MAX: usize = 1024;

/// Longest realm of a challenge, in bytes.
pub const REALM_LEN_MAX: usize = 128;

/// Most rules. A look-up does not go through them, but each is compiled in every VM, and has metrics.
pub const RULES_MAX: usize = 1_000;

/// Longest name of a rule, in bytes: it stands in metrics, logs and response-code details.
pub const RULE_NAME_LEN_MAX: usize = 64;

/// Most hosts of a rule, most paths, and most methods.
pub const RULE_PATTERNS_MAX: usize = 64;

/// Most pairs of host and path of all rules together. Each is a place in the index of every VM, of about 100
/// bytes.
pub const RULE_PAIRS_MAX: usize = 10_000;

/// Longest host, in bytes: the longest host name (RFC 1035, section 2.3.4). A request with a longer one is
/// refused where a rule names hosts.
pub const RULE_HOST_LEN_MAX: usize = 253;

/// Longest path of a rule, in bytes.
pub const RULE_PATH_LEN_MAX: usize = 1_024;

/// Most segments of a path of a rule; `/**` counts none. So many of a request's path are compared at most.
/// The path itself has at most 60 KiB, like all headers together (Envoy, `max_request_headers_kb`), and is
/// read once.
pub const RULE_PATH_SEGMENTS_MAX: usize = 32;

/// Longest method of a rule, in bytes: twice the longest that is registered (IANA, `UPDATEREDIRECTREF`).
pub const RULE_METHOD_LEN_MAX: usize = 36;

/// Most requirements of a rule that are not put together from others. Each is asked at most once a request.
pub const REQUIREMENTS_MAX: usize = 64;

/// Most different questions about rights of all rules together. Each is prepared in every VM.
pub const RIGHTS_ASKED_MAX: usize = 4_096;

/// How deep `all_of` and `any_of` may stand in each other.
pub const REQUIREMENT_DEPTH_MAX: usize = 8;

/// Longest text in a requirement, in bytes.
pub const REQUIREMENT_LEN_MAX: usize = 1_024;

/// Most metadata fields that all rules together ask for. The record of every key holds each.
pub const METADATA_REQUIRED_MAX: usize = 32;

/// Longest metadata of a route that is read, in bytes: as much as a long configuration of a rule, and room for
/// what others keep there.
pub const ROUTE_METADATA_LEN_MAX: usize = 64 * 1024;

/// Most metadata of routes whose requirements a VM keeps, one for each that differs. With more of them all are
/// forgotten, and read again as they come.
pub const ROUTES_KEPT_MAX: usize = 1_024;

/// Most lines of one kind that a VM, or a thread of the native module, logs in [`LINES_MS`] of what befalls requests.
pub const LINES_MAX: u32 = 16;

/// In how many milliseconds a VM logs at most [`LINES_MAX`] lines.
pub const LINES_MS: u64 = 60_000;

/// Longest name of a cluster, in bytes. Istio builds it of a host name (at most 253 bytes, RFC 1035, section
/// 2.3.4), a port, a subset and a direction.
pub const CLUSTER_LEN_MAX: usize = 512;

/// Longest `:authority`, in bytes: a host name (at most 253, RFC 1035, section 2.3.4), a colon and a port.
pub const AUTHORITY_LEN_MAX: usize = 259;

/// Longest path of the feed, in bytes.
pub const FEED_PATH_LEN_MAX: usize = 256;

/// Longest name of an environment variable, in bytes.
pub const VARIABLE_LEN_MAX: usize = 256;

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

/// Longest age of a table by which requests are still admitted, and longest to call it fresh. With a higher
/// age, revocation would have no effect.
pub const REFUSE_AFTER_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const _: () = assert!(
    CREDENTIAL_LEN_MAX / 4 * 3 > KEY_ID_LEN_MAX + 1 + 22,
    "a credential of the longest id and one of our secrets is accepted"
);
const _: () = assert!(KEYS_PER_PAGE < KEYS_PER_PAGE_MAX);
const _: () = assert!(PAGE_BITS_MIN < PAGE_BITS_MAX && PAGE_BITS_MAX < u32::BITS as u8);
// A lease is renewed on ticks: it must survive several late ones.
const _: () = assert!(LEASE_MS >= 10 * TICK_MS);
const _: () = assert!(IDLE_FIRST_MS > TICK_MS);
