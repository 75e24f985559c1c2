//! A key service that serves the feed from memory, and badly on demand.
//!
//! What an edge does with a bad answer can only be seen when somebody gives one: garbage, half an answer, far
//! too much, an error, or nothing at all. Between the faults it serves a true feed, so that a test can see
//! the edge recover.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use latchkey_key_feed::{
    Cursor, Epoch, FeedPage, FeedRequest, FeedRow, KeyId, KeyRecord, OpaqueKeyPepper, QueryText,
};
use socket2::SockRef;

/// Longest that a long poll is held, whatever was asked for: short, so that stopping never takes long.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Pause between two bytes of an answer that drips: far longer than any answer needs, far shorter than a wait.
const DRIP_EVERY: Duration = Duration::from_millis(50);

/// Longest head of a request. Envoy's own limit is 60 KiB.
const HEAD_LEN_MAX: usize = 64 * 1024;

/// A running fake; dropping it stops it.
#[derive(Debug)]
pub struct FakeKeyService {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the fake does with the next requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedManner {
    /// It serves its feed.
    Truthful,
    /// It answers with these bytes as a body of JSON.
    Body(Vec<u8>),
    /// It answers what a service has answered before to whoever had read so far. What comes after that is held
    /// back, as by a feed in which nothing changes.
    Recorded(BTreeMap<Cursor, Vec<u8>>),
    /// It answers with this status and no feed.
    Status(u16),
    /// It promises more than it sends, and closes.
    Truncated,
    /// It sends a body of this many bytes.
    Huge(usize),
    /// It never answers.
    Hanging,
    /// It closes the connection without a word.
    Closing,
    /// It breaks the connection off (RST) without a word.
    Resetting,
    /// It sends these bytes, whatever they are, and closes.
    Raw(Vec<u8>),
    /// It sends these bytes and then a byte now and then, without an end.
    Dripping(Vec<u8>),
}

#[derive(Debug)]
struct Shared {
    feed: Mutex<Feed>,
    changed: Condvar,
}

#[derive(Debug)]
struct Feed {
    epoch: Epoch,
    cursor: Cursor,
    rows: Vec<FeedRow>,
    /// The highest change that was forgotten. Followers behind it must load again.
    purged: Cursor,
    /// The change that ended the key of whoever asks.
    ended_at: Option<Cursor>,
    page_len: usize,
    opaque_key_pepper: Option<OpaqueKeyPepper>,
    manner: FeedManner,
    requests: Vec<String>,
    stopping: bool,
}

impl FakeKeyService {
    /// Starts a fake with an empty feed.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub fn start(epoch: Epoch) -> Result<Self> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), epoch)
    }

    /// Starts a fake with an empty feed at this address.
    ///
    /// # Errors
    ///
    /// When the address is taken.
    pub fn start_at(address: SocketAddr, epoch: Epoch) -> Result<Self> {
        let listener = TcpListener::bind(address).with_context(|| format!("listening at {address}"))?;
        let address = listener.local_addr()?;
        let feed = Feed {
            epoch,
            cursor: Cursor(0),
            rows: Vec::new(),
            purged: Cursor(0),
            ended_at: None,
            page_len: usize::MAX,
            opaque_key_pepper: None,
            manner: FeedManner::Truthful,
            requests: Vec::new(),
            stopping: false,
        };
        let shared = Arc::new(Shared { feed: Mutex::new(feed), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves like this from the next answer on.
    pub fn behave(&self, manner: FeedManner) {
        self.change(|feed| feed.manner = manner);
    }

    /// Serves at most this many rows in one page.
    pub fn limit_pages_to(&self, rows: usize) {
        self.change(|feed| feed.page_len = rows);
    }

    /// Tells from the next answer on by what opaque keys are found.
    pub fn tell_opaque_key_pepper(&self, pepper: OpaqueKeyPepper) {
        self.change(|feed| feed.opaque_key_pepper = Some(pepper));
    }

    /// Adds or changes a key.
    pub fn put(&self, record: KeyRecord) {
        self.change(|feed| {
            let seq = feed.next_seq(&record.id);
            feed.rows.push(FeedRow::Live { seq, record: Box::new(record) });
        });
    }

    /// Invalidates a key.
    pub fn remove(&self, id: KeyId) {
        self.change(|feed| {
            let seq = feed.next_seq(&id);
            feed.rows.push(FeedRow::Removed { seq, id });
        });
    }

    /// Invalidates a key and forgets that it ever was, so that a follower can only find out by loading again.
    pub fn remove_and_purge(&self, id: &KeyId) {
        self.change(|feed| {
            feed.rows.retain(|row| row.id() != id);
            feed.cursor = Cursor(feed.cursor.0 + 1);
            feed.purged = feed.cursor;
        });
    }

    /// Lets the latest change so far be the one that ended the key of whoever asks: what comes later is not
    /// for it.
    pub fn end_credential(&self) {
        self.change(|feed| feed.ended_at = Some(feed.cursor));
    }

    /// Takes the key of whoever asks again.
    pub fn mend_credential(&self) {
        self.change(|feed| feed.ended_at = None);
    }

    /// Becomes another feed with only these keys, as a restored store is.
    pub fn restore(&self, epoch: Epoch, records: Vec<KeyRecord>) {
        self.change(|feed| {
            feed.epoch = epoch;
            feed.cursor = Cursor(0);
            feed.purged = Cursor(0);
            feed.rows.clear();
            for record in records {
                let seq = feed.next_seq(&record.id);
                feed.rows.push(FeedRow::Live { seq, record: Box::new(record) });
            }
        });
    }

    /// Path and query of every request so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.feed().requests.clone()
    }

    fn change(&self, change: impl FnOnce(&mut Feed)) {
        change(&mut self.shared.feed());
        self.shared.changed.notify_all();
    }
}

impl Drop for FakeKeyService {
    fn drop(&mut self) {
        self.change(|feed| feed.stopping = true);
        // Wakes the acceptor, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

impl Shared {
    fn feed(&self) -> MutexGuard<'_, Feed> {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page that was asked for, as soon as there is something to tell, the wait ends, or the manner
    /// changes.
    fn page(&self, asked: &FeedRequest) -> FeedPage {
        let deadline = Instant::now() + asked.wait.unwrap_or_default().min(WAIT_MAX);
        let mut feed = self.feed();
        loop {
            let page = feed.page(asked);
            let left = deadline.saturating_duration_since(Instant::now());
            let told = page.reset || page.ended || page.cursor != asked.after;
            if told || left.is_zero() || feed.stopping || feed.manner != FeedManner::Truthful {
                return page;
            }
            feed = self.changed.wait_timeout(feed, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The answer that was recorded for what was asked, at once for a load and after a while for what comes
    /// then.
    fn recorded(&self, asked: &FeedRequest, answers: &BTreeMap<Cursor, Vec<u8>>) -> Option<Vec<u8>> {
        if asked.after != Cursor(0) {
            let waiting = |feed: &mut Feed| !feed.stopping;
            let held = self.changed.wait_timeout_while(self.feed(), WAIT_MAX, waiting);
            drop(held.unwrap_or_else(PoisonError::into_inner));
        }
        answers.get(&asked.after).cloned()
    }
}

impl Feed {
    /// The sequence number of the next change, which takes the place of the key's earlier row.
    fn next_seq(&mut self, id: &KeyId) -> Cursor {
        self.rows.retain(|row| row.id() != id);
        self.cursor = Cursor(self.cursor.0 + 1);
        self.cursor
    }

    fn page(&self, asked: &FeedRequest) -> FeedPage {
        let after = asked.after;
        // Who began to load after the purge never saw what it forgot.
        let loading = after == Cursor(0) || asked.purged == Some(self.purged);
        let total = self.rows.iter().filter(|row| matches!(row, FeedRow::Live { .. })).count() as u64;
        let reset = after > self.cursor || (after < self.purged && !loading);
        let end = self.ended_at.unwrap_or(self.cursor);
        let rows = self.rows.iter().filter(|row| row.seq() > after && row.seq() <= end && !reset);
        let keys: Vec<_> = rows.clone().take(self.page_len).cloned().collect();
        let more = rows.count() > keys.len();
        let cursor = if more { keys.last().map_or(end, FeedRow::seq) } else { end };
        FeedPage {
            epoch: self.epoch.clone(),
            cursor,
            purged: self.purged,
            total,
            more,
            reset,
            ended: self.ended_at.is_some() && !more,
            keys,
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.feed().stopping {
            return;
        }
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A follower that goes away before its answer is no concern of the service.
            let _ = serve(stream, &shared);
        });
    }
}

/// The path of reports of uses.
const USAGE: &str = "/_latchkey/usage?";

fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let target = target_of(&mut stream)?;
    // A report of uses is no request for the feed. It is taken whatever the manner is.
    if target.starts_with(USAGE) {
        return answer(&mut stream, 200, 2, b"{}");
    }
    shared.feed().requests.push(target.clone());

    let manner = shared.feed().manner.clone();
    if matches!(manner, FeedManner::Truthful | FeedManner::Recorded(_)) {
        let Ok(asked) = FeedRequest::read(&mut QueryText::of_path(&target)) else {
            return answer(&mut stream, 400, 2, b"{}");
        };
        let page = match &manner {
            FeedManner::Recorded(answers) => shared.recorded(&asked, answers),
            _ => {
                let page = shared.page(&asked);
                let pepper = shared.feed().opaque_key_pepper.clone();
                Some(page.to_json_with(pepper.as_ref()).map_err(std::io::Error::other)?)
            }
        };
        return match page {
            Some(page) => answer(&mut stream, 200, page.len(), &page),
            None => answer(&mut stream, 404, 2, b"{}"),
        };
    }
    match manner {
        FeedManner::Truthful | FeedManner::Recorded(_) | FeedManner::Closing => Ok(()),
        FeedManner::Body(body) => answer(&mut stream, 200, body.len(), &body),
        FeedManner::Status(status) => answer(&mut stream, status, 2, b"{}"),
        FeedManner::Truncated => answer(&mut stream, 200, 4096, b"{\"epoch\":\"half"),
        FeedManner::Huge(length) => answer(&mut stream, 200, length, &vec![b' '; length]),
        FeedManner::Hanging => {
            let mut feed = shared.feed();
            while !feed.stopping && feed.manner == FeedManner::Hanging {
                feed = shared.changed.wait(feed).unwrap_or_else(PoisonError::into_inner);
            }
            Ok(())
        }
        FeedManner::Resetting => SockRef::from(&stream).set_linger(Some(Duration::ZERO)),
        FeedManner::Raw(bytes) => stream.write_all(&bytes),
        FeedManner::Dripping(bytes) => {
            stream.write_all(&bytes)?;
            // Ends when the follower has gone.
            while !shared.feed().stopping {
                stream.write_all(b" ")?;
                std::thread::sleep(DRIP_EVERY);
            }
            Ok(())
        }
    }
}

/// Path and query of the request on this connection.
fn target_of(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut chunk = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_LEN_MAX {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        head.extend(chunk.iter().take(length));
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(head.split(' ').nth(1).unwrap_or_default().to_owned())
}

fn answer(stream: &mut TcpStream, status: u16, length: usize, body: &[u8]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

#[cfg(test)]
mod tests;
