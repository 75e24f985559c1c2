//! Limits of passwords, tokens and JSON Web Tokens.

use std::time::Duration;

/// Longest password, in bytes. Hashing reads all of it, so the length of a stranger's must end somewhere.
pub const PASSWORD_LEN_MAX: usize = 1_024;

/// Fewest characters of a password, as for Elasticsearch's native users.
pub const PASSWORD_CHARS_MIN: usize = 6;

/// Most passwords that may wait for a thread to be verified, and as many new ones to be hashed. One takes
/// some 25 ms, so the last waits a few seconds.
pub const PASSWORDS_WAITING_MAX: usize = 256;

/// Most of them from one source, for one username, and of new ones by one user, so that others find a permit.
/// Forty people behind one address who log in at once find one, too.
pub const PASSWORDS_WAITING_SHARE_MAX: usize = PASSWORDS_WAITING_MAX / 4;

/// How long a password that was verified is kept when nothing is set, as in Elasticsearch.
pub const VERIFIED_TTL_DEFAULT: Duration = Duration::from_secs(20 * 60);

/// Longest time that may be set for it.
pub const VERIFIED_TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Of how many users one is kept when nothing is set, as in Elasticsearch: some 100 bytes each.
pub const VERIFIED_PASSWORDS_DEFAULT: usize = 100_000;

/// Most that may be set for it.
pub const VERIFIED_PASSWORDS_MAX: usize = 1_000_000;

/// Bytes of the key under which they are kept: as many as its digest has.
pub const VERIFIED_KEY_LEN: usize = 32;

/// Blocks of 1 KiB in a piece of memory that is kept for hashing: what a password takes that this service
/// hashed. One piece is kept for each thread that hashes, of which there are half as many as processors.
pub const HASHING_BLOCKS_KEPT: usize = 19 * 1024;

/// Least blocks of a piece that is not kept, for a hash from elsewhere that asks for more memory. From 32 MiB
/// on, glibc's allocator takes memory from the system and gives it back (`M_MMAP_THRESHOLD`, mallopt(3));
/// below, it may keep it for the thread.
pub const HASHING_BLOCKS_UNKEPT_MIN: usize = 33 * 1024;

/// Failed logins that come back each minute to one source when nothing is set. A guesser gets 14,400 tries a
/// day, of which a password that is on no list of common ones has nothing to fear; who mistypes never
/// notices.
pub const FAILED_LOGINS_PER_MINUTE_DEFAULT: u32 = 10;

/// Most that may be set for it: one each ten milliseconds, which is more than a thread can verify.
pub const FAILED_LOGINS_PER_MINUTE_MAX: u32 = 6_000;

/// Failed logins that one source may make at once: a dozen clients that all start with an old password, and
/// some typing.
pub const FAILED_LOGINS_BURST: u32 = 20;

/// Most logins that may wait until others from their source are decided. Each takes some 25 ms, so the last
/// waits a few seconds.
pub const LOGINS_WAITING_MAX: usize = PASSWORDS_WAITING_MAX;

/// Most of them from one source.
pub const LOGINS_WAITING_PER_SOURCE_MAX: usize = PASSWORDS_WAITING_SHARE_MAX;

/// Most sources whose failed logins are remembered, at some 40 bytes each; the one with the fewest is
/// forgotten for a new one.
pub const FAILED_LOGIN_SOURCES_MAX: usize = 65_536;

/// Bytes of a password's salt: what RFC 9106, section 3.1, recommends.
pub const PASSWORD_SALT_LEN: usize = 16;

/// Random bytes of a generated password: 128 bits.
pub const PASSWORD_RANDOM_LEN: usize = 16;

/// Random bytes of an access or refresh token: 192 bits, 32 characters of Base64 without padding.
pub const TOKEN_RANDOM_LEN: usize = 24;

/// Shortest life of an access token that may be set (Elasticsearch, `xpack.security.authc.token.timeout`).
pub const ACCESS_TOKEN_LIFE_MIN: Duration = Duration::from_secs(1);

/// Longest life of an access token that may be set (Elasticsearch, `xpack.security.authc.token.timeout`).
pub const ACCESS_TOKEN_LIFE_MAX: Duration = Duration::from_secs(60 * 60);

/// Life of an access token when nothing is set (Elasticsearch, `xpack.security.authc.token.timeout`).
pub const ACCESS_TOKEN_LIFE_DEFAULT: Duration = Duration::from_secs(20 * 60);

/// Life of a refresh token; also how long a row of tokens is kept (Elasticsearch, `ExpiredTokenRemover`).
pub const REFRESH_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long after its first use a refresh token still gives the same pair again (Elasticsearch,
/// `TokenService`).
pub const REFRESH_GRACE_MAX: Duration = Duration::from_secs(30);

/// How often a refresh token is tried when others use it at the same moment. The second time finds it used.
pub const TOKEN_EXCHANGES_MAX: usize = 3;

/// Shortest time between two searches for dead tokens (Elasticsearch,
/// `xpack.security.authc.token.delete.interval`).
pub const TOKEN_REMOVAL_INTERVAL: Duration = Duration::from_secs(30 * 60);

/// Most dead tokens removed in one transaction, which keeps every other change waiting for some milliseconds.
pub const TOKENS_REMOVED_MAX: u32 = 1_000;

/// Longest JSON Web Token that is looked at, in bytes. The largest honest ones name some hundred groups.
pub const JWT_LEN_MAX: usize = 16 * 1024;

/// Most groups of one token that are looked at: more than any honest token of that length names.
pub const JWT_GROUPS_MAX: usize = 1_000;

/// Longest JSON Web Key Set, in bytes. A key with its certificates takes some 5 KiB.
pub const JWKS_LEN_MAX: usize = 256 * 1024;

/// Most keys of one set that are used. A provider has a handful: those in use, and the next.
pub const JWKS_KEYS_MAX: usize = 32;

/// Shortest RSA modulus that is used, in bytes: 2,048 bits (RFC 7518, section 3.3).
pub const JWK_RSA_LEN_MIN: usize = 256;

/// Longest RSA modulus that is used, in bytes: what the verification takes at most.
pub const JWK_RSA_LEN_MAX: usize = 512;

/// How old a key set may get before it is fetched again. Until the new one is there the old one counts.
pub const JWKS_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Shortest time between two fetches of a key set, however many tokens name a key that is not in it.
pub const JWKS_RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// How long a fetch of a key set may take (Elasticsearch, `http.socket_timeout` of a JWT realm).
pub const JWKS_FETCH_WAIT_MAX: Duration = Duration::from_secs(5);

/// How far the clocks of provider and service may differ when nothing is set (Elasticsearch,
/// `allowed_clock_skew`).
pub const JWT_CLOCK_SKEW_DEFAULT: Duration = Duration::from_secs(60);

/// Most that may be set for it: more would make expiry meaningless.
pub const JWT_CLOCK_SKEW_MAX: Duration = Duration::from_secs(60 * 60);

// A row that is removed after the life of a refresh token must hold no access token that lives on.
const _: () = assert!(ACCESS_TOKEN_LIFE_MAX.as_secs() < REFRESH_TOKEN_LIFE.as_secs());
const _: () =
    assert!(FAILED_LOGINS_BURST > 0 && FAILED_LOGINS_PER_MINUTE_DEFAULT <= FAILED_LOGINS_PER_MINUTE_MAX);
