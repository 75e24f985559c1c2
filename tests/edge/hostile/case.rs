//! What is sent on one connection, and what may become of it.

use super::cast::{LIVE, credential_of};
use super::forgeries::FORGED;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Which gate is asked: a listener of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// The sample as it is.
    Sample,
    /// A key is optional and may come in many places; some headers have other names.
    Open,
    /// Envoy hands on paths as they come, takes upgrades, CONNECT and HTTP/1.0, and goes on after what it refuses.
    Lax,
    /// The same, with a rule that leaves one path open.
    Ruled,
}

/// By which key a request may be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum May {
    Never,
    By(&'static str),
    /// By any whose credential stands in what was sent.
    ByWhatIsHeld,
}

/// A request within a case.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// A text that tells it from all others.
    pub(crate) mark: String,
    pub(crate) may: May,
    /// It is answered with 200, whatever else stands in it.
    pub(crate) must: bool,
    /// What it holds, where that is sent in pieces.
    pub(crate) held: Vec<u8>,
}

/// What is sent on one connection.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) gate: Gate,
    pub(crate) protocol: Protocol,
    pub(crate) bytes: Vec<u8>,
    pub(crate) asks: Vec<Ask>,
    /// Answers have no body.
    pub(crate) is_head: bool,
}

impl Gate {
    pub(crate) const ALL: [Self; 4] = [Self::Sample, Self::Open, Self::Lax, Self::Ruled];

    /// The name of its listener.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Open => "open",
            Self::Lax => "lax",
            Self::Ruled => "ruled",
        }
    }
}

impl Case {
    /// Whether an answer is waited for, however long it takes.
    pub(crate) fn must_be_answered(&self) -> bool {
        !self.asks.is_empty() && self.asks.iter().all(|ask| ask.must)
    }

    /// Whether what a client must show to be admitted by this key stands in what was sent.
    pub(crate) fn holds(&self, ask: &Ask, id: &str) -> bool {
        let encoded = credential_of(id);
        let secret = LIVE.iter().find(|(live, _)| *live == id).map(|(_, secret)| *secret).unwrap();
        // Envoy leaves out a carriage return that stands within a line.
        let bytes = self.bytes.iter().chain(&ask.held).copied();
        let bytes: Vec<u8> = bytes.filter(|byte| *byte != b'\r').collect();
        [encoded.trim_end_matches('=').as_bytes(), secret]
            .iter()
            .any(|text| bytes.windows(text.len()).any(|window| window == *text))
    }

    /// The case for a person, byte for byte.
    pub(crate) fn shown(&self) -> String {
        let Self { kind, gate, protocol, .. } = self;
        format!("{kind} by {protocol:?} to the gate {}:\n{}", gate.name(), self.bytes.escape_ascii())
    }
}

/// A request that is hidden in another: it forges everything and shows no key.
pub(crate) fn hidden(mark: &str) -> Vec<u8> {
    format!(
        "GET /hidden?{mark} HTTP/1.1\r\nhost: edge.test\r\nx-mark: {mark}\r\nx-api-key-id: first\r\nx-api-key-owner: {FORGED}\r\n\r\n"
    )
    .into_bytes()
}
