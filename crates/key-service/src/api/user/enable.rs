//! `PUT` and `POST /_security/user/{username}/_enable` and `/_disable`.

use axum::extract::State;
use axum::response::Response;
use serde_json::Map;

use crate::api::authenticated::Authenticated;
use crate::api::error::{ApiError, ErrorCause};
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::api::user::{Reservation, invalid_part};
use crate::api::{SharedService, answer};
use crate::security::authentication::Subject;
use crate::security::realm_chain::keeps_passwords;
use crate::security::request::{ClusterRequest, SET_USER_ENABLED};
use crate::store::directory::UserKind;

pub(in crate::api) async fn enable(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    path: PathTexts,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    set_enabled(&service, &authenticated, path, parameters, true).await
}

pub(in crate::api) async fn disable(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    path: PathTexts,
    parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    set_enabled(&service, &authenticated, path, parameters, false).await
}

async fn set_enabled(
    service: &SharedService,
    authenticated: &Authenticated,
    mut path: PathTexts,
    mut parameters: Parameters,
    enabled: bool,
) -> Result<Response, ApiError> {
    let username = path.take("username");
    parameters.refresh()?;
    parameters.finish()?;
    authenticated.authorize(&ClusterRequest::Other(SET_USER_ENABLED))?;
    // Whoever locks himself out could not undo it.
    if is_own_account(authenticated, &username) {
        let reason = "users may not update the enabled status of their own account";
        return Err(ErrorCause::illegal_argument(reason).into());
    }
    let kind = match service.reservation(&username) {
        Some(Reservation::Anonymous) => {
            let reason = format!("user [{username}] is anonymous and cannot be modified using the api");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        Some(Reservation::Service) => UserKind::Reserved,
        None => UserKind::Native,
    };
    let (actor, now) = (authenticated.actor(), service.clock.now());
    if service.store.set_enabled(username, kind, enabled, actor, now).await? {
        return answer::ok(&Map::new());
    }
    let word = if enabled { "enabled" } else { "disabled" };
    Err(invalid_part(format!("only existing users can be {word}")).into())
}

fn is_own_account(authenticated: &Authenticated, username: &str) -> bool {
    match authenticated.authentication.subject() {
        Subject::ApiKey(_) => false,
        Subject::User(user) => keeps_passwords(&user.realm) && user.username == username,
    }
}
