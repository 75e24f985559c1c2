//! What identifies a request from its first byte to its answer: an id and its source.
//!
//! The id is the client's `X-Request-Id` if that has a form that can be logged, as Envoy's has. Otherwise it
//! is drawn. The answer has it, and so has every log line of the request, because all of them are written
//! inside its span. `X-Opaque-Id` is Elasticsearch's header with which clients find their requests in its
//! logs. It is given back unchanged.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_budget::{Holding, Principal};
use tracing::Instrument as _;

use crate::api::error::ApiError;
use crate::audit::Actor;
use crate::limits::{REQUEST_ID_LEN_MAX, REQUEST_ID_RANDOM_LEN};
use crate::model::asked_via::AskedVia;
use crate::model::source::{AddressBlock, Source};
use crate::randomness::{NoRandomness, Randomness, draw};
use crate::service::Service;
use crate::traces;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const OPAQUE_ID: HeaderName = HeaderName::from_static("x-opaque-id");

/// What the layers around a handler know of its request, and learn from it. Clones share what is learnt.
#[derive(Clone, Debug)]
pub(super) struct RequestContext {
    /// Where the request came from, if that is known.
    pub(super) source: Option<Source>,
    /// Through which part of this process it came, if it was one that asks on behalf of people.
    pub(super) via: Option<AskedVia>,
    allowed: Arc<OnceLock<AllowedAction>>,
    cost: Arc<CostTally>,
}

/// What the request costs, and the principal to whom it is charged.
#[derive(Debug, Default)]
struct CostTally {
    principal: OnceLock<Principal>,
    /// Memory of its body, until the request is answered.
    body: OnceLock<Holding>,
}

/// An action that was allowed.
#[derive(Debug)]
pub(super) struct AllowedAction {
    pub(super) action: String,
    pub(super) actor: Actor,
}

/// What it takes to identify a request.
#[derive(Clone)]
pub(super) struct Identification {
    randomness: Arc<dyn Randomness>,
    trusted_proxies: Arc<[AddressBlock]>,
}

/// Gives a request its id and its span, and the answer the id.
pub(super) async fn identify(
    State(identification): State<Identification>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = match request_id(request.headers(), identification.randomness.as_ref()) {
        Ok(id) => id,
        Err(failure) => return ApiError::internal(failure).into_response(),
    };
    let opaque_id = well_formed(request.headers(), &OPAQUE_ID).map(copied);
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
    let trusted = &identification.trusted_proxies;
    let source = peer.map(|peer| Source::of(peer, request.headers(), trusted));
    // What a client sends never becomes an extension.
    let via = request.extensions().get::<AskedVia>().copied();
    request.extensions_mut().insert(RequestContext { via, ..RequestContext::of(source) });
    // The span has the highest level, so that lines have the id at every log level.
    let span = tracing::error_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        opaque_id = opaque_id.as_ref().and_then(|id| id.to_str().ok()),
    );
    traces::follow_caller(&span, request.headers());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    if let Some(id) = opaque_id {
        response.headers_mut().insert(OPAQUE_ID, id);
    }
    response
}

impl Identification {
    pub(super) fn of(service: &Service) -> Self {
        let randomness = Arc::clone(&service.randomness);
        Self { randomness, trusted_proxies: service.settings.limits.trusted_proxies.as_slice().into() }
    }
}

impl RequestContext {
    /// The context of a request from this source, which was not allowed yet.
    pub(super) fn of(source: Option<Source>) -> Self {
        Self { source, via: None, allowed: Arc::default(), cost: Arc::default() }
    }

    /// Notes what the request was allowed to do. Only the first counts: later ones are parts of the same
    /// action.
    pub(super) fn note_allowed(&self, action: &str, actor: impl FnOnce() -> Actor) {
        self.allowed.get_or_init(|| AllowedAction { action: action.to_owned(), actor: actor() });
    }

    /// Notes the principal to whom the request is charged.
    pub(super) fn note_principal(&self, principal: Principal) {
        self.cost.principal.get_or_init(|| principal);
    }

    /// The principal to whom the request is charged, once it is known.
    pub(super) fn principal(&self) -> Option<&Principal> {
        self.cost.principal.get()
    }

    /// Keeps the memory of the body until the request is answered.
    pub(super) fn hold_body(&self, held: Holding) {
        self.cost.body.get_or_init(|| held);
    }

    /// What the request was allowed to do, if it was allowed.
    pub(super) fn allowed(&self) -> Option<&AllowedAction> {
        self.allowed.get()
    }
}

fn request_id(headers: &HeaderMap, randomness: &dyn Randomness) -> Result<HeaderValue, NoRandomness> {
    if let Some(id) = well_formed(headers, &REQUEST_ID) {
        return Ok(copied(id));
    }
    let drawn = URL_SAFE_NO_PAD.encode(draw::<REQUEST_ID_RANDOM_LEN>(randomness)?);
    // Base64 is visible.
    HeaderValue::try_from(drawn).map_err(|_| NoRandomness)
}

/// A copy in its own memory. A clone would keep the whole buffer into which the request was read for as long
/// as it waits.
fn copied(id: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(id.as_bytes()).unwrap_or_else(|_| id.clone())
}

/// The id that a client chose, if there is exactly one and it is short, visible ASCII. It goes to the log,
/// where nobody may forge lines.
fn well_formed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut ids = headers.get_all(name).iter();
    let id = ids.next()?;
    let is_short = (1..=REQUEST_ID_LEN_MAX).contains(&id.len());
    let is_visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
    (is_short && is_visible && ids.all(|other| other == id)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that gives the same bytes again and again.
    struct Sevens;

    impl Randomness for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
            bytes.fill(7);
            Ok(())
        }
    }

    #[test]
    fn keeps_what_a_client_chose_when_it_can_be_logged() {
        const DRAWN: &str = "BwcHBwcHBwcHBwcHBwcHBw";
        let longest = "x".repeat(REQUEST_ID_LEN_MAX);
        let too_long = "x".repeat(REQUEST_ID_LEN_MAX + 1);
        for (chosen, expected) in [
            (&[][..], DRAWN),
            (&["6f9619ff-8b86-d011-b42d-00c04fc964ff"], "6f9619ff-8b86-d011-b42d-00c04fc964ff"),
            (&["x"], "x"),
            (&[longest.as_str()], longest.as_str()),
            (&[too_long.as_str()], DRAWN),
            (&[""], DRAWN),
            (&["a b"], DRAWN),
            (&["a\tb"], DRAWN),
            (&["a", "a"], "a"),
            (&["a", "b"], DRAWN),
        ] {
            let mut headers = HeaderMap::new();
            for id in chosen {
                headers.append(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            }
            assert_eq!(request_id(&headers, &Sevens).unwrap(), expected, "{chosen:?}");
        }
    }

    #[test]
    fn bytes_that_are_not_ascii_are_no_id() {
        let mut headers = HeaderMap::new();
        headers.append(OPAQUE_ID, HeaderValue::from_bytes(b"a\xff").unwrap());
        assert_eq!(well_formed(&headers, &OPAQUE_ID), None);
    }
}
