//! A service behind the edge: a real HTTP/1.1 and HTTP/2 server that shows what reached it.
//!
//! Each answer carries the request as the server saw it, so that whoever asked can compare the two. The
//! server also remembers requests, because what a test of a gate wants to know most often is that nothing
//! arrived.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::http::Fields;
use crate::http::http2::fields;

/// How many requests are remembered, newest first to stay. More than any test run sends to one upstream.
const REMEMBERED_MAX: usize = 20_000;

/// A running upstream; dropping it stops it.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    memory: Memory,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
        let listener =
            std::net::TcpListener::bind(listen).with_context(|| format!("listening at {listen}"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let memory = Memory::default();
        let (stop, stopped) = oneshot::channel();
        let remembered = Arc::clone(&memory);
        let thread = std::thread::Builder::new().name("upstream".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, remembered) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, memory, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that arrived for exactly this path and query.
    #[must_use]
    pub fn requests_to(&self, target: &str) -> Vec<SeenRequest> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.iter().filter(|request| request.target == target).cloned().collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Fails only when the thread has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
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

async fn accept(listener: TcpListener, memory: Memory) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let memory = Arc::clone(&memory);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&memory)));
            // A connection ends in an error whenever its client goes away first, which is no concern of the
            // upstream.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    memory: Memory,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
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
    Ok(response)
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
    }
}
