//! `PUT` and `POST /_security/api_key`.

use axum::response::Response;
use latchkey_elastic::content::Node;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::vouching::Vouching;

use crate::api::answer;
use crate::api::api_key::issuing::{CreatedKeyAnswer, Maker, issue_one};
use crate::api::api_key::key_request::KeyRequest;
use crate::api::api_key::require_api_keys;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::edge_wait::{AskedWait, edges_reached};
use crate::api::error::ApiError;
use crate::audit::ChangeAction;

pub(in crate::api) async fn create(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (found, request) = call.read_required_body(read).await?;
    let wait = AskedWait::read_of_new(&mut call)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    let mut problems = ValidationProblems::new();
    problems.extend(found);
    problems.into_result()?;
    let call = call.authorize(&ClusterRequest::CreateKey)?;
    let now = call.now();
    let vouching = Vouching::by(call.authenticated.permission());
    let subject = call.authenticated.authentication.subject();
    let maker = Maker::of(&call, subject, &ClusterRequest::CreateKey).await?;
    let key = maker.new_key(request, vouching, &call.settings.key_policy, now)?;
    let actor = call.actor().depending_on(maker.preconditions);
    let issued = issue_one(&call, key, ChangeAction::CreateApiKey, actor, now).await?;
    let edges = edges_reached(&call, wait, issued.cursor).await?;
    answer::ok(&CreatedKeyAnswer { key: issued.created, edges })
}

/// What is asked, and what is wrong with it.
pub(super) fn read(body: &Node) -> Result<(Vec<String>, KeyRequest), ErrorCause> {
    let request = KeyRequest::parse(body)?;
    Ok((request.problems(), request))
}
