//! Making keys: for the caller, for another user, or as a clone of another key.

use std::sync::Arc;

use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::{Cursor, KeptSecrets, KeyId, SecretPrefix, UnixMillis};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::api_key::key_request::KeyRequest;
use crate::api::call::Allowed;
use crate::api::edge_wait::EdgesAnswer;
use crate::api::error::ApiError;
use crate::audit::{Actor, ChangeAction};
use crate::limits::KEY_ID_DRAWS_MAX;
use crate::limits::work_limits::LONG_TEXTS_LEN;
use crate::model::key_usage::KeyUsage;
use crate::model::precondition::Precondition;
use crate::model::realm_name::RealmName;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::randomness::Randomness;
use crate::security::api_key::{IssuedKey, VerifiedKey};
use crate::security::authentication::{OwnerInvalid, Subject};
use crate::settings::KeyPolicy;
use crate::store::StoreError;
use crate::store::rotation::RotatedKey;
use crate::store::written_len::are_longer_than;

/// A key before it has an id and a secret.
#[derive(Clone, Debug)]
pub(super) struct NewKey {
    pub(super) name: String,
    pub(super) owner: KeyOwner,
    pub(super) expiration: Option<UnixMillis>,
    pub(super) role_descriptors: RoleDescriptors,
    pub(super) limited_by: RoleDescriptors,
    pub(super) metadata: Map<String, Value>,
    pub(super) vouching: Vouching,
}

/// A key and its secret, which only this answer ever shows. The fields have the order of Elasticsearch's
/// answer.
#[derive(Serialize)]
pub(super) struct CreatedKey {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<UnixMillis>,
    api_key: String,
    encoded: String,
}

/// The answer of one new key.
#[derive(Serialize)]
pub(super) struct CreatedKeyAnswer {
    #[serde(flatten)]
    pub(super) key: CreatedKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edges: Option<EdgesAnswer>,
}

/// The answer to a rotation: the fields of a new key, and until when the secret before works.
#[derive(Serialize)]
pub(super) struct RotatedKeyAnswer {
    #[serde(flatten)]
    key: CreatedKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_expiration: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

/// The user for whom keys are made.
pub(super) struct Maker {
    owner: KeyOwner,
    limited_by: RoleDescriptors,
    is_key: bool,
    /// That the owner is valid, if that is not known by the authentication of the caller.
    pub(super) preconditions: Vec<Precondition>,
}

/// Keys as the answer shows them, and as they are kept.
struct Drawn {
    shown: Vec<CreatedKey>,
    kept: Vec<StoredKey>,
}

/// Keys that were made, and the cursor of the feed after that.
pub(super) struct Issued<T> {
    pub(super) created: T,
    pub(super) cursor: Option<Cursor>,
}

impl Maker {
    /// The user for whom keys are to be made, limited by what that user may do now. A key makes keys for its owner.
    pub(super) async fn of(
        call: &Allowed,
        subject: &Subject,
        request: &ClusterRequest<'_>,
    ) -> Result<Self, ApiError> {
        match subject {
            Subject::User(user) => {
                let limited_by = call.authorization_of_user(user).await?.roles.descriptors;
                Ok(Self {
                    owner: KeyOwner::from(&**user),
                    limited_by,
                    is_key: false,
                    preconditions: Vec::new(),
                })
            }
            Subject::ApiKey(key) => {
                let RealmName { name: realm, realm_type } = RealmName::api_key();
                let whole = call.whole_key(key).await?.key;
                let owner_is_valid = precondition_of_owner(call, &whole, request).await?;
                let owner = whole.owner.clone();
                let owner = KeyOwner { realm, realm_type: Some(realm_type), ..owner };
                Ok(Self {
                    owner,
                    limited_by: RoleDescriptors::default(),
                    is_key: true,
                    preconditions: owner_is_valid.into_iter().collect(),
                })
            }
        }
    }

    /// The key that a request describes. `vouching` says what the sender of the request vouches for.
    ///
    /// A key can only make keys that authenticate and have no rights. Otherwise its rights could outlive it.
    pub(super) fn new_key(
        &self,
        request: KeyRequest,
        vouching: Vouching,
        policy: &KeyPolicy,
        now: UnixMillis,
    ) -> Result<NewKey, ApiError> {
        let asked = request.role_descriptors;
        asked.refuse_mixed_restrictions()?;
        if !self.is_key {
            self.limited_by.refuse_restricted_owner()?;
        } else if !asked.are_explicitly_powerless() {
            return Err(ErrorCause::illegal_argument(
                "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
            )
            .into());
        }
        Ok(NewKey {
            name: request.name,
            owner: self.owner.clone(),
            expiration: request.end.of_new_key(policy, now)?,
            role_descriptors: asked,
            limited_by: self.limited_by.clone(),
            metadata: request.metadata,
            vouching,
        })
    }
}

/// The precondition that the owner of a key is still valid. An owner who is no longer valid keeps the existing keys, and
/// nobody can make new ones for that owner.
pub(super) async fn precondition_of_owner(
    call: &Allowed,
    key: &StoredKey,
    request: &ClusterRequest<'_>,
) -> Result<Option<Precondition>, ApiError> {
    let owner = &key.owner;
    call.authenticator.precondition_of_owner(owner).await?.map_err(|OwnerInvalid| {
        let (id, username, realm) = (&key.id, &owner.username, &owner.realm);
        call.authenticated.forbid(
            request,
            format!("the owner [{username}] of API key [{id}], of realm [{realm}], is disabled or does not exist any more"),
        )
    })
}

/// Whoever makes a key with the secret that another key had before would have a credential that outlives that secret.
pub(super) fn refuse_previous_secret(key: &VerifiedKey) -> Result<(), ErrorCause> {
    if !key.is_by_previous_secret() {
        return Ok(());
    }
    let id = &key.key().id;
    Err(ErrorCause::illegal_argument(format!(
        "API key [{id}] has been rotated, and no other credential is made with the secret that it had before: use its latest secret"
    )))
}

/// Gives keys their ids and secrets and stores all of them or none. A key that an edge could not hold is
/// refused. Long keys are measured apart from the threads that serve requests.
pub(super) async fn issue(
    call: &Allowed,
    keys: Vec<NewKey>,
    action: ChangeAction,
    actor: Actor,
    now: UnixMillis,
) -> Result<Issued<Vec<CreatedKey>>, ApiError> {
    // Whoever the keys are for, and whatever else was presented: it is this secret that asks.
    if let Subject::ApiKey(key) = call.authenticated.authentication.authenticating() {
        refuse_previous_secret(key)?;
    }
    let keys = Arc::new(keys);
    let prefix = &call.settings.key_policy.secret_prefix;
    let are_long = are_longer_than(LONG_TEXTS_LEN, keys.iter().map(NewKey::texts));
    for _ in 0..KEY_ID_DRAWS_MAX {
        let (of, randomness, prefix) = (Arc::clone(&keys), Arc::clone(&call.randomness), prefix.clone());
        let draw = move || draw_all(&of, randomness.as_ref(), now, prefix.as_ref());
        let Drawn { shown, kept } = if are_long { call.question(move |_| draw()).await? } else { draw()? };
        match call.store.add(kept, action, actor.clone(), now).await {
            Ok(cursor) => return Ok(Issued { created: shown, cursor }),
            Err(StoreError::IdTaken) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::IdTaken.into())
}

/// The same for one key.
pub(super) async fn issue_one(
    call: &Allowed,
    key: NewKey,
    action: ChangeAction,
    actor: Actor,
    now: UnixMillis,
) -> Result<Issued<CreatedKey>, ApiError> {
    let Issued { created, cursor } = issue(call, vec![key], action, actor, now).await?;
    match created.into_iter().next() {
        Some(created) => Ok(Issued { created, cursor }),
        None => Err(ApiError::internal("one key was issued and none came back")),
    }
}

/// Draws ids and secrets. A key that an edge could not hold is reported as a problem.
fn draw_all(
    keys: &[NewKey],
    randomness: &dyn Randomness,
    now: UnixMillis,
    prefix: Option<&SecretPrefix>,
) -> Result<Drawn, ApiError> {
    let mut drawn = Drawn { shown: Vec::with_capacity(keys.len()), kept: Vec::with_capacity(keys.len()) };
    let mut problems = ValidationProblems::new();
    for key in keys {
        let (shown, kept) = key.draw(randomness, now, prefix)?;
        problems.extend(kept.problems_of_size());
        drawn.shown.push(shown);
        drawn.kept.push(kept);
    }
    problems.into_result()?;
    Ok(drawn)
}

impl NewKey {
    /// The fields of it that can be long.
    fn texts(&self) -> impl Serialize + '_ {
        (&self.role_descriptors, &self.limited_by, &self.metadata, &self.owner.metadata)
    }

    fn draw(
        &self,
        randomness: &dyn Randomness,
        now: UnixMillis,
        prefix: Option<&SecretPrefix>,
    ) -> Result<(CreatedKey, StoredKey), ApiError> {
        let (issued, kept) = IssuedKey::draw(randomness, now, prefix).map_err(ApiError::internal)?;
        let stored = self.clone().into_stored(issued.id().clone(), kept, now);
        Ok((CreatedKey::new(&issued, self.name.clone(), self.expiration), stored))
    }

    /// The key under this id, with what is kept of its secrets.
    pub(super) fn into_stored(self, id: KeyId, secrets: KeptSecrets, now: UnixMillis) -> StoredKey {
        let Self { name, owner, expiration, role_descriptors, limited_by, metadata, vouching } = self;
        StoredKey {
            is_suspended: false,
            id,
            secrets,
            rotation: None,
            name,
            owner,
            creation: now,
            expiration,
            invalidation: None,
            role_descriptors,
            limited_by,
            metadata,
            vouching,
            usage: KeyUsage::default(),
        }
    }
}

impl RotatedKeyAnswer {
    pub(super) fn new(
        issued: &IssuedKey,
        RotatedKey { name, expiration }: RotatedKey,
        until: Option<UnixMillis>,
        edges: Option<EdgesAnswer>,
    ) -> Self {
        let key = CreatedKey::new(issued, name, expiration);
        Self { key, previous_secret_expiration: until, edges }
    }
}

impl CreatedKey {
    fn new(issued: &IssuedKey, name: String, expiration: Option<UnixMillis>) -> Self {
        Self {
            id: issued.id().to_string(),
            name,
            expiration,
            api_key: issued.expose_secret().to_owned(),
            encoded: issued.expose_encoded(),
        }
    }
}
