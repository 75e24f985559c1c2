//! The listener: connections in, answers out, and an end that loses no answer.
//!
//! Both HTTP/1.1 and HTTP/2 are served, over TLS ([`tls`]) or without, with bounds on heads, headers,
//! streams, connections ([`connection_permits`]), handshakes and slow senders. Without TLS a client must know
//! that HTTP/2 is spoken. When told to stop, the server takes no new connection, lets open requests finish,
//! and gives up on the rest after a while.

mod answered_body;
pub mod connection_permits;
mod first_bytes;
pub mod open_files;
pub mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::{Service as _, service_fn};

use crate::limits::{
    HTTP2_PING_INTERVAL, REQUEST_HEAD_LEN_MAX, REQUEST_HEAD_WAIT_MAX, REQUEST_HEADERS_MAX, SHUTDOWN_WAIT_MAX,
    STREAMS_PER_CONNECTION_MAX,
};
use crate::server::answered_body::AnsweredBody;
use crate::server::connection_permits::{ConnectionLimits, ConnectionPermit, ConnectionPermits};
use crate::server::first_bytes::FirstBytes;
use crate::server::tls::TlsServer;

/// How long to rest when the system has no socket to give, so as not to spin.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Serves `app` on `listener`, over TLS if there is `tls`, on as many connections as the limits say, until
/// `stopping` holds `true`, then as long as open requests need, within bounds.
pub async fn serve(
    listener: TcpListener,
    limits: ConnectionLimits,
    tls: Option<TlsServer>,
    app: Router,
    mut stopping: watch::Receiver<bool>,
) {
    let permits = ConnectionPermits::new(limits);
    let graceful = GracefulShutdown::new();
    let http = Http { app, builder: connection_builder() };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Until there is a permit, whoever comes next waits in the system's backlog.
                let permit = tokio::select! {
                    permit = permits.admit(peer) => permit,
                    _ = stopping.wait_for(|stopping| *stopping) => break,
                };
                let Some(permit) = permit else { continue };
                let connection =
                    Connection { stream, peer, end: graceful.watcher(), permit: Arc::new(permit) };
                tokio::spawn(connection.serve(tls.clone(), http.clone(), stopping.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_WAIT_MAX, graceful.shutdown()).await.is_err() {
        tracing::warn!(after_s = SHUTDOWN_WAIT_MAX.as_secs(), "stopped with requests still open");
    }
}

/// A connection that was accepted, with its permit among all.
struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    end: Watcher,
    permit: Arc<ConnectionPermit>,
}

/// What is spoken on every connection.
#[derive(Clone)]
struct Http {
    app: Router,
    builder: Builder<TokioExecutor>,
}

fn connection_builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_WAIT_MAX)
        .max_headers(REQUEST_HEADERS_MAX)
        .max_buf_size(REQUEST_HEAD_LEN_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .max_header_list_size(REQUEST_HEAD_LEN_MAX)
        .keep_alive_interval(Some(HTTP2_PING_INTERVAL));
    builder
}

impl Connection {
    /// Serves it until it ends, or somebody else is to have its permit.
    async fn serve(self, tls: Option<TlsServer>, http: Http, stopping: watch::Receiver<bool>) {
        let permit = Arc::clone(&self.permit);
        tokio::select! {
            () = self.serve_to_its_end(tls, http, stopping) => {}
            () = permit.lost() => tracing::debug!("a connection was closed to make room for another"),
        }
    }

    async fn serve_to_its_end(self, tls: Option<TlsServer>, http: Http, mut stopping: watch::Receiver<bool>) {
        let Self { stream, peer, end, permit } = self;
        // Answers are short and complete; waiting to fill a packet would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection will delay small packets");
        }
        let Some(tls) = tls else {
            return http.serve(stream, peer, end, permit).await;
        };
        let secured = tokio::select! {
            secured = tls.accept(stream, peer) => secured,
            // Nothing was asked yet, so nothing is lost.
            _ = stopping.wait_for(|stopping| *stopping) => None,
        };
        if let Some(stream) = secured {
            http.serve(stream, peer, end, permit).await;
        }
    }
}

impl Http {
    async fn serve<S>(self, stream: S, peer: SocketAddr, end: Watcher, permit: Arc<ConnectionPermit>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let app = self.app;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let busy = permit.begin_request();
            request.extensions_mut().insert(ConnectInfo(peer));
            let answered = app.clone().call(request);
            async move {
                let Ok(answer) = answered.await;
                Ok::<Response, Infallible>(answer.map(|body| Body::new(AnsweredBody::new(body, busy))))
            }
        });
        let stream = TokioIo::new(FirstBytes::within(REQUEST_HEAD_WAIT_MAX, stream));
        let connection = self.builder.serve_connection(stream, TowerToHyperService::new(service));
        if let Err(error) = end.watch(connection.into_owned()).await {
            tracing::debug!(error, "a connection ended early");
        }
    }
}
