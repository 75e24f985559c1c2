//! `DELETE /_security/user/{username}`.

use axum::extract::State;
use axum::response::Response;

use crate::api::SharedService;
use crate::api::answer::found;
use crate::api::authenticated::Authenticated;
use crate::api::error::{ApiError, ErrorCause};
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::api::user::Reservation;
use crate::security::request::{ClusterRequest, DELETE_USER};

pub(in crate::api) async fn delete(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut path: PathTexts,
    mut parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    let username = path.take("username");
    parameters.refresh()?;
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Other(DELETE_USER))?;
    let kind = match service.reservation(&username) {
        Some(Reservation::Anonymous) => "anonymous",
        Some(Reservation::Service) => "reserved",
        None => {
            let actor = authenticated.actor();
            return found(service.store.delete_user(username, actor, service.clock.now()).await?);
        }
    };
    Err(ErrorCause::illegal_argument(format!("user [{username}] is {kind} and cannot be deleted")).into())
}
