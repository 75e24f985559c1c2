//! The console: pages for people, made of what the key service's REST interface answers.
//!
//! Every page asks that interface, in the same process and with the credential of whoever is logged in. So there
//! is no second way to the keys: what the interface refuses, no page can do. Pages are HTML that is made here; they
//! work without a script, but for what moves by itself.
//!
//! One file a page, with its template in `templates`. `rest.rs` is the way to the key service, `session.rs` knows who
//! is logged in, and `signed_in.rs` is what each page takes before it does anything.

mod asked_edges;
mod assets;
mod audit;
mod cookie;
mod edges;
mod failure;
mod fields;
mod fleet_readings;
mod frame;
mod keys;
pub mod limits;
mod live;
mod login;
mod login_places;
mod me;
mod person_rights;
mod rest;
mod session;
mod signed_in;
mod surroundings;
mod watch;
mod words;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::{Semaphore, watch as channel};

use crate::failure::Failure;
use crate::fleet_readings::FleetReadings;
use crate::limits::FORMS_AT_ONCE_MAX;
use crate::login_places::LoginPlaces;
use crate::session::Sessions;

pub use crate::rest::Rest;
pub use crate::session::SessionTimes;
pub use crate::surroundings::Surroundings;

/// Where all pages are.
pub const PATH: &str = "/console";

/// What a console is made of.
pub struct ConsoleParts {
    /// The interface that it asks.
    pub rest: Rest,
    /// Time, random bytes, and where requests come from.
    pub surroundings: Arc<dyn Surroundings>,
    /// How long sessions live.
    pub times: SessionTimes,
    /// Whether browsers come by TLS. Something in front may speak it all the same.
    pub speaks_tls: bool,
    /// Holds `true` once the service is to stop.
    pub stopping: channel::Receiver<bool>,
}

/// What all pages share.
#[derive(Clone)]
pub(crate) struct Console(Arc<Shared>);

struct Shared {
    rest: Rest,
    surroundings: Arc<dyn Surroundings>,
    sessions: Mutex<Sessions>,
    speaks_tls: bool,
    stopping: channel::Receiver<bool>,
    /// Live pages that are open.
    streams: AtomicUsize,
    /// The edges, as live pages see them.
    fleets: FleetReadings,
    /// Places for forms that are being read: of log-ins, and of those who are logged in.
    login_forms: LoginPlaces,
    forms: Semaphore,
}

/// No text from elsewhere, no script or style in a page, no frame, and forms that go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// The pages below [`PATH`].
pub fn console(parts: ConsoleParts) -> Router {
    let console = Console(Arc::new(Shared {
        rest: parts.rest,
        surroundings: parts.surroundings,
        sessions: Mutex::new(Sessions::new(parts.times)),
        speaks_tls: parts.speaks_tls,
        stopping: parts.stopping,
        streams: AtomicUsize::new(0),
        fleets: FleetReadings::default(),
        login_forms: LoginPlaces::default(),
        forms: Semaphore::new(FORMS_AT_ONCE_MAX),
    }));
    let pages = Router::new()
        .route("/first", get(me::go_to_first_page))
        .route("/login", get(login::show).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/keys", get(keys::list::show))
        .route("/keys/new", get(keys::new::show).post(keys::new::make))
        .route("/keys/find", post(keys::find::find))
        .route("/key", get(keys::one::show))
        .route("/key/rotate", get(keys::rotate::show).post(keys::rotate::rotate))
        .route("/revoke", get(keys::revoke::show).post(keys::revoke::revoke))
        .route("/watch", get(watch::show))
        .route("/watch/events", get(watch::follow))
        .route("/edges", get(edges::show))
        .route("/edges/events", get(edges::follow))
        .route("/audit", get(audit::show))
        .route("/audit/events", get(audit::follow))
        .route("/audit/export", get(audit::export))
        .route("/me", get(me::show))
        .fallback(failure::not_found)
        .layer(from_fn_with_state(console.clone(), failure::with_menu))
        .with_state(console);
    let assets = Router::new().route("/assets/{digest}/{name}", get(assets::show));
    let all = Router::new().fallback_service(pages).merge(assets).layer(from_fn(protect));
    let to_first = || get(async || Redirect::to("/console/first"));
    Router::new().route(PATH, to_first()).route("/console/", to_first()).nest(PATH, all)
}

/// Gives every answer the headers that hold the browser to what a page may do.
async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page shows keys, and one shows a secret.
    if headers.get(CACHE_CONTROL).is_none_or(|control| control != assets::KEPT_FOR_EVER) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

impl Console {
    /// A ticket for a form that must not be sent twice.
    pub(crate) fn ticket(&self) -> Result<String, Failure> {
        let random = self.surroundings.random().ok_or_else(|| {
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "The system has no random numbers.")
        })?;
        Ok(URL_SAFE_NO_PAD.encode(random))
    }

    /// A session is whole before anything could panic.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for Console {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
