//! A server that has one file, for an Envoy that fetches its code by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode};

use crate::http_server::HttpServer;

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct FileServer {
    server: HttpServer,
    served: Arc<AtomicUsize>,
}

impl FileServer {
    /// Starts a server of this file at this path.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start(path: &'static str, file: Vec<u8>) -> Result<Self> {
        let file = Bytes::from(file);
        let served = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&served);
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = HttpServer::start("file server", listen, move |request| {
            let is_known = request.uri().path() == path;
            counted.fetch_add(usize::from(is_known), Ordering::Relaxed);
            let mut response = Response::new(Full::new(if is_known { file.clone() } else { Bytes::new() }));
            if !is_known {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
            std::future::ready(response)
        })?;
        Ok(Self { server, served })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often the file was asked for.
    #[must_use]
    pub fn served(&self) -> usize {
        self.served.load(Ordering::Relaxed)
    }
}
