//! What requests may make the service do, and how much of it at once.

use std::time::Duration;

use latchkey_budget::Allowance;

use crate::limits::{KEYS_LISTED_LEN_MAX, REQUEST_BODY_LEN_DEFAULT, REQUEST_BODY_LEN_MAX, STORE_READERS_MAX};

/// Most searches and listings of keys that run at once; others wait. Half of the connections that read the
/// store, so that requests and edges find one.
pub(crate) const SEARCHES_MAX: usize = STORE_READERS_MAX as usize / 2;

/// Most of them that run at once for one user and his keys, so that others find a permit.
pub(crate) const SEARCHES_PER_PRINCIPAL_MAX: usize = SEARCHES_MAX / 2;

/// What one search or listing may cost. A comparison of a query with a key takes some ten nanoseconds, so
/// that a million keys can be compared with some hundred clauses, in about a second of one processor. Its
/// memory is that of the largest page, two and a half times.
pub(crate) const SEARCH_ALLOWANCE: Allowance =
    Allowance { steps: 100_000_000, bytes: 5 * KEYS_LISTED_LEN_MAX / 2 };

/// Most keys of a search, in number, that the database finds first and then sorts. Of more it reads keys in the order
/// until the page is full. To sort these takes some 40 ms with SQLite; a page of fifty of more than one in fifty keys is
/// full after some 2,500.
pub(crate) const KEYS_SORTED_MAX: u64 = 20_000;

/// Most bytes of rows that a search or listing has been sent and has not looked at yet. A longer row comes
/// alone.
pub(crate) const KEYS_SCANNED_AHEAD_LEN_MAX: usize = 2 * 1024 * 1024;

/// Most questions about privileges, and long bodies, that are looked at at once; others wait. They need a
/// processor and nothing else.
pub(crate) const QUESTIONS_MAX: usize = 4;

/// Most of them that are looked at at once for one user and his keys, so that others find a permit.
pub(crate) const QUESTIONS_PER_PRINCIPAL_MAX: usize = QUESTIONS_MAX / 2;

/// What a question about privileges may cost. Kibana asks about some hundred privileges in some hundred
/// spaces, which is two million steps; all of these take some tenths of a second.
pub(crate) const QUESTION_ALLOWANCE: Allowance = Allowance { steps: 32_000_000, bytes: 32 * 1024 * 1024 };

/// Most pieces of work of one kind that wait for a permit; a further one is refused with 429.
pub(crate) const WORK_WAITING_MAX: usize = 1_024;

/// Most of them that wait for one user and his keys. Others find the rest. An automation with a few hundred
/// connections must not be refused (Elasticsearch, `thread_pool.search.queue_size`: 1000).
pub(crate) const WORK_WAITING_PER_PRINCIPAL_MAX: usize = WORK_WAITING_MAX / 2;

/// How long a piece of work may wait for its permit.
pub(crate) const WORK_PERMIT_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a piece of work may take, with what the store takes meanwhile. Load balancers close idle
/// connections after 60 seconds.
pub(crate) const WORK_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often it is looked whether work was cancelled that waits for the store.
pub(crate) const CANCELLATION_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Share of an allowance from which on whoever spends it is named in the log: one in so many.
pub(crate) const COSTLY_SHARE: u64 = 4;

/// Bytes that all answers and what they are made of may take together, when nothing is set: four of the
/// largest listings.
pub(crate) const ANSWER_MEMORY_DEFAULT: usize = 256 * 1024 * 1024;

/// Least that may be set for it: less than that and the largest listing would be refused.
pub(crate) const ANSWER_MEMORY_MIN: usize = 2 * KEYS_LISTED_LEN_MAX;

/// Most that may be set for it.
pub(crate) const ANSWER_MEMORY_MAX: usize = 64 * 1024 * 1024 * 1024;

/// Bytes of one piece of an answer, for which memory is taken before it is written and given back once it is
/// sent.
pub(crate) const ANSWER_PIECE_LEN: usize = 64 * 1024;

/// How long a client may take to read the next piece of a long answer. What he has not read by then is
/// dropped.
pub(crate) const ANSWER_READ_WAIT_MAX: Duration = Duration::from_secs(30);

/// From so many bytes on a body is read on a thread of its own: shorter ones take less than a millisecond.
pub(crate) const LONG_BODY_LEN: usize = 16 * 1024;

/// From so many bytes on, the texts of a key, or the roles of a user, are read on a thread of their own when
/// somebody is authenticated.
pub(crate) const LONG_TEXTS_LEN: usize = LONG_BODY_LEN;

/// Most long keys and users with long roles that are read at once; others wait. They have permits of their
/// own, so that searches and questions keep nobody from being authenticated.
pub(crate) const LONG_ROLES_MAX: usize = 4;

/// Most of them for one user and his keys, so that others find a permit.
pub(crate) const LONG_ROLES_PER_PRINCIPAL_MAX: usize = 1;

/// What it may cost to find out whether somebody may run as a user: a thousand patterns of ordinary length. It is found
/// out where requests are served, so it is some milliseconds with the worst patterns.
pub(crate) const RUN_AS_STEPS_MAX: u64 = 200_000;

/// What reading one may cost. One that an older version or an import has left may be longer than a new one.
pub(crate) const LONG_ROLES_ALLOWANCE: Allowance = Allowance { steps: 32_000_000, bytes: LONG_ROLES_MEMORY };

/// Bytes of memory that are taken for each byte of such texts, for as long as the request is answered.
pub(crate) const ROLES_HELD_PER_BYTE: usize = 16;

/// Bytes that they may take together: eight of the longest keys. One user and his keys may have half.
pub(crate) const LONG_ROLES_MEMORY: usize = 256 * 1024 * 1024;

/// Bytes of memory that are taken for each byte of a long body: the text, and the values that are made of it.
pub(crate) const BODY_HELD_PER_BYTE: usize = 16;

/// Bytes that all long bodies may take together while their requests are answered: sixteen of the longest, when
/// nothing is set.
pub(crate) const BODY_MEMORY: usize = 16 * BODY_HELD_PER_BYTE * REQUEST_BODY_LEN_DEFAULT;

/// Of that, what the bodies of one user and his keys may take.
pub(crate) const BODY_MEMORY_PER_PRINCIPAL: usize = BODY_MEMORY / 4 * 3;

const _: () = assert!(BODY_HELD_PER_BYTE * REQUEST_BODY_LEN_MAX <= BODY_MEMORY_PER_PRINCIPAL);
