use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::applications::some_roles;
use super::{budget, role};
use crate::application_privilege::{ApplicationPrivilege, RegisteredPrivileges};
use crate::permission::{ApplicationQuestion, EffectivePermission, HasPrivilegesRequest, NotListed};
use crate::role_descriptor::RoleDescriptors;

const LEN_MAX: usize = 1_000;

fn registered(privileges: &[(&str, &str)]) -> RegisteredPrivileges {
    let privilege = |(name, action): &(&str, &str)| ApplicationPrivilege {
        application: "shop".to_owned(),
        name: (*name).to_owned(),
        actions: vec![(*action).to_owned()],
        ..ApplicationPrivilege::default()
    };
    privileges.iter().map(privilege).collect()
}

fn shop() -> RegisteredPrivileges {
    registered(&[("read", "data:read"), ("write", "data:write"), ("all", "data:*")])
}

/// A role with these privileges on these resources.
fn grants(blocks: &[(&[&str], &[&str])]) -> RoleDescriptors {
    let block = |(privileges, resources): &(&[&str], &[&str])| json!({"application": "shop", "privileges": privileges, "resources": resources});
    role(json!({"applications": blocks.iter().map(block).collect::<Vec<Value>>()}))
}

fn listed(permission: &EffectivePermission) -> Vec<(String, String)> {
    let registered = shop();
    let held = permission.held_privileges("shop", &registered, LEN_MAX, &mut budget()).unwrap();
    held.iter().map(|block| (block.privileges.join(","), block.resources.join(","))).collect()
}

fn both(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

#[test]
fn privileges_with_the_same_resources_stand_together() {
    let roles = grants(&[(&["all"], &["orders/*", "a"]), (&["read"], &["stock"])]);
    let permission = EffectivePermission::of_user(&roles);
    assert_eq!(listed(&permission), [both("all,write", "a,orders/*"), both("read", "a,orders/*,stock")]);
    let nobody = EffectivePermission::of_user(&RoleDescriptors::default());
    assert_eq!(listed(&nobody), []);
    let others = permission.held_privileges("other", &shop(), LEN_MAX, &mut budget()).map(|held| held.len());
    assert_eq!(others, Ok(0));
}

#[test]
fn what_one_side_does_not_grant_as_a_whole_is_not_listed() {
    // Resources of the key, of its limiting roles, and those that are listed.
    for (own, limit, expected) in [
        (&["orders/*"][..], &["*"][..], "orders/*"),
        (&["*"], &["orders/*"], "orders/*"),
        (&["a", "b"], &["b", "c"], "b"),
        (&["a*"], &["ab*", "ac"], "ab*,ac"),
        (&["*"], &["a", "*"], "*,a"),
        // They overlap, and no pattern says where.
        (&["a*"], &["*b"], ""),
        // A regular expression is not understood, and grants nothing.
        (&["/.*/", "x"], &["*"], "x"),
        (&["a"], &["b"], ""),
    ] {
        let permission =
            EffectivePermission::of_key(&grants(&[(&["read"], own)]), &grants(&[(&["read"], limit)]));
        let expected: Vec<_> = (!expected.is_empty()).then(|| both("read", expected)).into_iter().collect();
        assert_eq!(listed(&permission), expected, "{own:?} {limit:?}");
    }
}

#[test]
fn a_list_that_is_too_long_or_too_costly_is_none() {
    let permission = EffectivePermission::of_user(&grants(&[(&["read"], &["aaaa", "bbbb"])]));
    let list =
        |len_max| permission.held_privileges("shop", &shop(), len_max, &mut budget()).map(|held| held.len());
    assert_eq!(list(12), Ok(1));
    assert_eq!(list(11), Err(NotListed::TooLong));
    assert_eq!(list(7), Err(NotListed::TooLong));
    let mut little = latchkey_budget::Budget::alone(latchkey_budget::Allowance { steps: 100, bytes: 1_000 });
    assert_eq!(permission.held_privileges("shop", &shop(), LEN_MAX, &mut little), Err(NotListed::TooCostly));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_listed_is_held_and_what_is_held_everywhere_is_listed(
        assigned in some_roles(),
        limited_by in some_roles(),
        action in select(&["data:read", "data:write", "data:*"][..]),
    ) {
        let permission = EffectivePermission::of_key(&assigned, &limited_by);
        let registered = registered(&[("one", "data:read"), ("two", action)]);
        let held = permission.held_privileges("shop", &registered, LEN_MAX, &mut budget()).unwrap();
        let answer = |privilege: &str, resource: &str| {
            let block = ApplicationQuestion {
                application: "shop".to_owned(),
                privileges: vec![privilege.to_owned()],
                resources: vec![resource.to_owned()],
            };
            let question = HasPrivilegesRequest { application: vec![block], ..HasPrivilegesRequest::default() };
            permission.answer(&question, &registered, &mut budget()).unwrap().has_all_requested
        };
        for block in &held {
            for (privilege, resource) in
                block.privileges.iter().flat_map(|one| block.resources.iter().map(move |other| (one, other)))
            {
                prop_assert!(answer(privilege, resource), "{privilege} on {resource}");
            }
        }
        for privilege in ["one", "two"] {
            let is_listed =
                held.iter().any(|block| block.privileges.contains(&privilege) && block.resources.contains(&"*"));
            prop_assert_eq!(is_listed, answer(privilege, "*"), "{}", privilege);
        }
    }
}
