//! Every limit of the console: named, with its unit, and where the number comes from.

use std::time::Duration;

/// Most sessions at once. Each holds a credential and little else, so all of them take a few megabytes.
pub const SESSIONS_MAX: usize = 4_096;

/// Most sessions of one user at once. One more ends the oldest of that user, so nobody takes all places.
pub const SESSIONS_PER_USER_MAX: usize = 16;

/// Forms of a session of which is remembered that they were sent. A browser sends one again that is loaded anew; it
/// does so with the last ones.
pub const SENT_FORMS_KEPT_MAX: usize = 64;

/// How long a session lives that nobody uses, unless the settings say otherwise.
pub const SESSION_IDLE_DEFAULT: Duration = Duration::from_secs(30 * 60);

/// How long a session lives, unless the settings say otherwise: a working day.
pub const SESSION_LIFETIME_DEFAULT: Duration = Duration::from_secs(12 * 60 * 60);

/// The shortest and the longest that either may be.
pub const SESSION_TIME_MIN: Duration = Duration::from_secs(60);
/// See [`SESSION_TIME_MIN`].
pub const SESSION_TIME_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Random bytes of the name of a session, and of the token of its forms. 256 bits cannot be guessed.
pub const SESSION_RANDOM_LEN: usize = 32;

/// Longest credential that a session holds, in bytes of its header. The key service takes none that is longer.
pub const LOGIN_CREDENTIAL_LEN_MAX: usize = 8 * 1024;

/// Longest form, in bytes: role descriptors and metadata of the largest key, each encoded for a form.
pub const FORM_LEN_MAX: usize = 1024 * 1024;

/// Longest form of a log-in, in bytes: the longest credential, each byte of it encoded, and where to go.
pub const LOGIN_FORM_LEN_MAX: usize = 32 * 1024;

/// Longest address to which a log-in leads, in bytes. A longer one is forgotten.
pub const NEXT_LEN_MAX: usize = 4 * 1024;

/// Most fields of a form or of an address.
pub const FIELDS_MAX: usize = 256;

/// How long a form may take to arrive: as long as a body of the interface.
pub const FORM_WAIT_MAX: Duration = Duration::from_secs(30);

/// Most forms of log-ins that are read at once: 16 MiB of memory. Nobody has shown who it is yet.
pub const LOGIN_FORMS_AT_ONCE_MAX: usize = 512;

/// Most of them from one source, an IPv4 address or the first 64 bits of an IPv6 address: an office behind one address
/// logs in at the same moment, and slow clients of one address leave places to others.
pub const LOGIN_FORMS_PER_SOURCE_MAX: usize = 32;

/// Most forms of those who are logged in that are read at once: 64 MiB.
pub const FORMS_AT_ONCE_MAX: usize = 64;

/// Longest answer of the key service that is read, in bytes. A page of keys with the longest role descriptors
/// is shorter, and so is the list of the most edges.
pub const REST_ANSWER_LEN_MAX: usize = 32 * 1024 * 1024;

/// Keys on a page.
pub const KEYS_SHOWN_AT_ONCE: usize = 50;

/// Most keys that are revoked at once: all of a page.
pub const KEYS_REVOKED_AT_ONCE_MAX: usize = 50;

/// Edges on a page.
pub const EDGES_SHOWN_AT_ONCE: usize = 100;

/// Edges that are shown one by one while a change is watched. Of more the page shows those that have not
/// applied it.
pub const EDGES_WATCHED_SHOWN_MAX: usize = 1_000;

/// Names of edges in a warning.
pub const EDGES_NAMED_MAX: usize = 20;

/// Lines of the audit log on a page.
pub const AUDIT_EVENTS_PER_PAGE: usize = 50;

/// Lines of the audit log in one export.
pub const AUDIT_EVENTS_EXPORTED_MAX: usize = 100_000;

/// Lines of the audit log that are asked for at once.
pub const AUDIT_EVENTS_AT_ONCE: usize = 1_000;

/// Live pages at once, of all sessions. One lists the edges for all, each asks for the right of its user, and each of the
/// audit log asks for that.
pub const STREAMS_MAX: usize = 256;

/// Live pages of one user at once, in all sessions of that user.
pub const STREAMS_PER_USER_MAX: usize = 8;

/// How long a live page is served before the browser asks anew: so long may a session that has ended be seen
/// to live, at most, where nothing else says so.
pub const STREAM_LIFE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long nothing more can be sent to the browser of a live page until the page is given up: as for an answer of the
/// interface. What the operating system keeps for the browser counts as sent.
pub const STREAM_UNREAD_MAX: Duration = Duration::from_secs(30);

/// Events of a live page that wait for its browser, besides those that are with the connection.
pub const STREAM_EVENTS_WAITING_MAX: usize = 16;

/// How often a live page asks whether its user may still see the edges.
pub const EDGES_RIGHT_LOOKED_AT_EVERY: Duration = Duration::from_secs(1);

/// How often a change that is watched is asked for, at first and later. A change reaches edges in
/// milliseconds; what is late is not worth asking for as often.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// See [`WATCH_INTERVAL`].
pub const WATCH_INTERVAL_LATER: Duration = Duration::from_secs(1);

/// For how long a change is watched at the shorter interval.
pub const WATCHED_CLOSELY_FOR: Duration = Duration::from_secs(10);

/// How often the lists of edges and of the audit log are asked for.
pub const LIST_INTERVAL: Duration = Duration::from_secs(1);

/// How long the answer to a revocation waits for edges where the user may not see them.
pub const UNSEEN_EDGES_WAIT: &str = "5s";

/// Applications of a new key whose stored privileges are looked up. A key mostly has those of one.
pub const APPLICATIONS_LOOKED_UP_MAX: usize = 16;

/// Longest text that a search takes, in bytes: the name of every owner that there may be, 507 characters.
pub const SEARCH_LEN_MAX: usize = 2_048;
