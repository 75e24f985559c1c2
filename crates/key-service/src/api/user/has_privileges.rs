//! `GET` and `POST /_security/user/_has_privileges`, and with the caller's own name before it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::content::Node;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::application_privilege::RegisteredPrivileges;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::permission::{HasPrivilegesRequest, HasPrivilegesResponse};
use latchkey_privileges::role_descriptor::{Stars, check_application_name};
use serde::Serialize;

use crate::api::answer::text::AnswerText;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::error::ApiError;
use crate::store::KeyStore;
use crate::store::directory::PrivilegeFilter;

#[derive(Serialize)]
struct CheckAnswer<'a> {
    username: &'a str,
    #[serde(flatten)]
    answer: HasPrivilegesResponse,
}

pub(in crate::api) async fn check_own(call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let username = call.authenticated.authentication.username().to_owned();
    check_of(call, username).await
}

pub(in crate::api) async fn check(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    check_of(call, username).await
}

async fn check_of(mut call: Incoming<RequestBody>, username: String) -> Result<Response, ApiError> {
    call.allow_source()?;
    let whose = username.clone();
    let read = move |body: Option<&Node>| {
        let missing = || ErrorCause::parse("request body or source parameter is required");
        HasPrivilegesRequest::parse(body.ok_or_else(missing)?, &whose)
    };
    let question = call.read_body(read).await?;
    let call = call.parsed()?;
    validate(&question)?;
    let call = call.authorize(&ClusterRequest::CheckPrivileges { username: &username })?;
    if username != call.authenticated.authentication.username() {
        let reason = "users may only check the privileges of their own account";
        return Err(ErrorCause::illegal_argument(reason).into());
    }
    let store = call.store.clone();
    let permission = Arc::clone(call.authenticated.permission());
    let look = move |budget: &mut Budget| {
        let registered = registered(&store, &question, budget)?;
        let answer = permission.answer(&question, &registered, budget).map_err(ErrorCause::from)?;
        let mut text = AnswerText::new(budget);
        text.push_json(&CheckAnswer { username: &username, answer })?;
        Ok(text.finish())
    };
    let answer = call.question(look).await?;
    Ok(answer.with_status(StatusCode::OK))
}

fn validate(question: &HasPrivilegesRequest) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.add_if(
        question.cluster.is_empty() && question.index.is_empty() && question.application.is_empty(),
        "must specify at least one privilege",
    );
    let names = question.application.iter().map(|block| block.application.as_str());
    let invalid = names.filter_map(|name| check_application_name(name, Stars::Refused).err());
    problems.extend(invalid.map(|invalid| invalid.to_string()));
    problems.into_result()
}

/// What the applications of the request have registered.
fn registered(
    store: &KeyStore,
    question: &HasPrivilegesRequest,
    budget: &mut Budget,
) -> Result<RegisteredPrivileges, ApiError> {
    if question.application.is_empty() {
        return Ok(RegisteredPrivileges::default());
    }
    let applications = question.application.iter().map(|block| block.application.clone()).collect();
    let filter = PrivilegeFilter { applications: Some(applications), names: None };
    let mut privileges = store.directory().scan_privileges(&filter, budget.cancellation());
    let charged = std::iter::from_fn(|| {
        let privilege = privileges.blocking_next()?;
        Some(privilege.map_err(ApiError::from).and_then(|privilege| {
            budget.hold(privilege.held_len())?;
            budget.read(privilege.held_len())?;
            Ok(privilege)
        }))
    });
    charged.collect()
}
