//! Who is asking, and whether they may.
//!
//! This is the one place that answers a failed authentication and a lacking permission, and that writes both
//! to the audit log.

mod refusal;

use std::sync::Arc;

use axum::extract::OriginalUri;
use axum::http::Uri;
use axum::http::request::Parts;
use latchkey_budget::Principal;
use latchkey_privileges::caller::{Caller, Runner};
use latchkey_privileges::cluster_request::ClusterRequest;
use latchkey_privileges::permission::{EffectivePermission, denial, run_as_refusal};
use latchkey_privileges::privilege::KeyReach;

use crate::api::call::SharedService;
use crate::api::call::authenticated::refusal::{record, refused};
use crate::api::call::work::teller;
use crate::api::error::ApiError;
use crate::api::request_context::RequestContext;
use crate::api::unauthenticated::{Asked, challenges, unauthenticated};
use crate::audit::{self, Actor, Refusal, RefusalEvent};
use crate::model::asked_via::AskedVia;
use crate::model::realm_name::RealmName;
use crate::model::source::Source;
use crate::security::anonymous::ANONYMOUS_REALM;
use crate::security::api_key::EndedKey;
use crate::security::authentication::{Authentication, AuthenticationFailure, Schemes, Subject};
use crate::security::authorization::{AuthorizationError, AuthorizationInfo};
use crate::security::roles::UserRoles;
use crate::service::Service;

/// The sender of the request, and what the sender may do.
#[derive(Debug)]
pub(in crate::api) struct Authenticated {
    pub(in crate::api) authentication: Authentication,
    caller: Caller,
    /// The roles of the user on whose behalf the request is made; none when that is an API key.
    pub(in crate::api) roles: UserRoles,
    permission: Arc<EffectivePermission>,
    /// The runner of a run-as that is not allowed.
    refused_runner: Option<Caller>,
    origin: Origin,
}

/// The sender of a request that waits. The sender's rights are looked up again after the wait.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    authentication: Authentication,
    origin: Origin,
}

/// A request whose sender is not authenticated. It is not in the audit log yet.
#[derive(Debug)]
pub(super) struct Unproven {
    failure: AuthenticationFailure,
    origin: Origin,
}

/// Where a request came from, and to which path.
#[derive(Clone, Debug)]
struct Origin {
    source: Option<Source>,
    context: Option<RequestContext>,
    uri: Uri,
    /// Which credentials count.
    schemes: Schemes,
    /// Whether an anonymous caller without the permission is asked for a credential.
    asks_anonymous_who: bool,
}

impl Authenticated {
    /// The sender of the request.
    pub(super) async fn of(parts: &mut Parts, service: &SharedService) -> Result<Self, ApiError> {
        // On the heap, because a handler that waits must not keep space for it in its future.
        let proven = Box::pin(Self::try_proving(parts, &service.0)).await?.map_err(Unproven::refuse)?;
        // The body may come much later. Then the sender is checked again.
        if !proven.is_anonymous() {
            parts.extensions.insert(proven.proof());
        }
        Ok(proven)
    }

    /// The sender of the request, or the failure to authenticate it, for routes that handle both.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub(super) async fn try_proving(
        parts: &Parts,
        service: &Service,
    ) -> Result<Result<Self, Unproven>, ApiError> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let context = parts.extensions.get::<RequestContext>().cloned();
        let settings = &service.settings;
        let origin = Origin {
            source: context.as_ref().and_then(|context| context.source),
            context,
            uri: uri.clone(),
            schemes: service.authenticator.schemes(),
            asks_anonymous_who: settings
                .anonymous
                .as_ref()
                .is_some_and(|anonymous| !anonymous.authz_exception),
        };
        let now = service.clock.now();
        match service.authenticator.authenticate(&parts.headers, origin.source, now).await {
            Ok(authentication) => Ok(Ok(Self::new(authentication, origin, service).await?)),
            Err(failure) => Ok(Err(Unproven { failure, origin })),
        }
    }

    /// Looks up what the sender may do. With a run-as that is not allowed, that is nothing.
    async fn new(
        authentication: Authentication,
        origin: Origin,
        service: &Service,
    ) -> Result<Self, AuthorizationError> {
        let authorization = &service.authorization;
        let teller = || teller(authorization.lane(), actor(&authentication, &origin), origin.uri.path());
        let AuthorizationInfo { mut caller, mut permission, roles } =
            authorization.of(authentication.subject(), teller).await?;
        let mut refused_runner = None;
        if authentication.is_run_as() {
            let runner = authorization.of(authentication.authenticating(), teller).await?;
            if !runner.allows_run_as(&caller.username)? {
                permission = Arc::new(EffectivePermission::nothing());
                refused_runner = Some(runner.caller);
            } else if !authentication.is_known() {
                permission = Arc::new(EffectivePermission::nothing());
            }
            caller.run_by = Some(match authentication.authenticating() {
                Subject::ApiKey(key) => {
                    Runner::ApiKey { id: key.key().id.to_string(), owner: key.key().username.clone() }
                }
                Subject::User(user) => Runner::User { username: user.username.clone() },
            });
        }
        let authenticated = Self { authentication, caller, roles, permission, refused_runner, origin };
        if let Some(context) = &authenticated.origin.context {
            context.note_principal(authenticated.principal());
        }
        Ok(authenticated)
    }

    /// Checks whether the sender may do this.
    ///
    /// # Errors
    ///
    /// 403 if not, or 401 for an anonymous caller if the settings say so. The refusal is written to the audit
    /// log.
    pub(super) fn authorize(&self, request: &ClusterRequest<'_>) -> Result<(), ApiError> {
        if !self.may(request) {
            return Err(self.deny(request));
        }
        self.note_allowed(request);
        Ok(())
    }

    /// The same for an answer that has more fields for some callers. It writes nothing to the audit log.
    pub(in crate::api) fn may(&self, request: &ClusterRequest<'_>) -> bool {
        self.refused_runner.is_none() && self.permission.allows(request, &self.caller)
    }

    /// What the sender may do.
    pub(in crate::api) fn permission(&self) -> &Arc<EffectivePermission> {
        &self.permission
    }

    /// Gives back the memory of the permission, once everything is decided.
    pub(in crate::api) fn give_back_permission(&mut self) {
        self.permission = Arc::new(EffectivePermission::nothing());
    }

    /// Whose keys the request may reach.
    ///
    /// # Errors
    ///
    /// As of [`Self::authorize`], if the caller may reach no keys.
    pub(super) fn authorized_reach(&self, request: &ClusterRequest<'_>) -> Result<KeyReach, ApiError> {
        let reach = self.permission.reach(request, &self.caller);
        let reach = reach.filter(|_| self.refused_runner.is_none()).ok_or_else(|| self.deny(request))?;
        self.note_allowed(request);
        Ok(reach)
    }

    /// 403 for this reason, which is written to the audit log.
    pub(in crate::api) fn forbid(&self, request: &ClusterRequest<'_>, reason: String) -> ApiError {
        self.record_forbidden(request);
        ApiError::unauthorized(reason)
    }

    /// Notes that the request was allowed: from now on its outcome is that of an allowed action.
    fn note_allowed(&self, request: &ClusterRequest<'_>) {
        if let Some(context) = &self.origin.context {
            context.note_allowed(request.action(), || self.actor());
        }
    }

    /// The principal to whom the request is charged: the user, also for the user's keys and with run-as.
    pub(in crate::api) fn principal(&self) -> Principal {
        match self.authentication.authenticating() {
            Subject::ApiKey(key) => key.key().principal(),
            Subject::User(user) => Principal::new(&user.username, &user.realm.name),
        }
    }

    /// The path of the request, without its query.
    pub(super) fn path(&self) -> &str {
        self.origin.uri.path()
    }

    /// Where the request came from.
    pub(in crate::api) fn source(&self) -> Option<Source> {
        self.origin.source
    }

    fn deny(&self, request: &ClusterRequest<'_>) -> ApiError {
        let Some(runner) = &self.refused_runner else {
            if !self.must_say_who() {
                return self.forbid(request, denial(request, &self.caller));
            }
            self.record_forbidden(request);
            let reason = format!("action [{}] requires authentication", request.action());
            return ApiError::unauthenticated(reason, &challenges(self.origin.schemes), &[]);
        };
        self.forbid(request, run_as_refusal(request.action(), runner, &self.caller.username))
    }

    fn record_forbidden(&self, request: &ClusterRequest<'_>) {
        self.origin.record_forbidden(request, &self.actor());
    }

    /// Whether an anonymous caller gets 401 in place of 403 (Elasticsearch,
    /// `xpack.security.authc.anonymous.authz_exception`).
    fn must_say_who(&self) -> bool {
        self.origin.asks_anonymous_who && self.is_anonymous()
    }

    /// Whether the caller is anonymous.
    pub(in crate::api) fn is_anonymous(&self) -> bool {
        match self.authentication.authenticating() {
            Subject::ApiKey(_) => false,
            Subject::User(user) => user.realm.realm_type == ANONYMOUS_REALM,
        }
    }

    /// The parts of it that are needed to check the sender again later.
    pub(super) fn into_proven(self) -> Proven {
        let Self { authentication, origin, .. } = self;
        // These are copies: a part of the request would keep the whole buffer into which it was read.
        let uri = origin.uri.to_string().parse().unwrap_or_default();
        Proven { authentication, origin: Origin { uri, ..origin } }
    }

    fn proof(&self) -> Proven {
        Proven { authentication: self.authentication.clone(), origin: self.origin.clone() }
    }

    /// The error for a credential inside the request that authenticates nobody. It is written to the audit
    /// log. `action` is what the credential was given for.
    pub(in crate::api) fn refuse_inner(&self, failure: AuthenticationFailure, action: &str) -> ApiError {
        record(&failure, &self.origin);
        unauthenticated(failure, Asked::Action(action), self.origin.schemes)
    }

    /// For the audit log.
    pub(super) fn actor(&self) -> Actor {
        actor(&self.authentication, &self.origin)
    }
}

impl Proven {
    /// Checks a request that has waited: whether the sender is still valid and may still make it.
    ///
    /// # Errors
    ///
    /// 403 if the sender may not make it any more; 401 if the key has ended or the user is gone meanwhile.
    pub(super) async fn recheck(
        &self,
        request: &ClusterRequest<'_>,
        service: &Service,
    ) -> Result<Result<(), Unproven>, ApiError> {
        let rechecked = async {
            match service.authenticator.renewed(&self.authentication, service.clock.now()).await {
                Ok(authentication) => {
                    let renewed = Authenticated::new(authentication, self.origin.clone(), service).await?;
                    renewed.authorize(request).map(Ok)
                }
                Err(failure) => Ok(Err(Unproven { failure, origin: self.origin.clone() })),
            }
        };
        // On the heap for the same reason: a request that waits must not keep space for this.
        Box::pin(rechecked).await
    }

    /// Refuses a request whose sender is no longer valid.
    ///
    /// # Errors
    ///
    /// The same as for an invalid credential. It is written to the audit log.
    pub(super) async fn require(&self, service: &Service) -> Result<(), ApiError> {
        match service.authenticator.renewed(&self.authentication, service.clock.now()).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(refused(failure, &self.origin)),
        }
    }

    /// The key that authenticated the sender, if it has ended since.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub(super) async fn key_ended_since(&self, service: &Service) -> Result<Option<EndedKey>, ApiError> {
        Ok(service.authenticator.key_ended_since(&self.authentication, service.clock.now()).await?)
    }

    /// 403 for this reason, which is written to the audit log.
    pub(super) fn forbid(&self, request: &ClusterRequest<'_>, reason: String) -> ApiError {
        self.origin.record_forbidden(request, &self.actor());
        ApiError::unauthorized(reason)
    }

    /// For the audit log.
    pub(super) fn actor(&self) -> Actor {
        actor(&self.authentication, &self.origin)
    }
}

impl Unproven {
    /// The answer, which is also written to the audit log: 401 with challenges, or another error.
    pub(super) fn refuse(self) -> ApiError {
        refused(self.failure, &self.origin)
    }

    /// Whether the credential is a key that has ended.
    pub(super) fn is_of_ended_key(&self) -> bool {
        use crate::security::api_key::KeyRejection::{Expired, Invalidated};
        matches!(&self.failure, AuthenticationFailure::RejectedKey(Expired(_) | Invalidated(_)))
    }

    /// For the audit log: the holder of this key.
    pub(super) fn actor(&self, key: &EndedKey) -> Actor {
        let (realm, key) = (RealmName::api_key().name, key.key());
        let username = key.username.clone();
        Actor {
            username,
            realm,
            api_key: Some(key.id.clone()),
            run_as: None,
            source: self.origin.source,
            via: self.origin.via(),
            preconditions: Vec::new(),
        }
    }
}

impl Origin {
    fn via(&self) -> Option<AskedVia> {
        self.context.as_ref().and_then(|context| context.via)
    }

    fn record_forbidden(&self, request: &ClusterRequest<'_>, actor: &Actor) {
        audit::record_refusal(&RefusalEvent {
            path: self.uri.path(),
            source: self.source,
            via: self.via(),
            refusal: Refusal::Forbidden { action: request.action(), actor },
        });
    }
}

fn actor(authentication: &Authentication, origin: &Origin) -> Actor {
    let authenticating = authentication.authenticating();
    let (realm, api_key) = match authenticating {
        Subject::ApiKey(key) => (RealmName::api_key().name, Some(key.key().id.clone())),
        Subject::User(user) => (user.realm.name.clone(), None),
    };
    let run_as = authentication.is_run_as().then(|| authentication.username().to_owned());
    let username = authenticating.username().to_owned();
    let preconditions = authentication.preconditions();
    Actor { username, realm, api_key, run_as, source: origin.source, via: origin.via(), preconditions }
}
