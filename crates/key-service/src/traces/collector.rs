//! The collector, and how spans get there: over our own HTTP client, on a thread of their own.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use opentelemetry_http::{HttpClient as OtlpClient, HttpError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::http_client::{HttpClient, http_client, trusting_system};
use crate::limits::trace_limits::{COLLECTOR_ANSWER_LEN_MAX, SPANS_SEND_WAIT_MAX};

/// A client of the collector.
pub(super) struct Collector {
    url: String,
    client: HttpClient,
    /// With one thread, so that a collector that is slow takes nothing from requests.
    runtime: Runtime,
    /// Whether it has taken nothing at the last try.
    is_away: AtomicBool,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoClient {
    #[error("{0}")]
    Thread(#[from] io::Error),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

impl Collector {
    pub(super) fn at(url: &str) -> Result<Self, NoClient> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("traces").enable_all().build()?;
        let client = http_client(trusting_system()?.with_no_client_auth());
        Ok(Self { url: url.to_owned(), client, runtime, is_away: AtomicBool::new(false) })
    }

    /// Says in the log when it goes away, and when it is back; not each time.
    fn note(&self, trouble: Option<String>) {
        let was_away = self.is_away.swap(trouble.is_some(), Ordering::Relaxed);
        let url = &self.url;
        match trouble {
            Some(trouble) if !was_away => {
                tracing::warn!(url, trouble, "the collector takes no traces; they are dropped meanwhile");
            }
            None if was_away => tracing::info!(url, "the collector takes traces again"),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl OtlpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = async move {
            let sent = timeout(SPANS_SEND_WAIT_MAX, exchange(client, request)).await;
            sent.unwrap_or_else(|slow| Err(slow.into()))
        };
        // Whoever waits here has no runtime.
        let answer = self.runtime.spawn(sending).await.unwrap_or_else(|ended| Err(ended.into()));
        self.note(match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        });
        answer
    }
}

async fn exchange(client: HttpClient, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
    let body = Limited::new(body, COLLECTOR_ANSWER_LEN_MAX).collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Collector({})", self.url)
    }
}
