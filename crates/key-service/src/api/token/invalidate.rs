//! `DELETE /_security/oauth2/token`.

use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use latchkey_elastic::content::Node;
use latchkey_elastic::content::object_parser::{Field, ObjectParser};
use latchkey_elastic::{ErrorCause, ErrorType, ValidationProblems};
use latchkey_privileges::cluster_request::ClusterRequest;
use serde::Serialize;

use crate::api::answer;
use crate::api::call::request_body::RequestBody;
use crate::api::call::{Allowed, Incoming};
use crate::api::error::{ApiError, ErrorStatus};
use crate::api::token::{remove_dead_tokens, require_tokens};
use crate::model::token::{Access, Refresh, Token};
use crate::store::tokens::{TokenInvalidation, TokenSelection};

/// The request. An empty text counts as absent for tokens, and a blank text for the other fields.
#[derive(Default, derive_more::Debug)]
#[debug("InvalidateRequest")]
pub(super) struct InvalidateRequest {
    token: Option<String>,
    refresh_token: Option<String>,
    realm: Option<String>,
    username: Option<String>,
}

const PARSER: ObjectParser<InvalidateRequest> = ObjectParser::new(
    "invalidate_token",
    &[
        Field::string("token", |request: &mut InvalidateRequest, text| {
            request.token = (!text.is_empty()).then_some(text);
        }),
        Field::string("refresh_token", |request: &mut InvalidateRequest, text| {
            request.refresh_token = (!text.is_empty()).then_some(text);
        }),
        Field::string("realm_name", |request: &mut InvalidateRequest, text| {
            request.realm = (!text.trim().is_empty()).then_some(text);
        }),
        Field::string("username", |request: &mut InvalidateRequest, text| {
            request.username = (!text.trim().is_empty()).then_some(text);
        }),
    ],
);

#[derive(Serialize)]
struct Invalidation {
    invalidated_tokens: u64,
    previously_invalidated_tokens: u64,
    /// Always 0. All is done in one transaction, or the request fails.
    error_count: u64,
}

pub(in crate::api) async fn invalidate(mut call: Incoming<RequestBody>) -> Result<Response, ApiError> {
    let request = call.read_required_body(read).await?;
    let call = call.parsed()?;
    request.validate()?;
    let call = call.authorize(&ClusterRequest::InvalidateToken)?;
    require_tokens(&call)?;
    let (done, status) = invalidate_tokens(&call, request).await?;
    remove_dead_tokens(&call);
    answer::with_status(
        status,
        &Invalidation {
            invalidated_tokens: done.invalidated,
            previously_invalidated_tokens: done.previously_invalidated,
            error_count: 0,
        },
    )
}

/// What is asked.
pub(super) fn read(body: &Node) -> Result<InvalidateRequest, ErrorCause> {
    PARSER.parse_into(body, InvalidateRequest::build)
}

/// What was done, with its status: 404 for a single unknown token.
async fn invalidate_tokens(
    call: &Allowed,
    request: InvalidateRequest,
) -> Result<(TokenInvalidation, StatusCode), ApiError> {
    let text = request.token.as_ref().or(request.refresh_token.as_ref()).cloned();
    let done = match request.selection() {
        Some(selection) => call.store.tokens().invalidate(selection, call.actor(), call.now()).await?,
        None => TokenInvalidation::default(),
    };
    let Some(text) = text.filter(|_| !done.found_any()) else {
        return Ok((done, StatusCode::OK));
    };
    // Elasticsearch searches an index that exists only once it has made a token.
    if STANDARD.decode(text).is_ok() && !call.store.tokens().has_had_any().await? {
        let cause = ErrorCause::new(ErrorType::Security, "failed to invalidate token");
        return Err(ApiError::new(ErrorStatus::BAD_REQUEST, cause));
    }
    Ok((done, StatusCode::NOT_FOUND))
}

impl InvalidateRequest {
    /// The rule that Elasticsearch checks while it makes the request object (`RestInvalidateTokenAction`).
    fn build(self) -> Result<Self, ErrorCause> {
        if self.token.is_some() && self.refresh_token.is_some() {
            return Err(ErrorCause::illegal_argument(
                "only one of [token, refresh_token] may be sent per request",
            ));
        }
        Ok(self)
    }

    /// Elasticsearch's rules for the request as a whole (`InvalidateTokenRequest#validate`).
    pub(super) fn validate(&self) -> Result<(), ErrorCause> {
        let token = self.token.as_ref().or(self.refresh_token.as_ref());
        let mut problems = ValidationProblems::new();
        if self.realm.is_some() || self.username.is_some() {
            problems.add_if(
                token.is_some_and(|text| !text.trim().is_empty()),
                "token string must not be provided when realm name or username is specified",
            );
            problems.add_if(
                token.is_some(),
                "token type must not be provided when realm name or username is specified",
            );
        } else {
            problems.add_if(
                token.is_none(),
                "token string must be provided when not specifying a realm name or a username",
            );
        }
        problems.into_result()
    }

    /// Which tokens; `None` for a text that cannot be a token of this service.
    fn selection(self) -> Option<TokenSelection> {
        match (self.token, self.refresh_token) {
            (Some(text), _) => {
                Token::<Access>::parse(&text).map(|token| TokenSelection::Access(token.digest()))
            }
            (None, Some(text)) => {
                Token::<Refresh>::parse(&text).map(|token| TokenSelection::Refresh(token.digest()))
            }
            (None, None) => Some(TokenSelection::Of { username: self.username, realm: self.realm }),
        }
    }
}
