//! `PUT /_security/api_key/{id}` and `POST /_security/api_key/_bulk_update`.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ErrorType, TimeValue, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::role_descriptor::RoleDescriptors;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer;
use crate::api::answer::text::AnswerText;
use crate::api::api_key::key_request::{self, add_problems_of_metadata};
use crate::api::api_key::lifetime::expiration;
use crate::api::api_key::require_api_keys;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::edge_wait::{AskedWait, EdgesAnswer, edges_reached};
use crate::api::error::ApiError;
use crate::limits::{GROUP_KEYS_MAX, KEYS_UPDATED_MAX};
use crate::model::stored_key::KeyOwner;
use crate::security::authentication::Subject;
use crate::store::change::Changed;
use crate::store::key_size::{problems_of_descriptors, problems_of_metadata};
use crate::store::update::{KeyChange, KeyUpdate, UpdateOutcome, UpdateRefusal};

/// The body. It has no ids if the request is about one key.
#[derive(Debug, Default)]
struct UpdateBody {
    ids: Vec<String>,
    role_descriptors: Option<RoleDescriptors>,
    metadata: Option<Map<String, Value>>,
    expiration: Option<String>,
}

/// What is to change. A field that is `None` stays as it is.
#[derive(Debug)]
pub(super) struct UpdateRequest {
    ids: Vec<String>,
    role_descriptors: Option<RoleDescriptors>,
    metadata: Option<Map<String, Value>>,
    expiration: Option<TimeValue>,
}

const ROLE_DESCRIPTORS: Field<UpdateBody> = Field::object("role_descriptors", |body, node| {
    body.role_descriptors = Some(RoleDescriptors::parse(node)?);
    Ok(())
});

const METADATA: Field<UpdateBody> = Field::node("metadata", &[Token::StartObject], |body, node| {
    body.metadata = Some(key_request::metadata(node));
    Ok(())
});

const EXPIRATION: Field<UpdateBody> = Field::string("expiration", |body, text| body.expiration = Some(text));

const PARSER: ObjectParser<UpdateBody> =
    ObjectParser::new("update_api_key_request_payload", &[ROLE_DESCRIPTORS, METADATA, EXPIRATION]);

const BULK_PARSER: ObjectParser<UpdateBody> = ObjectParser::new(
    "bulk_update_api_key_request",
    &[
        Field::string_array("ids", |body: &mut UpdateBody, ids| body.ids = ids).required(),
        ROLE_DESCRIPTORS,
        METADATA,
        EXPIRATION,
    ],
);

#[derive(Serialize)]
struct Updated {
    updated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

/// The fields have the order of Elasticsearch's answer.
#[derive(Serialize)]
struct BulkUpdated {
    updated: Vec<String>,
    noops: Vec<String>,
    #[serde(skip_serializing_if = "UpdateErrors::is_empty")]
    errors: UpdateErrors,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

#[derive(Default, Serialize)]
struct UpdateErrors {
    count: usize,
    details: Map<String, Value>,
}

pub(in crate::api) async fn update(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let id = call.path.take("id");
    let (validity, request) = call.read_body(move |body| read(id, body)).await?;
    let wait = AskedWait::read(&mut call.parameters)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    validity?;
    let call = call.authorize(&ClusterRequest::UpdateKey)?;
    let mut changed = change(&call, request).await?;
    match changed.outcome.pop() {
        Some((_, Ok(change))) => {
            let edges = edges_reached(&call, wait, changed.cursor).await?;
            answer::ok(&Updated { updated: change == KeyChange::Updated, edges })
        }
        Some((id, Err(refusal))) => Err(refused(&id, refusal).into()),
        None => Err(ApiError::internal("one key was to be changed and none was")),
    }
}

pub(in crate::api) async fn bulk_update(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (validity, request) = call.read_required_body(read_bulk).await?;
    let wait = AskedWait::read(&mut call.parameters)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    validity?;
    let call = call.authorize(&ClusterRequest::BulkUpdateKeys)?;
    let changed = change(&call, request).await?;
    let edges = edges_reached(&call, wait, changed.cursor).await?;
    if changed.outcome.len() < GROUP_KEYS_MAX {
        return answer::ok(&BulkUpdated::of(changed.outcome, edges)?);
    }
    let write = move |budget: &mut Budget| {
        budget.spend(changed.outcome.len())?;
        let mut text = AnswerText::new(budget);
        text.push_json(&BulkUpdated::of(changed.outcome, edges)?)?;
        Ok(text.finish())
    };
    Ok(call.question(write).await?.with_status(StatusCode::OK))
}

/// What is asked about a key, and whether it makes sense.
pub(super) fn read(
    id: String,
    body: Option<&Node>,
) -> Result<(Result<(), ErrorCause>, UpdateRequest), ErrorCause> {
    let mut request = match body {
        Some(node) => PARSER.parse_into(node, UpdateRequest::build)?,
        None => UpdateRequest::build(UpdateBody::default())?,
    };
    request.ids = vec![id];
    Ok((request.validate(), request))
}

/// The same about several keys.
pub(super) fn read_bulk(body: &Node) -> Result<(Result<(), ErrorCause>, UpdateRequest), ErrorCause> {
    let request = BULK_PARSER.parse_into(body, UpdateRequest::build)?;
    Ok((request.validate(), request))
}

impl UpdateRequest {
    fn build(body: UpdateBody) -> Result<Self, ErrorCause> {
        let expiration = key_request::expiration(body.expiration.as_deref())?;
        // Each key is changed once, in the order in which it is first named.
        let mut seen = BTreeSet::new();
        let ids = body.ids.into_iter().filter(|id| seen.insert(id.clone())).collect();
        Ok(Self { ids, role_descriptors: body.role_descriptors, metadata: body.metadata, expiration })
    }

    fn validate(&self) -> Result<(), ErrorCause> {
        let mut problems = ValidationProblems::new();
        if let Some(metadata) = &self.metadata {
            add_problems_of_metadata(&mut problems, metadata);
        }
        if let Some(roles) = &self.role_descriptors {
            problems.extend(roles.problems());
        }
        problems.add_if(self.ids.is_empty(), "Field [ids] cannot be empty");
        problems.add_if(
            self.ids.len() > KEYS_UPDATED_MAX,
            &format!("Field [ids] cannot hold more than {KEYS_UPDATED_MAX} ids"),
        );
        problems.into_result()
    }
}

/// The caller must be the owner. A key may not change keys, not even itself.
async fn change(call: &Allowed, request: UpdateRequest) -> Result<Changed<Vec<UpdateOutcome>>, ApiError> {
    let Subject::User(user) = call.authenticated.authentication.subject() else {
        return Err(ErrorCause::illegal_argument(
            "authentication via API key not supported: only the owner user can update an API key",
        )
        .into());
    };
    if let Some(roles) = &request.role_descriptors {
        roles.refuse_mixed_restrictions()?;
    }
    let limited_by = call.authorization_of_user(user).await?.roles.descriptors;
    limited_by.refuse_restricted_owner()?;
    let mut problems = ValidationProblems::new();
    problems.extend(request.metadata.iter().flat_map(problems_of_metadata));
    problems.extend(problems_of_descriptors(request.role_descriptors.as_ref(), &limited_by));
    problems.into_result()?;
    let now = call.now();
    let update = KeyUpdate {
        owner: KeyOwner::from(&**user),
        limited_by,
        role_descriptors: request.role_descriptors,
        metadata: request.metadata,
        expiration: request.expiration.map(|after| expiration(now, after)),
        lifetime_max: call.settings.key_policy.max_lifetime,
        is_vouched: call.authenticated.permission().manages_security(),
    };
    Ok(call.store.update(request.ids, update, call.actor(), now).await?)
}

impl BulkUpdated {
    fn of(outcomes: Vec<UpdateOutcome>, edges: Option<EdgesAnswer>) -> Result<Self, ApiError> {
        let errors = UpdateErrors::default();
        let mut answer = Self { updated: Vec::new(), noops: Vec::new(), errors, edges };
        for (id, outcome) in outcomes {
            match outcome {
                Ok(KeyChange::Updated) => answer.updated.push(id),
                Ok(KeyChange::Unchanged) => answer.noops.push(id),
                Err(refusal) => {
                    let cause = serde_json::to_value(refused(&id, refusal)).map_err(ApiError::internal)?;
                    answer.errors.details.insert(id, cause);
                    answer.errors.count += 1;
                }
            }
        }
        Ok(answer)
    }
}

impl UpdateErrors {
    fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// Elasticsearch's messages. The caller cannot tell an unknown key from a key of another user.
pub(super) fn refused(id: &str, refusal: UpdateRefusal) -> ErrorCause {
    refused_to("update", id, refusal)
}

/// The same for something else that was to be done to the key.
pub(super) fn refused_to(what: &str, id: &str, refusal: UpdateRefusal) -> ErrorCause {
    match refusal {
        UpdateRefusal::NotFound => ErrorCause::new(
            ErrorType::ResourceNotFound,
            format!("no API key owned by requesting user found for ID [{id}]"),
        ),
        UpdateRefusal::Invalidated => {
            ErrorCause::illegal_argument(format!("cannot {what} invalidated API key [{id}]"))
        }
        UpdateRefusal::TooLarge(problems) => {
            let mut all = ValidationProblems::new();
            all.extend(problems);
            all.into_cause()
        }
        UpdateRefusal::Expired => {
            ErrorCause::illegal_argument(format!("cannot {what} expired API key [{id}]"))
        }
        UpdateRefusal::RotatedSince => ErrorCause::illegal_argument(format!(
            "API key [{id}] has another secret by now: only the latest secret of a key can rotate it"
        )),
        UpdateRefusal::LivesTooLong => ErrorCause::illegal_argument(format!(
            "[expiration] of API key [{id}] is too late: no API key lives longer than [api_keys.max_lifetime] from when it was made"
        )),
    }
}
