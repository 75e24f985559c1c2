//! `DELETE /_security/api_key`.

use axum::response::Response;
use latchkey_elastic::content::Node;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_key_feed::KeyId;
use latchkey_privileges::cluster_request::{ClusterRequest, KeySelection};
use serde::Serialize;

use crate::api::answer;
use crate::api::api_key::{name_pattern, owned_by, require_api_keys};
use crate::api::call::Incoming;
use crate::api::call::authenticated::Authenticated;
use crate::api::call::request_body::RequestBody;
use crate::api::edge_wait::{AskedWait, EdgesAnswer, edges_reached};
use crate::api::error::ApiError;
use crate::store::KeyFilter;

/// What is asked. Blank texts count as absent.
#[derive(Debug, Default)]
pub(super) struct InvalidateRequest {
    /// Absent, or not empty and none blank.
    ids: Option<Vec<String>>,
    name: Option<String>,
    username: Option<String>,
    realm: Option<String>,
    owner: bool,
}

const PARSER: ObjectParser<InvalidateRequest> = ObjectParser::new(
    "invalidate_api_key",
    &[
        Field::string("realm_name", |request: &mut InvalidateRequest, realm| {
            request.realm = non_blank(realm)
        }),
        Field::string("username", |request: &mut InvalidateRequest, name| request.username = non_blank(name)),
        Field::string("name", |request: &mut InvalidateRequest, name| request.name = non_blank(name)),
        Field::boolean("owner", |request: &mut InvalidateRequest, owner| request.owner = owner),
        Field::string_array("ids", |request: &mut InvalidateRequest, ids| request.ids = Some(ids)),
    ],
);

#[derive(Serialize)]
struct Invalidation {
    invalidated_api_keys: Vec<KeyId>,
    /// Always empty. A key is selected and ended in one transaction, so no other request can end it
    /// in between.
    previously_invalidated_api_keys: [KeyId; 0],
    error_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

pub(in crate::api) async fn invalidate(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let request = call.read_required_body(read).await?;
    let wait = AskedWait::read(&mut call.parameters)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    request.validate()?;
    let call = call.authorize(&ClusterRequest::InvalidateKeys(request.selection()))?;
    let filter = request.filter(&call.authenticated);
    let ended = call.store.invalidate(filter, call.actor(), call.now()).await?;
    // As in Elasticsearch, a request that ends keys starts the removal of keys that ended long ago.
    call.remover.run_soon();
    let edges = edges_reached(&call, wait, ended.cursor).await?;
    answer::ok(&Invalidation {
        invalidated_api_keys: ended.outcome,
        previously_invalidated_api_keys: [],
        error_count: 0,
        edges,
    })
}

/// What is asked.
pub(super) fn read(body: &Node) -> Result<InvalidateRequest, ErrorCause> {
    PARSER.parse_into(body, InvalidateRequest::build)
}

impl InvalidateRequest {
    /// The rules that Elasticsearch checks while it makes the request object
    /// (`InvalidateApiKeyRequest#validateIds`).
    fn build(self) -> Result<Self, ErrorCause> {
        let mut problems = ValidationProblems::new();
        if let Some(ids) = &self.ids {
            problems.add_if(ids.is_empty(), "Field [ids] cannot be an empty array");
            let blank: Vec<String> = ids
                .iter()
                .enumerate()
                .filter(|(_, id)| id.trim().is_empty())
                .map(|(position, _)| position.to_string())
                .collect();
            if !blank.is_empty() {
                let which = if blank.len() == 1 { "id at index position" } else { "ids at index positions" };
                problems.add(format!(
                    "Field [ids] must not contain blank id, but got blank {which}: [{}]",
                    blank.join(", ")
                ));
            }
        }
        problems.into_result().map(|()| self)
    }

    pub(super) fn validate(&self) -> Result<(), ErrorCause> {
        let by_key = self.ids.is_some() || self.name.is_some();
        let by_owner = self.username.is_some() || self.realm.is_some();
        let mut problems = ValidationProblems::new();
        problems.add_if(
            !by_key && !by_owner && !self.owner,
            "One of [api key id(s), api key name, username, realm name] must be specified if [owner] flag is false",
        );
        problems.add_if(
            by_key && by_owner,
            "username or realm name must not be specified when the api key id(s) or api key name are specified",
        );
        problems.add_if(
            self.owner && by_owner,
            "neither username nor realm-name may be specified when invalidating owned API keys",
        );
        problems.add_if(
            self.ids.is_some() && self.name.is_some(),
            "only one of [api key id(s), api key name] can be specified",
        );
        problems.into_result()
    }

    fn selection(&self) -> KeySelection<'_> {
        KeySelection {
            ids: self.ids.as_deref().unwrap_or_default(),
            username: self.username.as_deref(),
            realm: self.realm.as_deref(),
            owner: self.owner,
        }
    }

    fn filter(&self, authenticated: &Authenticated) -> KeyFilter {
        let filter = KeyFilter {
            ids: self.ids.clone(),
            name: self.name.as_deref().map(name_pattern),
            username: self.username.clone(),
            realm: self.realm.clone(),
            active_at: None,
        };
        if self.owner { owned_by(authenticated, filter) } else { filter }
    }
}

fn non_blank(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}
