//! A connection that sends bytes and looks at what comes back, whatever it is.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use latchkey_local_stack::http::ANSWER_TIMEOUT;
use latchkey_local_stack::secrecy;

use super::case::{Case, Protocol};
use super::frames;

/// How long nothing may come of a request that need not be answered: half a request is answered with silence.
const QUIET: Duration = Duration::from_millis(250);

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    /// Of every request that was answered, in order of the ends of their answers.
    pub(crate) statuses: Vec<u16>,
    /// How many streams were answered or reset.
    ended: usize,
    /// The bytes that came.
    arrived: Vec<u8>,
    read: usize,
    /// HTTP/2: the status of each stream that has not ended.
    open: Vec<(u32, u16)>,
    /// What refusals say: heads as they came, and bodies as they were before they were cut into chunks.
    refusals: Vec<u8>,
    /// HTTP/2: the body of each stream, as it was before it was cut into frames.
    bodies: BTreeMap<u32, Vec<u8>>,
}

/// Sends what the case says on a connection of its own.
pub(crate) fn play(address: SocketAddr, case: &Case) -> Answers {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(ANSWER_TIMEOUT)).unwrap();
    let patience = if case.must_be_answered() { ANSWER_TIMEOUT } else { QUIET };
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut answers = Answers::default();
    // It may close, or reset, before it has read all.
    let mut is_open = stream.write_all(&case.bytes).is_ok();
    let mut chunk = [0; 16 * 1024];
    while is_open && answers.ended < case.asks.len() {
        match stream.read(&mut chunk) {
            Ok(0) => is_open = false,
            Ok(length) => {
                answers.arrived.extend(&chunk[..length]);
                answers.read_on(case);
            }
            Err(error) => is_open = error.kind() == ErrorKind::Interrupted,
        }
    }
    answers.search().unwrap();
    answers
}

impl Answers {
    fn read_on(&mut self, case: &Case) {
        while match case.protocol {
            Protocol::Http1 => self.read_response(case.is_head),
            Protocol::Http2 => self.read_frame(),
        }
        .is_some()
        {}
    }

    /// Looks for secrets in what refusals say. Of HTTP/2, whose heads are compressed, that is their bodies.
    fn search(&self) -> anyhow::Result<()> {
        let refused = self.open.iter().filter(|(_, status)| *status >= 400);
        let bodies = refused.filter_map(|(stream, _)| self.bodies.get(stream));
        bodies.chain([&self.refusals]).try_for_each(|text| secrecy::search("an answer", text))
    }

    /// One response of HTTP/1.1, if it is there whole.
    fn read_response(&mut self, is_head: bool) -> Option<()> {
        let rest = &self.arrived[self.read..];
        let end = position(rest, b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let status: u16 = head.get(9..12)?.parse().ok()?;
        if (100..200).contains(&status) && status != 101 {
            self.read += end;
            return Some(());
        }
        let body = &rest[end..];
        let is_chunked = head.contains("transfer-encoding: chunked");
        let length = if is_head || matches!(status, 204 | 304) {
            0
        } else if is_chunked {
            position(body, b"0\r\n\r\n")? + 5
        } else {
            let length = head.split("content-length: ").nth(1).unwrap_or_default();
            length.split('\r').next()?.parse().unwrap_or(0)
        };
        let body = body.get(..length)?;
        if status >= 400 {
            self.refusals.extend(&rest[..end]);
            self.refusals.extend(if is_chunked { joined(body) } else { body.to_vec() });
        }
        self.read += end + length;
        self.ended += 1;
        self.statuses.push(status);
        Some(())
    }

    /// One frame, if it is there whole.
    fn read_frame(&mut self) -> Option<()> {
        let rest = &self.arrived[self.read..];
        let head = rest.get(..frames::HEAD_LEN)?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let payload = rest.get(frames::HEAD_LEN..frames::HEAD_LEN + length)?;
        if kind == frames::HEADERS
            && let Some(status) = frames::status(payload)
            && status >= 200
        {
            self.open.push((stream, status));
        }
        if kind == frames::DATA {
            self.bodies.entry(stream).or_default().extend(payload);
        }
        let is_last = matches!(kind, frames::DATA | frames::HEADERS) && flags & frames::END_STREAM != 0;
        self.read += frames::HEAD_LEN + length;
        if is_last || kind == frames::RST_STREAM {
            self.ended += 1;
            let of_stream = self.open.iter().find(|(open, _)| *open == stream);
            self.statuses.extend(of_stream.map(|(_, status)| *status));
        }
        Some(())
    }
}

/// A body as it was before it was cut into chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = position(chunks, b"\r\n") {
        let size = std::str::from_utf8(&chunks[..line]).ok();
        let size = size.and_then(|size| usize::from_str_radix(size.split(';').next()?, 16).ok());
        let Some(chunk) = size.and_then(|size| chunks.get(line + 2..line + 2 + size)) else { break };
        body.extend(chunk);
        chunks = chunks.get(line + 2 + chunk.len() + 2..).unwrap_or_default();
    }
    body
}

fn position(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[test]
fn a_secret_in_an_answer_is_found_however_it_is_cut() {
    secrecy::watch("planted-in-an-answer");
    let chunked = b"HTTP/1.1 401 x\r\ntransfer-encoding: chunked\r\n\r\n7\r\nplanted\r\nd;x=1\r\n-in-an-answer\r\n0\r\n\r\n";
    let data = |flags, text: &[u8]| frames::frame(frames::DATA, flags, 1, text);
    // `:status: 401`, as a literal of the static table's eighth name.
    let head = frames::frame(frames::HEADERS, frames::END_HEADERS, 1, b"\x08\x03401");
    let framed = [head, data(0, b"planted-in"), data(frames::END_STREAM, b"-an-answer")].concat();
    for (bytes, is_http_2) in [(chunked.to_vec(), false), (framed, true)] {
        let mut answers = Answers { arrived: bytes, ..Answers::default() };
        while if is_http_2 { answers.read_frame() } else { answers.read_response(false) }.is_some() {}
        assert_eq!(answers.statuses, [401]);
        assert!(answers.search().is_err(), "{answers:?}");
    }
}
