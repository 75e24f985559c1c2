//! Asking a running service over its REST interface: one connection a command, HTTP/1.1, over TLS where the
//! URL says so.

use std::error::Error;
use std::iter;
use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, WARNING};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client;
use rustls::ClientConfig;
use rustls::pki_types::InvalidDnsNameError;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::cli::CommandFailed;
use crate::cli::client_tls;
use crate::cli::connection::run_as;
use crate::cli::report::harmless;
use crate::cli::service_place::{Place, Scheme};
use crate::cli::service_refusal::refusal;
use crate::http_client::{HttpClient, http_client};

/// Longest wait for a whole answer. The service itself gives up on anything within a minute.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(90);

/// Longest answer that is read, in bytes. A listing has at most 100,000 keys, of some hundred bytes each plus
/// metadata.
const ANSWER_LEN_MAX: usize = 256 * 1024 * 1024;

/// A service, and the credential to show it.
#[derive(derive_more::Debug)]
#[debug("ServiceClient {{ place: {place:?}, .. }}")]
pub(super) struct ServiceClient {
    runtime: Runtime,
    place: Place,
    client: HttpClient,
    /// What every request carries: who asks.
    headers: HeaderMap,
}

/// What was answered, unless it was an error.
#[derive(Debug)]
pub(super) struct Answer {
    /// 404 when what was asked for is not there and the service says so without an error.
    pub(super) status: StatusCode,
    /// As it came.
    pub(super) text: String,
    /// The same, read.
    pub(super) json: Value,
    /// The texts of the service's warnings.
    pub(super) warnings: Vec<String>,
}

/// What came over the wire.
struct Received {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl ServiceClient {
    /// A client of the service at this place, which is asked over TLS if its URL says so.
    pub(super) fn new(place: Place, tls: ClientConfig, headers: HeaderMap) -> Result<Self, CommandFailed> {
        if headers.contains_key(AUTHORIZATION) && place.scheme == Scheme::Http && !place.is_loopback() {
            tracing::warn!(
                host = place.host,
                "the credential crosses the network in the clear: use https://"
            );
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandFailed::new(format!("could not start: {error}")))?;
        Ok(Self { runtime, place, client: http_client(tls), headers })
    }

    /// Asks, and reads the answer. The path is of encoded parts, as [`path`] and [`with_query`] make it.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, CommandFailed> {
        Answer::read(&self.receive(self.request(method, path, body)?, ANSWER_WAIT_MAX)?)
    }

    /// The same on behalf of this user.
    pub(super) fn ask_for(
        &self,
        user: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, CommandFailed> {
        let mut request = self.request(method, path, body)?;
        let (name, value) = run_as(user)?;
        request.headers_mut().insert(name, value);
        Answer::read(&self.receive(request, ANSWER_WAIT_MAX)?)
    }

    /// The status of an answer, and its JSON if it is some, whatever the status is.
    pub(super) fn probe(&self, path: &str, wait: Duration) -> Result<(StatusCode, Value), CommandFailed> {
        let received = self.receive(self.request(Method::GET, path, None)?, wait)?;
        Ok((received.status, serde_json::from_slice(&received.body).unwrap_or_default()))
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    fn receive(&self, request: Request<Full<Bytes>>, wait: Duration) -> Result<Received, CommandFailed> {
        let exchange = self.exchange(request);
        let answered = self.runtime.block_on(async { tokio::time::timeout(wait, exchange).await });
        answered.unwrap_or_else(|_| {
            let seconds = wait.as_secs_f64();
            Err(CommandFailed::new(format!("{} did not answer within {seconds} s", self.place)))
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Received, CommandFailed> {
        let answer = self.client.request(request).await.map_err(|error| failed(&self.place, &error))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LEN_MAX).collect().await;
        let body = body.map_err(|error| CommandFailed::new(format!("could not read the answer: {error}")))?;
        Ok(Received { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, CommandFailed> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.place))
            .header(HOST, &self.place.authority)
            .header(ACCEPT, "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        request
            .body(Full::new(bytes))
            .map_err(|error| CommandFailed::new(format!("this cannot be asked for: {error}")))
    }
}

impl Answer {
    fn read(received: &Received) -> Result<Self, CommandFailed> {
        let status = received.status;
        let text = String::from_utf8_lossy(&received.body).into_owned();
        let read = serde_json::from_str::<Value>(&text).ok();
        let is_answer = status.is_success() || status == StatusCode::NOT_FOUND;
        match read {
            Some(json) if is_answer && json.get("error").is_none() => {
                Ok(Self { status, text, json, warnings: warnings(&received.headers) })
            }
            Some(json) => Err(refusal(status, &json)),
            None => Err(CommandFailed::new(format!("{status}, and no JSON: is this a key service?"))),
        }
    }
}

/// The texts of warnings, which stand in quotes (RFC 7234, section 5.5).
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(WARNING).iter().filter_map(|warning| warning.to_str().ok());
    all.filter_map(|warning| warning.split('"').nth(1)).map(harmless).collect()
}

/// A path of these parts, each encoded (RFC 3986, section 3.3).
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("/{}", encoded(part))).collect()
}

/// The path with the parameters that have a value.
pub(super) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() {
        return path.to_owned();
    }
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{query}")
}

/// A form writes a space as `+`, which in a path is a plus.
fn encoded(part: &str) -> String {
    byte_serialize(part.as_bytes()).collect::<String>().replace('+', "%20")
}

fn failed(place: &Place, failed: &client::legacy::Error) -> CommandFailed {
    // The service may refuse the client's certificate when the client believes the handshake done (RFC 8446,
    // section 4.4.2.4).
    if let Some(refusal) = client_tls::refusal(&place.to_string(), failed) {
        return refusal;
    }
    let causes = || iter::successors(failed.source(), |&cause| cause.source());
    if causes().any(<dyn Error>::is::<InvalidDnsNameError>) {
        return CommandFailed::new(format!("{place} has no name that a certificate can have"));
    }
    if let (true, Some(error)) = (failed.is_connect(), causes().last()) {
        return CommandFailed::new(format!(
            "could not reach {place}: {error}; does the service run there? --url or LATCHKEY_URL says where it is"
        ));
    }
    match causes().find_map(|cause| cause.downcast_ref::<hyper::Error>()) {
        Some(error) if error.is_parse() && place.scheme == Scheme::Http => {
            CommandFailed::new(format!("lost {place}: {error} (is it https:// instead?)"))
        }
        Some(error) => CommandFailed::new(format!("lost {place}: {error}")),
        None => CommandFailed::new(format!("lost {place}: {failed}")),
    }
}

#[cfg(test)]
mod tests;
