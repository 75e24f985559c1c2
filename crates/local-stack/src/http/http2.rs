//! HTTP/2 without TLS, by prior knowledge (RFC 9113, section 3.3), as gRPC clients speak it inside a mesh.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::net::TcpStream;

use super::{ANSWER_TIMEOUT, AUTHORITY, Fields, Request, Response};

/// Sends one request on a connection of its own.
///
/// # Errors
///
/// When nobody listens, the request cannot be written in HTTP/2, the stream is reset before an answer, or
/// none comes within [`ANSWER_TIMEOUT`].
pub fn exchange(address: SocketAddr, request: &Request) -> Result<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(ANSWER_TIMEOUT, exchange_on_new_connection(address, request))
            .await
            .context("no answer by HTTP/2 in time")?
    })
}

async fn exchange_on_new_connection(address: SocketAddr, request: &Request) -> Result<Response> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::handshake(stream).await.context("the HTTP/2 handshake")?;
    tokio::spawn(connection);
    let mut sender = sender.ready().await?;

    let (head, last) = (head(request)?, request.body.is_empty() && request.trailers.is_empty());
    let (answer, mut upload) = sender.send_request(head, last)?;
    if !request.body.is_empty() {
        upload.send_data(Bytes::from(request.body.clone()), request.trailers.is_empty())?;
    }
    if !request.trailers.is_empty() {
        upload.send_trailers(header_map(&request.trailers)?)?;
    }

    let (parts, mut body) = answer.await.context("waiting for an answer by HTTP/2")?.into_parts();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.context("reading the body of an answer by HTTP/2")?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend(chunk);
    }
    let trailers =
        body.trailers().await.context("reading trailers")?.map(|map| fields(&map)).unwrap_or_default();
    let status = parts.status.as_u16();
    let response = Response { status, headers: fields(&parts.headers), body: bytes, trailers };
    response.search(&request.target)?;
    Ok(response)
}

fn head(request: &Request) -> Result<http::Request<()>> {
    let mut head = http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("http://{AUTHORITY}{}", request.target))
        .body(())?;
    *head.headers_mut() = header_map(&request.headers)?;
    Ok(head)
}

fn header_map(fields: &Fields) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value)?);
    }
    Ok(map)
}

/// Fields of a map of the `http` crate, duplicates kept.
pub(crate) fn fields(map: &HeaderMap) -> Fields {
    map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}
