use latchkey_elastic::wildcard::Wildcard;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::budget;
use super::{role, roles};
use crate::application_privilege::{ApplicationPrivilege, RegisteredPrivileges};
use crate::permission::{ApplicationQuestion, EffectivePermission, HasPrivilegesRequest};
use crate::role_descriptor::RoleDescriptors;

#[test]
fn applications_are_answered_by_resource() {
    // Application, privilege, resource, whether it is held.
    let permission = EffectivePermission::of_key(
        &role(json!({"applications": [
            {"application": "shop", "privileges": ["read", "data:write/*"], "resources": ["items/*"]},
            {"application": "shop-*", "privileges": ["*"], "resources": ["*"]},
        ]})),
        &role(
            json!({"applications": [{"application": "*", "privileges": ["*"], "resources": ["items/*", "x"]}]}),
        ),
    );
    let rows = [
        ("shop", "read", "items/1", true),
        ("shop", "read", "items/*", true),
        ("shop", "read", "*", false),
        ("shop", "admin", "items/1", false),
        ("shop", "data:write/one", "items/1", true),
        ("shop", "data:write/*", "items/1", true),
        ("shop", "data:*", "items/1", false),
        ("shop-eu", "anything", "x", true),
        ("shop-eu", "anything", "y", false),
        ("other", "read", "items/1", false),
    ];
    for (application, privilege, resource, held) in rows {
        let block = ApplicationQuestion {
            application: application.to_owned(),
            privileges: vec![privilege.to_owned()],
            resources: vec![resource.to_owned()],
        };
        let question = HasPrivilegesRequest { application: vec![block], ..HasPrivilegesRequest::default() };
        let answer = permission.answer(&question, &RegisteredPrivileges::default(), &mut budget()).unwrap();
        assert_eq!(answer.application[application][resource][privilege], held, "{application} {privilege}");
    }
}

#[test]
fn a_registered_name_stands_for_its_actions() {
    // Elasticsearch, "Create or update application privileges": granted, asked, whether it is held.
    let registered = |name: &str, actions: &[&str]| ApplicationPrivilege {
        application: "shop".to_owned(),
        name: name.to_owned(),
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        ..ApplicationPrivilege::default()
    };
    let registered: RegisteredPrivileges =
        [registered("read", &["data:read/*"]), registered("all", &["data:*", "admin:*"])]
            .into_iter()
            .collect();
    for (granted, asked, held) in [
        ("read", "read", true),
        ("read", "data:read/one", true),
        ("read", "data:write/one", false),
        ("read", "all", false),
        ("all", "read", true),
        ("data:read/*", "read", true),
        ("data:read/o*", "read", false),
        ("rea*", "read", false),
        ("unregistered", "unregistered", true),
        ("*", "unregistered", true),
    ] {
        let roles = role(json!({"applications": [
            {"application": "sho*", "privileges": [granted], "resources": ["*"]},
        ]}));
        let block = ApplicationQuestion {
            application: "shop".to_owned(),
            privileges: vec![asked.to_owned()],
            resources: vec!["r".to_owned()],
        };
        let question = HasPrivilegesRequest { application: vec![block], ..HasPrivilegesRequest::default() };
        let answer =
            EffectivePermission::of_user(&roles).answer(&question, &registered, &mut budget()).unwrap();
        assert_eq!(answer.has_all_requested, held, "{granted} {asked}");
    }
}

const APPLICATIONS: [&str; 4] = ["shop", "shop-eu", "shop-*", "*"];
const PRIVILEGES: [&str; 4] = ["data:read", "data:write", "data:*", "*"];
const RESOURCES: [&str; 4] = ["a", "ab", "a*", "*"];

pub(super) fn some_roles() -> impl Strategy<Value = RoleDescriptors> {
    let block =
        (select(&APPLICATIONS[..]), vec(select(&PRIVILEGES[..]), 1..3), vec(select(&RESOURCES[..]), 1..3));
    let one_role = vec(block, 0..3).prop_map(|blocks| -> Value {
        let blocks = blocks.into_iter().map(|(application, privileges, resources)| {
            json!({"application": application, "privileges": privileges, "resources": resources})
        });
        json!({ "applications": blocks.collect::<Vec<_>>() })
    });
    vec(one_role, 0..3)
        .prop_map(|list| roles(list.into_iter().enumerate().map(|(n, role)| (n.to_string(), role)).collect()))
}

/// A simple implementation, to compare with: whether some role grants one action of an application on one
/// resource.
fn model(roles: &RoleDescriptors, application: &str, action: &str, resource: &str) -> bool {
    let matches = |patterns: &[String], name: &str| patterns.iter().any(|it| Wildcard::new(it).matches(name));
    roles.iter().any(|(_, role)| {
        role.applications.iter().any(|block| {
            Wildcard::new(&block.application).matches(application)
                && matches(&block.privileges, action)
                && matches(&block.resources, resource)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_intersection_over_applications_is_that_of_a_plain_model(
        assigned in some_roles(),
        limited_by in some_roles(),
    ) {
        let permission = EffectivePermission::of_key(&assigned, &limited_by);
        for application in ["shop", "shop-eu", "other"] {
            for (action, resource) in [("data:read", "a"), ("data:write", "ab"), ("data:read", "b"), ("admin:x", "ab")] {
                let held = |roles| model(roles, application, action, resource);
                let expected = (assigned.is_empty() || held(&assigned)) && held(&limited_by);
                let block = ApplicationQuestion {
                    application: application.to_owned(),
                    privileges: vec![action.to_owned()],
                    resources: vec![resource.to_owned()],
                };
                let question = HasPrivilegesRequest { application: vec![block], ..HasPrivilegesRequest::default() };
                let answer = permission.answer(&question, &RegisteredPrivileges::default(), &mut budget()).unwrap();
                prop_assert_eq!(answer.has_all_requested, expected, "{} {} {}", application, action, resource);
            }
        }
    }
}
