//! Changing keys that live: what may be changed, what else changes with it, and when nothing does.
//!
//! Whatever a change is about, it also takes over what is known of the owner by now: what the owner may do, the full name,
//! the email address, the metadata. A change that leaves a key exactly as it was is none, and the feed does not hear of it.

use std::sync::Arc;
use std::time::Duration;

use latchkey_key_feed::UnixMillis;
use serde_json::{Map, Value};
use tracing::Instrument as _;

use crate::audit::{Actor, ChangeAction, ChangeEvent};
use crate::security::role_descriptor::RoleDescriptors;
use crate::store::change::{Change, Changed, Verb};
use crate::store::group_commit::GroupCommit;
use crate::store::ledger::KeyLedger;
use crate::store::{KeyOwner, KeyStore, StoreError, StoredKey};

/// What is to become of keys. A field that is `None` stays as it is.
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
}

/// What became of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It is as it was, because that is how it was to be.
    Unchanged,
    /// It is another.
    Updated,
}

/// Why a key was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateRefusal {
    /// Its time is over.
    Expired,
    /// It was invalidated.
    Invalidated,
    /// It would end later than any key may.
    LivesTooLong,
    /// There is no such key, or it is somebody else's.
    NotFound,
}

/// An id, and what became of the key.
pub type UpdateOutcome = (String, Result<KeyChange, UpdateRefusal>);

impl KeyStore {
    /// Changes the keys with these ids that the owner has and that live, and tells what became of each. Many long keys are changed in
    /// parts, each of which is all or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when some were not changed. Parts before them stay; to ask again for the same changes nothing more in these.
    pub async fn update(
        &self,
        ids: Vec<String>,
        update: KeyUpdate,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Changed<Vec<UpdateOutcome>>, StoreError> {
        let event = ChangeEvent { at: now, action: ChangeAction::UpdateApiKeys, actor, key_ids: Vec::new() };
        // In a task of its own, so that no part is left out when the caller goes away.
        let parts = update_in_parts(self.line.clone(), ids, Arc::new(update), event);
        let updated = tokio::spawn(parts.in_current_span()).await;
        updated.map_err(|failed| StoreError::Unavailable(failed.into()))?
    }
}

async fn update_in_parts(
    line: GroupCommit<KeyLedger>,
    mut ids: Vec<String>,
    update: Arc<KeyUpdate>,
    event: ChangeEvent,
) -> Result<Changed<Vec<UpdateOutcome>>, StoreError> {
    let mut all = Changed { outcome: Vec::with_capacity(ids.len()), cursor: None };
    while !ids.is_empty() {
        let verb = Verb::Update(ids.clone(), Arc::clone(&update));
        let mut part = line.write(Change::new(verb, event.clone())).await?;
        if part.updates.is_empty() || part.updates.len() > ids.len() {
            return Err(StoreError::Corrupt("outcome of a change"));
        }
        ids.drain(..part.updates.len());
        all.cursor = part.cursor().or(all.cursor);
        all.outcome.append(&mut part.updates);
    }
    Ok(all)
}

impl KeyUpdate {
    /// What the key that was found is to become; `None` when it is that already.
    ///
    /// A key may still be changed in the very millisecond in which it expires (Elasticsearch,
    /// `ApiKeyService#validateForUpdate`).
    ///
    /// # Errors
    ///
    /// [`UpdateRefusal`], the first that applies in this order: not found, invalidated, expired.
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
            owner: self.owner.clone(),
            limited_by: self.limited_by.clone(),
            role_descriptors: self.role_descriptors.clone().unwrap_or_else(|| key.role_descriptors.clone()),
            metadata: self.metadata.clone().unwrap_or_else(|| key.metadata.clone()),
            expiration: self.expiration.or(key.expiration),
            ..key.clone()
        };
        let is_no_change = self.expiration.is_none() && changed == key;
        Ok((!is_no_change).then_some(changed))
    }

    /// Counted from when the key was made: otherwise a key could be kept alive for ever, a little at a time.
    fn is_too_late(&self, end: UnixMillis, key: &StoredKey) -> bool {
        self.lifetime_max.is_some_and(|max| {
            let max = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
            end.0 > key.creation.0.saturating_add(max)
        })
    }

    fn is_of_the_owner(&self, key: &StoredKey) -> bool {
        key.owner.username == self.owner.username && key.owner.realm == self.owner.realm
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::key;

    fn nothing() -> KeyUpdate {
        let key = key("a");
        KeyUpdate {
            owner: key.owner,
            limited_by: key.limited_by,
            role_descriptors: None,
            metadata: None,
            expiration: None,
            lifetime_max: None,
        }
    }

    const NOW: UnixMillis = UnixMillis(1_000);

    // Contract, section 11: the order of the checks, and the boundary of expiry.
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

    // Contract, section 11: what counts as a change.
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
            assert_eq!((&changed.id, changed.salt, changed.digest), (&key.id, key.salt, key.digest));
            assert_eq!((&changed.name, changed.creation), (&key.name, key.creation));
        }
    }
}
