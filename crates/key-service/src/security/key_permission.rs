//! The permission of a key, computed once for all requests that share one read of it.

use std::sync::{Arc, Mutex, PoisonError};

use latchkey_privileges::permission::EffectivePermission;

use crate::model::stored_key::StoredKey;

/// The permission of the key that was used last. Edges often use one key at the same time. They share a read
/// of it, and so they share this. For another read, however equal, it is computed anew, so it is never older
/// than the key itself.
#[derive(Debug, Default)]
pub struct LatestKeyPermission(Mutex<Option<(Arc<StoredKey>, Arc<EffectivePermission>)>>);

impl LatestKeyPermission {
    /// The permission for this read of a key.
    #[must_use]
    pub fn of(&self, key: &Arc<StoredKey>) -> Arc<EffectivePermission> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, permission)) = known.filter(|(known, _)| Arc::ptr_eq(known, key)) {
            return permission;
        }
        let permission = Arc::new(EffectivePermission::of_key(&key.role_descriptors, &key.limited_by));
        let known = Some((Arc::clone(key), Arc::clone(&permission)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
        permission
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::key;
    use latchkey_privileges::role_descriptor::RoleDescriptors;

    #[test]
    fn each_reading_of_a_key_has_a_permission_of_its_own() {
        let latest = LatestKeyPermission::default();
        let before = Arc::new(key("a"));
        let of_before = latest.of(&before);
        assert!(Arc::ptr_eq(&latest.of(&before), &of_before));
        let role_descriptors = RoleDescriptors::default();
        let after = Arc::new(StoredKey { role_descriptors, ..key("a") });
        let of_after = latest.of(&after);
        assert!(!Arc::ptr_eq(&of_after, &of_before));
        assert!(!Arc::ptr_eq(&latest.of(&Arc::new(key("a"))), &of_before), "equal is not the same");
    }
}
