//! Cases by HTTP/2: blocks of headers that are built field by field, and their frames.

use super::case::{Ask, Case, Gate, May, Protocol};
use super::cast::Shown;
use super::dice::Dice;
use super::forgeries::{self, FORGED, Field};
use super::frames::{self, DATA, END_HEADERS, END_STREAM, frame, literal};
use super::marks::Marks;
use super::{http2_framing, paths};

/// A request, field by field.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Pseudo header fields and others, in the order in which they are sent.
    pub(crate) fields: Vec<Field>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<Field>,
    pub(crate) ask: Ask,
}

/// What is sent on one connection: frames after its opening, and what is asked in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    pub(crate) frames: Vec<u8>,
    pub(crate) asks: Vec<Ask>,
}

type Make = fn(&mut Dice, Gate, &mut Marks) -> Talk;

/// Kinds of cases, and how often each comes.
const KINDS: [(&str, usize, Make); 12] = [
    ("forged headers", 20, forged),
    ("odd credentials", 16, credentials),
    ("odd pseudo headers", 14, pseudo_headers),
    ("odd names and values", 12, odd_fields),
    ("headers of a connection", 8, of_connection),
    ("odd paths", 10, odd_path),
    ("continuations", 8, http2_framing::continuations),
    ("many streams and resets", 3, http2_framing::resets),
    ("odd frames", 10, http2_framing::odd_frames),
    ("odd compression", 12, http2_framing::compression),
    ("limits", 5, limits),
    ("altered bytes", 12, altered),
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
    let mut talk = make(dice, gate, marks);
    if *kind == "altered bytes" {
        for _ in 0..dice.between(1, 3) {
            let place = dice.below(talk.frames.len());
            talk.frames[place] = if dice.percent(50) { dice.byte() } else { talk.frames[place] ^ 1 };
        }
        for ask in &mut talk.asks {
            (ask.may, ask.must) = (May::ByWhatIsHeld, false);
        }
    }
    let bytes = [frames::opening(), talk.frames].concat();
    Case { kind, gate, protocol: Protocol::Http2, bytes, asks: talk.asks, is_head: false }
}

impl Draft {
    /// A request without anything wrong.
    pub(crate) fn new(dice: &mut Dice, gate: Gate, marks: &mut Marks, shown: &Shown) -> Self {
        let mark = marks.next();
        let path = if gate == Gate::Ruled && dice.percent(50) { "/public/a" } else { "/a" };
        let mut fields: Vec<Field> = Vec::new();
        for (name, value) in [
            (":method", dice.pick(&["GET", "POST", "DELETE"])),
            (":scheme", "http"),
            (":authority", "edge.test"),
            (":path", &format!("{path}?{mark}")),
            ("x-mark", &mark),
        ] {
            fields.push((name.into(), value.into()));
        }
        for value in &shown.values {
            let place = dice.between(4, fields.len());
            fields.insert(place, (b"authorization".to_vec(), value.clone()));
        }
        let may = if gate == Gate::Open { May::ByWhatIsHeld } else { shown.may.map_or(May::Never, May::By) };
        let held = shown.values.join(&b' ');
        let ask = Ask { mark, may, must: shown.is_plain, held };
        Self { fields, body: Vec::new(), trailers: Vec::new(), ask }
    }

    pub(crate) fn insert(&mut self, dice: &mut Dice, field: Field) {
        let place = dice.between(4, self.fields.len());
        self.fields.insert(place, field);
    }

    /// Gives one field another value.
    fn set(&mut self, name: &str, value: &[u8]) {
        for field in self.fields.iter_mut().filter(|(other, _)| other == name.as_bytes()) {
            field.1 = value.to_vec();
        }
    }

    /// What becomes of it is not said beforehand.
    pub(crate) fn doubtful(mut self) -> Self {
        self.ask.must = false;
        self
    }

    /// Its headers, in compression's plainest form.
    pub(crate) fn block(&self) -> Vec<u8> {
        block(&self.fields)
    }

    fn frames(&self, stream: u32) -> Vec<u8> {
        let ends = |is_last: bool| if is_last { END_STREAM } else { 0 };
        let (has_body, has_trailers) = (!self.body.is_empty(), !self.trailers.is_empty());
        let mut frames = frames::headers(stream, ends(!has_body && !has_trailers), &self.block());
        if has_body {
            frames.extend(frame(DATA, ends(!has_trailers), stream, &self.body));
        }
        if has_trailers {
            frames.extend(frames::headers(stream, END_STREAM, &block(&self.trailers)));
        }
        frames
    }
}

impl Talk {
    /// One request on a connection of its own.
    pub(crate) fn of(draft: Draft) -> Self {
        Self { frames: draft.frames(1), asks: vec![draft.ask] }
    }

    /// Adds a request on the next stream.
    pub(crate) fn add(&mut self, draft: Draft) {
        let stream = u32::try_from(self.asks.len()).unwrap() * 2 + 1;
        self.frames.extend(draft.frames(stream));
        self.asks.push(draft.ask);
    }
}

pub(crate) fn block(fields: &[Field]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

fn forged(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let mut talk = Talk::default();
    for _ in 0..dice.between(1, 3) {
        let shown = Shown::any(dice);
        let mut draft = Draft::new(dice, gate, marks, &shown);
        for field in forgeries::fields(dice, true) {
            draft.insert(dice, field);
        }
        if dice.percent(40) {
            draft.body = b"body".to_vec();
            draft.trailers = forgeries::fields(dice, true);
        }
        talk.add(draft);
    }
    talk
}

fn credentials(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::odd(dice);
    Talk::of(Draft::new(dice, gate, marks, &shown).doubtful())
}

/// Pseudo header fields that are doubled, late, unknown, wrong or missing (RFC 9113, section 8.3).
fn pseudo_headers(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let odd: [(&[u8], &[u8]); 26] = [
        (b":path", b"/public/a"),
        (b":path", b"*"),
        (b":path", b""),
        (b":path", b"a"),
        (b":path", b"http://edge.test/a"),
        (b":path", b"/a b"),
        (b":path", b"/a\0b"),
        (b":path", b"/a\r\nx-api-key-owner: mallory"),
        (b":method", b"CONNECT"),
        (b":method", b""),
        (b":method", b"GET /public/a HTTP/1.1\r\nx-api-key-owner: mallory\r\nx: "),
        (b":method", b"get"),
        (b":scheme", b"https"),
        (b":scheme", b""),
        (b":scheme", b"x-api-key-owner"),
        (b":authority", b"other.test"),
        (b":authority", b""),
        (b":authority", b"a@b:c"),
        (b":authority", b"edge.test\r\nx-api-key-owner: mallory"),
        (b":protocol", b"websocket"),
        (b":protocol", b"x-api-key-owner"),
        (b":status", b"200"),
        (b":x-api-key-owner", b"mallory"),
        (b":authorization", b"ApiKey YTpi"),
        (b":", b"mallory"),
        (b"host", b"other.test"),
    ];
    let (name, value) = dice.pick(&odd);
    match dice.below(6) {
        0 => draft.fields.retain(|(other, _)| other != name),
        1 => draft.fields.insert(0, (name.to_vec(), value.to_vec())),
        2 => draft.fields.push((name.to_vec(), value.to_vec())),
        3 => {
            let (from, to) = (dice.below(draft.fields.len()), dice.below(draft.fields.len()));
            draft.fields.swap(from, to);
        }
        4 => {
            draft.body = b"body".to_vec();
            draft.trailers = vec![(name.to_vec(), value.to_vec())];
        }
        _ => draft.set(std::str::from_utf8(name).unwrap(), value),
    }
    if name == b":protocol" {
        draft.set(":method", b"CONNECT");
    }
    draft.fields.extend(forgeries::fields(dice, true));
    Talk::of(draft)
}

/// Names and values that HTTP does not have (RFC 9113, section 8.2.1), which become lines of HTTP/1.1 if nobody
/// looks.
fn odd_fields(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let odd: [(&[u8], &[u8]); 20] = [
        (b"X-Api-Key-Owner", b"mallory"),
        (b"x-api-key-owner ", b"mallory"),
        (b" x-api-key-owner", b"mallory"),
        (b"x-api-key-owner:", b"mallory"),
        (b"x-api-key-owner\0", b"mallory"),
        (b"x-api-key-owner\xff", b"mallory"),
        (b"x api key owner", b"mallory"),
        (b"x-a: b\r\nx-api-key-owner", b"mallory"),
        (b"", b"mallory"),
        (b"x-a", b"b\r\nx-api-key-owner: mallory"),
        (b"x-a", b"b\nx-api-key-owner: mallory"),
        (b"x-a", b"b\rx-api-key-owner: mallory"),
        (b"x-a", b"b\0x-api-key-owner: mallory"),
        (b"x-api-key-owner", b"mallory\r\n"),
        (b"x-api-key-owner", b" mallory"),
        (b"x-api-key-owner", b"mallory\t"),
        (b"x-a", b"\r\n\r\nGET /hidden HTTP/1.1\r\nx-api-key-owner: mallory\r\n\r\n"),
        (b"cookie", b"a=b\r\nx-api-key-owner: mallory"),
        (b"Authorization", b"ApiKey YTpi"),
        (b"authorization", b""),
    ];
    for _ in 0..dice.between(1, 2) {
        let (name, value) = dice.pick(&odd);
        let field = (name.to_vec(), value.to_vec());
        if dice.percent(25) {
            draft.body = b"body".to_vec();
            draft.trailers.push(field);
        } else {
            draft.insert(dice, field);
        }
    }
    Talk::of(draft)
}

/// What HTTP/2 has no place for (RFC 9113, section 8.2.2), and lengths that are not true.
fn of_connection(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let odd: [(&[u8], &[u8]); 14] = [
        (b"connection", b"x-api-key-owner"),
        (b"connection", b"close, x-api-key-owner, authorization"),
        (b"connection", b"upgrade"),
        (b"upgrade", b"websocket"),
        (b"upgrade", b"h2c"),
        (b"keep-alive", b"x-api-key-owner"),
        (b"proxy-connection", b"x-api-key-owner"),
        (b"transfer-encoding", b"chunked"),
        (b"te", b"gzip"),
        (b"te", b"trailers"),
        (b"trailer", b"x-api-key-owner"),
        (b"content-length", b"3"),
        (b"content-length", b"99"),
        (b"expect", b"100-continue"),
    ];
    for _ in 0..dice.between(1, 3) {
        let (name, value) = dice.pick(&odd);
        draft.insert(dice, (name.to_vec(), value.to_vec()));
    }
    for field in forgeries::fields(dice, true) {
        draft.insert(dice, field);
    }
    draft.body = b"body".to_vec();
    Talk::of(draft)
}

fn odd_path(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    draft.set(":path", &paths::target(dice));
    Talk::of(draft)
}

/// As many headers, and as many bytes of them, as Envoy takes (100, and 60 KiB), and some more.
fn limits(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::plain(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    match dice.below(4) {
        0 => {
            let count = dice.between(90, 104);
            while draft.fields.len() < count {
                let name = forgeries::name(dice, true);
                draft.insert(dice, (name, FORGED.into()));
            }
        }
        1 => {
            let (name, length) = (forgeries::name(dice, true), dice.between(58_000, 62_000));
            draft.insert(dice, (name, vec![b'm'; length]));
        }
        2 => {
            let length = dice.between(1_000, 61_000);
            draft.insert(dice, (vec![b'n'; length], FORGED.into()));
        }
        _ => {
            let count = dice.between(10, 3_000);
            draft.fields.extend((0..count).map(|_| (b"cookie".to_vec(), b"a=b".to_vec())));
        }
    }
    Talk::of(draft)
}

/// A case of another kind, whose bytes are altered later.
fn altered(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let others: [Make; 5] =
        [forged, pseudo_headers, of_connection, http2_framing::continuations, http2_framing::compression];
    let make = dice.pick(&others);
    make(dice, gate, marks)
}

/// A block in one frame.
pub(crate) fn one_frame(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(frames::HEADERS, END_HEADERS | flags, stream, block)
}
