//! A service behind the edge: a real HTTP/1.1 and HTTP/2 server that shows what reached it.
//!
//! Each answer carries the request as the server saw it, so that whoever asked can compare the two. The
//! server also remembers requests, because what a test of a gate wants to know most often is that nothing
//! arrived.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::http::Fields;
use crate::http::http2::fields;
use crate::http_server::HttpServer;

/// How many requests are remembered, newest first to stay. More than any test run sends to one upstream.
const REMEMBERED_MAX: usize = 20_000;

/// A running upstream; dropping it stops it.
#[derive(Debug)]
pub struct Upstream {
    server: HttpServer,
    memory: Memory,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields, duplicates kept.
    pub headers: Fields,
    /// Trailer fields.
    pub trailers: Fields,
    /// Length of the body in bytes.
    pub body_len: usize,
}

type Memory = Arc<Mutex<VecDeque<SeenRequest>>>;

impl Upstream {
    /// Starts an upstream at `listen`; port 0 lets the system choose.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub fn start(listen: SocketAddr) -> Result<Self> {
        let memory = Memory::default();
        let remembered = Arc::clone(&memory);
        let server =
            HttpServer::start("upstream", listen, move |request| answer(request, Arc::clone(&remembered)))?;
        Ok(Self { server, memory })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The requests that arrived for exactly this path and query.
    #[must_use]
    pub fn requests_to(&self, target: &str) -> Vec<SeenRequest> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.iter().filter(|request| request.target == target).cloned().collect()
    }

    /// All requests that are remembered, oldest first. They are forgotten.
    #[must_use]
    pub fn take_requests(&self) -> Vec<SeenRequest> {
        std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl SeenRequest {
    /// Every value of the header field `name`, given in lower case.
    #[must_use]
    pub fn header_values(&self, name: &str) -> Vec<String> {
        crate::http::values(&self.headers, name)
    }

    fn shown(&self) -> Value {
        json!({
            "method": self.method,
            "target": self.target,
            "headers": shown(&self.headers),
            "trailers": shown(&self.trailers),
            "body_len": self.body_len,
        })
    }
}

fn shown(fields: &Fields) -> Vec<(&str, String)> {
    fields.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value).into_owned())).collect()
}

async fn answer(request: hyper::Request<Incoming>, memory: Memory) -> hyper::Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let (body_len, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map(fields).unwrap_or_default();
            (body.to_bytes().len(), trailers)
        }
        Err(_) => (0, Fields::new()),
    };
    let seen = SeenRequest {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: fields(&head.headers),
        trailers,
        body_len,
    };
    let shown = seen.shown();
    let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    if memory.len() == REMEMBERED_MAX {
        memory.pop_front();
    }
    memory.push_back(seen);
    let mut response = hyper::Response::new(Full::new(Bytes::from(format!("{shown:#}\n"))));
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Request, http1, http2};

    fn started() -> Upstream {
        Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
    }

    #[test]
    fn shows_and_remembers_what_reached_it() {
        let upstream = started();
        let request = Request::new("POST", "/x?y")
            .header("twice", "1")
            .header("twice", "2")
            .body("body")
            .trailer("t", "3");
        for exchange in [http1::exchange, http2::exchange] {
            let shown = exchange(upstream.address(), &request).unwrap().json().unwrap();
            assert_eq!(shown["target"], "/x?y");
            assert_eq!(shown["body_len"], 4);
        }
        let seen = upstream.requests_to("/x?y");
        assert_eq!(seen.len(), 2);
        for request in &seen {
            assert_eq!(request.header_values("twice"), ["1", "2"]);
            assert_eq!(crate::http::values(&request.trailers, "t"), ["3"]);
        }
        assert!(upstream.requests_to("/x").is_empty());
        assert_eq!(upstream.take_requests().len(), 2);
        assert!(upstream.take_requests().is_empty());
    }
}
