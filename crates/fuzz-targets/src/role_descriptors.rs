//! Role descriptors of a request, and the rights that are made of them.

use latchkey_budget::{Allowance, Budget};
use latchkey_elastic::content::Node;
use latchkey_privileges::permission::{EffectivePermission, IndexQuestion, NoAnswer};
use latchkey_privileges::rights::Rights;
use latchkey_privileges::role_descriptor::{PROBLEMS_TOLD_MAX, RoleDescriptor, RoleDescriptors};

use crate::allocation::within;
use crate::json::Json;

/// How many times its bytes a reading may cost, and what it may cost however short it is.
const COST_PER_BYTE: usize = 64;
const COST_BASE: usize = 64 * 1024;

/// Most questions of a kind that are asked.
const ASKED_MAX: usize = 3;

/// What a question about rights may cost.
const ALLOWANCE: Allowance = Allowance { steps: 200_000, bytes: 4 * 1024 * 1024 };

/// * What is read is written so that both readers (of requests and of the store) read it the same.
/// * Rights are written so that they are read the same, and decide as the descriptors do.
/// * Bytes that are no rights as they are written are refused, or an object without unknown fields.
pub fn role_descriptors(data: &[u8]) {
    check_rights(data);
    let Ok(Some(node)) = Node::parse(data) else { return };
    let Ok(roles) = within(COST_PER_BYTE * data.len() + COST_BASE, || RoleDescriptors::parse(&node)) else {
        return;
    };
    assert!(roles.problems().len() <= PROBLEMS_TOLD_MAX);
    let written = serde_json::to_string(&roles).expect("roles have a JSON form");
    let stored: RoleDescriptors = serde_json::from_str(&written).expect("what was written");
    assert_eq!(stored, roles, "the store reads something else");
    let again = Node::parse_required(written.as_bytes()).expect("JSON");
    assert_eq!(
        RoleDescriptors::parse(&again).expect("what was shown"),
        roles,
        "a request reads something else"
    );
    for (name, role) in roles.iter() {
        let text = serde_json::to_string(role).expect("a role has a JSON form");
        let node = Node::parse_required(text.as_bytes()).expect("JSON");
        if let Ok(read) = RoleDescriptor::parse(name, &node) {
            assert_eq!(&read, role);
        }
    }
    let rights = Rights::of_key(&roles, &roles);
    let json = rights.to_json();
    let read = Rights::of_json(json.as_bytes()).expect("what was written");
    assert_eq!(read, rights);
    check_decisions(&roles, &rights);
}

/// Descriptors decide as the rights that are made of them. A key without descriptors of its own may do what
/// its owner may, and one with the same descriptors too.
fn check_decisions(roles: &RoleDescriptors, rights: &Rights) {
    let inherited = Rights::of_key(&RoleDescriptors::default(), roles);
    let permissions =
        [EffectivePermission::of_key(roles, roles), rights.permission(), inherited.permission()];
    for name in roles.iter().flat_map(|(_, role)| &role.cluster).take(ASKED_MAX) {
        agree(name, permissions.each_ref().map(|it| it.has_cluster(name, &mut Budget::alone(ALLOWANCE))));
    }
    for block in roles.iter().flat_map(|(_, role)| &role.indices).take(ASKED_MAX) {
        let question = IndexQuestion {
            names: block.names.clone(),
            privileges: block.privileges.clone(),
            allow_restricted_indices: block.allow_restricted_indices,
        };
        agree(
            &format!("{question:?}"),
            permissions.each_ref().map(|it| it.has_index(&question, &mut Budget::alone(ALLOWANCE))),
        );
    }
}

fn agree(question: &str, answers: [Result<bool, NoAnswer>; 3]) {
    let answers: Vec<bool> = answers.into_iter().flatten().collect();
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{question}: {answers:?}");
}

fn check_rights(data: &[u8]) {
    let Ok(rights) = Rights::of_json(data) else { return };
    let json = rights.to_json();
    assert_eq!(Rights::of_json(json.as_bytes()).as_ref(), Ok(&rights));
    assert!(!Json::is_malformed(data), "a second reader does not take it");
    if let Some(read) = Json::read(data) {
        let known = [
            "own",
            "limited_by",
            "cluster",
            "indices",
            "applications",
            "names",
            "privileges",
            "allow_restricted_indices",
            "application",
            "resources",
        ];
        assert!(!read.has_name_twice() && read.names().iter().all(|name| known.contains(name)));
    }
}
