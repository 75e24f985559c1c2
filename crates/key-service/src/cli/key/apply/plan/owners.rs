//! Owners, and the roles of users.

use http::Method;
use serde_json::{Value, json};

use super::super::declared::{DeclaredOwner, PENDING, marked};
use super::super::existing::ExistingUser;
use super::{Action, Basis, Call, Planner, Request, Step};
use crate::cli::user::native::place_of;

pub(super) fn owners(planner: &mut Planner<'_>) {
    let Basis { declared, existing, set, .. } = *planner.basis;
    for (name, owner) in &declared.owners {
        let subject = format!("owner {name}");
        let there = existing.users.get(name);
        let fields = match there {
            Some(there) if !there.is_service_account => {
                planner.complain(
                    owner.line,
                    format!("{name} is a user with a password, and no service account"),
                );
                continue;
            }
            Some(there) if !planner.may_have(owner.line, &subject, &there.metadata) => continue,
            Some(there) => changes_of(there, &owner.value, set),
            None => Vec::new(),
        };
        let is_pending = has_stale_keys(planner, name);
        planner.put(
            there.is_some(),
            subject,
            fields,
            place_of(name, &[]),
            body(&owner.value, set, is_pending),
        );
    }
}

/// Once the keys of an owner have the limits of its new roles, nothing of it is pending.
pub(super) fn finish_owners(planner: &mut Planner<'_>) {
    let Basis { declared, existing, set, .. } = *planner.basis;
    for (name, owner) in &declared.owners {
        let was_pending = existing.users.get(name).is_some_and(|there| there.metadata.contains_key(PENDING));
        let is_open = was_pending || has_stale_keys(planner, name);
        if !is_open || existing.is_disabled(name) {
            continue;
        }
        let request = Request::new(Method::PUT, place_of(name, &[]), Some(body(&owner.value, set, false)));
        let step = Step {
            action: Action::Change,
            subject: format!("owner {name}"),
            fields: vec!["done with its keys"],
            call: Call::Ask(request),
        };
        planner.plan.steps.push(step);
    }
}

/// The roles of people. They are no part of the set: nothing of theirs is pruned.
pub(super) fn users(planner: &mut Planner<'_>) {
    let Basis { declared, existing, .. } = *planner.basis;
    for (name, roles) in &declared.users {
        let Some(there) = existing.users.get(name) else {
            planner.complain(roles.line, format!("there is no user {name} that the service manages itself"));
            continue;
        };
        if there.is_service_account {
            planner.complain(roles.line, format!("{name} is a service account: declare it among owners"));
            continue;
        }
        let fields = if there.roles == roles.value { Vec::new() } else { vec!["roles"] };
        // The service keeps nothing that a request leaves out, but the password.
        let body = json!({
            "roles": roles.value, "full_name": there.full_name, "email": there.email,
            "metadata": there.metadata, "enabled": there.enabled,
        });
        planner.put(true, format!("user {name}"), fields, place_of(name, &[]), body);
    }
}

/// The roles that an owner will have; `None` for one of whom neither the file nor the service says it.
pub(super) fn roles_of<'p>(planner: &'p Planner<'_>, owner: &str) -> Option<&'p [String]> {
    let Basis { declared, existing, .. } = planner.basis;
    let declared_owner = declared.owners.get(owner).map(|owner| &owner.value.roles);
    let declared_user = declared.users.get(owner).map(|user| &user.value);
    let there = existing.users.get(owner).map(|user| &user.roles);
    declared_owner.or(declared_user).or(there).map(Vec::as_slice)
}

/// Whether the roles of the owner change, or an earlier `apply` that has changed them did not come to its end.
pub(super) fn roles_change(planner: &Planner<'_>, owner: &str) -> bool {
    let there = planner.basis.existing.users.get(owner);
    there.is_some_and(|there| {
        there.metadata.contains_key(PENDING)
            || roles_of(planner, owner).is_some_and(|roles| roles != there.roles)
    })
}

/// Whether keys of the owner keep limits of before until they are updated.
fn has_stale_keys(planner: &Planner<'_>, owner: &str) -> bool {
    let Basis { existing, now, .. } = planner.basis;
    let has_keys = existing.keys.iter().any(|key| key.owner == owner && key.is_live(*now));
    has_keys && roles_change(planner, owner)
}
/// What differs. That something is pending is a change of its own, which `finish_owners` ends.
fn changes_of(there: &ExistingUser, owner: &DeclaredOwner, set: &str) -> Vec<&'static str> {
    let mut metadata = there.metadata.clone();
    metadata.remove(PENDING);
    let mut fields = Vec::new();
    for (field, differs) in [
        ("roles", there.roles != owner.roles),
        ("full_name", there.full_name != owner.full_name),
        ("email", there.email != owner.email),
        ("metadata", metadata != marked(&owner.metadata, set)),
    ] {
        if differs {
            fields.push(field);
        }
    }
    fields
}

/// The request does not say whether the owner is enabled, so one that somebody has disabled stays so.
fn body(owner: &DeclaredOwner, set: &str, is_pending: bool) -> Value {
    let mut metadata = marked(&owner.metadata, set);
    if is_pending {
        metadata.insert(PENDING.to_owned(), json!(true));
    }
    json!({
        "service_account": true, "roles": owner.roles, "full_name": owner.full_name, "email": owner.email,
        "metadata": metadata,
    })
}
