//! Requests and answers as a client on the wire sees them: names and values in order, duplicates kept, any
//! bytes.

pub mod http1;
pub mod http2;

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::secrecy;

/// Longest wait for an answer. Longer than any wait that a test configures in the edge, and far longer than a
/// healthy answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The host that requests name. Nothing resolves it: connections go to addresses.
pub const AUTHORITY: &str = "edge.test";

/// Header or trailer fields in the order in which they stand on the wire.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A request to send by HTTP/1.1 or HTTP/2.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields besides `host`, `content-length` and `transfer-encoding`.
    pub headers: Fields,
    /// The body; empty is none.
    pub body: Vec<u8>,
    /// Trailer fields; any makes an HTTP/1.1 body chunked.
    pub trailers: Fields,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Fields,
    /// The body, transfer coding removed.
    pub body: Vec<u8>,
    /// Trailer fields, names in lower case.
    pub trailers: Fields,
}

impl Request {
    /// A `GET`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A request without body.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Fields::new(),
            body: Vec::new(),
            trailers: Fields::new(),
        }
    }

    /// With one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With one more trailer field.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a JSON body and its content type.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With the API key credential `encoded`, which is `base64(id:secret)`.
    #[must_use]
    pub fn api_key(self, encoded: &str) -> Self {
        secrecy::watch_credential(encoded);
        self.header("authorization", format!("ApiKey {encoded}"))
    }
}

impl Response {
    /// Looks for secrets in it, if it is a refusal or tells of a fault. Others may show what was asked for. A refusal may
    /// repeat the path that the client has asked for.
    ///
    /// # Errors
    ///
    /// When there is one.
    pub fn search(&self, path: &str) -> Result<()> {
        if self.status < 400 {
            return Ok(());
        }
        let fields = self.headers.iter().chain(&self.trailers);
        let text =
            fields.flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\n"]).collect::<Vec<_>>();
        let text = [&text.concat(), self.body.as_slice()].concat();
        let text = String::from_utf8_lossy(&text);
        let text = if path.is_empty() { text.into_owned() } else { text.replace(path, "") };
        secrecy::search("an answer", text.as_bytes())
    }

    /// Every value of the header field `name`, given in lower case.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// The first value of the header field `name`, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_values(name).into_iter().next()
    }

    /// The gRPC status, from wherever it stands: an answer without messages carries it among the headers.
    #[must_use]
    pub fn grpc_status(&self) -> Option<String> {
        self.header("grpc-status").or_else(|| values(&self.trailers, "grpc-status").into_iter().next())
    }

    /// The body as text, for messages.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// When it is not JSON; the message shows the answer.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("the body of this {} is not JSON: {}", self.status, self.text()))
    }
}

/// Every value of the field `name`, as text.
#[must_use]
pub fn values(fields: &Fields, name: &str) -> Vec<String> {
    fields
        .iter()
        .filter(|(field, _)| field == name)
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}
