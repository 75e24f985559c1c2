//! `POST` and `PUT /_security/api_key/grant`, and `POST /_security/api_key/_bulk_grant`: keys for another
//! user, whose credentials are in the request.
//!
//! The key belongs to the user whom the credentials prove, or to the user as whom that one runs. The caller's
//! rights matter only for who [vouches](latchkey_privileges::vouching) for what the request says about the
//! key. The caller is named in the audit log only.

use axum::response::Response;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::content::{Node, Token};
use latchkey_elastic::{ErrorCause, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::vouching::Vouching;
use serde::Serialize;

use crate::api::answer;
use crate::api::api_key::issuing::{CreatedKey, CreatedKeyAnswer, Maker, issue, issue_one};
use crate::api::api_key::key_request::KeyRequest;
use crate::api::api_key::require_api_keys;
use crate::api::call::Incoming;
use crate::api::call::request_body::RequestBody;
use crate::api::edge_wait::{AskedWait, EdgesAnswer, edges_reached};
use crate::api::error::ApiError;
use crate::api::grant::{Grant, GrantBody, grantee};
use crate::audit::ChangeAction;
use crate::limits::KEYS_GRANTED_MAX;

/// What the body says.
#[derive(Default)]
struct GrantKeysBody {
    grant: GrantBody,
    keys: Vec<KeyRequest>,
}

const GRANT_TYPE: Field<GrantKeysBody> =
    Field::string("grant_type", |body, text| body.grant.grant_type = Some(text));
const USERNAME: Field<GrantKeysBody> =
    Field::string("username", |body, text| body.grant.username = Some(text));
const PASSWORD: Field<GrantKeysBody> =
    Field::string("password", |body, text| body.grant.password = Some(text));
const ACCESS_TOKEN: Field<GrantKeysBody> =
    Field::string("access_token", |body, text| body.grant.access_token = Some(text));
const RUN_AS: Field<GrantKeysBody> = Field::string("run_as", |body, text| body.grant.run_as = Some(text));
const CLIENT_AUTHENTICATION: Field<GrantKeysBody> =
    Field::object("client_authentication", |body, node| body.grant.read_client_authentication(node));

const PARSER: ObjectParser<GrantKeysBody> = ObjectParser::new(
    "grant_api_key_request",
    &[
        GRANT_TYPE,
        USERNAME,
        PASSWORD,
        ACCESS_TOKEN,
        RUN_AS,
        CLIENT_AUTHENTICATION,
        Field::object("api_key", |body: &mut GrantKeysBody, node| {
            body.keys = vec![KeyRequest::parse(node)?];
            Ok(())
        }),
    ],
);

const BULK_PARSER: ObjectParser<GrantKeysBody> = ObjectParser::new(
    "bulk_grant_api_key_request",
    &[
        GRANT_TYPE,
        USERNAME,
        PASSWORD,
        ACCESS_TOKEN,
        RUN_AS,
        CLIENT_AUTHENTICATION,
        Field::node(
            "api_keys",
            &[Token::StartArray, Token::StartObject],
            |body: &mut GrantKeysBody, node| {
                let nodes = node.elements().unwrap_or(std::slice::from_ref(node));
                body.keys = nodes.iter().map(KeyRequest::parse).collect::<Result<_, _>>()?;
                Ok(())
            },
        ),
    ],
);

#[derive(Serialize)]
struct Created {
    created: Vec<CreatedKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edges: Option<EdgesAnswer>,
}

pub(in crate::api) async fn grant(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (grant, problems, key) = call.read_required_body(read).await?;
    let wait = AskedWait::read_of_new(&mut call)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    let grant = validate(grant, problems)?;
    let call = call.authorize(&ClusterRequest::GrantKey)?;
    let (grantee, preconditions) = grantee(&call, grant, &ClusterRequest::GrantKey).await?;
    let now = call.now();
    let vouching = Vouching::by(call.authenticated.permission());
    let maker = Maker::of(&call, &grantee, &ClusterRequest::GrantKey).await?;
    let preconditions = preconditions.into_iter().chain(maker.preconditions.iter().cloned());
    let actor = call.actor().depending_on(preconditions);
    let key = maker.new_key(key, vouching, &call.settings.key_policy, now)?;
    let issued = issue_one(&call, key, ChangeAction::GrantApiKeys, actor, now).await?;
    let edges = edges_reached(&call, wait, issued.cursor).await?;
    answer::ok(&CreatedKeyAnswer { key: issued.created, edges })
}

pub(in crate::api) async fn bulk_grant(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let (grant, problems, keys) = call.read_required_body(read_bulk).await?;
    let wait = AskedWait::read_of_new(&mut call)?;
    let call = call.parsed()?;
    require_api_keys(call.settings())?;
    let grant = validate(grant, problems)?;
    let call = call.authorize(&ClusterRequest::BulkGrantKeys)?;
    let (grantee, preconditions) = grantee(&call, grant, &ClusterRequest::BulkGrantKeys).await?;
    let now = call.now();
    let vouching = Vouching::by(call.authenticated.permission());
    let maker = Maker::of(&call, &grantee, &ClusterRequest::BulkGrantKeys).await?;
    let preconditions = preconditions.into_iter().chain(maker.preconditions.iter().cloned());
    let actor = call.actor().depending_on(preconditions);
    let policy = &call.settings.key_policy;
    let new_keys = keys.into_iter().map(|key| maker.new_key(key, vouching, policy, now));
    let new_keys = new_keys.collect::<Result<Vec<_>, _>>()?;
    let issued = issue(&call, new_keys, ChangeAction::GrantApiKeys, actor, now).await?;
    let edges = edges_reached(&call, wait, issued.cursor).await?;
    answer::ok(&Created { created: issued.created, edges })
}

/// Whose key is asked for, what is wrong with the key, and the key.
pub(super) fn read(body: &Node) -> Result<(GrantBody, Vec<String>, KeyRequest), ErrorCause> {
    let GrantKeysBody { grant, mut keys } = PARSER.parse(body)?;
    // A field that the request leaves out is missing in the key.
    let key = keys.pop().unwrap_or_default();
    Ok((grant, key.problems(), key))
}

/// The same of several keys.
pub(super) fn read_bulk(body: &Node) -> Result<(GrantBody, Vec<String>, Vec<KeyRequest>), ErrorCause> {
    let GrantKeysBody { grant, keys } = BULK_PARSER.parse(body)?;
    Ok((grant, problems_of_several(&keys), keys))
}

fn problems_of_several(keys: &[KeyRequest]) -> Vec<String> {
    match keys {
        [] => vec!["[api_keys] must not be empty".to_owned()],
        keys if keys.len() > KEYS_GRANTED_MAX => {
            vec![format!("[api_keys] must not hold more than {KEYS_GRANTED_MAX} keys")]
        }
        keys => keys.iter().flat_map(KeyRequest::problems).collect(),
    }
}

/// The complaints about the keys come first.
pub(super) fn validate(grant: GrantBody, problems_of_keys: Vec<String>) -> Result<Grant, ErrorCause> {
    let mut problems = ValidationProblems::new();
    problems.extend(problems_of_keys);
    match grant.validate() {
        Ok(grant) => problems.into_result().map(|()| grant),
        Err(problems_of_grant) => {
            problems.extend(problems_of_grant);
            Err(problems.into_cause())
        }
    }
}
