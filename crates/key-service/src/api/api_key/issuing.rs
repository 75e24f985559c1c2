//! Making keys: for the caller, for somebody else, or like another key.

use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::{Cursor, UnixMillis};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::Service;
use crate::api::api_key::key_request::KeyRequest;
use crate::api::edge_wait::EdgesAnswer;
use crate::api::error::ApiError;
use crate::audit::{Actor, ChangeAction};
use crate::limits::KEY_ID_DRAWS_MAX;
use crate::model::realm_name::RealmName;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::security::api_key::IssuedKey;
use crate::security::authentication::Subject;
use crate::store::StoreError;

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

/// A key and its secret, which only one answer ever shows. In the order of Elasticsearch's own answer.
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

/// Keys that were made, and where that left the feed.
pub(super) struct Issued<T> {
    pub(super) created: T,
    pub(super) cursor: Option<Cursor>,
}

impl Service {
    /// The key that a request asks to have made on behalf of `subject`, within what that one may do at this moment. `vouching` is by whoever
    /// wrote the request.
    ///
    /// A key that makes a key makes a powerless one, which can authenticate and nothing else: otherwise a key could outlive
    /// its own end.
    pub(super) async fn new_key(
        &self,
        subject: &Subject,
        request: KeyRequest,
        vouching: Vouching,
        now: UnixMillis,
    ) -> Result<NewKey, ApiError> {
        let (owner, limited_by) = self.owner(subject, &request.role_descriptors).await?;
        Ok(NewKey {
            name: request.name,
            owner,
            expiration: request.end.of_new_key(&self.settings.key_policy, now)?,
            role_descriptors: request.role_descriptors,
            limited_by,
            metadata: request.metadata,
            vouching,
        })
    }

    async fn owner(
        &self,
        subject: &Subject,
        asked: &RoleDescriptors,
    ) -> Result<(KeyOwner, RoleDescriptors), ApiError> {
        asked.refuse_mixed_restrictions()?;
        match subject {
            Subject::User(user) => {
                let limited_by = self.roles.of_user(user).await?.descriptors;
                limited_by.refuse_restricted_owner()?;
                Ok((KeyOwner::from(&**user), limited_by))
            }
            Subject::ApiKey(_) if !asked.are_explicitly_powerless() => Err(ErrorCause::illegal_argument(
                "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
            )
            .into()),
            Subject::ApiKey(key) => {
                let RealmName { name: realm, realm_type } = RealmName::api_key();
                let owner = KeyOwner { realm, realm_type: Some(realm_type), ..key.key().owner.clone() };
                Ok((owner, RoleDescriptors::default()))
            }
        }
    }

    /// Gives keys their ids and secrets and stores them, all or none. One that an edge could not hold is refused.
    pub(super) async fn issue(
        &self,
        keys: Vec<NewKey>,
        action: ChangeAction,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Issued<Vec<CreatedKey>>, ApiError> {
        for _ in 0..KEY_ID_DRAWS_MAX {
            let mut created = Vec::with_capacity(keys.len());
            let mut stored = Vec::with_capacity(keys.len());
            let mut problems = ValidationProblems::new();
            for key in &keys {
                let (shown, kept) = self.draw(key, now)?;
                problems.extend(kept.problems_of_size());
                created.push(shown);
                stored.push(kept);
            }
            problems.into_result()?;
            match self.store.add(stored, action, actor.clone(), now).await {
                Ok(cursor) => return Ok(Issued { created, cursor }),
                Err(StoreError::IdTaken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::IdTaken.into())
    }

    /// The same for one key.
    pub(super) async fn issue_one(
        &self,
        key: NewKey,
        action: ChangeAction,
        actor: Actor,
        now: UnixMillis,
    ) -> Result<Issued<CreatedKey>, ApiError> {
        let Issued { created, cursor } = self.issue(vec![key], action, actor, now).await?;
        match created.into_iter().next() {
            Some(created) => Ok(Issued { created, cursor }),
            None => Err(ApiError::internal("one key was issued and none came back")),
        }
    }

    fn draw(&self, key: &NewKey, now: UnixMillis) -> Result<(CreatedKey, StoredKey), ApiError> {
        let (issued, kept) = IssuedKey::draw(self.randomness.as_ref(), now).map_err(ApiError::internal)?;
        let stored = StoredKey {
            id: issued.id().clone(),
            salt: kept.salt,
            digest: kept.digest,
            name: key.name.clone(),
            owner: key.owner.clone(),
            creation: now,
            expiration: key.expiration,
            invalidation: None,
            role_descriptors: key.role_descriptors.clone(),
            limited_by: key.limited_by.clone(),
            metadata: key.metadata.clone(),
            vouching: key.vouching,
        };
        Ok((CreatedKey::new(&issued, key), stored))
    }
}

impl CreatedKey {
    fn new(issued: &IssuedKey, key: &NewKey) -> Self {
        Self {
            id: issued.id().to_string(),
            name: key.name.clone(),
            expiration: key.expiration,
            api_key: issued.expose_secret().to_owned(),
            encoded: issued.expose_encoded(),
        }
    }
}
