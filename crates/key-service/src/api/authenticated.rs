//! The first step of every handler: who is asking; and the last before the deed: may they.
//!
//! This is the one place that answers a failed authentication and a lacking permission, and that writes both to the trail.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts, OriginalUri};
use axum::http::Uri;
use axum::http::request::Parts;

use crate::api::error::ApiError;
use crate::api::unauthenticated::{Asked, unauthenticated};
use crate::api::{Service, SharedService};
use crate::audit::{self, Actor, Refusal, RefusalEvent};
use crate::security::authentication::{Authentication, AuthenticationFailure, Subject};
use crate::security::caller::Caller;
use crate::security::permission::{EffectivePermission, denial};
use crate::security::realm::RealmName;
use crate::security::request::ClusterRequest;
use crate::security::roles::caller_of_key;
use crate::telemetry;

/// Whoever sent the request, and what they may do.
#[derive(Debug)]
pub(super) struct Authenticated {
    pub(super) authentication: Authentication,
    pub(super) caller: Caller,
    permission: EffectivePermission,
    origin: Origin,
}

/// Where a request came from, and to which path.
#[derive(Clone, Debug)]
struct Origin {
    source: Option<SocketAddr>,
    uri: Uri,
}

impl FromRequestParts<SharedService> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, service: &SharedService) -> Result<Self, ApiError> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        let origin = Origin { source, uri: uri.clone() };
        let authentication = service
            .authenticator
            .authenticate(&parts.headers, service.clock.now())
            .await
            .map_err(|failure| refused(failure, &origin, service))?;
        let (caller, permission) = match authentication.subject() {
            Subject::ApiKey(key) => caller_of_key(key.key()),
            Subject::User(user) => service.roles.caller_of_user(user),
        };
        Ok(Self { authentication, caller, permission, origin })
    }
}

impl Authenticated {
    /// Whether they may.
    ///
    /// # Errors
    ///
    /// 403 when not, which the trail then knows of.
    pub(super) fn authorize(&self, request: &ClusterRequest<'_>) -> Result<(), ApiError> {
        if self.permission.allows(request, &self.caller) {
            return Ok(());
        }
        audit::record_refusal(&RefusalEvent {
            path: self.origin.uri.path(),
            source: self.origin.source,
            refusal: Refusal::Forbidden { action: request.action(), actor: &self.actor() },
        });
        Err(ApiError::unauthorized(denial(request, &self.caller)))
    }

    /// Whether they are still who they were when the request came, for a request that has waited.
    ///
    /// # Errors
    ///
    /// 401 when a key or a token has ended meanwhile.
    pub(super) async fn recheck(&self, service: &SharedService) -> Result<(), ApiError> {
        let held = service.authenticator.still_holds(&self.authentication, service.clock.now()).await;
        held.map_err(|failure| refused(failure, &self.origin, service))
    }

    /// The error for a credential inside the request that authenticates nobody, which the trail then knows of. `action` is what
    /// the credential was given for.
    pub(super) fn refuse_inner(
        &self,
        failure: AuthenticationFailure,
        action: &str,
        service: &Service,
    ) -> ApiError {
        record(&failure, &self.origin);
        unauthenticated(failure, Asked::Action(action), service.authenticator.schemes())
    }

    /// For the trail.
    pub(super) fn actor(&self) -> Actor {
        let (realm, api_key) = match self.authentication.subject() {
            Subject::ApiKey(key) => (RealmName::api_key().name, Some(key.key().id.clone())),
            Subject::User(user) => (user.realm.name.clone(), None),
        };
        let username = self.authentication.username().to_owned();
        Actor { username, realm, api_key, source: self.origin.source }
    }
}

fn refused(failure: AuthenticationFailure, origin: &Origin, service: &SharedService) -> ApiError {
    record(&failure, origin);
    let uri = origin.uri.path_and_query().map_or("/", |path| path.as_str());
    unauthenticated(failure, Asked::Request(uri), service.authenticator.schemes())
}

fn record(failure: &AuthenticationFailure, origin: &Origin) {
    telemetry::authentication_failed(failure.kind());
    let claimed = match failure {
        AuthenticationFailure::RejectedKey(rejection) => Some(rejection.claimed_id()),
        AuthenticationFailure::RejectedUser { username, .. } => Some(username.as_str()),
        _ => None,
    };
    audit::record_refusal(&RefusalEvent {
        path: origin.uri.path(),
        source: origin.source,
        refusal: Refusal::Unauthenticated { reason: failure.kind(), claimed },
    });
}
