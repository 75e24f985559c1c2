//! `POST /_latchkey/api_key/_import`: keys that were made elsewhere, for users of this service.
//!
//! All of them are added or none, and every mistake is named. A key that is there already, of the same owner and
//! with the same secret, stays as it is: so a request that was answered by nobody can be sent again. A key that was
//! invalidated here stays so.

use std::collections::HashMap;
use std::sync::Arc;

use axum::response::Response;
use futures_util::future::join_all;
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::format_limits::{OPAQUE_KEY_PEPPER_LEN, SALT_LEN};
use latchkey_key_feed::{
    KeptSecrets, KeyId, KeySecret, OpaqueKeyPepper, Salt, SecretDigest, SecretUsed, UnixMillis,
};
use latchkey_privileges::cluster_request::{ClusterRequest, IMPORT_KEYS};
use latchkey_privileges::role_descriptor::RoleDescriptors;
use latchkey_privileges::vouching::Vouching;
use serde::Serialize;

use crate::api::answer;
use crate::api::api_key::import_request::{ImportRequest, ImportedCredential, ImportedKey, read};
use crate::api::api_key::issuing::{NewKey, refuse_previous_secret};
use crate::api::api_key::require_api_keys;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::edge_wait::{AskedWait, EdgesAnswer, edges_reached};
use crate::api::error::ApiError;
use crate::limits::{IMPORTED_RIGHTS_LEN_MAX, KEY_ID_DRAWS_MAX};
use crate::model::precondition::Precondition;
use crate::model::stored_key::{KeyOwner, StoredKey};
use crate::randomness::{Randomness, draw};
use crate::security::authentication::Subject;
use crate::settings::KeyPolicy;
use crate::store::key_entry::KeyEntry;
use crate::store::written_len::json_len;
use crate::store::{StoreError, opaque_keys};

/// What was done, or in a dry run what would be.
#[derive(Serialize)]
struct ImportAnswer {
    dry_run: bool,
    imported: usize,
    already_there: usize,
    keys: Vec<KeyAnswer>,
    mistakes: Vec<Mistake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

#[derive(Serialize)]
struct KeyAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    owner: String,
    result: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Imported,
    AlreadyThere,
}

/// What is wrong with a key, by its place in the request.
#[derive(Serialize)]
struct Mistake {
    key: usize,
    problem: String,
}

/// A user whose keys are brought along.
struct Owner {
    owner: KeyOwner,
    limited_by: RoleDescriptors,
    /// The bytes of what every key of the owner has of it, as JSON.
    len: usize,
    precondition: Option<Precondition>,
}

/// Owners by their usernames; where there is none, why.
type Owners = HashMap<String, Result<Owner, String>>;

/// What a request comes to.
struct Plan {
    new: Vec<StoredKey>,
    keys: Vec<KeyAnswer>,
    mistakes: Vec<Mistake>,
    /// By what opaque keys are found, if the request has some.
    pepper: Option<OpaqueKeyPepper>,
}

pub(in crate::api) async fn import(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let request = call.read_required_body(read).await?;
    let is_dry_run = call.parameters.boolean("dry_run", false)?;
    let wait = AskedWait::read_of_new(&mut call)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    let call = call.authorize(&ClusterRequest::Other(IMPORT_KEYS))?;
    if let Subject::ApiKey(key) = call.authenticated.authentication.authenticating() {
        refuse_previous_secret(key)?;
    }
    let now = call.now();
    let request = Arc::new(request);
    let owners = Arc::new(owners(&call, &request).await?);
    let preconditions = owners.values().flatten().filter_map(|owner| owner.precondition.clone());
    let actor = call.actor().depending_on(preconditions);
    for _ in 0..KEY_ID_DRAWS_MAX {
        let plan = Plan::of(&call, &request, &owners, now).await?;
        if is_dry_run {
            return answer::ok(&plan.answer(true, None));
        }
        plan.refuse_mistakes()?;
        let Plan { new, pepper, .. } = &plan;
        // Nothing is changed by keys that are all there.
        let written = match new.is_empty() {
            true => Ok(None),
            false => opaque_keys::import(&call.store, new.clone(), pepper.clone(), actor.clone(), now).await,
        };
        match written {
            Ok(cursor) => {
                let edges = edges_reached(&call, wait, cursor).await?;
                return answer::ok(&plan.answer(false, edges));
            }
            // Another import was faster: what it has brought is looked at.
            Err(StoreError::IdTaken | StoreError::OtherPepper) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::IdTaken.into())
}

/// The users who are named, and what each may do now.
///
/// # Errors
///
/// 400 when that comes to too much with every key, which has it all: before any of it is copied.
async fn owners(call: &Allowed, request: &ImportRequest) -> Result<Owners, ApiError> {
    let mut owners = Owners::new();
    let mut len = 0_usize;
    for ImportedKey { owner: username, .. } in request.keys.iter().flatten() {
        if !owners.contains_key(username) {
            owners.insert(username.clone(), owner(call, username).await?);
        }
        len = len.saturating_add(len_of(owners.get(username)));
        if len > IMPORTED_RIGHTS_LEN_MAX {
            let reason = format!(
                "the keys come to more than {IMPORTED_RIGHTS_LEN_MAX} bytes with the roles of their owners: bring fewer along at a time"
            );
            return Err(ErrorCause::illegal_argument(reason).into());
        }
    }
    Ok(owners)
}

fn len_of(owner: Option<&Result<Owner, String>>) -> usize {
    owner.and_then(|owner| owner.as_ref().ok()).map_or(0, |owner| owner.len)
}

async fn owner(call: &Allowed, username: &str) -> Result<Result<Owner, String>, ApiError> {
    let found = call.authenticator.realms().find(username).await?;
    let user = match found {
        Some(user) if user.enabled => user,
        Some(_) => return Ok(Err(format!("the user [{username}] is disabled"))),
        None => return Ok(Err(format!("there is no user [{username}]"))),
    };
    let user = Arc::new(user);
    let limited_by = call.authorization_of_user(&user).await?.roles.descriptors;
    if let Err(restricted) = limited_by.refuse_restricted_owner() {
        return Ok(Err(restricted.reason().to_owned()));
    }
    let owner = KeyOwner::from(&*user);
    let len = json_len(&limited_by) + json_len(&owner.metadata);
    Ok(Ok(Owner { owner, limited_by, len, precondition: Subject::User(user).precondition() }))
}

impl Plan {
    /// What is to be done with each key, by what the store has now.
    async fn of(
        call: &Allowed,
        request: &Arc<ImportRequest>,
        owners: &Arc<Owners>,
        now: UnixMillis,
    ) -> Result<Self, ApiError> {
        let pepper = pepper(call, request).await?;
        let presented = |key: &Result<ImportedKey, String>| match key {
            Ok(key) => key.presented(pepper.as_ref()),
            // It is told once, where the key is looked at.
            Err(_) => Err(String::new()),
        };
        let credentials: Vec<_> = request.keys.iter().map(presented).collect();
        let looked_up = credentials.iter().map(|credential| async {
            match credential {
                Ok((id, _)) => call.store.find_entry(id.as_str()).await,
                Err(_) => Ok(None),
            }
        });
        let there = join_all(looked_up).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let looking = Looking {
            vouching: Vouching::by(call.authenticated.permission()),
            policy: call.settings.key_policy.clone(),
            randomness: Arc::clone(&call.randomness),
            now,
        };
        let (request, owners) = (Arc::clone(request), Arc::clone(owners));
        call.question(move |budget| {
            let mut plan = Self { new: Vec::new(), keys: Vec::new(), mistakes: Vec::new(), pepper };
            let mut places = HashMap::new();
            for (place, ((key, credential), there)) in
                request.keys.iter().zip(credentials).zip(there).enumerate()
            {
                let key = match key {
                    Ok(key) => key,
                    Err(problem) => {
                        plan.note(place, None, vec![problem.clone()]);
                        continue;
                    }
                };
                let mut problems = Vec::new();
                if let Ok((id, _)) = &credential
                    && let Some(first) = places.insert(id.clone(), place)
                {
                    problems.push(format!("it is the key of [keys][{first}] again"));
                }
                let owner = owners.get(&key.owner);
                budget.read(len_of(owner))?;
                let looked_at = looking.look_at(key, owner, credential, there.as_deref(), &mut problems)?;
                plan.note(place, looked_at, problems);
            }
            Ok(plan)
        })
        .await
    }

    fn note(&mut self, place: usize, looked_at: Option<(StoredKey, Outcome)>, problems: Vec<String>) {
        let is_wrong = !problems.is_empty();
        self.mistakes.extend(problems.into_iter().map(|problem| Mistake { key: place, problem }));
        let Some((key, result)) = looked_at.filter(|_| !is_wrong) else { return };
        let (id, name, owner) = (Some(key.id.to_string()), key.name.clone(), key.owner.username.clone());
        self.keys.push(KeyAnswer { id, name, owner, result });
        if result == Outcome::Imported {
            self.new.push(key);
        }
    }

    fn refuse_mistakes(&self) -> Result<(), ApiError> {
        let mut problems = ValidationProblems::new();
        problems
            .extend(self.mistakes.iter().map(|Mistake { key, problem }| format!("[keys][{key}]: {problem}")));
        Ok(problems.into_result()?)
    }

    /// A dry run shows no ids of keys that are not there: before the first opaque key is brought along, nobody knows
    /// them.
    fn answer(mut self, dry_run: bool, edges: Option<EdgesAnswer>) -> ImportAnswer {
        for key in self.keys.iter_mut().filter(|key| dry_run && key.result == Outcome::Imported) {
            key.id = None;
        }
        let already_there = self.keys.iter().filter(|key| key.result == Outcome::AlreadyThere).count();
        ImportAnswer {
            dry_run,
            imported: self.new.len(),
            already_there,
            keys: self.keys,
            mistakes: self.mistakes,
            edges,
        }
    }
}

/// What every key of a request is looked at with.
struct Looking {
    vouching: Vouching,
    policy: KeyPolicy,
    randomness: Arc<dyn Randomness>,
    now: UnixMillis,
}

impl Looking {
    /// The key as it would be stored, and what becomes of it. What is wrong is added to the problems.
    fn look_at(
        &self,
        key: &ImportedKey,
        owner: Option<&Result<Owner, String>>,
        credential: Result<(KeyId, KeySecret), String>,
        there: Option<&KeyEntry>,
        problems: &mut Vec<String>,
    ) -> Result<Option<(StoredKey, Outcome)>, ApiError> {
        problems.extend(key.key.problems());
        let owner = noted(
            owner.map_or(Err("there is no owner"), |owner| owner.as_ref().map_err(String::as_str)),
            problems,
        );
        let credential = noted(credential, problems);
        let end = key.key.end.of_new_key(&self.policy, self.now).map_err(|cause| cause.reason().to_owned());
        let end = noted(end, problems);
        if end.flatten().is_some_and(|end| end <= self.now) {
            problems.push("the key has ended already".to_owned());
        }
        let (Some(owner), Some((id, secret)), Some(end)) = (owner, credential, end) else { return Ok(None) };
        let salt = draw::<SALT_LEN>(self.randomness.as_ref()).map_err(ApiError::internal)?;
        let salt = Salt::from_bytes(salt);
        let secrets = KeptSecrets::one(salt, SecretDigest::of(&salt, &secret));
        let stored = key.new_key(owner, end, self.vouching).into_stored(id, secrets, self.now);
        problems.extend(stored.problems_of_size());
        let outcome = match there {
            None => Ok(Outcome::Imported),
            Some(there) => is_there_already(there, &stored, &secret, self.now),
        };
        Ok(noted(outcome, problems).map(|outcome| (stored, outcome)))
    }
}

/// The value; a problem is added to the others.
fn noted<T>(found: Result<T, impl Into<String>>, problems: &mut Vec<String>) -> Option<T> {
    found.map_err(|problem| problems.push(problem.into())).ok()
}

/// By what opaque keys are found; drawn, if these are the first. `None` where there is none of them.
async fn pepper(call: &Allowed, request: &ImportRequest) -> Result<Option<OpaqueKeyPepper>, ApiError> {
    let is_opaque = |key: &ImportedKey| matches!(key.credential, Ok(ImportedCredential::Opaque(_)));
    if !request.keys.iter().flatten().any(is_opaque) {
        return Ok(None);
    }
    match opaque_keys::pepper(&call.store).await? {
        Some(pepper) => Ok(Some(pepper)),
        None => {
            let drawn = draw::<OPAQUE_KEY_PEPPER_LEN>(call.randomness.as_ref());
            Ok(Some(OpaqueKeyPepper::from_bytes(drawn.map_err(ApiError::internal)?)))
        }
    }
}

impl ImportedKey {
    /// The id and the secret.
    fn presented(&self, pepper: Option<&OpaqueKeyPepper>) -> Result<(KeyId, KeySecret), String> {
        match (&self.credential, pepper) {
            (Err(problem), _) => Err(problem.clone()),
            (Ok(ImportedCredential::IdSecret(id, secret)), _) => Ok((id.clone(), secret.clone())),
            (Ok(ImportedCredential::Opaque(digest)), Some(pepper)) => {
                let found = pepper.credential(digest);
                let id = String::from_utf8(found.id).map_err(|_| "the id is no text".to_owned())?;
                Ok((KeyId::try_from(id).map_err(|invalid| invalid.to_string())?, found.secret))
            }
            (Ok(ImportedCredential::Opaque(_)), None) => Err("opaque keys cannot be found".to_owned()),
        }
    }

    fn new_key(&self, owner: &Owner, expiration: Option<UnixMillis>, vouching: Vouching) -> NewKey {
        NewKey {
            name: self.key.name.clone(),
            owner: owner.owner.clone(),
            expiration,
            role_descriptors: self.key.role_descriptors.clone(),
            limited_by: owner.limited_by.clone(),
            metadata: self.key.metadata.clone(),
            vouching,
        }
    }
}

/// Whether the key that has this id is the one that is brought along.
fn is_there_already(
    there: &KeyEntry,
    key: &StoredKey,
    secret: &KeySecret,
    now: UnixMillis,
) -> Result<Outcome, String> {
    let id = &key.id;
    if there.invalidation.is_some() {
        return Err(format!("the key was invalidated here, as [{id}]"));
    }
    let is_same_owner = (&there.username, &there.realm) == (&key.owner.username, &key.owner.realm);
    match there.secrets.verify(secret, now) {
        Some(SecretUsed::Current | SecretUsed::Previous) if is_same_owner => Ok(Outcome::AlreadyThere),
        Some(_) => Err(format!("the key is there, as [{id}], and has another owner")),
        None => Err(format!("another key has the id [{id}]")),
    }
}
