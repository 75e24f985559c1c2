//! What is kept of the secrets of a key: one, or two while it is rotated.
//!
//! Both digests have one salt, so a request costs one digest, whichever secret it presents and whether the key
//! has a second one.

use crate::{KeySecret, Salt, SecretDigest, UnixMillis};

/// What is kept of the secrets of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSecrets {
    /// The salt of both digests.
    pub salt: Salt,
    /// The digest of the latest secret.
    pub current: SecretDigest,
    /// The secret before it, if there is one that may still work.
    pub previous: Option<PreviousSecret>,
}

/// The secret that a key had before its latest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Its digest.
    pub digest: SecretDigest,
    /// The first moment at which it works no more.
    pub until: UnixMillis,
}

/// Which secret of a key was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretUsed {
    /// The latest one.
    Current,
    /// The one before, in its time.
    Previous,
}

impl KeptSecrets {
    /// What is compared against when there is no key: no secret matches, and it costs what a wrong one costs.
    pub const DECOY: Self = Self { salt: Salt::DECOY, current: SecretDigest::DECOY, previous: None };

    /// A key with one secret.
    #[must_use]
    pub const fn one(salt: Salt, current: SecretDigest) -> Self {
        Self { salt, current, previous: None }
    }

    /// Which of the secrets was presented; `None` when it is neither, or is one whose time is over.
    ///
    /// The work is the same in each case: one digest and two comparisons.
    #[must_use]
    pub fn verify(&self, presented: &KeySecret, now: UnixMillis) -> Option<SecretUsed> {
        self.of_digest(SecretDigest::of(&self.salt, presented), now)
    }

    /// The same for the digest of a secret that was presented a while ago.
    #[must_use]
    pub fn of_digest(&self, digest: SecretDigest, now: UnixMillis) -> Option<SecretUsed> {
        let previous = self.previous.unwrap_or(PreviousSecret::NONE);
        let is_current = digest == self.current;
        let is_previous = digest == previous.digest;
        if is_current {
            return Some(SecretUsed::Current);
        }
        (is_previous && now < previous.until).then_some(SecretUsed::Previous)
    }

    /// The same key with another secret. The secret that it had works until then; one that it had before ends.
    #[must_use]
    pub const fn rotated(&self, next: SecretDigest, until: UnixMillis) -> Self {
        let previous = PreviousSecret { digest: self.current, until };
        Self { salt: self.salt, current: next, previous: Some(previous) }
    }
}

impl PreviousSecret {
    /// What a key has that was never rotated: its time was over before it began.
    const NONE: Self = Self { digest: SecretDigest::DECOY, until: UnixMillis(0) };
}

impl SecretUsed {
    /// How logs and metrics call it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format_limits::SALT_LEN;

    const SALT: Salt = Salt::from_bytes([7; SALT_LEN]);
    const NOW: UnixMillis = UnixMillis(1_000);

    fn secret(text: &str) -> KeySecret {
        KeySecret::presented(text.as_bytes().to_vec())
    }

    fn digest(text: &str) -> SecretDigest {
        SecretDigest::of(&SALT, &secret(text))
    }

    #[test]
    fn a_key_that_was_never_rotated_has_one_secret() {
        let kept = KeptSecrets::one(SALT, digest("a"));
        assert_eq!(kept.verify(&secret("a"), NOW), Some(SecretUsed::Current));
        assert_eq!(kept.verify(&secret("b"), NOW), None);
        assert_eq!(KeptSecrets::DECOY.verify(&secret(""), UnixMillis(0)), None);
    }

    #[test]
    fn both_secrets_work_until_the_deadline_and_then_only_the_new_one() {
        let kept = KeptSecrets::one(SALT, digest("old")).rotated(digest("new"), UnixMillis(2_000));
        for (now, old) in [
            (NOW, Some(SecretUsed::Previous)),
            (UnixMillis(1_999), Some(SecretUsed::Previous)),
            (UnixMillis(2_000), None),
        ] {
            assert_eq!(kept.verify(&secret("old"), now), old, "{now:?}");
            assert_eq!(kept.verify(&secret("new"), now), Some(SecretUsed::Current));
            assert_eq!(kept.verify(&secret("other"), now), None);
        }
    }

    #[test]
    fn a_second_rotation_ends_the_older_of_the_two() {
        let once = KeptSecrets::one(SALT, digest("a")).rotated(digest("b"), UnixMillis(9_000));
        let twice = once.rotated(digest("c"), UnixMillis(5_000));
        assert_eq!(twice.verify(&secret("a"), NOW), None);
        assert_eq!(twice.verify(&secret("b"), NOW), Some(SecretUsed::Previous));
        assert_eq!(twice.verify(&secret("b"), UnixMillis(5_000)), None);
        assert_eq!(twice.verify(&secret("c"), NOW), Some(SecretUsed::Current));
    }

    #[test]
    fn a_rotation_without_overlap_ends_the_old_secret_at_once() {
        let kept = KeptSecrets::one(SALT, digest("old")).rotated(digest("new"), NOW);
        assert_eq!(kept.verify(&secret("old"), NOW), None);
    }
}
