//! Which data of a key are facts, and which are claims of its maker.
//!
//! The maker of a key is free in the names of its role descriptors and in its metadata. A name is *vouched
//! for* when the owner has a role of that name with the very same content, or when the writer of the
//! descriptors was allowed to manage security and so could have given the owner such a role. Metadata is
//! vouched for when its writer was allowed to manage security. The writer is the caller of the request, not
//! the owner for whom a key was granted.

use crate::permission::EffectivePermission;
use crate::role_descriptor::RoleDescriptors;

/// Which data of a key were written by a caller who was allowed to manage security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vouching {
    /// Its role descriptors.
    pub roles: bool,
    /// Its metadata.
    pub metadata: bool,
}

impl Vouching {
    /// For a key of an earlier version, whose writer is unknown: the owner counts as the writer, which is
    /// mostly right.
    #[must_use]
    pub fn of_owner(limited_by: &RoleDescriptors) -> Self {
        Self::by(&EffectivePermission::of_user(limited_by))
    }

    /// For what a caller with this permission writes.
    #[must_use]
    pub fn by(writer: &EffectivePermission) -> Self {
        let may = writer.manages_security();
        Self { roles: may, metadata: may }
    }

    /// The names of role descriptors that are vouched for, of a key that is limited by these roles.
    #[must_use]
    pub fn vouched_names<'a>(
        self,
        role_descriptors: &'a RoleDescriptors,
        limited_by: &RoleDescriptors,
    ) -> Vec<&'a str> {
        role_descriptors
            .iter()
            .filter(|(name, role)| self.roles || limited_by.get(name) == Some(role))
            .map(|(name, _)| name)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn roles(value: serde_json::Value) -> RoleDescriptors {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn whoever_manages_security_vouches_for_what_he_writes() {
        for (cluster, vouches) in [
            ("all", true),
            ("manage_security", true),
            ("MANAGE_SECURITY", true),
            ("cluster:admin/xpack/security/*", false),
            ("manage_api_key", false),
            ("manage_own_api_key", false),
            ("read_security", false),
            ("manage", false),
        ] {
            let limited_by = roles(json!({"r": {"cluster": [cluster]}, "other": {}}));
            assert_eq!(
                Vouching::of_owner(&limited_by),
                Vouching { roles: vouches, metadata: vouches },
                "{cluster}"
            );
        }
        assert_eq!(Vouching::of_owner(&RoleDescriptors::default()), Vouching::default());
        assert_eq!(Vouching::by(&EffectivePermission::nothing()), Vouching::default());
    }

    // A key with all rights is limited by an owner with few rights.
    #[test]
    fn of_a_key_both_sides_count() {
        let (all, little) =
            (roles(json!({"a": {"cluster": ["all"]}})), roles(json!({"r": {"cluster": ["monitor"]}})));
        for (assigned, limited_by, vouches) in [
            (&all, &little, false),
            (&little, &all, false),
            (&all, &all, true),
            (&RoleDescriptors::default(), &all, true),
        ] {
            assert_eq!(Vouching::by(&EffectivePermission::of_key(assigned, limited_by)).roles, vouches);
        }
    }

    #[test]
    fn a_role_of_the_owner_is_vouched_for_only_with_its_very_content() {
        let own =
            roles(json!({"ops": {"cluster": ["monitor"]}, "admin": {}, "dev": {"cluster": ["monitor"]}}));
        let limited_by = roles(json!({"ops": {"cluster": ["monitor"]}, "dev": {"cluster": ["all"]}}));
        assert_eq!(Vouching::default().vouched_names(&own, &limited_by), ["ops"]);
        let all = Vouching { roles: true, metadata: false };
        assert_eq!(all.vouched_names(&own, &limited_by), ["admin", "dev", "ops"]);
    }
}
