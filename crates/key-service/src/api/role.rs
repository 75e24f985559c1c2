//! `/_security/role`: the roles that are managed over the interface, and the reserved roles of the service.

pub(super) mod bulk;
pub(super) mod query;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::content::Node;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::{ClusterRequest, DELETE_ROLE, GET_ROLES, PUT_ROLE};
use latchkey_privileges::role_descriptor::{RoleDescriptor, RoleDescriptors};
use serde::Serialize;

use crate::api::answer;
use crate::api::answer::found;
use crate::api::answer::members::Members;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;
use crate::limits::{NATIVE_ROLES_MAX, ROLE_DESCRIPTION_CHARS_MAX};
use crate::security::roles::{is_reserved, reserved};
use crate::store::directory::Written;
use crate::store::written_len::are_longer_than;

#[derive(Serialize)]
struct PutAnswer {
    role: Created,
}

#[derive(Serialize)]
struct Created {
    created: bool,
}

pub(super) async fn list(mut call: Incoming) -> Result<Response, ApiError> {
    let names = call.path.names("name");
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_ROLES))?;
    let is_asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    let reserved: BTreeMap<String, RoleDescriptor> = reserved()
        .iter()
        .filter(|(name, _)| is_asked(name))
        .map(|(name, role)| (name.to_owned(), role.clone()))
        .collect();
    let is_for_all = names.is_empty();
    let store = call.store.clone();
    let write = move |budget: &mut Budget| {
        let names = (!names.is_empty()).then_some(names.as_slice());
        let mut roles = store.directory().scan_roles(names, budget.cancellation());
        let mut shown = Members::begin(reserved, budget)?;
        while let Some(role) = roles.blocking_next() {
            let (name, role) = role?;
            shown.push(&name, &role)?;
        }
        shown.finish()
    };
    let (answer, has_any) = call.search(write).await?;
    Ok(answer.with_status(if has_any || is_for_all { StatusCode::OK } else { StatusCode::NOT_FOUND }))
}

pub(super) async fn put(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let name = call.path.take("name");
    let called = name.clone();
    let read = move |body: &Node| {
        let role = RoleDescriptor::parse(&called, body)?;
        Ok((validate(&called, &role), role))
    };
    let (validity, role) = call.read_required_body(read).await?;
    call.parameters.refresh()?;
    let call = call.parsed()?;
    validity?;
    let call = call.authorize(&ClusterRequest::Other(PUT_ROLE))?;
    let (actor, now) = (call.actor(), call.now());
    let Some(written) = call.store.directory().put_role(name, role, actor, now).await? else {
        return Err(too_many().into());
    };
    answer::ok(&PutAnswer { role: Created { created: written == Written::Created } })
}

pub(super) async fn delete(mut call: Incoming) -> Result<Response, ApiError> {
    let name = call.path.take("name");
    call.parameters.refresh()?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(DELETE_ROLE))?;
    refuse_reserved(&name)?;
    found(call.store.directory().delete_role(name, call.actor(), call.now()).await?)
}

fn too_many() -> ErrorCause {
    ErrorCause::illegal_argument(format!("there are {NATIVE_ROLES_MAX} roles already"))
}

fn refuse_reserved(name: &str) -> Result<(), ErrorCause> {
    if !is_reserved(name) {
        return Ok(());
    }
    Err(ErrorCause::illegal_argument(format!("role [{name}] is reserved and cannot be deleted")))
}

pub(super) fn validate(name: &str, role: &RoleDescriptor) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    if is_reserved(name) {
        problems.add(format!("Role [{name}] is reserved and may not be used."));
    }
    problems.add_if(
        are_longer_than(DESCRIPTORS_LEN_MAX, [role]),
        &format!("the role has more than {DESCRIPTORS_LEN_MAX} bytes as JSON"),
    );
    problems.extend(RoleDescriptors::from_iter([(name.to_owned(), role.clone())]).problems());
    let description = role.description.as_deref().unwrap_or_default();
    problems.add_if(
        description.encode_utf16().count() > ROLE_DESCRIPTION_CHARS_MAX,
        &format!("Role description must be less than {ROLE_DESCRIPTION_CHARS_MAX} characters."),
    );
    problems.into_result()
}
