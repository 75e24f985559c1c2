//! The keys of the simulation: their ids, their secrets, and what clients present.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_key_feed::{KeptSecrets, KeySecret, PreviousSecret, Salt, SecretDigest, UnixMillis};

use crate::history::Key;

/// Keys at most.
pub(crate) const KEYS_MAX: usize = 5;

/// A secret, by its number. A key has its own secret of each number.
pub(crate) type Secret = u32;

/// The secrets that a key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Secrets {
    current: Secret,
    previous: Option<Previous>,
}

/// A secret that was replaced, and the first moment at which it works no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Previous {
    secret: Secret,
    until: UnixMillis,
}

/// What a client presents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Presented {
    pub(crate) key: Key,
    pub(crate) secret: Secret,
}

impl Secrets {
    /// Those of a new key.
    pub(crate) const NEW: Self = Self { current: 0, previous: None };

    /// Another secret takes the place of the current one, which works until then. One before that has ended.
    pub(crate) fn rotated(self, next: Secret, until: UnixMillis) -> Self {
        Self { current: next, previous: Some(Previous { secret: self.current, until }) }
    }

    /// Whether somebody with that secret is admitted, for whoever has that time.
    pub(crate) fn admit(self, secret: Secret, now: UnixMillis) -> bool {
        let is_previous = |previous: Previous| secret == previous.secret && now < previous.until;
        secret == self.current || self.previous.is_some_and(is_previous)
    }

    /// What the feed tells of them.
    pub(crate) fn kept(self, key: Key) -> KeptSecrets {
        let salt = Salt::from_bytes([key as u8; 16]);
        let digest = |secret| {
            let presented = Presented { key, secret };
            SecretDigest::of(&salt, &KeySecret::presented(presented.secret_text().into_bytes()))
        };
        let previous =
            self.previous.map(|Previous { secret, until }| PreviousSecret { digest: digest(secret), until });
        KeptSecrets { salt, current: digest(self.current), previous }
    }
}

impl Presented {
    /// The value of `Authorization`.
    pub(crate) fn credential(self) -> String {
        format!("ApiKey {}", STANDARD.encode(format!("{}:{}", id_of(self.key), self.secret_text())))
    }

    fn secret_text(self) -> String {
        format!("secret {} of {}", self.secret, self.key)
    }
}

/// The id of a key. The first two share a page of a small table, and the next two another one.
pub(crate) fn id_of(key: Key) -> String {
    const NUMBERS: [usize; KEYS_MAX] = [0, 13, 1, 16, 2];
    format!("key-{}", NUMBERS[key])
}
