//! `POST` and `DELETE /_security/role`: several roles at once. Each is written by itself, and what is wrong with one keeps no
//! other from being written (Elasticsearch, `BulkRolesResponse`).

use std::collections::BTreeMap;

use axum::response::Response;
use latchkey_elastic::content::Token;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::{ClusterRequest, DELETE_ROLE, PUT_ROLE};
use latchkey_privileges::role_descriptor::RoleDescriptor;
use serde::Serialize;

use super::{refuse_reserved, too_many, validate};
use crate::api::answer;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::limits::ROLES_AT_ONCE_MAX;
use crate::store::directory::Written;

#[derive(Default)]
struct PutBody {
    roles: Vec<(String, RoleDescriptor)>,
}

#[derive(Default)]
struct DeleteBody {
    names: Vec<String>,
}

const PUT_PARSER: ObjectParser<PutBody> = ObjectParser::new(
    "bulk_update_roles_request_payload",
    &[Field::node("roles", &[Token::StartObject], |body: &mut PutBody, node| {
        for member in node.members().unwrap_or_default() {
            body.roles.push((member.name.clone(), RoleDescriptor::parse(&member.name, &member.value)?));
        }
        Ok(())
    })
    .required()],
);

const DELETE_PARSER: ObjectParser<DeleteBody> = ObjectParser::new(
    "bulk_delete_roles_request",
    &[Field::string_array("names", |body: &mut DeleteBody, names| body.names = names).required()],
);

/// What became of each role. The fields have the order of Elasticsearch's answer, and empty ones are left out.
#[derive(Default, Serialize)]
struct BulkAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    created: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    updated: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_found: Vec<String>,
    #[serde(skip_serializing_if = "Errors::is_empty")]
    errors: Errors,
}

#[derive(Default, Serialize)]
struct Errors {
    count: usize,
    details: BTreeMap<String, ErrorCause>,
}

pub(in crate::api) async fn put(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let roles = call.read_required_body(|body| Ok(PUT_PARSER.parse(body)?.roles)).await?;
    call.parameters.refresh()?;
    let call = call.parsed()?;
    refuse_number(roles.len(), "roles")?;
    let call = call.authorize(&ClusterRequest::Other(PUT_ROLE))?;
    let mut answer = BulkAnswer::default();
    for (name, role) in roles {
        if let Err(cause) = validate(&name, &role) {
            answer.errors.add(name, cause);
            continue;
        }
        match call.store.directory().put_role(name.clone(), role, call.actor(), call.now()).await? {
            Some(Written::Created) => answer.created.push(name),
            Some(Written::Updated) => answer.updated.push(name),
            None => answer.errors.add(name, too_many()),
        }
    }
    answer::ok(&answer)
}

pub(in crate::api) async fn delete(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let names = call.read_required_body(|body| Ok(DELETE_PARSER.parse(body)?.names)).await?;
    call.parameters.refresh()?;
    let call = call.parsed()?;
    refuse_number(names.len(), "names")?;
    let call = call.authorize(&ClusterRequest::Other(DELETE_ROLE))?;
    let mut answer = BulkAnswer::default();
    for name in names {
        if let Err(cause) = refuse_reserved(&name) {
            answer.errors.add(name, cause);
        } else if call.store.directory().delete_role(name.clone(), call.actor(), call.now()).await? {
            answer.deleted.push(name);
        } else {
            answer.not_found.push(name);
        }
    }
    answer::ok(&answer)
}

fn refuse_number(number: usize, field: &str) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.add_if(number == 0, &format!("[{field}] must not be empty"));
    problems.add_if(
        number > ROLES_AT_ONCE_MAX,
        &format!("[{field}] must not hold more than {ROLES_AT_ONCE_MAX} roles"),
    );
    problems.into_result()
}

impl Errors {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, name: String, cause: ErrorCause) {
        self.details.insert(name, cause);
        self.count = self.details.len();
    }
}
