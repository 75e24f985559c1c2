//! `PUT` and `POST /_security/api_key`.

use axum::extract::State;
use axum::response::Response;
use latchkey_elastic::ValidationProblems;
use latchkey_elastic::content::Node;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::vouching::Vouching;

use crate::api::api_key::issuing::CreatedKeyAnswer;
use crate::api::api_key::key_request::KeyRequest;
use crate::api::authenticated::Authenticated;
use crate::api::edge_wait::wait_for_edges;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::request_body::RequestBody;
use crate::api::{SharedService, answer};
use crate::audit::ChangeAction;

pub(in crate::api) async fn create(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let read = |body: &Node| {
        let request = KeyRequest::parse(body)?;
        Ok((request.problems(), request))
    };
    let (found, request) = service.read_required_body(&authenticated, body, read).await?;
    let wait = wait_for_edges(&mut parameters)?;
    // Every later read sees the key, whatever is said here.
    let refresh = parameters.refresh()?;
    parameters.finish()?;
    service.require_api_keys()?;
    let mut problems = ValidationProblems::new();
    problems.extend(found);
    problems.into_result()?;
    authenticated.authorize(&ClusterRequest::CreateKey)?;
    let now = service.clock.now();
    let vouching = Vouching::by(&authenticated.permission);
    let maker = service.maker(authenticated.authentication.subject(), &authenticated).await?;
    let key = maker.new_key(request, vouching, &service.settings.key_policy, now)?;
    let wait = service.edge_wait_of_new(wait, refresh);
    let actor = authenticated.actor();
    let issued = service.issue_one(key, ChangeAction::CreateApiKey, actor, now, &authenticated).await?;
    let edges = service.edges_reached(wait, issued.cursor, &authenticated).await?;
    answer::ok(&CreatedKeyAnswer { key: issued.created, edges })
}
