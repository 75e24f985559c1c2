//! HTTP/2 by hand, so that what no library would send can be sent (RFC 9113, RFC 7541).

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// Length of the head of a frame.
pub(crate) const HEAD_LEN: usize = 9;

/// Most bytes of a payload that need no setting (RFC 9113, section 4.2).
pub(crate) const PAYLOAD_LEN_MAX: usize = 16_384;

/// No limit to what the other side may send.
const WINDOW: u32 = 0x7fff_0000;

/// The codes of digits in Huffman's coding (RFC 7541, appendix B): three of five bits, the others of six.
const SHORT_DIGITS: u32 = 3;

/// What opens a connection. The other side shall use no table of its own, so that a status can be read.
pub(crate) fn opening() -> Vec<u8> {
    let header_table_size = [0, 1, 0, 0, 0, 0];
    let [a, b, c, d] = WINDOW.to_be_bytes();
    let initial_window_size = [0, 4, a, b, c, d];
    let settings = frame(SETTINGS, 0, 0, &[header_table_size, initial_window_size].concat());
    let window = frame(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings, &window].concat()
}

/// A frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of headers, in as many frames as its length needs.
pub(crate) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    split_headers(stream, flags, block, PAYLOAD_LEN_MAX)
}

/// The same in pieces of this length.
pub(crate) fn split_headers(stream: u32, flags: u8, block: &[u8], piece: usize) -> Vec<u8> {
    let pieces: Vec<&[u8]> = if block.is_empty() { vec![block] } else { block.chunks(piece).collect() };
    let mut frames = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let last = if place + 1 == pieces.len() { END_HEADERS } else { 0 };
        let (kind, flags) = if place == 0 { (HEADERS, flags | last) } else { (CONTINUATION, last) };
        frames.extend(frame(kind, flags, stream, piece));
    }
    frames
}

/// A field as it is, which no table keeps (RFC 7541, section 6.2.2).
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], text(name), text(value)].concat()
}

/// A field that the table of the other side keeps (section 6.2.1). The latest has the number 62.
pub(crate) fn kept(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x40], text(name), text(value)].concat()
}

/// A field that a table has (section 6.1).
pub(crate) fn indexed(number: usize) -> Vec<u8> {
    integer(7, 0x80, number)
}

/// A number after some bits (section 5.1).
pub(crate) fn integer(prefix: u32, bits: u8, number: usize) -> Vec<u8> {
    let most = (1_usize << prefix) - 1;
    if number < most {
        return vec![bits | u8::try_from(number).unwrap()];
    }
    let mut bytes = vec![bits | u8::try_from(most).unwrap()];
    let mut rest = number - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn text(text: &[u8]) -> Vec<u8> {
    [integer(7, 0, text.len()), text.to_vec()].concat()
}

/// The status at the beginning of an answer's block, which is where it stands.
pub(crate) fn status(mut block: &[u8]) -> Option<u16> {
    // A change of the size of the table may come first (section 6.3).
    while let Some((first, rest)) = block.split_first()
        && first & 0xe0 == 0x20
    {
        block = if first & 0x1f == 0x1f { after_integer(rest) } else { rest };
    }
    let (first, rest) = block.split_first()?;
    match first {
        0x88..=0x8e => Some([200, 204, 206, 304, 400, 404, 500][usize::from(first - 0x88)]),
        // `:status` by its number, and a value.
        0x08 | 0x18 | 0x48 => {
            let (length, text) = rest.split_first()?;
            let text = text.get(..usize::from(length & 0x7f))?;
            if length & 0x80 == 0 { std::str::from_utf8(text).ok()?.parse().ok() } else { digits(text) }
        }
        _ => None,
    }
}

fn after_integer(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).map_or(bytes.len(), |last| last + 1);
    &bytes[end..]
}

/// Three digits in Huffman's coding.
fn digits(bytes: &[u8]) -> Option<u16> {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code * 2 + bits.next()?;
        }
        let digit = if code < SHORT_DIGITS { code } else { (code * 2 + bits.next()?).checked_sub(22)? };
        number = number * 10 + u16::try_from(digit).ok().filter(|digit| *digit < 10)?;
    }
    Some(number)
}

#[test]
fn a_status_is_read_however_it_is_written() {
    assert_eq!(status(&[0x88]), Some(200));
    assert_eq!(status(&[0x20, 0x8c, 0x00]), Some(400));
    assert_eq!(status(&[0x3f, 0x80, 0x01, 0x08, 0x03, b'4', b'0', b'1']), Some(401));
    // 401 is 011010 00000 00001 and padding; 503 is 011011 00000 011001.
    assert_eq!(status(&[0x08, 0x82, 0b0110_1000, 0b0000_0001]), Some(401));
    assert_eq!(status(&[0x48, 0x83, 0b0110_1100, 0b0000_1100, 0b1111_1111]), Some(503));
    assert_eq!(status(&[]), None);
}

#[test]
fn numbers_are_written_as_the_standard_shows() {
    assert_eq!(integer(5, 0, 10), [10]);
    assert_eq!(integer(5, 0, 1_337), [31, 154, 10]);
    assert_eq!(literal(b"a", b"bc"), [0, 1, b'a', 2, b'b', b'c']);
    assert_eq!(indexed(62), [0xbe]);
}
