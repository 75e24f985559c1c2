//! `PUT` and `POST /_security/user/{username}/_enable` and `/_disable`.

use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::{ClusterRequest, SET_USER_ENABLED};

use crate::api::answer;
use crate::api::call::{Allowed, Incoming, Parsed};
use crate::api::edge_wait::AskedWait;
use crate::api::error::ApiError;
use crate::api::user::account::{
    KeysTold, RevokeAccessRequest, ShutOutUser, account, is_service_account, told_of_keys, with_warning,
};
use crate::api::user::{Reservation, invalid_part, reservation};
use crate::model::stored_user::UserKind;
use crate::security::authentication::Subject;
use crate::security::realm_chain::keeps_passwords;
use crate::store::directory::users::Account;

pub(in crate::api) async fn enable(mut call: Incoming) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    call.parameters.refresh()?;
    let wait = AskedWait::read(&mut call.parameters)?;
    let (account, call) = account_of(username, call.parsed()?)?;
    let Some(left) = call.store.users().enable(account, call.actor(), call.now()).await? else {
        return Err(invalid_part("only existing users can be enabled").into());
    };
    answer::ok(&told_of_keys(&call, left, KeysTold::Resumed, wait).await?)
}

pub(in crate::api) async fn disable(mut call: Incoming) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    call.parameters.refresh()?;
    let request = RevokeAccessRequest::read(&mut call)?;
    let (account, call) = account_of(username, call.parsed()?)?;
    let shut_out = if is_service_account(&call, &account).await? {
        ShutOutUser::DisabledServiceAccount
    } else {
        ShutOutUser::User
    };
    let (keys, wait) = request.begin(&account, shut_out, &call)?;
    let (actor, now) = (call.actor(), call.now());
    let Some(left) = call.store.users().disable(account, keys, actor, now).await? else {
        return Err(invalid_part("only existing users can be disabled").into());
    };
    let working = left.working;
    let keys = told_of_keys(&call, left, KeysTold::Suspended, wait).await?;
    with_warning(&call, answer::ok(&keys)?, working)
}

/// The user, if the caller may enable and disable it.
fn account_of(username: String, call: Parsed) -> Result<(Account, Allowed), ApiError> {
    let call = call.authorize(&ClusterRequest::Other(SET_USER_ENABLED))?;
    // Users may not disable themselves, because they could not undo it.
    if is_own_account(&call, &username) {
        let reason = "users may not update the enabled status of their own account";
        return Err(ErrorCause::illegal_argument(reason).into());
    }
    let kind = match reservation(&call, &username) {
        Some(Reservation::Anonymous) => {
            let reason = format!("user [{username}] is anonymous and cannot be modified using the api");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        Some(Reservation::Service) => UserKind::Reserved,
        None => UserKind::Native,
    };
    Ok((account(&call, username, kind), call))
}

fn is_own_account(call: &Allowed, username: &str) -> bool {
    match call.authenticated.authentication.subject() {
        Subject::ApiKey(_) => false,
        Subject::User(user) => keeps_passwords(&user.realm) && user.username == username,
    }
}
