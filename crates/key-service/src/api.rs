//! The REST interface: how requests are read, and how answers and errors are written.
//!
//! One file a resource. A handler is given a call whose sender is known, reads the URL and the body, checks
//! the request as a whole, authorizes, and calls one verb of the store. The types of [`call`] hold it to this
//! order, which decides which of several errors a client sees (Elasticsearch, `RestHandler`,
//! `SecurityActionFilter`).

mod answer;
mod api_key;
mod application_privilege;
mod audit_log;
mod authenticate;
pub(crate) mod body_format;
pub(crate) mod body_readers;
pub mod call;
mod clear_cache;
mod cluster;
mod content_encoding;
mod edge_endpoints;
mod edge_wait;
pub(crate) mod error;
mod feed;
mod grant;
mod health;
mod measure;
pub(crate) mod media_type;
mod openapi;
pub(crate) mod parameters;
mod path_text;
mod presentation;
mod request_context;
mod role;
mod root;
pub(crate) mod routing;
mod scanned;
mod store_error;
mod token;
mod unauthenticated;
mod unread_body;
mod usage;
mod user;

use axum::Router;
use axum::http::HeaderValue;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{delete, get, post, put};
use tower_http::compression::CompressionLayer;

use crate::api::call::SharedService;
use crate::api::media_type::MediaTypeSettings;
use crate::api::request_context::Identification;
use crate::service::Service;

pub use crate::model::asked_via::AskedVia;

/// The whole interface, as something that answers requests.
pub(crate) type App = Router;

/// The whole interface of a service, from within a runtime of tokio.
pub fn app(service: Service) -> Router {
    let product = service.settings.product_header.then_some(HeaderValue::from_static("Elasticsearch"));
    let identification = Identification::of(&service);
    let service = SharedService::new(service);
    let elasticsearch = Router::new()
        .route("/", get(root::show))
        .route("/_cluster/health", get(cluster::health))
        .route("/_license", get(cluster::license))
        .route("/_nodes/http", get(cluster::nodes_http))
        .route("/_nodes/_all/http", get(cluster::nodes_http))
        .route("/_xpack", get(cluster::xpack))
        .route("/_security/_authenticate", get(authenticate::show))
        .route("/_security/oauth2/token", post(token::create).delete(token::invalidate))
        .merge(key_routes())
        .merge(directory_routes())
        .merge(latchkey_routes())
        .route_layer(from_fn(measure::name_route));
    let plain = Router::new()
        .route("/livez", get(health::show_alive))
        .route("/readyz", get(health::show_ready))
        .route("/healthz", get(health::show_ready))
        .route("/metrics", get(health::show_metrics))
        .route_layer(from_fn(measure::name_route));
    plain
        .with_state(service.clone())
        .fallback_service(routing::with_negotiation(
            elasticsearch.with_state(service.clone()),
            MediaTypeSettings { product },
        ))
        .layer(from_fn_with_state(service, store_error::note_damage))
        .layer(from_fn(measure::measure))
        .layer(map_response(answer::forbid_storing))
        .layer(map_response(answer::say_when_to_retry))
        .layer(CompressionLayer::new())
        .layer(from_fn_with_state(identification, request_context::identify))
}

/// What Elasticsearch does not have.
fn latchkey_routes() -> Router<SharedService> {
    Router::new()
        .route("/_latchkey/api_key/_import", post(api_key::import))
        .route("/_latchkey/audit", get(audit_log::list))
        .route("/_latchkey/edges", get(edge_endpoints::list))
        .route("/_latchkey/edges/_api_key/{id}", delete(edge_endpoints::forget_key))
        .route("/_latchkey/edges/{name}", delete(edge_endpoints::forget_name))
        .route("/_latchkey/feed", get(feed::show))
        .route("/_latchkey/openapi.json", get(openapi::show))
        .route("/_latchkey/usage", post(usage::tell))
}

/// API keys.
fn key_routes() -> Router<SharedService> {
    Router::new()
        .route(
            "/_security/api_key",
            get(api_key::list).put(api_key::create).post(api_key::create).delete(api_key::invalidate),
        )
        .route("/_security/api_key/{id}", put(api_key::update))
        .route("/_security/api_key/{id}/_rotate", post(api_key::rotate))
        .route("/_security/api_key/{ids}/_clear_cache", post(clear_cache::of_api_keys))
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
        .route("/_security/_query/user", get(user::query).post(user::query))
        .route("/_security/_query/role", get(role::query::query).post(role::query::query))
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
        .route("/_security/role", get(role::list).post(role::bulk::put).delete(role::bulk::delete))
        .route("/_security/role/{name}", get(role::list).put(role::put).post(role::put).delete(role::delete))
        .route(
            "/_security/privilege",
            get(application_privilege::list).put(application_privilege::put).post(application_privilege::put),
        )
        .route("/_security/realm/{realms}/_clear_cache", post(clear_cache::of_realms))
        .route("/_security/role/{names}/_clear_cache", post(clear_cache::of_roles))
        .route("/_security/privilege/{application}/_clear_cache", post(clear_cache::of_privileges))
        .route("/_security/privilege/_builtin", get(application_privilege::show_builtin))
        .route("/_security/privilege/{application}", get(application_privilege::list))
        .route(
            "/_security/privilege/{application}/{privilege}",
            get(application_privilege::list).delete(application_privilege::delete),
        )
}
