//! The REST interface: how requests are read, and how answers and errors are written.
//!
//! One file a resource. A handler authenticates, reads the URL and the body, checks the request as a whole, authorizes,
//! and calls one verb of the store, in this order: it decides which of several errors a client sees (Elasticsearch,
//! `RestHandler`, `SecurityActionFilter`).

mod answer;
mod api_key;
mod application_privilege;
mod authenticate;
mod authenticated;
mod edge_wait;
mod edges;
pub mod error;
mod feed;
mod grant;
mod health;
mod measure;
pub mod media_type;
mod openapi;
pub mod parameters;
mod path_text;
mod presentation;
mod request_body;
mod request_context;
mod role;
mod root;
pub mod routing;
mod store_error;
mod token;
mod unauthenticated;
mod user;
mod work;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{delete, get, post, put};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;

use crate::api::media_type::MediaTypeSettings;
use crate::api::work::Workshop;
use crate::clock::Clock;
use crate::feed::Feed;
use crate::randomness::Randomness;
use crate::remover::Remover;
use crate::security::authentication::{Authenticator, Schemes};
use crate::security::jwt::JwtRealms;
use crate::security::login_throttle::LoginThrottle;
use crate::security::password::PasswordChecker;
use crate::security::realm::Realms;
use crate::security::realm_chain::RealmChain;
use crate::security::roles::{RoleResolver, Roles};
use crate::security::standing::Standings;
use crate::settings::ServiceSettings;
use crate::store::KeyStore;
use crate::telemetry;

/// What a service is made of.
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

/// What the handlers share.
struct Service {
    store: KeyStore,
    feed: Arc<Feed>,
    authenticator: Authenticator,
    standings: Standings,
    passwords: PasswordChecker,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    settings: ServiceSettings,
    remover: Remover,
    workshop: Workshop,
    recorded: PrometheusHandle,
}

type SharedService = Arc<Service>;

/// The whole interface of a service, from within a runtime of tokio.
pub fn app(parts: ServiceParts) -> Router {
    let product = parts.settings.product_header.then_some(HeaderValue::from_static("Elasticsearch"));
    let remover = Remover::new(parts.store.clone(), parts.settings.removal, Arc::clone(&parts.clock));
    let schemes = Schemes {
        api_keys: parts.settings.api_keys,
        tokens: parts.settings.tokens.enabled,
        jwt: !parts.jwt_realms.is_empty(),
    };
    let anonymous = parts.settings.anonymous.clone();
    let shared_roles = anonymous.as_ref().map(|anonymous| anonymous.roles.clone()).unwrap_or_default();
    let waiters_max = parts.settings.limits.feed_requests_waiting();
    let (edges, clock) = (parts.settings.edges.rules(), Arc::clone(&parts.clock));
    let feed = Arc::new(Feed::new(parts.store.clone(), parts.stopping, edges, waiters_max, clock));
    let resolver = RoleResolver::new(parts.roles, parts.store.clone(), shared_roles);
    let service = Arc::new(Service {
        feed,
        authenticator: Authenticator::new(
            parts.store.clone(),
            RealmChain::new(
                parts.store.clone(),
                parts.realms,
                parts.settings.realms.clone(),
                anonymous.clone(),
                parts.passwords.clone(),
            ),
            parts.jwt_realms,
            anonymous,
            schemes,
            parts.settings.limits.failed_logins.map(LoginThrottle::new),
        ),
        standings: Standings::new(parts.store.clone(), resolver),
        passwords: parts.passwords,
        store: parts.store,
        clock: parts.clock,
        randomness: parts.randomness,
        workshop: Workshop::new(parts.settings.limits.answer_memory),
        settings: parts.settings,
        remover,
        recorded: telemetry::recorder(),
    });
    for lane in service.lanes() {
        telemetry::work::begin_at_zero(lane.name());
    }
    let elasticsearch = Router::new()
        .route("/", get(root::show))
        .route("/_security/_authenticate", get(authenticate::show))
        .route("/_security/oauth2/token", post(token::create).delete(token::invalidate))
        .merge(key_routes())
        .merge(directory_routes())
        .merge(latchkey_routes())
        .route_layer(from_fn(measure::name_route));
    let plain = Router::new()
        .route("/healthz", get(health::show))
        .route("/metrics", get(health::show_metrics))
        .route_layer(from_fn(measure::name_route));
    plain
        .with_state(Arc::clone(&service))
        .fallback_service(routing::with_manners(
            elasticsearch.with_state(Arc::clone(&service)),
            MediaTypeSettings { product },
        ))
        .layer(from_fn(measure::measure))
        .layer(map_response(answer::forbid_storing))
        .layer(map_response(answer::say_when_to_retry))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(service, request_context::identify))
}

/// What Elasticsearch does not have.
fn latchkey_routes() -> Router<SharedService> {
    Router::new()
        .route("/_latchkey/edges", get(edges::list))
        .route("/_latchkey/edges/_api_key/{id}", delete(edges::forget_key))
        .route("/_latchkey/edges/{name}", delete(edges::forget_name))
        .route("/_latchkey/feed", get(feed::show))
        .route("/_latchkey/openapi.json", get(openapi::show))
}

/// API keys.
fn key_routes() -> Router<SharedService> {
    Router::new()
        .route(
            "/_security/api_key",
            get(api_key::list).put(api_key::create).post(api_key::create).delete(api_key::invalidate),
        )
        .route("/_security/api_key/{id}", put(api_key::update))
        .route("/_security/api_key/{ids}/_clear_cache", post(api_key::clear_cache))
        .route("/_security/api_key/_bulk_grant", post(api_key::bulk_grant))
        .route("/_security/api_key/_bulk_update", post(api_key::bulk_update))
        .route("/_security/api_key/clone", put(api_key::clone).post(api_key::clone))
        .route("/_security/api_key/grant", put(api_key::grant).post(api_key::grant))
        .route("/_security/_query/api_key", get(api_key::query).post(api_key::query))
        .route("/_security/cross_cluster/api_key", post(api_key::cross_cluster::create))
        .route("/_security/cross_cluster/api_key/{id}", put(api_key::cross_cluster::update))
}

/// Users, roles and privileges.
fn directory_routes() -> Router<SharedService> {
    Router::new()
        .route("/_security/user", get(user::list))
        .route(
            "/_security/user/{username}",
            get(user::list).put(user::put).post(user::put).delete(user::delete),
        )
        .route("/_security/user/_password", post(user::change_own).put(user::change_own))
        .route("/_security/user/{username}/_password", post(user::change).put(user::change))
        .route("/_security/user/{username}/_enable", post(user::enable).put(user::enable))
        .route("/_security/user/{username}/_disable", post(user::disable).put(user::disable))
        .route("/_security/user/_privileges", get(user::show_privileges))
        .route("/_security/user/_has_privileges", get(user::check_own).post(user::check_own))
        .route("/_security/user/{username}/_has_privileges", get(user::check).post(user::check))
        .route("/_security/role", get(role::list))
        .route("/_security/role/{name}", get(role::list).put(role::put).post(role::put).delete(role::delete))
        .route(
            "/_security/privilege",
            get(application_privilege::list).put(application_privilege::put).post(application_privilege::put),
        )
        .route("/_security/privilege/_builtin", get(application_privilege::show_builtin))
        .route("/_security/privilege/{application}", get(application_privilege::list))
        .route(
            "/_security/privilege/{application}/{privilege}",
            get(application_privilege::list).delete(application_privilege::delete),
        )
}

impl fmt::Debug for ServiceParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceParts").field("settings", &self.settings).finish_non_exhaustive()
    }
}
