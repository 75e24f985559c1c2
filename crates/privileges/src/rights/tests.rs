use std::cell::Cell;
use std::env;

use latchkey_budget::{Allowance, Budget};
use latchkey_elastic::content::Node;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::*;
use crate::application_privilege::{ApplicationActions, RegisteredPrivileges};
use crate::permission::{ApplicationQuestion, HasPrivilegesRequest, HasPrivilegesResponse, IndexQuestion};
use crate::role_descriptor::Restriction;

/// How many keys are asked, unless [`CASES_VARIABLE`] says otherwise.
const CASES: u32 = 10_000;

/// Environment variable with another number.
const CASES_VARIABLE: &str = "LATCHKEY_TEST_RIGHTS";

fn budget() -> Budget {
    Budget::alone(Allowance { steps: 4_000_000, bytes: 8 * 1024 * 1024 })
}

fn roles(roles: &Value) -> RoleDescriptors {
    RoleDescriptors::parse(&Node::parse_required(roles.to_string().as_bytes()).unwrap()).unwrap()
}

#[test]
fn rights_are_written_in_one_form() {
    let assigned = roles(&json!({
        "z": {"cluster": ["Monitor", "all", "monitor"], "indices": [
            {"names": ["b", "a", "b"], "privileges": ["READ"], "allow_restricted_indices": true},
            {"names": ["b", "a"], "privileges": ["read"], "field_security": {"grant": ["x"]}},
        ]},
        "a": {"applications": [{"application": "shop", "privileges": ["write", "read"], "resources": ["*"]}],
              "run_as": ["bob"], "metadata": {"team": "x"}},
    }));
    let limited_by = roles(&json!({"ops": {"cluster": ["all"]}}));
    assert_eq!(
        Rights::of_key(&assigned, &limited_by).to_json(),
        concat!(
            r#"{"own":{"cluster":["all","monitor"],"indices":[{"names":["a","b"],"privileges":["read"]},"#,
            r#"{"names":["a","b"],"privileges":["read"],"allow_restricted_indices":true}],"#,
            r#""applications":[{"application":"shop","privileges":["read","write"],"resources":["*"]}]},"#,
            r#""limited_by":{"cluster":["all"]}}"#
        )
    );
}

#[test]
fn the_names_and_the_order_of_roles_make_no_other_rights() {
    let one = json!({"a": {"cluster": ["monitor"]}, "b": {"cluster": ["manage"]}});
    let other = json!({"x": {"cluster": ["manage"], "description": "d"}, "y": {"cluster": ["monitor"]}});
    let rights = |assigned: &Value| Rights::of_key(&roles(assigned), &roles(&json!({})));
    assert_eq!(rights(&one), rights(&other));
    assert_eq!(rights(&one).to_json(), rights(&other).to_json());
}

#[test]
fn what_grants_nothing_is_left_out() {
    let assigned = roles(&json!({
        "workflow": {"cluster": ["all"], "restriction": {"workflows": ["search_application_query"]}},
        "unknown": {"cluster": ["fly"], "indices": [{"names": ["a"], "privileges": ["fly"]}]},
    }));
    // No request may bring such a block any more; a store may hold it.
    let empty =
        json!({"empty": {"applications": [{"application": "shop", "privileges": [], "resources": ["*"]}]}});
    let empty: RoleDescriptors = serde_json::from_value(empty).unwrap();
    let ops = roles(&json!({"ops": {"cluster": ["all"]}}));
    assert_eq!(Rights::of_key(&empty, &ops).to_json(), r#"{"own":{},"limited_by":{"cluster":["all"]}}"#);
    let rights = Rights::of_key(&assigned, &ops);
    assert_eq!(rights.to_json(), r#"{"own":{},"limited_by":{"cluster":["all"]}}"#);
    let inherits = Rights::of_key(&RoleDescriptors::default(), &roles(&json!({"ops": {"cluster": ["all"]}})));
    assert_eq!(inherits.to_json(), r#"{"limited_by":{"cluster":["all"]}}"#);
    let question = HasPrivilegesRequest { cluster: vec!["monitor".to_owned()], ..Default::default() };
    for (rights, held) in [(rights, false), (inherits, true)] {
        let answer = rights.permission().answer(&question, &RegisteredPrivileges::default(), &mut budget());
        assert_eq!(answer.unwrap().has_all_requested, held);
    }
}

#[test]
fn what_is_no_rights_is_not_read() {
    for json in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"own":{}}"#,
        r#"{"limited_by":{},"except":{}}"#,
        r#"{"limited_by":{"run_as":["*"]}}"#,
        r#"{"limited_by":{"indices":[{"names":["a"],"privileges":["read"],"query":"{}"}]}}"#,
        r#"{"limited_by":{}}{}"#,
        r#"{"limited_by":{},"limited_by":{}}"#,
        r#"{"own":null,"limited_by":{}}"#,
        r#"{"limited_by":{"cluster":"all"}}"#,
        r#"{"limited_by":{"cluster":[1]}}"#,
        r#"{"limited_by":{"indices":[{"names":["a"],"privileges":["read"],"allow_restricted_indices":0}]}}"#,
        r#"{"limited_by":{"applications":[{"application":"shop","privileges":["read"]}]}}"#,
        r#"{"limited_by":{"cluster":[[[[[[]]]]]]}}"#,
    ] {
        assert_eq!(Rights::of_json(json.as_bytes()), Err(InvalidRights), "{json}");
    }
}

#[test]
fn what_an_application_has_registered_survives_json() {
    let mut actions = ApplicationActions::default();
    actions.insert("write", vec!["data:write/*".to_owned()]);
    actions.insert("read", vec!["data:read/*".to_owned(), "data:list".to_owned()]);
    let json = actions.to_json();
    assert_eq!(json, r#"{"read":["data:read/*","data:list"],"write":["data:write/*"]}"#);
    assert_eq!(ApplicationActions::of_json(json.as_bytes()), Ok(actions));
    for json in [r#"{"read":"data:read/*"}"#, r#"{"write":[],"read":[]}"#, r#"{"read":[],"read":[]}"#, "[]"] {
        assert!(ApplicationActions::of_json(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn a_resource_is_understood_as_in_a_question_about_privileges() {
    let long = "a".repeat(1_025);
    // Granted resources, asked resource, whether it is held.
    for (granted, asked, held) in [
        (json!(["orders/*"]), "orders/7", true),
        (json!(["orders/*"]), "orders", false),
        (json!(["orders/*"]), "orders/*", true),
        (json!(["orders/7"]), "orders/*", false),
        (json!(["orders/?"]), "orders/?", true),
        (json!(["orders/?"]), "orders/*", false),
        (json!(["a", "b"]), "?", false),
        (json!(["orders/x*y"]), r"orders/x\*y", true),
        (json!([r"orders/x\*y"]), r"orders/x\*y", true),
        (json!([r"orders/x\*y"]), "orders/x*y", false),
        (json!(["*"]), "/orders/", false),
        (json!(["/orders/"]), "/orders/", false),
        (json!(["*"]), "/", true),
        (json!(["/orders/*"]), "/orders/7", true),
        (json!(["*"]), "", true),
        (json!(["*"]), long.as_str(), false),
    ] {
        let assigned = roles(&json!({"r": {"applications": [
            {"application": "shop", "privileges": ["read"], "resources": granted}]}}));
        let limited_by = roles(&json!({"ops": {"applications": [
            {"application": "*", "privileges": ["*"], "resources": ["*"]}]}}));
        let permission = Rights::of_key(&assigned, &limited_by).permission();
        let registered = RegisteredPrivileges::default();
        let block = ApplicationQuestion {
            application: "shop".to_owned(),
            privileges: vec!["read".to_owned()],
            resources: vec![asked.to_owned()],
        };
        let question = HasPrivilegesRequest { application: vec![block], ..Default::default() };
        let answer = permission.answer(&question, &registered, &mut budget()).unwrap();
        assert_eq!(answer.has_all_requested, held, "{granted} {asked}");
        let resources = permission.application_resources("shop", "read", &registered, &mut budget()).unwrap();
        assert_eq!(resources.contains(asked, &mut budget()), Ok(held), "{granted} {asked}");
    }
}

const CLUSTER: [&str; 8] = [
    "all",
    "Monitor",
    "manage_security",
    "manage_own_api_key",
    "none",
    "cluster:admin/xpack/security/*",
    "cluster:monitor/main",
    "fly",
];
const INDEX: [&str; 7] = ["all", "READ", "write", "index", "indices:data/read/*", "none", "fly"];
const NAMES: [&str; 8] = ["a", "ab", "a*", "*", "a?", ".security", ".sec*", "/a.*/"];
const APPLICATIONS: [&str; 5] = ["shop", "shop-eu", "shop*", "*", "*"];
const PRIVILEGES: [&str; 8] = ["read", "write", "all", "data:read/one", "data:read/*", "data:*", "*", "*"];
const RESOURCES: [&str; 10] = ["a", "ab", "a*", "*", "*", "a?", r"a\*", "a/", "/a/", ""];

fn texts(from: &'static [&'static str], most: usize) -> impl Strategy<Value = Vec<String>> {
    vec(select(from).prop_map(str::to_owned), 0..=most)
}

fn some_texts(from: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    vec(select(from).prop_map(str::to_owned), 1..3)
}

prop_compose! {
    fn index_block()(names in some_texts(&NAMES), privileges in texts(&INDEX, 2), restricted: bool) -> IndexPrivileges {
        IndexPrivileges { names, privileges, allow_restricted_indices: restricted, ..Default::default() }
    }
}

prop_compose! {
    fn application_block()(
        application in select(&APPLICATIONS[..]),
        privileges in texts(&PRIVILEGES, 2),
        resources in texts(&RESOURCES, 2),
    ) -> ApplicationPrivileges {
        ApplicationPrivileges { application: application.to_owned(), privileges, resources }
    }
}

prop_compose! {
    fn one_role()(
        cluster in texts(&CLUSTER, 2),
        indices in vec(index_block(), 0..3),
        applications in vec(application_block(), 0..4),
        is_restricted in prop::bool::weighted(0.1),
    ) -> RoleDescriptor {
        let restriction = is_restricted.then(Restriction::default);
        RoleDescriptor { cluster, indices, applications, restriction, ..Default::default() }
    }
}

fn some_roles() -> impl Strategy<Value = RoleDescriptors> {
    vec(one_role(), 0..3)
        .prop_map(|list| list.into_iter().enumerate().map(|(n, role)| (n.to_string(), role)).collect())
}

prop_compose! {
    fn registered()(
        names in vec((select(&["shop", "shop-eu"][..]), select(&["read", "write", "all"][..]), some_texts(&PRIVILEGES)), 0..3),
    ) -> RegisteredPrivileges {
        let mut registered = RegisteredPrivileges::default();
        for (application, name, actions) in names {
            let mut all = registered.of_application(application).cloned().unwrap_or_default();
            all.insert(name, actions);
            registered.set(application, all);
        }
        registered
    }
}

prop_compose! {
    fn question()(
        cluster in texts(&CLUSTER[..7], 1),
        name in select(&NAMES[..]),
        // What is restricted makes these questions ten times as costly as the others.
        index in prop::option::weighted(0.3, select(&INDEX[..6])),
        allow_restricted_indices: bool,
        application in select(&APPLICATIONS[..2]),
        privilege in select(&PRIVILEGES[..]),
        resources in some_texts(&RESOURCES),
    ) -> HasPrivilegesRequest {
        HasPrivilegesRequest {
            cluster,
            index: vec![IndexQuestion {
                names: vec![name.to_owned()],
                privileges: index.map(str::to_owned).into_iter().collect(),
                allow_restricted_indices,
            }],
            application: vec![ApplicationQuestion {
                application: application.to_owned(),
                privileges: vec![privilege.to_owned()],
                resources,
            }],
        }
    }
}

/// What an edge says of the resources of a question.
fn say_the_same(
    permission: &EffectivePermission,
    registered: &RegisteredPrivileges,
    answer: &HasPrivilegesResponse,
) {
    for (application, resources) in &answer.application {
        for (resource, privileges) in resources {
            for (privilege, held) in privileges {
                let prepared =
                    permission.application_resources(application, privilege, registered, &mut budget());
                let said = prepared.unwrap().contains(resource, &mut budget());
                assert_eq!(said, Ok(*held), "{application} {privilege} {resource}");
            }
        }
    }
}

/// What an application has registered, as an edge gets it.
fn brought(registered: &RegisteredPrivileges) -> RegisteredPrivileges {
    let mut brought = RegisteredPrivileges::default();
    for application in APPLICATIONS {
        if let Some(actions) = registered.of_application(application) {
            let actions = ApplicationActions::of_json(actions.to_json().as_bytes()).unwrap();
            brought.set(application, actions);
        }
    }
    brought
}

// An edge reads rights and registered privileges from JSON; the service asks the descriptors themselves.
#[test]
fn rights_that_travelled_answer_as_the_descriptors_they_were_made_of() {
    let cases = env::var(CASES_VARIABLE).map_or(CASES, |cases| cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let key = (some_roles(), some_roles(), registered(), question());
    let held = Cell::new([0_u32; 2]);
    let test = |(assigned, limited_by, registered, question)| {
        let asked = EffectivePermission::of_key(&assigned, &limited_by);
        let answer = asked.answer(&question, &registered, &mut budget()).unwrap();
        let json = Rights::of_key(&assigned, &limited_by).to_json();
        let rights = Rights::of_json(json.as_bytes()).unwrap();
        assert_eq!(rights.to_json(), json);
        assert_eq!(serde_json::from_str::<Rights>(&json).unwrap(), rights);
        let (permission, brought) = (rights.permission(), brought(&registered));
        assert_eq!(permission.answer(&question, &brought, &mut budget()).unwrap(), answer);
        say_the_same(&permission, &brought, &answer);
        let [mut yes, mut no] = held.get();
        for said in answer.application.values().flat_map(|it| it.values()).flat_map(|it| it.values()) {
            if *said { yes += 1 } else { no += 1 }
        }
        held.set([yes, no]);
        Ok(())
    };
    TestRunner::new(config).run(&key, test).unwrap();
    assert!(held.get().iter().all(|count| *count > cases / 20), "held and not: {held:?}");
}
