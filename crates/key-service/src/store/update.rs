//! Changing living keys: what may be changed, what else changes with it, and when nothing changes.
//!
//! Every change also copies the owner's present data to the key: roles, full name, email address and
//! metadata. A change that leaves a key exactly as it was is no change, and does not appear in the feed.

use std::sync::Arc;
use std::time::Duration;

use latchkey_key_feed::UnixMillis;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde_json::{Map, Value};

use crate::audit::ChangeEvent;
use crate::limits::GROUP_KEYS_MAX;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::store::change::{Change, Changed, Verb};
use crate::store::sql::update_rows;
use crate::store::{KeyStore, StoreError};

/// What to change. A field that is `None` stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyUpdate {
    /// The owner, as the owner is now. Only keys of this username in this realm are changed.
    pub owner: KeyOwner,
    /// What the owner may do now.
    pub limited_by: RoleDescriptors,
    /// The key's own role descriptors; empty ones make it inherit its owner's.
    pub role_descriptors: Option<RoleDescriptors>,
    /// All of the metadata.
    pub metadata: Option<Map<String, Value>>,
    /// When the key ends. Counts as a change whatever it was before.
    pub expiration: Option<UnixMillis>,
    /// How long after it was made a key may end, where its end is changed.
    pub lifetime_max: Option<Duration>,
    /// Whether the caller may manage security, and so vouches for what the update writes.
    pub is_vouched: bool,
}

/// What became of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It is as it was: the update asked for what is stored already.
    Unchanged,
    /// It is another.
    Updated,
}

/// Why a key was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateRefusal {
    /// Its time is over.
    Expired,
    /// It was invalidated.
    Invalidated,
    /// It would end later than `api_keys.max_lifetime` allows.
    LivesTooLong,
    /// There is no such key, or it is somebody else's.
    NotFound,
    /// It has been given another secret since the caller presented one.
    RotatedSince,
    /// An edge could not hold the changed key: these are the complaints.
    TooLarge(Vec<String>),
}

/// An id, and what became of the key.
pub(crate) type UpdateOutcome = (String, Result<KeyChange, UpdateRefusal>);

/// Changes them part by part.
pub(super) async fn in_parts(
    store: KeyStore,
    ids: Vec<String>,
    update: Arc<KeyUpdate>,
    event: ChangeEvent,
) -> Result<Changed<Vec<UpdateOutcome>>, StoreError> {
    // The owner of a key stays the same, so nobody needs to be kept from changing it meanwhile.
    let owned = {
        let _permit = store.queue.lookup_permit(&event.actor.principal()).await?;
        update_rows::owned_by(&store.database, &ids, &update.owner).await?
    };
    let mut left: Vec<String> = ids.iter().filter(|id| owned.contains(*id)).cloned().collect();
    let mut updated = Vec::with_capacity(left.len());
    let mut cursor = None;
    while !left.is_empty() {
        let part: Vec<String> = left.iter().take(GROUP_KEYS_MAX).cloned().collect();
        let verb = Verb::Update(part, Arc::clone(&update));
        let mut part = store.queue.write(Change::new(verb, event.clone())).await?;
        if part.updates.is_empty() || part.updates.len() > left.len() {
            return Err(StoreError::Corrupt("outcome of a change"));
        }
        left.drain(..part.updates.len());
        cursor = part.cursor().or(cursor);
        updated.append(&mut part.updates);
    }
    let mut updated = updated.into_iter();
    let outcome = ids.into_iter().map(|id| match owned.contains(&id) {
        true => updated.next().ok_or(StoreError::Corrupt("outcome of a change")),
        false => Ok((id, Err(UpdateRefusal::NotFound))),
    });
    Ok(Changed { outcome: outcome.collect::<Result<_, _>>()?, cursor })
}

impl KeyUpdate {
    /// The changed key; `None` when nothing changes.
    ///
    /// A key may still be changed in the very millisecond in which it expires (Elasticsearch,
    /// `ApiKeyService#validateForUpdate`).
    ///
    /// # Errors
    ///
    /// [`UpdateRefusal`], the first that applies in this order: not found, invalidated, expired, lives too
    /// long, too large.
    pub fn apply_to(
        &self,
        found: Option<StoredKey>,
        now: UnixMillis,
    ) -> Result<Option<StoredKey>, UpdateRefusal> {
        let key = found.filter(|key| self.is_of_the_owner(key)).ok_or(UpdateRefusal::NotFound)?;
        if key.invalidation.is_some() {
            return Err(UpdateRefusal::Invalidated);
        }
        if key.expiration.is_some_and(|expiration| expiration < now) {
            return Err(UpdateRefusal::Expired);
        }
        if self.expiration.is_some_and(|end| self.is_too_late(end, &key)) {
            return Err(UpdateRefusal::LivesTooLong);
        }
        let changed = StoredKey {
            vouching: Vouching {
                roles: self.vouches_for(&self.role_descriptors, &key.role_descriptors, key.vouching.roles),
                metadata: self.vouches_for(&self.metadata, &key.metadata, key.vouching.metadata),
            },
            owner: self.owner.clone(),
            limited_by: self.limited_by.clone(),
            role_descriptors: self.role_descriptors.clone().unwrap_or_else(|| key.role_descriptors.clone()),
            metadata: self.metadata.clone().unwrap_or_else(|| key.metadata.clone()),
            expiration: self.expiration.or(key.expiration),
            ..key.clone()
        };
        let is_no_change = self.expiration.is_none() && changed == key;
        if is_no_change {
            return Ok(None);
        }
        let problems = changed.problems_of_row();
        if problems.is_empty() { Ok(Some(changed)) } else { Err(UpdateRefusal::TooLarge(problems)) }
    }

    /// Whether somebody vouches for a part of the key after the change: the caller, or, where it stays as it
    /// is, whoever did before.
    fn vouches_for<T: PartialEq>(&self, written: &Option<T>, before: &T, was_vouched: bool) -> bool {
        match written {
            Some(written) => self.is_vouched || (was_vouched && written == before),
            None => was_vouched,
        }
    }

    /// Counted from when the key was made: otherwise a key could be kept alive for ever, a little at a time.
    fn is_too_late(&self, end: UnixMillis, key: &StoredKey) -> bool {
        self.lifetime_max.is_some_and(|max| end > key.creation.plus(max))
    }

    fn is_of_the_owner(&self, key: &StoredKey) -> bool {
        key.owner.username == self.owner.username && key.owner.realm == self.owner.realm
    }
}

#[cfg(test)]
mod tests {
    use latchkey_key_feed::format_limits::ROW_LEN_MAX;
    use serde_json::json;

    use super::*;
    use crate::store::tests::key;
    use latchkey_privileges::role_descriptor::RoleDescriptor;

    fn nothing() -> KeyUpdate {
        let key = key("a");
        KeyUpdate {
            owner: key.owner,
            limited_by: key.limited_by,
            role_descriptors: None,
            metadata: None,
            expiration: None,
            lifetime_max: None,
            is_vouched: false,
        }
    }

    const NOW: UnixMillis = UnixMillis(1_000);

    // Elasticsearch, `ApiKeyService#validateForUpdate`. A key can still be updated in the millisecond in
    // which it expires.
    #[test]
    fn refuses_in_the_order_of_elasticsearch() {
        let dead = StoredKey { invalidation: Some(UnixMillis(2)), ..key("a") };
        let later = UnixMillis(NOW.0 + 1);
        let stranger =
            |owner: KeyOwner| StoredKey { owner, ..StoredKey { invalidation: Some(NOW), ..key("a") } };
        let renamed = KeyOwner { username: "bob".into(), ..key("a").owner };
        let elsewhere = KeyOwner { realm: "native".into(), ..key("a").owner };
        for (found, now, outcome) in [
            (None, NOW, Err(UpdateRefusal::NotFound)),
            (Some(stranger(renamed)), NOW, Err(UpdateRefusal::NotFound)),
            (Some(stranger(elsewhere)), NOW, Err(UpdateRefusal::NotFound)),
            (Some(dead), later, Err(UpdateRefusal::Invalidated)),
            (Some(key("a")), later, Err(UpdateRefusal::Expired)),
            (Some(key("a")), NOW, Ok(None)),
        ] {
            assert_eq!(nothing().apply_to(found, now), outcome);
        }
    }

    #[test]
    fn an_end_is_refused_that_is_later_than_any_key_may_have() {
        let lifetime_max = Some(Duration::from_secs(2));
        for (expiration, outcome) in [(2_001, true), (2_002, false)] {
            let update = KeyUpdate { expiration: Some(UnixMillis(expiration)), lifetime_max, ..nothing() };
            let applied = update.apply_to(Some(key("a")), NOW);
            assert_eq!(applied.is_ok(), outcome, "{expiration}: {applied:?}");
        }
        let update = KeyUpdate { lifetime_max, metadata: Some(Map::new()), ..nothing() };
        let old = StoredKey { expiration: None, ..key("a") };
        assert!(update.apply_to(Some(old), NOW).is_ok(), "of an old key the end stays as it is");
    }

    // Elasticsearch, `ApiKeyService#isNoop`.
    #[test]
    fn a_change_that_changes_nothing_is_none_unless_it_sets_the_expiration() {
        let key = key("a");
        let same = KeyUpdate {
            role_descriptors: Some(key.role_descriptors.clone()),
            metadata: Some(key.metadata.clone()),
            ..nothing()
        };
        assert_eq!(same.apply_to(Some(key.clone()), NOW), Ok(None));
        let email = KeyOwner { email: Some("alice@example.org".into()), ..key.owner.clone() };
        for update in [
            KeyUpdate { role_descriptors: Some(RoleDescriptors::default()), ..nothing() },
            KeyUpdate { metadata: Some(Map::new()), ..nothing() },
            KeyUpdate { limited_by: RoleDescriptors::default(), ..nothing() },
            KeyUpdate { owner: email, ..nothing() },
            KeyUpdate { expiration: key.expiration, ..nothing() },
        ] {
            let changed = update.apply_to(Some(key.clone()), NOW).unwrap().unwrap();
            assert_eq!((&changed.id, changed.secrets), (&key.id, key.secrets));
            assert_eq!((&changed.name, changed.creation), (&key.name, key.creation));
        }
    }

    #[test]
    fn nobody_vouches_any_more_for_what_its_owner_has_written_anew() {
        let both = StoredKey { vouching: Vouching { roles: true, metadata: true }, ..key("a") };
        let neither = StoredKey { vouching: Vouching::default(), ..key("a") };
        let roles = || Some(serde_json::from_value(json!({"admin": {}})).unwrap());
        let metadata = || json!({"tenant": "acme"}).as_object().cloned();
        let after = |found: &StoredKey, update: KeyUpdate| {
            let changed = update.apply_to(Some(found.clone()), NOW).unwrap().unwrap_or_else(|| found.clone());
            (changed.vouching.roles, changed.vouching.metadata)
        };
        let with_roles = || KeyUpdate { role_descriptors: roles(), ..nothing() };
        let with_metadata = || KeyUpdate { metadata: metadata(), ..nothing() };
        assert_eq!(after(&both, with_roles()), (false, true));
        assert_eq!(after(&both, with_metadata()), (true, false));
        assert_eq!(after(&both, KeyUpdate { expiration: Some(NOW), ..nothing() }), (true, true));
        let same = KeyUpdate {
            role_descriptors: Some(both.role_descriptors.clone()),
            metadata: Some(both.metadata.clone()),
            ..nothing()
        };
        assert_eq!(
            same.apply_to(Some(both.clone()), NOW),
            Ok(None),
            "what stays as it was is not written anew"
        );
        let vouched = |update| KeyUpdate { is_vouched: true, ..update };
        assert_eq!(after(&neither, vouched(with_roles())), (true, false));
        assert_eq!(after(&neither, vouched(with_metadata())), (false, true));
        assert_eq!(after(&neither, vouched(same)), (true, true));
        assert_eq!(
            after(&neither, vouched(KeyUpdate { expiration: Some(NOW), ..nothing() })),
            (false, false)
        );
    }

    // The roles of the owner come to the key with any update, and a new one may be as large as a key can be,
    // not more.
    #[test]
    fn an_update_that_would_make_a_key_too_large_is_refused_and_one_that_mends_it_is_not() {
        let metadata = |len: usize| json!({"x": "y".repeat(len)}).as_object().unwrap().clone();
        let too_large = StoredKey { metadata: metadata(ROW_LEN_MAX), ..key("a") };
        let update = KeyUpdate { expiration: Some(NOW), ..nothing() };
        let refused = update.apply_to(Some(too_large.clone()), NOW);
        let Err(UpdateRefusal::TooLarge(problems)) = refused else { panic!("{refused:?}") };
        assert!(problems[0].contains("bytes as header values"), "{problems:?}");
        assert_eq!(nothing().apply_to(Some(too_large.clone()), NOW), Ok(None));
        let mended = KeyUpdate { metadata: Some(metadata(10)), ..nothing() };
        assert!(mended.apply_to(Some(too_large), NOW).unwrap().is_some());
        let roles = (0..2_000).map(|number| (number.to_string(), RoleDescriptor::default()));
        let many = KeyUpdate { limited_by: roles.collect(), ..nothing() };
        let refused = many.apply_to(Some(key("a")), NOW);
        let Err(UpdateRefusal::TooLarge(problems)) = refused else { panic!("{refused:?}") };
        assert_eq!(problems, ["the owner has 2000 roles, at most 1024 are allowed"]);
    }
}
