//! A key as the REST interface shows it, and as a page does.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::rest::path_with_query;
use crate::words::When;

/// A key that ends within this time ends soon.
pub(super) const SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What a page reads of a key.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ShownKey {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) creation: UnixMillis,
    pub(super) expiration: Option<UnixMillis>,
    pub(super) invalidation: Option<UnixMillis>,
    /// Whether it stops as long as its owner is disabled.
    #[serde(default)]
    pub(super) suspended: bool,
    pub(super) username: String,
    pub(super) realm: String,
    #[serde(default)]
    pub(super) metadata: Map<String, Value>,
    #[serde(default)]
    pub(super) role_descriptors: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) limited_by: Vec<BTreeMap<String, Value>>,
    pub(super) rotation: Option<UnixMillis>,
    pub(super) previous_secret_expiration: Option<UnixMillis>,
    pub(super) last_used: Option<UnixMillis>,
    pub(super) last_used_edge: Option<String>,
    #[serde(default)]
    pub(super) uses: u64,
    #[serde(default)]
    pub(super) wrong_secrets: u64,
    pub(super) last_wrong_secret: Option<UnixMillis>,
    /// Where the list goes on after this key.
    #[serde(default, rename = "_sort")]
    pub(super) sort: Vec<Value>,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyStatus {
    Active,
    EndsSoon,
    /// It works again when its owner is enabled.
    Suspended,
    Expired,
    Revoked,
}

impl ShownKey {
    pub(super) fn status(&self, now: UnixMillis) -> KeyStatus {
        match (self.invalidation, self.expiration) {
            (Some(_), _) => KeyStatus::Revoked,
            (None, Some(end)) if end <= now => KeyStatus::Expired,
            (None, _) if self.suspended => KeyStatus::Suspended,
            (None, Some(end)) if end <= now.plus(SOON) => KeyStatus::EndsSoon,
            (None, _) => KeyStatus::Active,
        }
    }

    /// Whether it works at `now`, or may work again.
    pub(super) fn can_be_revoked(&self, now: UnixMillis) -> bool {
        matches!(self.status(now), KeyStatus::Active | KeyStatus::EndsSoon | KeyStatus::Suspended)
    }

    /// Whether it works at `now`.
    pub(super) fn works(&self, now: UnixMillis) -> bool {
        matches!(self.status(now), KeyStatus::Active | KeyStatus::EndsSoon)
    }

    /// The page of this key.
    pub(super) fn path(&self) -> String {
        path_with_query("/console/key", [("id", self.id.as_str())])
    }

    /// The list of the keys of its owner.
    pub(super) fn keys_of_owner(&self) -> String {
        path_with_query("/console/keys", [("owner", self.username.as_str())])
    }

    /// When it was last used. The key service rounds that down, which may be to before the key was made.
    pub(super) fn last_use(&self, now: UnixMillis) -> Option<When> {
        self.last_used.map(|at| When::of(at.max(self.creation), now))
    }

    /// When it ended or will end.
    pub(super) fn end(&self, now: UnixMillis) -> Option<When> {
        self.invalidation.or(self.expiration).map(|end| When::of(end, now))
    }
}

impl KeyStatus {
    /// The word for it, which is its class in the stylesheet as well.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::EndsSoon => "ends soon",
            Self::Suspended => "suspended with its owner",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Active => "good",
            Self::EndsSoon | Self::Suspended => "warn",
            Self::Expired | Self::Revoked => "bad",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(more: Value) -> ShownKey {
        let mut key = json!({"id": "a/b", "name": "n", "creation": 1, "username": "u", "realm": "r"});
        if let (Value::Object(key), Value::Object(more)) = (&mut key, more) {
            key.extend(more);
        }
        serde_json::from_value(key).unwrap()
    }

    #[test]
    fn a_key_is_what_its_end_says() {
        let week = 7 * 24 * 60 * 60 * 1_000;
        for (more, expected) in [
            (json!({}), KeyStatus::Active),
            (json!({"expiration": 11 + week}), KeyStatus::Active),
            (json!({"expiration": 10 + week}), KeyStatus::EndsSoon),
            (json!({"expiration": 11}), KeyStatus::EndsSoon),
            (json!({"expiration": 10}), KeyStatus::Expired),
            (json!({"expiration": 11, "suspended": true}), KeyStatus::Suspended),
            (json!({"expiration": 10, "suspended": true}), KeyStatus::Expired),
            (json!({"expiration": 11, "invalidation": 5}), KeyStatus::Revoked),
        ] {
            let key = key(more.clone());
            assert_eq!(key.status(UnixMillis(10)), expected, "{more}");
            let works = expected == KeyStatus::Active || expected == KeyStatus::EndsSoon;
            assert_eq!(key.works(UnixMillis(10)), works);
            assert_eq!(key.can_be_revoked(UnixMillis(10)), works || expected == KeyStatus::Suspended);
        }
        assert_eq!(key(json!({})).path(), "/console/key?id=a%2Fb");
        let of_owner = key(json!({"username": "a&b"})).keys_of_owner();
        assert_eq!(of_owner, "/console/keys?owner=a%26b");
    }

    #[test]
    fn no_key_is_used_before_it_was_made() {
        let now = UnixMillis(61_001);
        let used =
            |at| key(json!({"creation": 1_001, "last_used": at})).last_use(now).map(|used| used.relative);
        assert_eq!(used(0).as_deref(), Some("1 minute ago"));
        assert_eq!(used(31_001).as_deref(), Some("30 seconds ago"));
        assert_eq!(key(json!({})).last_use(now), None);
    }
}
