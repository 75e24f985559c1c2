//! What of a key is a fact, and what its maker merely says.
//!
//! Whoever makes a key names its role descriptors and writes its metadata as he likes. Somebody *vouches* for a name when the owner has
//! a role of that name with that very content, or when whoever wrote the descriptors was allowed to manage security, who could have given
//! the owner such a role. The same goes for metadata. Who wrote it is the caller of the request, not the owner on whose behalf a key
//! was granted.

use crate::permission::EffectivePermission;
use crate::role_descriptor::RoleDescriptors;

/// What of a key was written by somebody who was allowed to manage security.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vouching {
    /// Its role descriptors.
    pub roles: bool,
    /// Its metadata.
    pub metadata: bool,
}

impl Vouching {
    /// Of a key of an earlier version, of which it is not known who wrote it: the owner counts as the writer, as it mostly was.
    #[must_use]
    pub fn of_owner(limited_by: &RoleDescriptors) -> Self {
        Self::by(&EffectivePermission::of_user(limited_by))
    }

    /// Of what is written by somebody who may do this.
    #[must_use]
    pub fn by(writer: &EffectivePermission) -> Self {
        let may = writer.manages_security();
        Self { roles: may, metadata: may }
    }

    /// The names of role descriptors that somebody vouches for, of a key whose owner is limited to these roles.
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

    // A key that may do everything within an owner who may little is as little.
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
