//! `PUT` and `POST /_security/user/{username}/_enable` and `/_disable`.

use axum::extract::State;
use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::{ClusterRequest, SET_USER_ENABLED};
use serde_json::Map;

use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::routing::NoBody;
use crate::api::user::account::ShutOutRequest;
use crate::api::user::{Reservation, invalid_part};
use crate::api::{SharedService, answer};
use crate::model::stored_user::UserKind;
use crate::security::authentication::Subject;
use crate::security::realm_chain::keeps_passwords;
use crate::store::directory::users::Account;

pub(in crate::api) async fn enable(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    path: PathTexts,
    mut parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.refresh()?;
    parameters.finish()?;
    let account = account(&service, &authenticated, path)?;
    let (actor, now) = (authenticated.actor(), service.clock.now());
    if service.store.enable_user(account, actor, now).await? {
        return answer::ok(&Map::new());
    }
    Err(invalid_part("only existing users can be enabled").into())
}

pub(in crate::api) async fn disable(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    path: PathTexts,
    mut parameters: Parameters,
    _: NoBody,
) -> Result<Response, ApiError> {
    parameters.refresh()?;
    let request = ShutOutRequest::read(&mut parameters, &service)?;
    parameters.finish()?;
    let account = account(&service, &authenticated, path)?;
    let wait = request.begin(&account, &authenticated, &service)?;
    let (actor, now) = (authenticated.actor(), service.clock.now());
    let Some(left) = service.store.disable_user(account, request.keys(), actor, now).await? else {
        return Err(invalid_part("only existing users can be disabled").into());
    };
    let working = left.working;
    let keys = service.told_of_keys(left, wait, &authenticated).await?;
    service.with_warning(answer::ok(&keys)?, working)
}

/// Whose account it is, if the caller may change whether it is let in.
fn account(
    service: &SharedService,
    authenticated: &Authenticated,
    mut path: PathTexts,
) -> Result<Account, ApiError> {
    let username = path.take("username");
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
    Ok(service.account(username, kind))
}

fn is_own_account(authenticated: &Authenticated, username: &str) -> bool {
    match authenticated.authentication.subject() {
        Subject::ApiKey(_) => false,
        Subject::User(user) => keeps_passwords(&user.realm) && user.username == username,
    }
}
