use std::path::Path;

use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use serde::de::DeserializeOwned;

use super::super::declared::{DeclaredSecret, PENDING};
use super::super::existing::{ExistingKey, ExistingUser};
use super::super::reading;
use super::*;

const NOW: u64 = 1_000_000_000_000;

const FILE: &str = "set: shop
roles:
  clerk: {cluster: [monitor]}
privileges:
  orders:
    read: {actions: [\"a:read\", \"a:list\"]}
owners:
  team: {roles: [clerk], email: team@example.org}
keys:
- {owner: team, name: checkout, roles: [r], expiration: 30d, metadata: {a: 1}}
- {owner: team, name: brought, roles: [r], digest: \"sha256:00\"}
";

fn declared(text: &str) -> Declared {
    let mut mistakes = Vec::new();
    let declared = reading::read(text, Path::new("."), &mut mistakes);
    assert_eq!(mistakes, Vec::new());
    declared
}

fn planned(text: &str, existing: &Existing, found: &[Option<String>], adopts: bool) -> Plan {
    let declared = declared(text);
    let basis = Basis { declared: &declared, existing, found, set: "shop", adopts, now: NOW };
    Plan::of(&basis)
}

fn steps(plan: &Plan) -> Vec<String> {
    assert_eq!(plan.mistakes, Vec::new());
    lines(plan).lines().map(|line| line.trim().to_owned()).collect()
}

fn from<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    from(value)
}

/// What the service has once [`FILE`] was applied.
fn applied() -> Existing {
    let mark = || object(json!({"latchkey_apply": "shop"}));
    let clerk: RoleDescriptor = from(json!({"cluster": ["monitor"], "metadata": mark()}));
    let limited_by: RoleDescriptors = from(json!({"clerk": clerk}));
    let mut existing = Existing::default();
    existing.roles.insert("clerk".to_owned(), clerk);
    let read = ("orders".to_owned(), "read".to_owned());
    let privilege = latchkey_privileges::application_privilege::ApplicationPrivilege {
        application: read.0.clone(),
        name: read.1.clone(),
        actions: vec!["a:list".to_owned(), "a:read".to_owned()],
        metadata: mark(),
    };
    existing.privileges.insert(read, privilege);
    let team = ExistingUser {
        is_service_account: true,
        roles: vec!["clerk".to_owned()],
        email: Some("team@example.org".to_owned()),
        metadata: mark(),
        enabled: true,
        ..ExistingUser::default()
    };
    existing.users.insert("team".to_owned(), team);
    let key = |id: &str, name: &str, metadata: Value| ExistingKey {
        id: id.to_owned(),
        name: name.to_owned(),
        owner: "team".to_owned(),
        creation: NOW - 1_000,
        role_descriptors: from(json!({"r": {}})),
        limited_by: limited_by.clone(),
        metadata: object(metadata),
        ..ExistingKey::default()
    };
    let mut checkout = key("id-1", "checkout", json!({"a": 1, "latchkey_apply": "shop"}));
    checkout.expiration = Some(NOW - 1_000 + 2_592_000_000);
    existing.keys = vec![checkout, key("id-2", "brought", json!({"latchkey_apply": "shop"}))];
    existing
}

fn found() -> Vec<Option<String>> {
    vec![None, Some("id-2".to_owned())]
}

#[test]
fn all_is_made_in_the_order_in_which_one_needs_the_other() {
    let plan = planned(FILE, &Existing::default(), &[None, None], false);
    assert_eq!(
        steps(&plan),
        [
            "+ role clerk",
            "+ privilege read of orders",
            "+ owner team",
            "+ key checkout of team",
            "+ key brought of team"
        ]
    );
    assert!(matches!(plan.steps[3].call, Call::Draw(0)) && matches!(plan.steps[4].call, Call::Import(1)));
    let Call::Ask(request) = &plan.steps[0].call else { panic!("a request") };
    assert_eq!((&request.method, request.path.as_str()), (&Method::PUT, "/_security/role/clerk"));
    assert_eq!(request.body.as_ref().unwrap()["metadata"], json!({"latchkey_apply": "shop"}));
    let Call::Ask(request) = &plan.steps[2].call else { panic!("a request") };
    assert_eq!(request.body.as_ref().unwrap()["service_account"], true);
}

#[test]
fn what_is_as_declared_stays_as_it_is() {
    assert_eq!(steps(&planned(FILE, &applied(), &found(), false)), Vec::<String>::new());
}

#[test]
fn what_differs_is_changed_and_nothing_else_is_written() {
    let file = FILE
        .replace("[monitor]", "[monitor, manage]")
        .replace("team@", "shop@")
        .replace("a:list", "a:find")
        .replace("30d", "60d")
        .replace("{a: 1}", "{a: 2}");
    let plan = planned(&file, &applied(), &found(), false);
    assert_eq!(
        steps(&plan),
        [
            "~ role clerk: cluster",
            "~ privilege read of orders: actions",
            "~ owner team: email",
            "~ key checkout of team: metadata, expiration, limits",
            "~ key brought of team: limits",
        ]
    );
    let Call::Ask(request) = &plan.steps[3].call else { panic!("a request") };
    assert_eq!(request.on_behalf_of.as_deref(), Some("team"));
    assert_eq!(
        request.body,
        Some(json!({"metadata": {"a": 2, "latchkey_apply": "shop"}, "expiration": "5183999s"}))
    );
}

// Should it end between the two writes of the owner, the next one still knows that keys have limits of before.
#[test]
fn an_owner_whose_roles_change_is_pending_until_its_keys_have_them() {
    let file = FILE.replace("roles: [clerk], email", "roles: [], email");
    let plan = planned(&file, &applied(), &found(), false);
    let expected = [
        "~ owner team: roles",
        "~ key checkout of team: limits",
        "~ key brought of team: limits",
        "~ owner team: done with its keys",
    ];
    assert_eq!(steps(&plan), expected);
    let metadata = |step: usize| match &plan.steps[step].call {
        Call::Ask(request) => request.body.as_ref().unwrap()["metadata"].clone(),
        _ => panic!("a request"),
    };
    assert_eq!((metadata(0)[PENDING].clone(), metadata(3).get(PENDING)), (json!(true), None));
    let mut half = applied();
    let team = half.users.get_mut("team").unwrap();
    team.roles.clear();
    team.metadata.insert(PENDING.to_owned(), json!(true));
    assert_eq!(steps(&planned(&file, &half, &found(), false)), expected[1..]);
}

#[test]
fn what_the_set_owns_and_does_not_declare_is_pruned_last_and_nothing_of_others() {
    let mut existing = applied();
    let other = ExistingUser { is_service_account: true, ..ExistingUser::default() };
    existing.users.insert("other".to_owned(), other);
    let mut key = existing.keys[0].clone();
    key.id = "of-others".to_owned();
    key.metadata = object(json!({"latchkey_apply": "another"}));
    existing.keys.push(key);
    let plan = planned("set: shop", &existing, &[], false);
    let expected = [
        "- key checkout of team (id-1)",
        "- key brought of team (id-2)",
        "- owner team, with all its keys",
        "- privilege read of orders",
        "- role clerk",
    ];
    assert_eq!(steps(&plan), expected);
    assert_eq!(plan.count(Action::Prune), 5);
}

#[test]
fn a_key_with_another_secret_takes_the_place_of_the_one_before() {
    let plan = planned(FILE, &applied(), &[None, None], false);
    assert_eq!(steps(&plan), ["+ key brought of team", "- key brought of team (id-2)"]);
    // Nobody may have got the credential of a key that is pending.
    let mut existing = applied();
    existing.keys[0].metadata.insert(PENDING.to_owned(), json!(true));
    let plan = planned(FILE, &existing, &found(), false);
    assert_eq!(steps(&plan), ["+ key checkout of team", "- key checkout of team (id-1)"]);
}

#[test]
fn what_no_set_owns_is_taken_over_only_when_that_is_said() {
    let mut existing = applied();
    existing.users.get_mut("team").unwrap().metadata.clear();
    existing.keys[1].metadata.clear();
    let refused = planned(FILE, &existing, &found(), false);
    let told: Vec<_> = refused.mistakes.iter().map(|it| (it.line, it.problem.as_str())).collect();
    assert_eq!(
        told,
        [
            (8, "the owner team is there already, and no set owns it: --adopt takes it over"),
            (11, "the key brought of team is there already, and no set owns it: --adopt takes it over"),
        ]
    );
    let plan = planned(FILE, &existing, &found(), true);
    assert_eq!(steps(&plan), ["~ owner team: metadata", "~ key brought of team: metadata"]);
    existing.keys[1].metadata = object(json!({"latchkey_apply": "another"}));
    let problem = &planned(FILE, &existing, &found(), true).mistakes[0].problem;
    assert_eq!(problem, "the key brought of team belongs to the set another");
}

#[test]
fn what_cannot_be_is_a_mistake_of_its_line() {
    let problems = |file: &str, existing: &Existing| {
        let plan = planned(file, existing, &found(), false);
        plan.mistakes.iter().map(|it| format!("{}: {}", it.line, it.problem)).collect::<Vec<_>>()
    };
    let mut existing = applied();
    existing.keys[1].name = "else".to_owned();
    assert_eq!(
        problems(FILE, &existing),
        [
            "11: the key brought of team has the secret of the key else of team (id-2): a key keeps its name and its owner"
        ]
    );
    let never = FILE.replace("30d", "never");
    assert_eq!(
        problems(&never, &applied()),
        ["10: the key checkout of team ends at 2001-10-09T01:46:39Z: a key that has an end keeps one"]
    );
    let mut person = applied();
    person.users.get_mut("team").unwrap().is_service_account = false;
    assert_eq!(problems(FILE, &person), ["8: team is a user with a password, and no service account"]);
    let orphaned = FILE.replace("owners:\n  team: {roles: [clerk], email: team@example.org}\n", "");
    assert_eq!(
        problems(&orphaned, &applied()),
        [
            "8: the owner team is of this set, and not in the file any more",
            "9: the owner team is of this set, and not in the file any more"
        ]
    );
    let users = "set: shop\nusers:\n  nobody: {roles: [a]}\n  team: {roles: [a]}";
    assert_eq!(
        problems(users, &applied()),
        [
            "3: there is no user nobody that the service manages itself",
            "4: team is a service account: declare it among owners"
        ]
    );
}

#[test]
fn a_key_that_has_ended_is_worth_a_word_and_is_not_made_again() {
    let past = FILE.replace("30d", "2001-01-01");
    let plan = planned(&past, &applied(), &found(), false);
    assert_eq!(steps(&plan), ["- key checkout of team (id-1)"]);
    assert_eq!(plan.notes, ["the key checkout of team has ended, as line 10 says"]);
    let mut existing = applied();
    existing.keys[1].expiration = Some(NOW);
    let plan = planned(FILE, &existing, &found(), false);
    assert!(steps(&plan).is_empty() && plan.notes[0].contains("has expired (id-2)"), "{:?}", plan.notes);
    // A secret can be drawn once more.
    existing.keys[0].expiration = Some(NOW);
    assert_eq!(steps(&planned(FILE, &existing, &found(), false)), ["+ key checkout of team"]);
}

// Nobody acts on behalf of an owner that is disabled. Its keys have stopped, and come back as they were.
#[test]
fn the_keys_of_an_owner_that_is_disabled_stay_as_they_are_until_it_is_enabled() {
    let mut existing = applied();
    existing.users.get_mut("team").unwrap().enabled = false;
    let changed = FILE.replace("{a: 1}", "{a: 2}").replace("[clerk], email", "[], email");
    let plan = planned(&changed, &existing, &[None, None], false);
    assert_eq!(steps(&plan), ["~ owner team: roles"]);
    assert_eq!(plan.notes, ["team is disabled, so its keys stay as they are until it is enabled"]);
    let Call::Ask(request) = &plan.steps[0].call else { panic!("a request") };
    assert_eq!(request.body.as_ref().unwrap()["metadata"][PENDING], true, "they have limits of before");
    let fewer = FILE.split("- {owner: team, name: brought").next().unwrap();
    let plan = planned(fewer, &existing, &[None], false);
    assert_eq!(steps(&plan), ["- key brought of team (id-2)"]);
}

#[test]
fn the_roles_of_people_are_set_and_nothing_else_of_them() {
    let mut existing = Existing::default();
    let alice = ExistingUser {
        enabled: false,
        roles: vec!["old".to_owned()],
        full_name: Some("Alice".to_owned()),
        metadata: object(json!({"office": 7})),
        ..ExistingUser::default()
    };
    existing.users.insert("alice".to_owned(), alice);
    let plan = planned("set: shop\nusers:\n  alice: {roles: [new]}", &existing, &[], false);
    assert_eq!(steps(&plan), ["~ user alice: roles"]);
    let Call::Ask(request) = &plan.steps[0].call else { panic!("a request") };
    assert_eq!(
        request.body,
        Some(
            json!({"roles": ["new"], "full_name": "Alice", "email": null, "metadata": {"office": 7}, "enabled": false})
        )
    );
    let same = planned("set: shop\nusers:\n  alice: {roles: [old]}", &existing, &[], false);
    assert_eq!(steps(&same), Vec::<String>::new());
}

#[test]
fn no_secret_is_in_a_plan() {
    let declared = declared(FILE);
    assert!(matches!(declared.keys[1].secret, DeclaredSecret::Known(_)));
    let plan = planned(FILE, &Existing::default(), &[None, None], false);
    assert!(!format!("{plan:?}").contains("sha256:"));
}
