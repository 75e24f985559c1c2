//! Cases by HTTP/1.1 in which it is doubtful where a line, a body or a request ends.

use super::case::{Gate, May};
use super::cast::Shown;
use super::dice::Dice;
use super::forgeries;
use super::http1::Draft;
use super::marks::Marks;

/// Lines that say how long a body is, so that two readers may differ (RFC 9112, section 6.3).
const LENGTHS: [&[&[u8]]; 30] = [
    &[b"content-length: 5", b"transfer-encoding: chunked"],
    &[b"transfer-encoding: chunked", b"content-length: 5"],
    &[b"transfer-encoding: chunked", b"content-length: 0"],
    &[b"transfer-encoding: xchunked"],
    &[b"transfer-encoding: chunked, identity"],
    &[b"transfer-encoding: identity, chunked"],
    &[b"transfer-encoding: identity", b"content-length: 5"],
    &[b"transfer-encoding: gzip, chunked"],
    &[b"transfer-encoding: chunked, chunked"],
    &[b"transfer-encoding: chunked", b"transfer-encoding: identity"],
    &[b"transfer-encoding: cow", b"transfer-encoding: chunked"],
    &[b"Transfer-Encoding : chunked"],
    &[b"transfer-encoding:\tchunked"],
    &[b"transfer-encoding: \x0bchunked"],
    &[b"transfer-encoding: \"chunked\""],
    &[b"transfer-encoding:\r\n chunked"],
    &[b" transfer-encoding: chunked"],
    &[b"transfer_encoding: chunked"],
    &[b"x: y\ntransfer-encoding: chunked"],
    &[b"content-length: 5", b"content-length: 6"],
    &[b"content-length: 5", b"content-length: 5"],
    &[b"content-length: 5, 5"],
    &[b"content-length: +5"],
    &[b"content-length: -5"],
    &[b"content-length: 0x5"],
    &[b"content-length: 5 5"],
    &[b"content-length: 18446744073709551621"],
    &[b"content-length:"],
    &[b"content_length: 5"],
    &[b"content-length : 5"],
];

/// Sizes of chunks, and what may stand behind them (RFC 9112, section 7.1).
const CHUNKS: [&[u8]; 20] = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"5;x-api-key-owner=mallory\r\nhello\r\n0\r\n\r\n",
    b"5;a=\"\r\nx-api-key-owner: mallory\r\n\"\r\nhello\r\n0\r\n\r\n",
    b"5;\nx-api-key-owner: mallory\r\nhello\r\n0\r\n\r\n",
    b"00000005\r\nhello\r\n0\r\n\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n",
    b"-5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"5\rhello\r0\r\r",
    b"6\r\nhello\r\n0\r\n\r\n",
    b"4\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"\r\n0\r\n\r\n",
    b"0;\r\n\r\n",
    b"00000000000000000000\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
];

/// Lines that are no header, or are one only for some.
const ODD_LINES: [&[u8]; 22] = [
    b"x-api-key-owner : mallory",
    b"x-api-key-owner\t: mallory",
    b" x-api-key-owner: mallory",
    b"x-a: b\r\n x-api-key-owner: mallory",
    b"x-a: b\r\n\tx-api-key-owner: mallory",
    b"x-a: b\nx-api-key-owner: mallory",
    b"x-a: b\rx-api-key-owner: mallory",
    b"x-a: b\r\r\nx-api-key-owner: mallory",
    b"x-a: b\0x-api-key-owner: mallory",
    b"x-a: b\x0bx-api-key-owner: mallory",
    b"x-api-key-owner",
    b": mallory",
    b"x-api-key-owner\0: mallory",
    b"x-api-key-owner\xff: mallory",
    b"x-api-key\xe2\x80\x90owner: mallory",
    b"x-api-key-owner:: mallory",
    b"x-api-key-owner: mall\r\n ory",
    b"x api key owner: mallory",
    b"(x-api-key-owner): mallory",
    b":path: /public/a",
    b":authority: other.test",
    b":x-api-key-owner: mallory",
];

/// A body in chunks that may be read in several ways, and forged trailers or a hidden request behind it.
pub(crate) fn chunks(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    draft.lines.push(b"transfer-encoding: chunked".to_vec());
    if dice.percent(40) {
        draft.lines.push(b"te: trailers".to_vec());
    }
    draft.tail.extend(dice.pick(&CHUNKS));
    if dice.percent(50) {
        // Trailers in place of the empty line.
        draft.tail.truncate(draft.tail.len() - 2);
        for (name, value) in forgeries::fields(dice, false).into_iter().take(6) {
            draft.tail.extend([&name, b": ".as_slice(), &value, b"\r\n"].concat());
        }
        draft.tail.extend(b"\r\n");
    }
    if dice.percent(60) { draft.hiding(marks) } else { draft }
}

/// A request whose length is doubtful, with another behind it.
pub(crate) fn smuggled(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    draft.start = draft.start.iter().copied().skip_while(|byte| *byte != b' ').collect();
    draft.start.splice(0..0, dice.pick(&[b"POST".as_slice(), b"GET", b"PUT"]).iter().copied());
    let lengths = dice.pick(&LENGTHS);
    for line in lengths {
        draft.lines.push(line.to_vec());
    }
    let bodies: [&[u8]; 5] =
        [b"0\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n", b"hello", b"", b"1\r\nA\r\n0\r\n\r\nX"];
    draft.tail.extend(dice.pick(&bodies));
    draft.hiding(marks)
}

/// A line that some servers take for a forged header.
pub(crate) fn odd_lines(dice: &mut Dice, gate: Gate, marks: &mut Marks) -> Draft {
    let shown = Shown::any(dice);
    let mut draft = Draft::new(dice, gate, marks, &shown).doubtful();
    for _ in 0..dice.between(1, 2) {
        let place = dice.between(0, draft.lines.len());
        draft.lines.insert(place, dice.pick(&ODD_LINES).to_vec());
    }
    // A folded line may have become part of the credential, or of its mark.
    draft.asks[0].may = May::ByWhatIsHeld;
    if dice.percent(30) { draft.hiding(marks) } else { draft }
}
