//! What a service is made of, put together from what the operator chose.

pub(crate) mod workshop;

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::feed::Feed;
use crate::lane::Lane;
use crate::randomness::Randomness;
use crate::remover::Remover;
use crate::security::authentication::{Authenticator, Schemes};
use crate::security::authorization::AuthorizationService;
use crate::security::jwt::JwtRealms;
use crate::security::login_throttle::LoginThrottle;
use crate::security::password::PasswordChecker;
use crate::security::realm::Realms;
use crate::security::realm_chain::RealmChain;
use crate::security::roles::{RoleResolver, Roles};
use crate::service::workshop::Workshop;
use crate::settings::ServiceSettings;
use crate::store::KeyStore;
use crate::telemetry;
use crate::usage::UsageLog;

/// What a service is made from.
#[derive(derive_more::Debug)]
#[debug("ServiceParts {{ settings: {settings:?}, .. }}")]
pub struct ServiceParts {
    /// Where keys live.
    pub store: KeyStore,
    /// Who may log in.
    pub realms: Realms,
    /// Who may log in with JSON Web Tokens.
    pub jwt_realms: JwtRealms,
    /// What the roles of users grant.
    pub roles: Roles,
    /// Who verifies passwords.
    pub passwords: PasswordChecker,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where secrets come from.
    pub randomness: Arc<dyn Randomness>,
    /// What the operator chose.
    pub settings: ServiceSettings,
    /// Holds `true` once the service is to stop.
    pub stopping: watch::Receiver<bool>,
}

/// A service: everything that a request may need.
#[derive(derive_more::Debug)]
#[debug("Service {{ settings: {settings:?}, .. }}")]
pub struct Service {
    pub(crate) store: KeyStore,
    pub(crate) feed: Feed,
    pub(crate) authenticator: Authenticator,
    pub(crate) authorization: AuthorizationService,
    pub(crate) passwords: PasswordChecker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    pub(crate) settings: ServiceSettings,
    pub(crate) remover: Remover,
    pub(crate) usage: Arc<UsageLog>,
    pub(crate) workshop: Workshop,
    pub(crate) recorded: PrometheusHandle,
}

impl Service {
    /// A service, from within a runtime of tokio. This installs the recorder of metrics, if there is none
    /// yet.
    #[must_use]
    pub fn new(parts: ServiceParts) -> Self {
        let ServiceParts { store, passwords, clock, settings, .. } = parts;
        let policy = &settings.key_policy;
        let (resolution, every) = (policy.last_used_resolution, policy.usage_written_every);
        let usage = UsageLog::begin(store.clone(), resolution, every, parts.stopping.clone());
        let anonymous = settings.anonymous.clone();
        let shared_roles = anonymous.as_ref().map(|anonymous| anonymous.roles.clone()).unwrap_or_default();
        let schemes = Schemes {
            api_keys: settings.api_keys,
            tokens: settings.tokens.enabled,
            jwt: !parts.jwt_realms.is_empty(),
        };
        let realms = RealmChain::new(
            store.clone(),
            parts.realms,
            settings.realms.clone(),
            anonymous.clone(),
            passwords.clone(),
            settings.password_caches,
        );
        let authenticator = Authenticator::new(
            store.clone(),
            realms,
            parts.jwt_realms,
            anonymous,
            schemes,
            settings.limits.failed_logins.map(LoginThrottle::new),
            Arc::clone(&usage),
        );
        let roles = RoleResolver::new(parts.roles, store.clone(), shared_roles);
        let waiters_max = settings.limits.feed_requests_waiting();
        let (edges, feed_clock) = (settings.edges.rules(), Arc::clone(&clock));
        let service = Self {
            feed: Feed::new(store.clone(), parts.stopping, edges, waiters_max, feed_clock),
            authenticator,
            authorization: AuthorizationService::new(store.clone(), roles),
            passwords,
            remover: Remover::new(store.clone(), settings.removal, Arc::clone(&clock)),
            usage,
            store,
            clock,
            randomness: parts.randomness,
            workshop: Workshop::new(settings.limits.answer_memory),
            settings,
            recorded: telemetry::recorder(),
        };
        for lane in service.lanes() {
            telemetry::work_metrics::begin_at_zero(lane.name());
        }
        service
    }

    pub(crate) fn lanes(&self) -> [&Lane; 3] {
        [&self.workshop.searches, &self.workshop.questions, self.authorization.lane()]
    }
}
