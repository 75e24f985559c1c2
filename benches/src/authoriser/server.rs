//! The authoriser on a socket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

use super::check::KnownKeys;
use crate::key_set::KeySet;

const GRPC: &str = "application/grpc";

type Body = BoxBody<Bytes, Infallible>;

/// Serves until the process ends. `told` is given the address as soon as there is one.
///
/// # Errors
///
/// When no port can be had.
pub async fn serve(keys: KeySet, told: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let known = Arc::new(KnownKeys::new(keys));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    told(listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let known = Arc::clone(&known);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let known = Arc::clone(&known);
                async move { Ok::<_, Infallible>(answer(&known, request).await) }
            });
            // A connection that breaks is the business of whoever opened it.
            let _ =
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(known: &KnownKeys, request: Request<Incoming>) -> Response<Body> {
    let is_grpc = request.headers().get(CONTENT_TYPE).is_some_and(|content| content == GRPC);
    if is_grpc { by_grpc(known, request).await } else { by_http(known, &request) }
}

fn by_http(known: &KnownKeys, request: &Request<Incoming>) -> Response<Body> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let mut response = Response::new(Full::default().boxed());
    let Some(identity) = authorization.and_then(|authorization| known.identity(authorization)) else {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        return response;
    };
    for (name, value) in identity {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn by_grpc(known: &KnownKeys, request: Request<Incoming>) -> Response<Body> {
    let body = request.into_body().collect().await.map(|collected| collected.to_bytes()).unwrap_or_default();
    let message = known.check(&body).unwrap_or_default();
    // 13 is gRPC's internal error: what came was no check.
    let status = if message.is_empty() { "13" } else { "0" };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let body = Full::new(Bytes::from(message)).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}
