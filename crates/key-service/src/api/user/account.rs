//! The user whom a request changes, and what the answer says about the keys of a user who is no longer valid.

use axum::http::HeaderValue;
use axum::http::header::WARNING;
use axum::response::Response;
use latchkey_elastic::ErrorCause;
use latchkey_key_feed::KeyId;
use latchkey_privileges::cluster_request::{ClusterRequest, KeySelection};
use serde::Serialize;

use crate::api::call::{Allowed, Incoming};
use crate::api::edge_wait::{AskedWait, EdgesAnswer, edges_reached};
use crate::api::error::ApiError;
use crate::api::root::COMPATIBLE_VERSION;
use crate::model::realm_name::{NATIVE, RealmName};
use crate::model::stored_user::UserKind;
use crate::store::directory::users::{Account, KeysLeft, KeysOfUser};

/// The name of the parameter that says whether keys end with their owner.
const WITH_KEYS: &str = "with_keys";

/// What a request says besides the user whose access it revokes.
pub(super) struct RevokeAccessRequest {
    keys: KeysOfUser,
    wait: Option<AskedWait>,
}

/// What happened to the user's keys, beside the usual fields of an answer. Empty if no key was ended.
#[derive(Default, Serialize)]
pub(super) struct KeysAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalidated_api_keys: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

impl RevokeAccessRequest {
    /// Reads the parameters. The settings hold the defaults.
    pub(super) fn read<B>(call: &mut Incoming<B>) -> Result<Self, ErrorCause> {
        let default = call.settings().key_policy.end_with_owner;
        let end = call.parameters.boolean(WITH_KEYS, default)?;
        let keys = if end { KeysOfUser::END } else { KeysOfUser::Keep };
        Ok(Self { keys, wait: AskedWait::read(&mut call.parameters)? })
    }

    /// What is done with the keys, and the wait for edges. To end keys, the caller needs the privilege for
    /// that too.
    pub(super) fn begin(
        self,
        account: &Account,
        call: &Allowed,
    ) -> Result<(KeysOfUser, Option<AskedWait>), ApiError> {
        if self.keys != KeysOfUser::Keep {
            let (username, realm) = (Some(account.username.as_str()), Some(account.realm.as_str()));
            let selection = KeySelection { ids: &[], username, realm, owner: false };
            call.authorize_too(&ClusterRequest::InvalidateKeys(selection))?;
        }
        Ok((self.keys, self.wait))
    }
}

/// The account of this name in the realm of native users, or of users who belong to the service.
pub(super) fn account(call: &Allowed, username: String, kind: UserKind) -> Account {
    if kind == UserKind::Reserved {
        return Account::reserved(username);
    }
    let native = call.settings.realms.iter().find(|realm| realm.realm_type == NATIVE);
    let realm = native.map_or_else(|| RealmName::native().name, |realm| realm.name.clone());
    Account { username, realm, kind }
}

/// What to answer about the keys, once the change is durable.
pub(super) async fn told_of_keys(
    call: &Allowed,
    left: KeysLeft,
    wait: Option<AskedWait>,
) -> Result<KeysAnswer, ApiError> {
    let edges = edges_reached(call, wait, left.cursor).await?;
    Ok(KeysAnswer { invalidated_api_keys: left.ended, edges })
}

/// The answer with a warning, if keys go on working (RFC 7234, section 5.5.7). Elasticsearch's clients show
/// warnings of an agent of that name.
pub(super) fn with_warning(call: &Allowed, mut answer: Response, working: u64) -> Result<Response, ApiError> {
    if working == 0 {
        return Ok(answer);
    }
    let agent = if call.settings.product_header { "Elasticsearch" } else { "Latchkey" };
    let keys = if working == 1 { "1 API key".to_owned() } else { format!("{working} API keys") };
    let verb = if working == 1 { "goes" } else { "go" };
    let text = format!(
        "299 {agent}-{COMPATIBLE_VERSION} \"{keys} of this user {verb} on working; {WITH_KEYS}=true invalidates them\""
    );
    answer.headers_mut().insert(WARNING, HeaderValue::try_from(text).map_err(ApiError::internal)?);
    Ok(answer)
}
