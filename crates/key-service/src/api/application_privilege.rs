//! `/_security/privilege`: the privileges that applications register, and the names of the built-in
//! privileges.

use std::collections::{BTreeMap, HashSet};

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Member, Node, Token};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::format_limits::APPLICATION_PRIVILEGES_LEN_MAX;
use latchkey_privileges::application_privilege::ApplicationPrivilege;
use latchkey_privileges::cluster_request::{
    ClusterRequest, DELETE_PRIVILEGES, GET_BUILTIN_PRIVILEGES, GET_PRIVILEGES, PUT_PRIVILEGES,
};
use latchkey_privileges::privilege::{ClusterPrivilege, IndexPrivilege, sorted};
use latchkey_privileges::role_descriptor::REMOTE_CLUSTER_PRIVILEGES;
use serde::Serialize;
use serde_json::Value;

use crate::api::answer;
use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::limits::APPLICATION_PRIVILEGES_MAX;
use crate::store::directory::{PrivilegeFilter, PutPrivileges, TooLong};
use crate::store::scan::Scan;

const PARSER: ObjectParser<ApplicationPrivilege> = ObjectParser::new(
    "application-privilege",
    &[
        Field::string("application", |privilege: &mut ApplicationPrivilege, name| {
            privilege.application = name;
        }),
        Field::string("name", |privilege: &mut ApplicationPrivilege, name| privilege.name = name),
        Field::string_array("actions", |privilege: &mut ApplicationPrivilege, actions| {
            let mut seen = HashSet::new();
            privilege.actions = actions.into_iter().filter(|action| seen.insert(action.clone())).collect();
        }),
        Field::node("metadata", &[Token::StartObject], |privilege: &mut ApplicationPrivilege, node| {
            if let Value::Object(metadata) = node.to_value() {
                privilege.metadata = metadata;
            }
            Ok(())
        }),
    ],
);

#[derive(Serialize)]
struct Created {
    created: bool,
}

#[derive(Serialize)]
struct Found {
    found: bool,
}

#[derive(Serialize)]
struct BuiltinPrivileges {
    cluster: Vec<&'static str>,
    index: Vec<&'static str>,
    remote_cluster: [&'static str; 2],
}

/// A value for each privilege, by application and name.
type ByApplication<T> = BTreeMap<String, BTreeMap<String, T>>;

pub(super) async fn list(mut call: Incoming) -> Result<Response, ApiError> {
    let application = Some(call.path.take("application")).filter(|name| !name.is_empty());
    let names = call.path.names("privilege");
    let call = call.parsed()?.authorize(&ClusterRequest::Other(GET_PRIVILEGES))?;
    let filter = PrivilegeFilter {
        applications: application.map(|application| vec![application]),
        names: (!names.is_empty()).then(|| names.clone()),
    };
    let store = call.store.clone();
    let write = move |budget: &mut Budget| {
        write_all(store.directory().scan_privileges(&filter, budget.cancellation()), budget)
    };
    let (answer, has_any) = call.search(write).await?;
    let is_missing = !names.is_empty() && !has_any;
    Ok(answer.with_status(if is_missing { StatusCode::NOT_FOUND } else { StatusCode::OK }))
}

/// Writes privileges one by one. They come in the order of their applications.
fn write_all(
    mut privileges: Scan<ApplicationPrivilege>,
    budget: &mut Budget,
) -> Result<(WrittenAnswer, bool), ApiError> {
    let mut text = AnswerText::new(budget);
    let mut latest: Option<String> = None;
    while let Some(privilege) = privileges.blocking_next() {
        let privilege = privilege?;
        if latest.as_ref() == Some(&privilege.application) {
            text.push(",")?;
        } else {
            text.push(if latest.is_none() { "{" } else { "}," })?;
            text.push_json(&privilege.application)?;
            text.push(":{")?;
            latest = Some(privilege.application.clone());
        }
        text.push_json(&privilege.name)?;
        text.push(":")?;
        text.push_json(&privilege)?;
    }
    text.push(if latest.is_none() { "{}" } else { "}}" })?;
    Ok((text.finish(), latest.is_some()))
}

pub(super) async fn show_builtin(call: Incoming) -> Result<Response, ApiError> {
    call.parsed()?.authorize(&ClusterRequest::Other(GET_BUILTIN_PRIVILEGES))?;
    answer::ok(&BuiltinPrivileges {
        cluster: sorted(ClusterPrivilege::names()),
        index: sorted(IndexPrivilege::names()),
        remote_cluster: REMOTE_CLUSTER_PRIVILEGES,
    })
}

pub(super) async fn put(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (validity, privileges) = call.read_required_body(read).await?;
    call.parameters.refresh()?;
    let call = call.parsed()?;
    validity?;
    let call = call.authorize(&ClusterRequest::Other(PUT_PRIVILEGES))?;
    let (actor, now) = (call.actor(), call.now());
    let names: Vec<(String, String)> =
        privileges.iter().map(|it| (it.application.clone(), it.name.clone())).collect();
    let created = match call.store.directory().put_application_privileges(privileges, actor, now).await? {
        PutPrivileges::Done(created) => created,
        PutPrivileges::TooLong(TooLong { application, len }) => {
            return Err(ErrorCause::illegal_argument(format!(
                "the privileges of the application [{application}] have {len} bytes as JSON, at most {APPLICATION_PRIVILEGES_LEN_MAX} are allowed"
            ))
            .into());
        }
        PutPrivileges::TooMany => {
            let reason = format!("there can be {APPLICATION_PRIVILEGES_MAX} application privileges");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
    };
    let mut answer: ByApplication<Created> = BTreeMap::new();
    for ((application, name), created) in names.into_iter().zip(created) {
        answer.entry(application).or_default().insert(name, Created { created });
    }
    call.write_answer(StatusCode::OK, answer).await
}

pub(super) async fn delete(mut call: Incoming) -> Result<Response, ApiError> {
    let application = call.path.take("application");
    let names = call.path.names("privilege");
    call.parameters.refresh()?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(DELETE_PRIVILEGES))?;
    let (actor, now) = (call.actor(), call.now());
    let found =
        call.store.directory().delete_application_privileges(application.clone(), names, actor, now).await?;
    let any = found.values().any(|found| *found);
    let shown: BTreeMap<String, Found> =
        found.into_iter().map(|(name, found)| (name, Found { found })).collect();
    let status = if any { StatusCode::OK } else { StatusCode::NOT_FOUND };
    answer::with_status(status, &ByApplication::from_iter([(application, shown)]))
}

/// What is registered, and whether it makes sense.
pub(super) fn read(body: &Node) -> Result<(Result<(), ErrorCause>, Vec<ApplicationPrivilege>), ErrorCause> {
    let privileges = parse(body)?;
    Ok((validate(&privileges), privileges))
}

/// An object of applications, each an object of privileges.
fn parse(body: &Node) -> Result<Vec<ApplicationPrivilege>, ErrorCause> {
    let Some(applications) = body.members() else {
        return Err(ErrorCause::parse(format!("expected object but found {} instead", body.token())));
    };
    let mut privileges = Vec::new();
    for application in applications {
        for named in object(&application.name, &application.value)? {
            privileges.push(parse_one(&application.name, &named.name, &named.value)?);
        }
    }
    Ok(privileges)
}

fn parse_one(application: &str, name: &str, body: &Node) -> Result<ApplicationPrivilege, ErrorCause> {
    object(name, body)?;
    let mut privilege = PARSER.parse(body)?;
    agree("application", &mut privilege.application, application)?;
    agree("privilege", &mut privilege.name, name)?;
    Ok(privilege)
}

/// One privilege, which makes sense.
pub(super) fn read_one(
    application: &str,
    name: &str,
    body: &Node,
) -> Result<ApplicationPrivilege, ErrorCause> {
    let privilege = parse_one(application, name, body)?;
    validate(std::slice::from_ref(&privilege)).map(|()| privilege)
}

fn object<'a>(name: &str, node: &'a Node) -> Result<&'a [Member], ErrorCause> {
    node.members().ok_or_else(|| {
        let found = node.token();
        ErrorCause::parse(format!("expected the value for {name} to be an object, but found {found} instead"))
    })
}

/// A privilege may repeat its application and name from the keys of the objects, and must not have other
/// ones.
fn agree(what: &str, said: &mut String, stands_under: &str) -> Result<(), ErrorCause> {
    if said.is_empty() {
        stands_under.clone_into(said);
    }
    if said == stands_under {
        return Ok(());
    }
    Err(ErrorCause::illegal_argument(format!(
        "{what} name [{said}] in source does not match the name provided [{stands_under}]"
    )))
}

fn validate(privileges: &[ApplicationPrivilege]) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.add_if(privileges.is_empty(), "At least one application privilege must be provided");
    for privilege in privileges {
        privilege.add_problems(&mut problems);
    }
    problems.into_result()
}
