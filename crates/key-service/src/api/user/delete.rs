//! `DELETE /_security/user/{username}`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::{ClusterRequest, DELETE_USER};
use serde::Serialize;

use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::api::user::Reservation;
use crate::api::user::account::{KeysAnswer, ShutOutRequest};
use crate::api::{SharedService, answer};
use crate::model::stored_user::UserKind;

#[derive(Serialize)]
struct Deleted {
    found: bool,
    #[serde(flatten)]
    keys: KeysAnswer,
}

pub(in crate::api) async fn delete(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut path: PathTexts,
    mut parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    let username = path.take("username");
    parameters.refresh()?;
    let request = ShutOutRequest::read(&mut parameters, &service)?;
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Other(DELETE_USER))?;
    let kind = match service.reservation(&username) {
        Some(Reservation::Anonymous) => "anonymous",
        Some(Reservation::Service) => "reserved",
        None => {
            let actor = authenticated.actor();
            let account = service.account(username, UserKind::Native);
            let wait = request.begin(&account, &authenticated, &service)?;
            let now = service.clock.now();
            let Some(left) = service.store.delete_user(account, request.keys(), actor, now).await? else {
                return answer::found(false);
            };
            let working = left.working;
            let keys = service.told_of_keys(left, wait, &authenticated).await?;
            let answer = answer::with_status(StatusCode::OK, &Deleted { found: true, keys })?;
            return service.with_warning(answer, working);
        }
    };
    Err(ErrorCause::illegal_argument(format!("user [{username}] is {kind} and cannot be deleted")).into())
}
