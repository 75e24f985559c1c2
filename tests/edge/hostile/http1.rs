//! Cases by HTTP/1.1: requests that are built line by line, so that any line may be wrong.

use super::case::{Ask, Case, Gate, May, Protocol, hidden};
use super::cast::{LIVE, Shown, credential_of};
use super::dice::Dice;
use super::forgeries::{self, FORGED, OWNED};
use super::marks::Marks;
use super::{http1_framing, paths};

/// A request, line by line.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) start: Vec<u8>,
    /// Header lines, without their ends.
    pub(crate) lines: Vec<Vec<u8>>,
    /// What follows the empty line.
    pub(crate) tail: Vec<u8>,
    pub(crate) asks: Vec<Ask>,
}

type Make = fn(&mut Dice, Gate, &mut Marks) -> Draft;

/// Kinds of cases, and how often each comes.
const KINDS: [(&str, usize, Make); 11] = [
    ("forged headers", 22, forged),
    ("odd credentials", 20, credentials),
    ("hop-by-hop names", 12, nominated),
    ("upgrades", 8, upgrade),
    ("odd paths", 14, odd_path),
    ("odd request lines", 8, odd_line),
    ("odd chunks", 10, http1_framing::chunks),
    ("hidden requests", 14, http1_framing::smuggled),
    ("odd lines", 12, http1_framing::odd_lines),
    ("limits", 5, limits),
    ("altered bytes", 15, altered),
];

/// One case.
pub(crate) fn case(dice: &mut Dice, marks: &mut Marks) -> Case {
    let gate = dice.pick(&Gate::ALL);
    let mut place = dice.below(KINDS.iter().map(|(_, weight, _)| weight).sum());
    let (kind, _, make) = KINDS
        .iter()
        .find(|(_, weight, _)| {
            let found = place < *weight;
            place = place.saturating_sub(*weight);
            found
        })
        .unwrap();
    let draft = make(dice, gate, marks);
    let is_head = draft.start.starts_with(b"HEAD ");
    let mut bytes = draft.rendered();
    let mut asks = draft.asks;
    if *kind == "altered bytes" {
        alter(dice, &mut bytes);
        for ask in &mut asks {
            (ask.may, ask.must) = (May::ByWhatIsHeld, false);
        }
    }
    Case { kind, gate, protocol: Protocol::Http1, bytes, asks, is_head }
}

impl Draft {
    /// A request without anything wrong.
    pub(crate) fn new(dice: &mut Dice, gate: Gate, marks: &mut Marks, shown: &Shown) -> Self {
        let mark = marks.next();
        let method = dice.pick(&["GET", "GET", "POST", "PUT", "DELETE"]);
        let path = if gate == Gate::Ruled && dice.percent(50) { "/public/a" } else { "/a" };
        let may = shown.may.map_or(May::Never, May::By);
        let mut draft = Self {
            start: format!("{method} {path}?{mark} HTTP/1.1").into_bytes(),
            lines: vec![b"host: edge.test".to_vec(), format!("x-mark: {mark}").into_bytes()],
            tail: Vec::new(),
            asks: vec![Ask { mark, may, must: shown.is_plain, held: Vec::new() }],
        };
        for value in &shown.values {
            draft.insert(dice, b"authorization", value);
        }
        if gate == Gate::Open {
            draft.asks[0].may = May::ByWhatIsHeld;
        }
        draft
    }

    pub(crate) fn insert(&mut self, dice: &mut Dice, name: &[u8], value: &[u8]) {
        let place = dice.between(1, self.lines.len());
        let separator: &[u8] = if dice.percent(80) { b": " } else { b":" };
        self.lines.insert(place, [name, separator, value].concat());
    }

    /// What becomes of it is not said beforehand.
    pub(crate) fn doubtful(mut self) -> Self {
        self.asks.iter_mut().for_each(|ask| ask.must = false);
        self
    }

    /// With a request after it that nobody should see as one.
    pub(crate) fn hiding(mut self, marks: &mut Marks) -> Self {
        let mark = marks.next();
        self.tail.extend(hidden(&mark));
        self.asks.push(Ask { mark, may: May::Never, must: false, held: Vec::new() });
        self
    }

    /// A credential where the open gate takes one.
    fn show_elsewhere(&mut self, dice: &mut Dice) {
        let (id, _) = LIVE[dice.below(2)];
        let encoded = credential_of(id);
        match dice.below(4) {
            0 => self.insert(dice, b"X-API-Key", encoded.as_bytes()),
            1 => self.insert(dice, b"x_api_key", encoded.as_bytes()),
            2 => self.insert(dice, b"cookie", format!("a=b; api_key={encoded}; c").as_bytes()),
            _ => {
                let at = self.start.iter().position(|byte| *byte == b'?').unwrap();
                let query = format!("?api_key={encoded}&");
                self.start.splice(at..=at, query.bytes());
            }
        }
    }

    fn rendered(&self) -> Vec<u8> {
        let head = [std::slice::from_ref(&self.start), &self.lines].concat().join(b"\r\n".as_slice());
        [&head, b"\r\n\r\n".as_slice(), &self.tail].concat()
    }
}

fn forged(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown);
    for (name, value) in forgeries::fields(dice, false) {
        draft.insert(dice, &name, &value);
    }
    if dice.percent(40) {
        draft.insert(dice, b"transfer-encoding", b"chunked");
        draft.tail.extend(b"4\r\nbody\r\n0\r\n");
        for (name, value) in forgeries::fields(dice, false) {
            draft.tail.extend([&name, b": ".as_slice(), &value, b"\r\n"].concat());
        }
        draft.tail.extend(b"\r\n");
    }
    draft
}

fn credentials(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::odd(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    if gate == Gate::Open && dice.percent(60) {
        draft.show_elsewhere(dice);
    }
    draft
}

/// Names that a client calls hop-by-hop, ours among them (RFC 9110, section 7.6.1).
fn nominated(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let others = [
        "close",
        "keep-alive",
        "upgrade",
        "te",
        "host",
        "authorization",
        "content-length",
        "transfer-encoding",
        "x-mark",
        "x-forwarded-for",
        ":path",
        "cookie",
        "",
    ];
    for _ in 0..dice.between(1, 2) {
        let mut names = Vec::new();
        for _ in 0..dice.between(1, 6) {
            let name = if dice.percent(60) { dice.pick(&OWNED) } else { dice.pick(&others) };
            names.push(if dice.percent(30) { name.to_ascii_uppercase() } else { name.to_owned() });
        }
        let comma = dice.pick(&[",", ", ", " ,\t", ";"]);
        let name =
            dice.pick(&["connection", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer"]);
        draft.insert(dice, name.as_bytes(), names.join(comma).as_bytes());
    }
    for (name, value) in forgeries::fields(dice, false).into_iter().take(20) {
        draft.insert(dice, &name, &value);
    }
    draft
}

fn upgrade(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let lists = ["upgrade", "Upgrade", "keep-alive, Upgrade", "upgrade, http2-settings", "close, upgrade"];
    let protocols = ["websocket", "WebSocket", "h2c", "TLS/1.0", "CONNECT-UDP", "websocket, h2c", "", "x/1"];
    let list = dice.pick(&lists).to_owned();
    let also = if dice.percent(40) { format!(", {}", dice.pick(&OWNED)) } else { String::new() };
    draft.insert(dice, b"Connection", format!("{list}{also}").as_bytes());
    let protocol = dice.pick(&protocols);
    draft.insert(dice, b"Upgrade", protocol.as_bytes());
    draft.insert(dice, b"HTTP2-Settings", b"AAMAAABkAAQAAP__");
    draft.insert(dice, b"Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==");
    draft.insert(dice, b"Sec-WebSocket-Version", b"13");
    for (name, value) in forgeries::fields(dice, false) {
        draft.insert(dice, &name, &value);
    }
    if dice.percent(30) { draft.hiding(marks) } else { draft }
}

fn odd_path(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let target = paths::target(dice);
    let form = dice.below(8);
    let target: Vec<u8> = match form {
        0 => [b"http://edge.test".as_slice(), &target].concat(),
        1 => [b"http://first@edge.test:80".as_slice(), &target].concat(),
        2 => [b"https://other.test".as_slice(), &target].concat(),
        3 => target[1..].to_vec(),
        _ => target,
    };
    draft.start = [b"GET ".as_slice(), &target, b" HTTP/1.1"].concat();
    draft
}

fn odd_line(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let lines: [&[u8]; 24] = [
        b"OPTIONS * HTTP/1.1",
        b"CONNECT edge.test:443 HTTP/1.1",
        b"CONNECT /public/a HTTP/1.1",
        b"HEAD /a HTTP/1.1",
        b"HEAD /public/a HTTP/1.1",
        b"TRACE /a HTTP/1.1",
        b"PRI * HTTP/2.0",
        b"get /a HTTP/1.1",
        b"G\x00T /a HTTP/1.1",
        b"X-API-KEY-OWNER: /a HTTP/1.1",
        b"GET /a HTTP/1.0",
        b"GET /a HTTP/0.9",
        b"GET /a HTTP/1.2",
        b"GET /a HTTP/2.0",
        b"GET /a http/1.1",
        b"GET /a",
        b"GET  /a HTTP/1.1",
        b"GET\t/a\tHTTP/1.1",
        b" GET /a HTTP/1.1",
        b"\r\n\r\nGET /a HTTP/1.1",
        b"GET /a HTTP/1.1 ",
        b"GET  HTTP/1.1",
        b"GET /a\xff\xfe HTTP/1.1",
        b"OPTIONS /a HTTP/1.1",
    ];
    draft.start = dice.pick(&lines).to_vec();
    if dice.percent(30) {
        let host: &[u8] =
            dice.pick(&[b"host: ".as_slice(), b"host: a\r\nhost: b", b"host: a@b:c/d", b"x-no: host"]);
        draft.lines[0] = host.to_vec();
    }
    for (name, value) in forgeries::fields(dice, false) {
        draft.insert(dice, &name, &value);
    }
    if dice.percent(30) { draft.hiding(marks) } else { draft }
}

/// As many headers, and as many bytes of them, as Envoy takes (100, and 60 KiB), and some more.
fn limits(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::plain(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    match dice.below(4) {
        0 => {
            let count = dice.between(90, 104);
            while draft.lines.len() < count {
                let name = forgeries::name(dice, false);
                draft.insert(dice, &name, FORGED.as_bytes());
            }
        }
        1 => {
            let (name, length) = (forgeries::name(dice, false), dice.between(58_000, 62_000));
            draft.insert(dice, &name, &vec![b'm'; length]);
        }
        2 => {
            let length = dice.between(1_000, 61_000);
            draft.insert(dice, &vec![b'n'; length], FORGED.as_bytes());
        }
        _ => {
            let length = dice.between(7_000, 61_000);
            draft.start = format!("GET /a?{} HTTP/1.1", "q".repeat(length)).into_bytes();
        }
    }
    draft
}

/// A case of another kind, whose bytes are altered later.
fn altered(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let others: [Make; 5] = [forged, nominated, http1_framing::chunks, http1_framing::smuggled, odd_path];
    let make = dice.pick(&others);
    make(dice, gate, marks)
}

fn alter(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..dice.between(1, 4) {
        let place = dice.below(bytes.len());
        let end = (place + dice.between(1, 12)).min(bytes.len());
        match dice.below(5) {
            0 => bytes[place] = dice.byte(),
            1 => bytes.insert(place, dice.pick(b"\r\n\0 :,\t;/")),
            2 => drop(bytes.drain(place..end)),
            3 => {
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ => bytes[place] ^= 1 << dice.below(8),
        }
    }
}
