//! What clients that hold connections can do to others: nothing, on a real listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use latchkey_key_service::limits::STREAMS_PER_CONNECTION_MAX;
use latchkey_key_service::server;
use latchkey_key_service::server::connection_permits::ConnectionLimits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// How many connections there may be.
const PLACES: usize = 8;

/// Bound of every wait: what takes so long has failed. Far shorter than any limit that would free a place by
/// itself.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// A listener, and what ends the requests to `/slow`.
struct Listening {
    address: SocketAddr,
    finish: Arc<Notify>,
    _stop: watch::Sender<bool>,
}

async fn listening() -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = watch::channel(false);
    let finish = Arc::new(Notify::new());
    let finished = Arc::clone(&finish);
    let slow = get(async move || finished.notified().await);
    let router = Router::new().route("/healthz", get(async || "here")).route("/slow", slow);
    let limits = ConnectionLimits { all: PLACES, from_one_source: PLACES, uncounted: Vec::new() };
    tokio::spawn(server::serve(listener, limits, None, router, stopping));
    Listening { address, finish, _stop: stop }
}

impl Listening {
    /// A connection on which this is said.
    async fn saying(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Whether a stranger who asks is answered.
    async fn answers(&self) -> bool {
        let mut stream = self.saying("GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
        let mut answer = String::new();
        let read = timeout(WAIT_MAX, stream.read_to_string(&mut answer)).await;
        read.is_ok_and(|read| read.is_ok()) && answer.starts_with("HTTP/1.1 200")
    }
}

// Silent ones, half a line and half a head: none of them has asked anything yet.
#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_out() {
    let listening = listening().await;
    for said in
        ["", "GET /hea", "GET /healthz HTTP/1.1\r\nhost: a\r\nx: 1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut held = Vec::new();
        for _ in 0..3 * PLACES {
            held.push(listening.saying(said).await);
        }
        assert!(listening.answers().await, "after {said:?}");
        let closed = timeout(WAIT_MAX, held[0].read(&mut [0; 64])).await;
        assert!(
            closed.is_ok_and(|read| !matches!(read, Ok(1..)) || said.starts_with("PRI")),
            "the oldest has gone"
        );
    }
}

#[tokio::test]
async fn clients_that_keep_connections_for_later_keep_nobody_out() {
    let listening = listening().await;
    let mut held = Vec::new();
    for _ in 0..PLACES {
        let mut stream = listening.saying("GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
        timeout(WAIT_MAX, stream.read(&mut [0; 64])).await.unwrap().unwrap();
        held.push(stream);
    }
    assert!(listening.answers().await);
}

// A request that waits for the feed or for a change is never cut off to make room for another.
#[tokio::test]
async fn a_request_that_is_being_answered_keeps_its_connection() {
    let listening = listening().await;
    let mut waiting = Vec::new();
    for _ in 0..PLACES - 1 {
        waiting.push(listening.saying("GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await);
    }
    for _ in 0..3 * PLACES {
        listening.saying("").await;
        assert!(listening.answers().await);
    }
    listening.finish.notify_waiters();
    for mut stream in waiting {
        let mut answer = String::new();
        timeout(WAIT_MAX, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn a_connection_of_http_2_is_told_how_many_streams_it_may_have() {
    const MAX_CONCURRENT_STREAMS: u16 = 3;
    let listening = listening().await;
    let mut stream = listening.saying("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // A frame of settings without any: its length, type 4, no flags, stream 0 (RFC 9113, section 4.1).
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let mut head = [0; 9];
    timeout(WAIT_MAX, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[3], 4, "the server begins with its settings");
    let mut settings = vec![0; usize::from(head[2])];
    stream.read_exact(&mut settings).await.unwrap();
    let told = settings.chunks_exact(6).find(|setting| setting[..2] == MAX_CONCURRENT_STREAMS.to_be_bytes());
    assert_eq!(told.unwrap()[2..], STREAMS_PER_CONNECTION_MAX.to_be_bytes());
}
