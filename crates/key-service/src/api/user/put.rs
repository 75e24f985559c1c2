//! `PUT` and `POST /_security/user/{username}`.

use axum::response::Response;
use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::{ClusterRequest, PUT_USER};
use latchkey_privileges::role_descriptor::problem_of_name;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::ApiError;
use crate::api::user::account::{
    KeysAnswer, KeysTold, RevokeAccessRequest, ShutOutUser, account, is_service_account, told_of_keys,
    with_warning,
};
use crate::api::user::{
    NewPassword, Reservation, hashed, invalid_part, members, of_service_account, reservation, text,
    wrong_type,
};
use crate::limits::NATIVE_USERS_MAX;
use crate::limits::row_limits::DESCRIPTORS_LEN_MAX;
use crate::model::stored_user::{Proof, UserKind, UserProfile, WrittenProfile};
use crate::store::directory::Written;
use crate::store::directory::users::{KeysOfUser, UserRefusal};
use crate::store::written_len::are_longer_than;

/// What the body says.
#[derive(Default)]
pub(super) struct PutBody {
    password: Option<NewPassword>,
    roles: Option<Vec<String>>,
    full_name: Option<String>,
    email: Option<String>,
    metadata: Map<String, Value>,
    enabled: Option<bool>,
    service_account: bool,
}

#[derive(Serialize)]
struct PutAnswer {
    created: bool,
    #[serde(flatten)]
    keys: KeysAnswer,
}

pub(in crate::api) async fn put(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let username = call.path.take("username");
    let whose = username.clone();
    let (validity, body) = call.read_required_body(move |body| read(body, &whose)).await?;
    // The value is checked and ignored: every later request sees the user.
    call.parameters.refresh()?;
    let request = RevokeAccessRequest::read(&mut call)?;
    let call = call.parsed()?;
    validity?;
    let call = call.authorize(&ClusterRequest::Other(PUT_USER))?;
    let roles = body.roles.unwrap_or_default();
    refuse_names(&call, &username, &roles)?;
    let proof = match body.password {
        Some(password) => {
            Proof::Password(Box::new(hashed(&call, password, &call.authenticated.principal()).await?))
        }
        None if body.service_account => Proof::ServiceAccount,
        None => Proof::Unchanged,
    };
    let account = account(&call, username, UserKind::Native);
    let (enabled, enabled_is_said) = (body.enabled.unwrap_or(true), body.enabled.is_some());
    let (full_name, email, metadata) = (body.full_name, body.email, body.metadata);
    let profile = UserProfile { roles, full_name, email, metadata, enabled };
    let (actor, now) = (call.actor(), call.now());
    let (keys, told, wait) = if enabled {
        (KeysOfUser::Keep, KeysTold::Resumed, request.into_wait())
    } else {
        let is_account = body.service_account || is_service_account(&call, &account).await?;
        let shut_out = if is_account { ShutOutUser::DisabledServiceAccount } else { ShutOutUser::User };
        let (keys, wait) = request.begin(&account, shut_out, &call)?;
        (keys, KeysTold::Suspended, wait)
    };
    let profile = WrittenProfile { profile, enabled_is_said };
    let written = call.store.users().put(account.clone(), profile, proof, keys, actor, now).await?;
    let (written, left) = written.map_err(|refusal| refused(refusal, &account.username))?;
    let working = left.working;
    // A user who is let in as before changes no key.
    let wait = wait.filter(|_| told == KeysTold::Suspended || left.cursor.is_some());
    let keys = told_of_keys(&call, left, told, wait).await?;
    let answer = PutAnswer { created: written == Written::Created, keys };
    with_warning(&call, answer::ok(&answer)?, working)
}

fn refused(refusal: UserRefusal, username: &str) -> ErrorCause {
    match refusal {
        UserRefusal::PasswordRequired => {
            invalid_part("password must be specified unless you are updating an existing user")
        }
        UserRefusal::Full => {
            ErrorCause::illegal_argument(format!("there are {NATIVE_USERS_MAX} users already"))
        }
        UserRefusal::NoServiceAccount => {
            invalid_part(format!("user [{username}] has a password and cannot become a service account"))
        }
        UserRefusal::ServiceAccount => invalid_part(of_service_account(username)),
    }
}

/// What is said of a user, and whether it makes sense.
pub(super) fn read(body: &Node, username: &str) -> Result<(Result<(), ErrorCause>, PutBody), ErrorCause> {
    let body = PutBody::parse(body, username)?;
    Ok((body.validate(), body))
}

impl PutBody {
    fn parse(node: &Node, username: &str) -> Result<Self, ErrorCause> {
        let mut body = Self::default();
        for member in members(node)? {
            body.read(member, username)?;
        }
        Ok(body)
    }

    fn read(&mut self, member: &Member, username: &str) -> Result<(), ErrorCause> {
        match member.name.as_str() {
            "password" => NewPassword::chosen(member)?.set(&mut self.password)?,
            "password_hash" => NewPassword::hashed(member)?.set(&mut self.password)?,
            "roles" => self.roles = Some(roles(member)?),
            "full_name" => self.full_name = text_or_null(member)?,
            "email" => self.email = text_or_null(member)?,
            "metadata" => match member.value.to_value() {
                Value::Object(metadata) => self.metadata = metadata,
                _ => return Err(wrong_type(member, "object")),
            },
            "enabled" => match member.value.value {
                NodeValue::Boolean(enabled) => self.enabled = Some(enabled),
                _ => return Err(wrong_type(member, "boolean")),
            },
            "service_account" => match member.value.value {
                NodeValue::Boolean(is_one) => self.service_account = is_one,
                _ => return Err(wrong_type(member, "boolean")),
            },
            "username" if text(member)? == username => {}
            "username" => {
                return Err(ErrorCause::illegal_argument(format!(
                    "[username] in source does not match the username provided [{username}]"
                )));
            }
            name => {
                let reason = format!("failed to parse add user request. unexpected field [{name}]");
                return Err(ErrorCause::parse(reason));
            }
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), ErrorCause> {
        let mut problems = ValidationProblems::new();
        problems.add_if(self.roles.is_none(), "roles are missing");
        problems.add_if(
            self.service_account && self.password.is_some(),
            "a service account has no password, so neither password nor password_hash can be given",
        );
        problems.add_if(
            self.metadata.keys().any(|name| name.starts_with('_')),
            "metadata keys may not start with [_]",
        );
        problems.add_if(
            are_longer_than(DESCRIPTORS_LEN_MAX, [(&self.roles, &self.metadata)]),
            &format!("roles and metadata have more than {DESCRIPTORS_LEN_MAX} bytes as JSON together"),
        );
        problems.into_result()
    }
}

/// Refuses names that nobody in the native realm can have (Elasticsearch, `TransportPutUserAction`).
fn refuse_names(call: &Allowed, username: &str, roles: &[String]) -> Result<(), ErrorCause> {
    let mut problems = ValidationProblems::new();
    match reservation(call, username) {
        Some(Reservation::Anonymous) => {
            problems.add(format!("user [{username}] is anonymous and cannot be modified via the API"));
        }
        Some(Reservation::Service) => {
            problems.add(format!("user [{username}] is reserved and only the password can be changed"));
        }
        None => problems.extend(problem_of_name("User", username)),
    }
    problems.extend(roles.iter().filter_map(|role| problem_of_name("Role", role)));
    problems.into_result()
}

/// An array of names, or one text of names separated by commas.
fn roles(member: &Member) -> Result<Vec<String>, ErrorCause> {
    let complain = |found: String| {
        let name = &member.name;
        Err(ErrorCause::parse(format!("could not parse [{name}] field. expected a string array but {found}")))
    };
    match &member.value.value {
        NodeValue::String(names) if names.is_empty() => Ok(Vec::new()),
        NodeValue::String(names) => Ok(names.split(',').map(str::to_owned).collect()),
        NodeValue::Array(elements) => {
            let mut roles = Vec::new();
            for element in elements {
                match element.as_str() {
                    Some(role) => roles.push(role.to_owned()),
                    None => return complain(format!("one of its elements is [{}]", element.token())),
                }
            }
            Ok(roles)
        }
        NodeValue::Null => complain("found null value instead".to_owned()),
        _ => complain(format!("found [{}] value instead", member.value.token())),
    }
}

fn text_or_null(member: &Member) -> Result<Option<String>, ErrorCause> {
    if member.value.value == NodeValue::Null {
        Ok(None)
    } else {
        text(member).map(|text| Some(text.to_owned()))
    }
}
