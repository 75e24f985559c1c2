//! Cases by HTTP/2 in which frames, streams or compression are not as they should be.

use super::case::{Gate, May};
use super::cast::Shown;
use super::dice::Dice;
use super::forgeries::{self, FORGED};
use super::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PAYLOAD_LEN_MAX, PING,
    PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, indexed, integer, kept, literal,
};
use super::http2::{Draft, Talk, block, one_frame};
use super::marks::Marks;

/// Streams of one connection: what the sample allows at a time (100), and one more.
const STREAMS_MAX: usize = 101;

/// A block of headers in many pieces, or with something between them.
pub(crate) fn continuations(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    for field in forgeries::fields(dice, true) {
        draft.insert(dice, field);
    }
    let block = draft.block();
    let frames = match dice.below(5) {
        0 => frames::split_headers(1, END_STREAM, &block, dice.between(1, 8)),
        1 => frames::split_headers(1, END_STREAM, &block, dice.between(20, 200)),
        // Empty ones, which cost nobody but the receiver.
        2 => {
            let mut frames = frame(HEADERS, END_STREAM, 1, &block);
            for _ in 0..dice.between(1, 64) {
                frames.extend(frame(CONTINUATION, 0, 1, b""));
            }
            frames.extend(frame(CONTINUATION, END_HEADERS, 1, b""));
            frames
        }
        // They never end.
        3 => {
            let mut frames = frame(HEADERS, END_STREAM, 1, &block);
            for _ in 0..dice.between(1, 20) {
                frames.extend(frame(CONTINUATION, 0, 1, &literal(b"x-api-key-owner", FORGED.as_bytes())));
            }
            frames
        }
        // Something stands between.
        _ => {
            let (first, second) = block.split_at(dice.below(block.len()));
            let between = [
                frame(PING, 0, 0, &[0; 8]),
                frame(DATA, 0, 1, b"body"),
                frame(CONTINUATION, 0, 3, b""),
                frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes()),
            ];
            let between = &between[dice.below(between.len())];
            let begin = frame(HEADERS, END_STREAM, 1, first);
            [&begin, between.as_slice(), &frame(CONTINUATION, END_HEADERS, 1, second)].concat()
        }
    };
    Talk { frames, asks: vec![draft.ask] }
}

/// Many streams at once, of which most are given up at once.
pub(crate) fn resets(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let mut talk = Talk::default();
    for place in 0..dice.between(10, STREAMS_MAX) {
        let shown = Shown::any(dice);
        let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
        draft.insert(dice, (b"x-api-key-owner".to_vec(), FORGED.into()));
        if dice.percent(30) {
            draft.body = b"body".to_vec();
        }
        talk.add(draft);
        if dice.percent(70) {
            let stream = u32::try_from(place).unwrap() * 2 + 1;
            talk.frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
        }
    }
    talk
}

/// Frames that break a rule, before, within and after a request.
pub(crate) fn odd_frames(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    draft.insert(dice, (b"x-api-key-owner".to_vec(), FORGED.into()));
    let block = draft.block();
    let forged = literal(b"x-api-key-owner", FORGED.as_bytes());
    let request = one_frame(1, END_STREAM, &block);
    let open = one_frame(1, 0, &block);
    let padded = |pad: u8| [&[pad], block.as_slice(), &[0; 4]].concat();
    let cases: [Vec<u8>; 20] = [
        [request.clone(), frame(DATA, END_STREAM, 1, b"late")].concat(),
        [request.clone(), one_frame(1, END_STREAM, &forged)].concat(),
        [open.clone(), one_frame(1, 0, &forged)].concat(),
        [open.clone(), one_frame(1, END_STREAM, &forged), one_frame(1, END_STREAM, &forged)].concat(),
        [frame(DATA, 0, 1, b"early"), request.clone()].concat(),
        one_frame(2, END_STREAM, &block),
        one_frame(0, END_STREAM, &block),
        [one_frame(5, END_STREAM, &block), one_frame(3, END_STREAM, &block)].concat(),
        frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded(4)),
        frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded(255)),
        [frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 16]), request.clone()].concat(),
        [frame(PRIORITY, 0, 1, &[0, 0, 0]), request.clone()].concat(),
        [frame(WINDOW_UPDATE, 0, 0, &[0; 4]), request.clone()].concat(),
        [request.clone(), frame(WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes())].concat(),
        [frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1]), request.clone()].concat(),
        [frame(SETTINGS, 0, 0, &[0, 8, 0, 0, 0, 2, 0]), request.clone()].concat(),
        [frame(GOAWAY, 0, 0, &[0; 8]), request.clone()].concat(),
        [frame(42, 255, 1, b"unknown"), request.clone()].concat(),
        [frame(PING, 0, 0, &[0; 7]), request.clone()].concat(),
        [open, frame(DATA, END_STREAM, 1, &vec![b'b'; PAYLOAD_LEN_MAX + 1])].concat(),
    ];
    let frames = cases[dice.below(cases.len())].clone();
    Talk { frames, asks: vec![draft.ask] }
}

/// Headers that are compressed in ways that a reader may get wrong (RFC 7541).
pub(crate) fn compression(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Talk {
    let shown = Shown::any(dice);
    let draft = Draft::new(dice, gate, marks, &shown).doubtful();
    let name = forgeries::name(dice, true);
    let forged = kept(&name, FORGED.as_bytes());
    let plain = draft.block();
    // `mallory` in Huffman's coding with its last bits wrong, and a text that claims to be longer than it is.
    let huffman =
        [vec![0x40], integer(7, 0, name.len()), name.clone(), vec![0x85, 0xa4, 0x3a, 0x28, 0xf0, 0x00]];
    let cases: [Vec<u8>; 14] = [
        [plain.clone(), forged.clone(), indexed(62).repeat(dice.between(1, 60))].concat(),
        [plain.clone(), forged.clone(), indexed(62), integer(5, 0x20, 0), indexed(62)].concat(),
        [integer(5, 0x20, 0), plain.clone(), forged.clone()].concat(),
        [integer(5, 0x20, 1 << 20), plain.clone()].concat(),
        [plain.clone(), indexed(63)].concat(),
        [plain.clone(), indexed(0)].concat(),
        [plain.clone(), vec![0xff; 12]].concat(),
        [plain.clone(), vec![0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        [plain.clone(), huffman.concat()].concat(),
        [plain.clone(), vec![0x10], integer(7, 0, name.len()), name.clone(), vec![7], FORGED.into()].concat(),
        // A large field, told many times by its number.
        [plain.clone(), kept(&name, &[b'm'; 3_900]), indexed(62).repeat(dice.between(1, 400))].concat(),
        // `authorization` and `:path` by the numbers of their names alone.
        [plain.clone(), integer(4, 0, 23), vec![3], b"x y".to_vec()].concat(),
        [plain.clone(), integer(4, 0, 4), vec![9], b"/public/a".to_vec()].concat(),
        [plain.clone(), vec![0x40, 0x00, 0x07], FORGED.into()].concat(),
    ];
    let first = cases[dice.below(cases.len())].clone();
    let mut talk = Talk { frames: one_frame(1, END_STREAM, &first), asks: vec![draft.ask] };
    if dice.percent(50) {
        // What the first request has put into the table is told to the second, which shows no key.
        let second = Draft::new(dice, gate, marks, &Shown::default()).doubtful();
        let numbers = [indexed(62), indexed(63)].concat();
        talk.frames.extend(one_frame(3, END_STREAM, &[block(&second.fields), numbers].concat()));
        talk.asks.push(second.ask);
    }
    // By the number of its name another credential may have come.
    talk.asks[0].may = match talk.asks[0].may {
        May::Never => May::Never,
        _ => May::ByWhatIsHeld,
    };
    talk
}
