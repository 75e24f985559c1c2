//! Asking the REST interface of the key service, in the same process, as the user who is logged in.
//!
//! This is the only way to the key service that the console has. So whatever a page does is checked, throttled
//! and written to the audit log as a request of any client.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

use crate::limits::REST_ANSWER_LEN_MAX;

const RUN_AS: HeaderName = HeaderName::from_static("es-security-runas-user");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The REST interface.
#[derive(Clone, Debug)]
pub struct Rest(Router);

/// Where a request came from, which the key service looks at as if it had come to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    peer: Option<SocketAddr>,
    forwarded_for: Vec<HeaderValue>,
}

/// Who asks: the credential of a session, and where its user is.
#[derive(Clone)]
pub(crate) struct Person {
    rest: Rest,
    authorization: Zeroizing<String>,
    origin: Origin,
    /// On whose behalf, if that is somebody else.
    run_as: Option<HeaderValue>,
}

/// Why there is no answer that could be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RestFailure {
    /// The credential is not, or no longer, valid.
    #[error("{0}")]
    Unauthenticated(String),
    /// The key service has refused the request; the reason is its own.
    #[error("{reason}")]
    Refused { status: StatusCode, reason: String },
    /// The answer is none that this console knows.
    #[error("the key service has answered something that the console does not understand")]
    Unknown,
}

impl Rest {
    /// What answers requests as the REST interface.
    #[must_use]
    pub fn new(interface: Router) -> Self {
        Self(interface)
    }
}

impl Origin {
    pub(crate) fn of(parts: &Parts) -> Self {
        Self {
            peer: parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer),
            forwarded_for: parts.headers.get_all(FORWARDED_FOR).iter().cloned().collect(),
        }
    }
}

impl Person {
    pub(crate) fn new(rest: Rest, authorization: Zeroizing<String>, origin: Origin) -> Self {
        Self { rest, authorization, origin, run_as: None }
    }

    /// The same person on behalf of another user. The key service decides whether that may be.
    ///
    /// # Errors
    ///
    /// [`RestFailure::Refused`] for what cannot be a username. Without a name the request would be made for the person itself.
    pub(crate) fn acting_as(self, username: &str) -> Result<Self, RestFailure> {
        let refused = || {
            let reason = "There is no user of this name.".to_owned();
            RestFailure::Refused { status: StatusCode::BAD_REQUEST, reason }
        };
        let run_as = HeaderValue::from_bytes(username.as_bytes()).map_err(|_| refused())?;
        Ok(Self { run_as: Some(run_as), ..self })
    }

    /// Asks for something that is read.
    ///
    /// # Errors
    ///
    /// [`RestFailure`] when there is no answer of that form.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, RestFailure> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks for something with a body.
    ///
    /// # Errors
    ///
    /// As of [`Self::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, RestFailure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks for something to end.
    ///
    /// # Errors
    ///
    /// As of [`Self::get`].
    pub(crate) async fn delete<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, RestFailure> {
        self.ask(Method::DELETE, path, Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, RestFailure> {
        let request = self.request(method, path, body).ok_or(RestFailure::Unknown)?;
        let Ok(response) = self.rest.0.clone().oneshot(request).await;
        let status = response.status();
        let body = Limited::new(response.into_body(), REST_ANSWER_LEN_MAX).collect().await;
        // An answer may show a secret.
        let bytes = Zeroizing::new(body.map_err(|_| RestFailure::Unknown)?.to_bytes().to_vec());
        // The interface answers 404 with the usual body where what was named is not there.
        match status {
            StatusCode::OK | StatusCode::NOT_FOUND => {
                serde_json::from_slice(&bytes).map_err(|_| refusal(status, &bytes))
            }
            _ => Err(refusal(status, &bytes)),
        }
    }

    fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Request> {
        let mut authorization = HeaderValue::from_bytes(self.authorization.as_bytes()).ok()?;
        authorization.set_sensitive(true);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, JSON)
            .body(body.map_or_else(Body::empty, |body| Body::from(body.to_string())))
            .ok()?;
        let headers = request.headers_mut();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, JSON);
        }
        if let Some(username) = &self.run_as {
            headers.insert(RUN_AS, username.clone());
        }
        for value in &self.origin.forwarded_for {
            headers.append(FORWARDED_FOR, value.clone());
        }
        if let Some(peer) = self.origin.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        Some(request)
    }
}

/// What an error's body says (Elasticsearch, `error.reason`, and of what it is caused by).
fn refusal(status: StatusCode, body: &[u8]) -> RestFailure {
    let said: Option<Value> = serde_json::from_slice(body).ok();
    let at = |path: &str| said.as_ref().and_then(|said| said.pointer(path)).and_then(Value::as_str);
    let reason = match (at("/error/reason"), at("/error/caused_by/reason")) {
        (Some(reason), Some(cause)) => format!("{reason}: {cause}"),
        (Some(reason), None) => reason.to_owned(),
        (None, _) => format!("the key service has answered {status}"),
    };
    match status {
        StatusCode::OK => RestFailure::Unknown,
        StatusCode::UNAUTHORIZED => RestFailure::Unauthenticated(reason),
        status => RestFailure::Refused { status, reason },
    }
}

/// A path with a query, whose values are encoded.
pub(crate) fn path_with_query<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut encoded = form_urlencoded::Serializer::new(String::new());
    encoded.extend_pairs(query);
    let query = encoded.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// A text as one part of a path (RFC 3986, section 2.1).
pub(crate) fn path_part(text: &str) -> String {
    let mut part = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => part.push(char::from(byte)),
            _ => part.push_str(&format!("%{byte:02X}")),
        }
    }
    part
}
