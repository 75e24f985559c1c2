//! `DELETE /_security/user/{username}`.

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_privileges::cluster_request::{ClusterRequest, DELETE_USER};
use serde::Serialize;

use crate::api::answer;
use crate::api::call::Incoming;
use crate::api::error::ApiError;
use crate::api::user::account::{
    KeysAnswer, KeysTold, RevokeAccessRequest, ShutOutUser, account, is_service_account, told_of_keys,
    with_warning,
};
use crate::api::user::{Reservation, reservation};
use crate::model::stored_user::UserKind;

#[derive(Serialize)]
struct Deleted {
    found: bool,
    #[serde(flatten)]
    keys: KeysAnswer,
}

pub(in crate::api) async fn delete(mut call: Incoming) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    call.parameters.refresh()?;
    let request = RevokeAccessRequest::read(&mut call)?;
    let call = call.parsed()?.authorize(&ClusterRequest::Other(DELETE_USER))?;
    let kind = match reservation(&call, &username) {
        Some(Reservation::Anonymous) => "anonymous",
        Some(Reservation::Service) => "reserved",
        None => {
            let account = account(&call, username, UserKind::Native);
            let shut_out = if is_service_account(&call, &account).await? {
                request.refuse_to_keep(&account.username)?;
                ShutOutUser::DeletedServiceAccount
            } else {
                ShutOutUser::User
            };
            let (keys, wait) = request.begin(&account, shut_out, &call)?;
            let (actor, now) = (call.actor(), call.now());
            let Some(left) = call.store.users().delete(account, keys, actor, now).await? else {
                return answer::found(false);
            };
            let working = left.working;
            let keys = told_of_keys(&call, left, KeysTold::Suspended, wait).await?;
            let answer = answer::with_status(StatusCode::OK, &Deleted { found: true, keys })?;
            return with_warning(&call, answer, working);
        }
    };
    Err(ErrorCause::illegal_argument(format!("user [{username}] is {kind} and cannot be deleted")).into())
}
