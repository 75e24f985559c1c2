use serde_json::json;

use super::role;
use crate::security::application_privilege::{ApplicationPrivilege, RegisteredPrivileges};
use crate::security::permission::{ApplicationQuestion, EffectivePermission, PrivilegesQuestion};

#[test]
fn applications_are_answered_by_resource() {
    // ES-CONTRACT 13.2: application, privilege, resource, whether it is held.
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
        let question = PrivilegesQuestion { application: vec![block], ..PrivilegesQuestion::default() };
        let answer = permission.answer(&question, &RegisteredPrivileges::default()).unwrap();
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
        let question = PrivilegesQuestion { application: vec![block], ..PrivilegesQuestion::default() };
        let answer = EffectivePermission::of_user(&roles).answer(&question, &registered).unwrap();
        assert_eq!(answer.has_all_requested, held, "{granted} {asked}");
    }
}
