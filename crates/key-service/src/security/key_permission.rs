//! The permission of a key, computed once for all requests that share one read of it.

use std::sync::{Arc, Mutex, PoisonError};

use latchkey_privileges::permission::EffectivePermission;

use crate::store::key_entry::KeyEntry;

/// The permission of the key that was used last. Edges often use one key at the same time. They share a read
/// of it, and so they share this. For another read, however equal, it is computed anew, so it is never older
/// than the key itself.
#[derive(Debug, Default)]
pub(crate) struct LatestKeyPermission(Mutex<Option<(Arc<KeyEntry>, Arc<EffectivePermission>)>>);

impl LatestKeyPermission {
    /// What the holder of this reading of a key may do, if it was asked for last.
    #[must_use]
    pub(crate) fn known(&self, key: &Arc<KeyEntry>) -> Option<Arc<EffectivePermission>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|(known, _)| Arc::ptr_eq(known, key)).map(|(_, permission)| permission)
    }

    /// Keeps what the holder of this reading of a key may do.
    pub(crate) fn keep(&self, key: &Arc<KeyEntry>, permission: &Arc<EffectivePermission>) {
        let known = Some((Arc::clone(key), Arc::clone(permission)));
        let before = {
            let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *latest, known)
        };
        drop(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::key;

    #[test]
    fn each_reading_of_a_key_has_a_permission_of_its_own() {
        let latest = LatestKeyPermission::default();
        let permission = || Arc::new(EffectivePermission::nothing());
        let (before, of_before) = (Arc::new(KeyEntry::from(key("a"))), permission());
        assert!(latest.known(&before).is_none());
        latest.keep(&before, &of_before);
        assert!(latest.known(&before).is_some_and(|known| Arc::ptr_eq(&known, &of_before)));
        let after = Arc::new(KeyEntry::from(key("a")));
        assert!(latest.known(&after).is_none(), "equal is not the same");
        latest.keep(&after, &permission());
        assert!(latest.known(&before).is_none());
    }
}
