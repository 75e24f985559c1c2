//! `PUT` and `POST /_security/api_key/clone`: a key with the rights of another key, for a caller who presents
//! the credential of that key.

use std::sync::Arc;

use axum::response::Response;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ErrorType, ValidationProblems};
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::vouching::Vouching;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::api_key::issuing::{
    CreatedKeyAnswer, NewKey, issue_one, precondition_of_owner, refuse_previous_secret,
};
use crate::api::api_key::key_request::{self, add_problems_of_metadata, add_problems_of_name};
use crate::api::api_key::lifetime::KeyEnd;
use crate::api::api_key::require_api_keys;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::edge_wait::{AskedWait, edges_reached};
use crate::api::error::ApiError;
use crate::audit::ChangeAction;
use crate::model::precondition::Precondition;
use crate::model::stored_key::StoredKey;
use crate::security::api_key;
use crate::security::credential::encoded_api_key;
use crate::settings::KeyPolicy;

/// The request. It holds a secret in clear text, so it can neither be printed nor copied.
#[derive(Default)]
pub(super) struct CloneRequest {
    api_key: String,
    name: Option<String>,
    end: KeyEnd,
    metadata: Map<String, Value>,
}

const PARSER: ObjectParser<CloneRequest> = ObjectParser::new(
    "clone_api_key_request",
    &[
        Field::string("api_key", |request: &mut CloneRequest, text| request.api_key = text),
        Field::string("name", |request: &mut CloneRequest, name| request.name = Some(name)),
        Field::node(
            "expiration",
            &[Token::ValueString, Token::ValueNull],
            |request: &mut CloneRequest, node| {
                request.end = KeyEnd::said(node.as_str())?;
                Ok(())
            },
        ),
        Field::object("metadata", |request: &mut CloneRequest, node| {
            request.metadata = key_request::metadata(node);
            Ok(())
        }),
    ],
);

pub(in crate::api) async fn clone(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (validity, request) = call.read_required_body(read).await?;
    let wait = AskedWait::read_of_new(&mut call)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    validity?;
    let call = call.authorize(&ClusterRequest::CloneKey)?;
    let now = call.now();
    let (source, by_its_secret) = source_of_clone(&call, &request.api_key, now).await?;
    let owner = precondition_of_owner(&call, &source, &ClusterRequest::CloneKey).await?;
    let preconditions = owner.into_iter().chain([by_its_secret]);
    let actor = call.actor().depending_on(preconditions);
    let vouching = Vouching::by(call.authenticated.permission());
    let key = request.like(source, vouching, &call.settings.key_policy, now)?;
    let issued = issue_one(&call, key, ChangeAction::CloneApiKey, actor, now).await?;
    let edges = edges_reached(&call, wait, issued.cursor).await?;
    answer::ok(&CreatedKeyAnswer { key: issued.created, edges })
}

/// What is asked, and whether it makes sense.
pub(super) fn read(body: &Node) -> Result<(Result<(), ErrorCause>, CloneRequest), ErrorCause> {
    let request = PARSER.parse(body)?;
    Ok((request.validate(), request))
}

impl CloneRequest {
    fn validate(&self) -> Result<(), ErrorCause> {
        let mut problems = ValidationProblems::new();
        problems.add_if(self.api_key.is_empty(), "api key credential is required");
        if let Some(name) = &self.name {
            add_problems_of_name(&mut problems, name);
        }
        add_problems_of_metadata(&mut problems, &self.metadata);
        problems.into_result()
    }

    /// Owner, role descriptors and limits are those of the source, as they were when it was made or last
    /// updated. So is the answer to who vouches for the descriptors. The metadata is the caller's.
    fn like(
        self,
        source: StoredKey,
        caller: Vouching,
        policy: &KeyPolicy,
        now: UnixMillis,
    ) -> Result<NewKey, ErrorCause> {
        let end = match self.end {
            KeyEnd::Unsaid => source.expiration.map_or(KeyEnd::Unsaid, KeyEnd::At),
            said => said,
        };
        Ok(NewKey {
            name: self.name.unwrap_or(source.name),
            owner: source.owner,
            expiration: end.of_new_key(policy, now)?,
            role_descriptors: source.role_descriptors,
            limited_by: source.limited_by,
            metadata: self.metadata,
            vouching: Vouching { roles: source.vouching.roles, metadata: caller.metadata },
        })
    }
}

/// The key whose credential was given, and that its secret still is one.
async fn source_of_clone(
    call: &Allowed,
    encoded: &str,
    now: UnixMillis,
) -> Result<(StoredKey, Precondition), ApiError> {
    let credential = encoded_api_key(encoded).map_err(|malformed| {
        let cause = ErrorCause::illegal_argument(malformed.to_string());
        ErrorCause::new(ErrorType::Status, format!("invalid API key credential: {malformed}"))
            .caused_by(cause)
    })?;
    let found = call.store.find_entry(&credential.id).await?;
    match api_key::verify(&credential, found, now) {
        Ok(verified) => {
            refuse_previous_secret(&verified)?;
            let key = Arc::unwrap_or_clone(call.whole_key(&verified).await?.key);
            Ok((key, verified.precondition()))
        }
        Err(rejection) => {
            let action = ClusterRequest::CloneKey.action();
            let inner = call.authenticated.refuse_inner(rejection.into(), action);
            Err(inner.inside_403("Failed to clone API key"))
        }
    }
}
