//! `PUT` and `POST /_security/user/{username}/_password`, and without a name for the caller's own.

use axum::response::Response;
use latchkey_elastic::content::Node;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use serde_json::Map;

use crate::api::answer;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::api::user::account::account;
use crate::api::user::{
    NewPassword, Reservation, hashed, invalid_part, members, of_service_account, reservation,
};
use crate::model::stored_user::UserKind;
use crate::security::authentication::Subject;
use crate::security::realm_chain::keeps_passwords;

pub(in crate::api) async fn change(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    change_of(call, username).await
}

pub(in crate::api) async fn change_own(call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let username = call.authenticated.authentication.username().to_owned();
    change_of(call, username).await
}

async fn change_of(mut call: Incoming<RequestBody>, username: String) -> Result<Response, ApiError> {
    let password = call.read_required_body(read).await?;
    call.parameters.refresh()?;
    let call = call.parsed()?;
    let password = require(password)?;
    let is_own = has_shown_password_of(&call.authenticated, &username);
    let call = call.authorize(&ClusterRequest::ChangePassword { is_own })?;
    let kind = match reservation(&call, &username) {
        Some(Reservation::Anonymous) => {
            let reason = format!("user [{username}] is anonymous and cannot be modified via the API");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        Some(Reservation::Service) => UserKind::Reserved,
        None => UserKind::Native,
    };
    if kind == UserKind::Native {
        match call.store.users().native(&username).await? {
            None => return Err(not_a_native_user(&call, &username).into()),
            Some(user) if user.is_service_account() => {
                return Err(invalid_part(of_service_account(&username)).into());
            }
            Some(_) => {}
        }
    }
    let hash = hashed(&call, password, &call.authenticated.principal()).await?;
    let (actor, now) = (call.actor(), call.now());
    if call.store.users().change_password(account(&call, username.clone(), kind), hash, actor, now).await? {
        return answer::ok(&Map::new());
    }
    Err(not_a_native_user(&call, &username).into())
}

fn not_a_native_user(call: &Allowed, username: &str) -> ErrorCause {
    match call.authenticator.realms().file_user(username) {
        // Elasticsearch's message has no space there either.
        Some(user) => invalid_part(format!(
            "user [{username}] is a(n){}/{} user and cannot be managed via this API.",
            user.realm.realm_type, user.realm.name
        )),
        None => invalid_part("user must exist in order to change password"),
    }
}

pub(super) fn read(node: &Node) -> Result<Option<NewPassword>, ErrorCause> {
    let mut password = None;
    for member in members(node)? {
        match member.name.as_str() {
            "password" => NewPassword::chosen(member)?.set(&mut password)?,
            "password_hash" => NewPassword::hashed(member)?.set(&mut password)?,
            name => {
                let reason = format!("failed to parse change password request. unexpected field [{name}]");
                return Err(ErrorCause::parse(reason));
            }
        }
    }
    Ok(password)
}

fn require(password: Option<NewPassword>) -> Result<NewPassword, ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.add_if(password.is_none(), "password is missing");
    problems.into_result()?;
    password.ok_or_else(|| ErrorCause::parse("password is missing"))
}

/// Whether the caller is this user, was authenticated by a password and not by a key, which somebody else may
/// hold, and is of a realm whose passwords the service stores (Elasticsearch,
/// `RBACEngine#checkChangePasswordAction`).
fn has_shown_password_of(authenticated: &Authenticated, username: &str) -> bool {
    let Subject::User(user) = authenticated.authentication.subject() else { return false };
    authenticated.authentication.came_with_password()
        && keeps_passwords(&user.realm)
        && user.username == username
}
