//! `PUT` and `POST /_security/api_key/clone`: a key with the powers of another, for whoever holds that one's credential.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ErrorType, ValidationProblems};
use latchkey_key_feed::UnixMillis;
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::vouching::Vouching;
use serde_json::{Map, Value};

use crate::api::api_key::issuing::{CreatedKeyAnswer, NewKey};
use crate::api::api_key::key_request::{self, add_problems_of_metadata, add_problems_of_name};
use crate::api::api_key::lifetime::KeyEnd;
use crate::api::authenticated::Authenticated;
use crate::api::edge_wait::wait_for_edges;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::api::request_body::RequestBody;
use crate::api::{Service, SharedService, answer};
use crate::audit::ChangeAction;
use crate::model::footing::Footing;
use crate::model::stored_key::StoredKey;
use crate::security::api_key;
use crate::security::authentication::OwnerShutOut;
use crate::security::credential::encoded_api_key;
use crate::security::standing::WholeKey;
use crate::settings::KeyPolicy;

/// What is asked. Holds a secret in the clear, so it can neither be printed nor copied.
#[derive(Default)]
struct CloneRequest {
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

pub(in crate::api) async fn clone(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let read = |body: &Node| {
        let request = PARSER.parse(body)?;
        Ok((request.validate(), request))
    };
    let (validity, request) = service.read_required_body(&authenticated, body, read).await?;
    let wait = wait_for_edges(&mut parameters)?;
    // Every later read sees the key, whatever is said here.
    let refresh = parameters.refresh()?;
    parameters.finish()?;
    service.require_api_keys()?;
    validity?;
    authenticated.authorize(&ClusterRequest::CloneKey)?;
    let now = service.clock.now();
    let source = service.source_of_clone(&request.api_key, now, &authenticated).await?;
    let owner = service.footing_of_owner(&source, &authenticated).await?;
    let footings = owner.into_iter().chain([Footing::Key(source.id.clone())]);
    let actor = authenticated.actor().standing_on(footings);
    let vouching = Vouching::by(&authenticated.permission);
    let key = request.like(source, vouching, &service.settings.key_policy, now)?;
    let wait = service.edge_wait_of_new(wait, refresh);
    let issued = service.issue_one(key, ChangeAction::CloneApiKey, actor, now, &authenticated).await?;
    let edges = service.edges_reached(wait, issued.cursor, &authenticated).await?;
    answer::ok(&CreatedKeyAnswer { key: issued.created, edges })
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

    /// Owner, role descriptors and limits are those of the source, as they were when it was made or last updated, and so is who vouches for
    /// the descriptors. The metadata is the caller's.
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

impl Service {
    /// What the owner of the source stands on. Whoever is shut out keeps the keys that there are, and gets no new ones by another's hand.
    async fn footing_of_owner(
        &self,
        source: &StoredKey,
        authenticated: &Authenticated,
    ) -> Result<Option<Footing>, ApiError> {
        let owner = &source.owner;
        self.authenticator.footing_of_owner(owner).await?.map_err(|OwnerShutOut| {
            let (id, username, realm) = (&source.id, &owner.username, &owner.realm);
            authenticated.forbid(
                &ClusterRequest::CloneKey,
                format!("the owner [{username}] of API key [{id}], of realm [{realm}], is disabled or does not exist any more"),
            )
        })
    }

    async fn source_of_clone(
        &self,
        encoded: &str,
        now: UnixMillis,
        authenticated: &Authenticated,
    ) -> Result<StoredKey, ApiError> {
        let credential = encoded_api_key(encoded).map_err(|malformed| {
            let cause = ErrorCause::illegal_argument(malformed.to_string());
            ErrorCause::new(ErrorType::Status, format!("invalid API key credential: {malformed}"))
                .caused_by(cause)
        })?;
        let found = self.store.find_entry(&credential.id).await?;
        match api_key::verify(&credential, found, now) {
            Ok(verified) => {
                let WholeKey { key, .. } = self.whole_key(&verified, authenticated).await?;
                Ok(Arc::unwrap_or_clone(key))
            }
            Err(rejection) => {
                let action = ClusterRequest::CloneKey.action();
                let inner = authenticated.refuse_inner(rejection.into(), action, self);
                Err(inner.inside_403("Failed to clone API key"))
            }
        }
    }
}
