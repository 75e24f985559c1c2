//! How often a key is used.

use latchkey_key_feed::UnixMillis;
use serde::{Deserialize, Serialize};

/// How often a key was used, as far as it was counted. In this form it is in a line of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUsage {
    /// Since when it is counted, of a key that is older than the counting; `None` is since the key was made.
    pub counted_since: Option<UnixMillis>,
    /// When it was last used, rounded down; `None` when it never was.
    pub last_used: Option<UnixMillis>,
    /// How many requests have proven the key.
    pub uses: u64,
    /// The edge that told of the last use; `None` when it was at the key service.
    pub last_used_edge: Option<String>,
    /// How many requests named the key and had a wrong secret.
    pub wrong_secrets: u64,
    /// When that last happened, rounded down; `None` when it never did.
    pub last_wrong_secret: Option<UnixMillis>,
}

impl KeyUsage {
    /// Adds what was counted later.
    pub fn add(&mut self, more: Self) {
        self.uses = self.uses.saturating_add(more.uses);
        self.wrong_secrets = self.wrong_secrets.saturating_add(more.wrong_secrets);
        if more.last_used >= self.last_used && more.last_used.is_some() {
            self.last_used = more.last_used;
            self.last_used_edge = more.last_used_edge;
        }
        self.last_wrong_secret = self.last_wrong_secret.max(more.last_wrong_secret);
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_use_says_where_and_all_count() {
        let at = |millis, edge: &str| KeyUsage {
            last_used: Some(UnixMillis(millis)),
            uses: 2,
            last_used_edge: Some(edge.to_owned()),
            ..KeyUsage::default()
        };
        let wrong =
            KeyUsage { wrong_secrets: 3, last_wrong_secret: Some(UnixMillis(9)), ..KeyUsage::default() };
        let mut usage = KeyUsage::default();
        assert!(usage.is_empty());
        for more in [at(5, "a"), at(7, "b"), at(6, "c"), wrong] {
            usage.add(more);
        }
        let expected =
            KeyUsage { uses: 6, wrong_secrets: 3, last_wrong_secret: Some(UnixMillis(9)), ..at(7, "b") };
        assert_eq!(usage, expected);
    }
}
