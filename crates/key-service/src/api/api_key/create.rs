//! `PUT` and `POST /_security/api_key`.

use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::authenticated::Authenticated;
use crate::api::content::object_parser::{Field, ObjectParser};
use crate::api::content::{Node, Token};
use crate::api::error::{ApiError, ErrorCause, ValidationProblems};
use crate::api::parameters::Parameters;
use crate::api::request_body::RequestBody;
use crate::api::time_value::TimeValue;
use crate::api::{Service, SharedService, answer};
use crate::limits::{KEY_ID_DRAWS_MAX, KEY_NAME_LEN_MAX};
use crate::security::api_key::IssuedKey;
use crate::security::authentication::Subject;
use crate::security::realm::RealmName;
use crate::security::request::ClusterRequest;
use crate::security::role_descriptor::RoleDescriptors;
use crate::store::{KeyOwner, StoreError, StoredKey};

/// What the body says.
#[derive(Debug, Default)]
struct CreateBody {
    name: String,
    expiration: Option<String>,
    role_descriptors: RoleDescriptors,
    metadata: Map<String, Value>,
}

/// What is asked.
#[derive(Debug)]
struct CreateRequest {
    name: String,
    expiration: Option<TimeValue>,
    role_descriptors: RoleDescriptors,
    metadata: Map<String, Value>,
}

const PARSER: ObjectParser<CreateBody> = ObjectParser::new(
    "api_key_request",
    &[
        Field::string("name", |body: &mut CreateBody, name| body.name = name).required(),
        Field::object("role_descriptors", |body: &mut CreateBody, node| {
            body.role_descriptors = RoleDescriptors::parse(node)?;
            Ok(())
        }),
        Field::string("expiration", |body: &mut CreateBody, text| body.expiration = Some(text)),
        Field::node("metadata", &[Token::StartObject], |body: &mut CreateBody, node| {
            if let Value::Object(metadata) = node.to_value() {
                body.metadata = metadata;
            }
            Ok(())
        }),
    ],
);

/// In the order of Elasticsearch's own answer. The only answer that shows a secret.
#[derive(Serialize)]
struct CreatedKey<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<UnixMillis>,
    api_key: &'a str,
    encoded: String,
}

pub(in crate::api) async fn create(
    State(service): State<SharedService>,
    authenticated: Authenticated,
    mut parameters: Parameters,
    RequestBody(body): RequestBody,
) -> Result<Response, ApiError> {
    let request = PARSER.parse_into(&Node::parse_required(&body)?, CreateRequest::build)?;
    // Every later read sees the key, whatever is said here.
    parameters.refresh()?;
    parameters.finish()?;
    service.require_api_keys()?;
    request.validate()?;
    authenticated.authorize(&ClusterRequest::CreateKey)?;
    let (owner, limited_by) = service.owner(&authenticated, &request.role_descriptors)?;
    let (issued, key) = service.issue(&authenticated, request, owner, limited_by).await?;
    answer::ok(&CreatedKey {
        id: key.id.as_str(),
        name: &key.name,
        expiration: key.expiration,
        api_key: issued.expose_secret(),
        encoded: issued.expose_encoded(),
    })
}

impl CreateRequest {
    /// An expiration that is no duration is an error of the making of the request, not of its field.
    fn build(body: CreateBody) -> Result<Self, ErrorCause> {
        let expiration = body.expiration.map(|text| TimeValue::parse(&text, "expiration")).transpose()?;
        Ok(Self {
            name: body.name,
            expiration,
            role_descriptors: body.role_descriptors,
            metadata: body.metadata,
        })
    }

    fn validate(&self) -> Result<(), ErrorCause> {
        let mut problems = ValidationProblems::new();
        if self.name.is_empty() {
            problems.add("api key name is required");
        } else {
            // Elasticsearch counts in UTF-16, and trims what Java's `String#trim` does: nothing beyond ASCII.
            let len = self.name.encode_utf16().count();
            problems.add_if(
                len > KEY_NAME_LEN_MAX,
                &format!("api key name may not be more than {KEY_NAME_LEN_MAX} characters long"),
            );
            problems.add_if(
                self.name.trim_matches(|letter| letter <= ' ') != self.name,
                "api key name may not begin or end with whitespace",
            );
            problems.add_if(self.name.starts_with('_'), "api key name may not begin with an underscore");
        }
        problems.add_if(
            self.metadata.keys().any(|name| name.starts_with('_')),
            "API key metadata keys may not start with [_]",
        );
        problems.extend(self.role_descriptors.problems());
        problems.into_result()
    }
}

impl Service {
    /// On whose behalf the new key acts, and what that owner may do at this moment.
    ///
    /// A key that makes a key makes a powerless one, which can authenticate and nothing else: otherwise a key could outlive
    /// its own end.
    fn owner(
        &self,
        authenticated: &Authenticated,
        asked: &RoleDescriptors,
    ) -> Result<(KeyOwner, RoleDescriptors), ErrorCause> {
        asked.refuse_mixed_restrictions()?;
        match authenticated.authentication.subject() {
            Subject::User(user) => {
                let limited_by = authenticated.roles.descriptors.clone();
                limited_by.refuse_restricted_owner()?;
                Ok((KeyOwner::from(&**user), limited_by))
            }
            Subject::ApiKey(_) if !asked.are_explicitly_powerless() => Err(ErrorCause::illegal_argument(
                "creating derived api keys requires an explicit role descriptor that is empty (has no privileges)",
            )),
            Subject::ApiKey(key) => {
                let RealmName { name: realm, realm_type } = RealmName::api_key();
                let owner = KeyOwner { realm, realm_type: Some(realm_type), ..key.key().owner.clone() };
                Ok((owner, RoleDescriptors::default()))
            }
        }
    }

    async fn issue(
        &self,
        authenticated: &Authenticated,
        request: CreateRequest,
        owner: KeyOwner,
        limited_by: RoleDescriptors,
    ) -> Result<(IssuedKey, StoredKey), ApiError> {
        let now = self.clock.now();
        for _ in 0..KEY_ID_DRAWS_MAX {
            let (issued, kept) =
                IssuedKey::draw(self.randomness.as_ref(), now).map_err(ApiError::internal)?;
            let key = StoredKey {
                id: issued.id().clone(),
                salt: kept.salt,
                digest: kept.digest,
                name: request.name.clone(),
                owner: owner.clone(),
                creation: now,
                expiration: request.expiration.map(|after| expiration(now, after)),
                invalidation: None,
                role_descriptors: request.role_descriptors.clone(),
                limited_by: limited_by.clone(),
                metadata: request.metadata.clone(),
            };
            match self.store.create(key.clone(), authenticated.actor(), now).await {
                Ok(()) => return Ok((issued, key)),
                Err(StoreError::IdTaken) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::IdTaken.into())
    }
}

/// Reckoned in whole seconds. A duration below zero has passed already; the last moment is that of Elasticsearch's signed
/// numbers.
fn expiration(now: UnixMillis, after: TimeValue) -> UnixMillis {
    let millis = after.whole_seconds().saturating_mul(1_000);
    UnixMillis(now.0.saturating_add_signed(millis).min(i64::MAX.unsigned_abs()))
}
