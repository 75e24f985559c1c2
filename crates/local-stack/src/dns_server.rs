//! A name server that knows one address, or fails on demand ([RFC 1035](https://www.rfc-editor.org/rfc/rfc1035)).
//!
//! It answers over UDP, and every question alike, whatever the name.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::Result;

/// Longest question that is read: what DNS over UDP allows without an agreement.
const MESSAGE_LEN_MAX: usize = 512;

/// Length of the head of a message, section 4.1.1.
const HEAD_LEN: usize = 12;

/// For how long an answer may be kept, in seconds.
const TTL_S: u32 = 1;

/// A running name server; dropping it stops it.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    answering: Option<JoinHandle<()>>,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsManner {
    /// The name has this address.
    Address(Ipv4Addr),
    /// The server has failed (SERVFAIL).
    Failure,
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// The name has no address.
    NoAddress,
    /// Bytes that are no message.
    Garbage,
    /// Nothing.
    Silence,
}

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    manner: DnsManner,
    questions: u64,
    stopping: bool,
}

impl DnsServer {
    /// Starts a name server on a port that the system chooses.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn start(manner: DnsManner) -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared(Mutex::new(State { manner, questions: 0, stopping: false })));
        let answers = Arc::clone(&shared);
        let answering = std::thread::spawn(move || answer_all(&socket, &answers));
        Ok(Self { address, shared, answering: Some(answering) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers like this from now on.
    pub fn behave(&self, manner: DnsManner) {
        self.shared.state().manner = manner;
    }

    /// How many questions have come so far.
    #[must_use]
    pub fn questions(&self) -> u64 {
        self.shared.state().questions
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        // Wakes the thread, which then sees that it is to stop.
        let woken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.send_to(&[0; HEAD_LEN], self.address));
        if let (Ok(_), Some(answering)) = (woken, self.answering.take()) {
            let _ = answering.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer_all(socket: &UdpSocket, shared: &Shared) {
    let mut message = [0; MESSAGE_LEN_MAX];
    while let Ok((length, from)) = socket.recv_from(&mut message) {
        let manner = {
            let mut state = shared.state();
            if state.stopping {
                return;
            }
            state.questions += 1;
            state.manner
        };
        let asked = message.get(..length).unwrap_or_default();
        if let Some(answer) = answer(asked, manner) {
            // Who asked may be gone.
            let _ = socket.send_to(&answer, from);
        }
    }
}

/// The answer to a message with one question; `None` for silence, and for what is no question.
fn answer(asked: &[u8], manner: DnsManner) -> Option<Vec<u8>> {
    let code: u16 = match manner {
        DnsManner::Address(_) | DnsManner::NoAddress => 0,
        DnsManner::Failure => 2,
        DnsManner::NoSuchName => 3,
        DnsManner::Garbage => return Some(vec![0xFF; HEAD_LEN]),
        DnsManner::Silence => return None,
    };
    let id = asked.get(..2)?;
    let question = question(asked)?;
    let address = match manner {
        DnsManner::Address(address) => Some(address),
        _ => None,
    };
    // A response, recursion desired and available.
    let flags = 0x8180 | code;
    let counts = [1, u16::from(address.is_some()), 0, 0];
    let mut answer = id.to_vec();
    answer.extend(flags.to_be_bytes());
    answer.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    answer.extend(question);
    if let Some(address) = address {
        // The name is that of the question; type A, class IN.
        answer.extend([0xC0, 0x0C, 0, 1, 0, 1]);
        answer.extend(TTL_S.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// The first question of a message: labels up to the empty one, type and class.
fn question(asked: &[u8]) -> Option<&[u8]> {
    let questions = asked.get(HEAD_LEN..)?;
    let mut end = 0;
    while let label_len @ 1.. = usize::from(*questions.get(end)?) {
        end += 1 + label_len;
    }
    questions.get(..end + 1 + 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x04keys\x04test\x00\x00\x01\x00\x01and more";

    #[test]
    fn a_question_is_answered_as_told() {
        let found = answer(QUESTION, DnsManner::Address(Ipv4Addr::new(127, 0, 0, 9))).unwrap();
        assert_eq!(found.get(..12), Some(&b"\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"[..]));
        assert!(found.ends_with(&[0, 4, 127, 0, 0, 9]));
        let failed = answer(QUESTION, DnsManner::Failure).unwrap();
        assert_eq!(failed.get(2..8), Some(&[0x81, 0x82, 0, 1, 0, 0][..]));
        assert_eq!(answer(QUESTION, DnsManner::Silence), None);
        assert_eq!(answer(&QUESTION[..20], DnsManner::NoSuchName), None, "half a question");
    }

    #[test]
    fn it_answers_over_udp() {
        let server = DnsServer::start(DnsManner::NoSuchName).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.send_to(QUESTION, server.address()).unwrap();
        let mut answer = [0; MESSAGE_LEN_MAX];
        let (length, _) = client.recv_from(&mut answer).unwrap();
        assert!(length > HEAD_LEN);
        assert_eq!((answer[3] & 0x0F, server.questions()), (3, 1));
    }
}
