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
use crate::settings::KeyPolicy;
use crate::store::StoreError;
use crate::store::directory::users::{Account, KeysLeft, KeysOfUser};

/// The name of the parameter that says whether keys end with their owner.
const WITH_KEYS: &str = "with_keys";

/// What a request says besides the user whose access it revokes.
pub(super) struct RevokeAccessRequest {
    /// Whether the keys end; `None` if the request does not say.
    with_keys: Option<bool>,
    wait: Option<AskedWait>,
}

/// What happened to the user's keys, beside the usual fields of an answer. Empty if no key was ended.
#[derive(Default, Serialize)]
pub(super) struct KeysAnswer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalidated_api_keys: Vec<KeyId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suspended_api_keys: Vec<KeyId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resumed_api_keys: Vec<KeyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

impl RevokeAccessRequest {
    /// Reads the parameters. The settings hold what happens without them.
    pub(super) fn read<B>(call: &mut Incoming<B>) -> Result<Self, ErrorCause> {
        let with_keys = call.parameters.boolean_if_any(WITH_KEYS)?;
        Ok(Self { with_keys, wait: AskedWait::read(&mut call.parameters)? })
    }

    /// Refuses to leave keys of a service account behind that is deleted: nobody could answer for them.
    pub(super) fn refuse_to_keep(&self, username: &str) -> Result<(), ErrorCause> {
        if self.with_keys == Some(false) {
            return Err(ErrorCause::illegal_argument(format!(
                "user [{username}] is a service account, and is deleted with its keys: [{WITH_KEYS}] must not be false"
            )));
        }
        Ok(())
    }

    /// The wait for edges of a change that gives access again.
    pub(super) fn into_wait(self) -> Option<AskedWait> {
        self.wait
    }

    /// What happens to the keys of who is disabled.
    fn keys(&self, policy: &KeyPolicy, shut_out: ShutOutUser) -> KeysOfUser {
        match (self.with_keys, shut_out) {
            (Some(true), _) | (_, ShutOutUser::DeletedServiceAccount) => KeysOfUser::END,
            (_, ShutOutUser::DisabledServiceAccount) if policy.suspend_with_owner => KeysOfUser::SUSPEND,
            (Some(false), _) => KeysOfUser::Keep,
            (None, _) if policy.end_with_owner => KeysOfUser::END,
            (None, _) => KeysOfUser::Keep,
        }
    }

    /// What is done with the keys, and the wait for edges. To end keys, the caller needs the privilege for
    /// that too.
    pub(super) fn begin(
        self,
        account: &Account,
        shut_out: ShutOutUser,
        call: &Allowed,
    ) -> Result<(KeysOfUser, Option<AskedWait>), ApiError> {
        let keys = self.keys(&call.settings.key_policy, shut_out);
        if matches!(keys, KeysOfUser::End { .. }) {
            let (username, realm) = (Some(account.username.as_str()), Some(account.realm.as_str()));
            let selection = KeySelection { ids: &[], username, realm, owner: false };
            call.authorize_too(&ClusterRequest::InvalidateKeys(selection))?;
        }
        Ok((keys, self.wait))
    }
}

/// Who is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShutOutUser {
    /// A user with a password.
    User,
    /// A service account, which may come back.
    DisabledServiceAccount,
    /// A service account, which may not.
    DeletedServiceAccount,
}

/// What was done to keys without ending them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeysTold {
    /// They stopped for a while.
    Suspended,
    /// They work again.
    Resumed,
}

/// Whether this is a service account.
pub(super) async fn is_service_account(call: &Allowed, account: &Account) -> Result<bool, StoreError> {
    if account.kind == UserKind::Reserved {
        return Ok(false);
    }
    let user = call.store.users().native(&account.username).await?;
    Ok(user.is_some_and(|user| user.is_service_account()))
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
    told: KeysTold,
    wait: Option<AskedWait>,
) -> Result<KeysAnswer, ApiError> {
    let edges = edges_reached(call, wait, left.cursor).await?;
    let (suspended_api_keys, resumed_api_keys) = match told {
        KeysTold::Suspended => (left.told, Vec::new()),
        KeysTold::Resumed => (Vec::new(), left.told),
    };
    Ok(KeysAnswer { invalidated_api_keys: left.ended, suspended_api_keys, resumed_api_keys, edges })
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
