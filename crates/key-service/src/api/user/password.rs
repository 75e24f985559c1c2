//! `PUT` and `POST /_security/user/{username}/_password`, and without a name for the caller's own.

use axum::extract::State;
use axum::response::Response;
use latchkey_elastic::content::Node;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use serde_json::Map;

use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::path_text::PathTexts;
use crate::api::request_body::RequestBody;
use crate::api::user::{NewPassword, Reservation, invalid_part, members};
use crate::api::{Service, SharedService, answer};
use crate::model::stored_user::UserKind;
use crate::security::authentication::Subject;
use crate::security::realm_chain::keeps_passwords;

pub(in crate::api) async fn change(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut path: PathTexts,
    parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let username = path.take("username");
    change_of(&service, &authenticated, username, parameters, body).await
}

pub(in crate::api) async fn change_own(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let username = authenticated.authentication.username().to_owned();
    change_of(&service, &authenticated, username, parameters, body).await
}

async fn change_of(
    service: &SharedService,
    authenticated: &Authenticated,
    username: String,
    mut parameters: Parameters,
    body: Vec<u8>,
) -> Result<Response, ApiError> {
    let password = service.read_required_body(authenticated, body, parse).await?;
    parameters.refresh()?;
    parameters.finish()?;
    let password = require(password)?;
    let is_own = has_shown_password_of(authenticated, &username);
    authenticated.authorize(&ClusterRequest::ChangePassword { is_own })?;
    let kind = match service.reservation(&username) {
        Some(Reservation::Anonymous) => {
            let reason = format!("user [{username}] is anonymous and cannot be modified via the API");
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        Some(Reservation::Service) => UserKind::Reserved,
        None => UserKind::Native,
    };
    if kind == UserKind::Native && service.store.native_user(&username).await?.is_none() {
        return Err(service.not_a_native_user(&username).into());
    }
    let hash = service.hashed(password, &authenticated.payer()).await?;
    let (actor, now) = (authenticated.actor(), service.clock.now());
    if service.store.change_password(service.account(username.clone(), kind), hash, actor, now).await? {
        return answer::ok(&Map::new());
    }
    Err(service.not_a_native_user(&username).into())
}

impl Service {
    fn not_a_native_user(&self, username: &str) -> ErrorCause {
        match self.authenticator.realms().file_user(username) {
            // Elasticsearch has no space there either.
            Some(user) => invalid_part(format!(
                "user [{username}] is a(n){}/{} user and cannot be managed via this API.",
                user.realm.realm_type, user.realm.name
            )),
            None => invalid_part("user must exist in order to change password"),
        }
    }
}

fn parse(node: &Node) -> Result<Option<NewPassword>, ErrorCause> {
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

/// Whether the caller is this user and came with a password, not with a key that somebody else may hold, of a realm whose
/// passwords are kept here (Elasticsearch, `RBACEngine#checkChangePasswordAction`).
fn has_shown_password_of(authenticated: &Authenticated, username: &str) -> bool {
    let Subject::User(user) = authenticated.authentication.subject() else { return false };
    authenticated.authentication.came_with_password()
        && keeps_passwords(&user.realm)
        && user.username == username
}
