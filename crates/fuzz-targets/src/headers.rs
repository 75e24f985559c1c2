//! The buffer in which a host hands over headers.

use latchkey_filter::headers::{HeaderPairs, Headers as _};

use crate::allocation::within;

/// * A second reader accepts the same buffers, and finds the same names and values.
/// * What is read is written as the same bytes.
/// * Reading costs no memory besides the buffer.
pub fn headers(data: &[u8]) {
    let buffer = data.to_vec();
    let read = within(0, || HeaderPairs::read(buffer));
    let by_hand = pairs_by_hand(data);
    assert_eq!(read.is_some(), by_hand.is_some());
    let (Some(read), Some(by_hand)) = (read, by_hand) else { return };
    assert!(read.iter().eq(by_hand.iter().copied()));
    assert_eq!(read.as_bytes(), data);
    let written = HeaderPairs::from_iter(by_hand.iter().copied());
    let empty = HeaderPairs::empty_map();
    assert_eq!(written.as_bytes(), if data.is_empty() { &empty[..] } else { data });
    for (name, value) in &by_hand {
        let Ok(text) = std::str::from_utf8(name) else { continue };
        assert!(read.first(text).is_some());
        assert!(read.all(text).any(|other| other == *value));
    }
}

/// Reads number by number, and each text to its zero byte.
fn pairs_by_hand(data: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    if data.is_empty() {
        return Some(Vec::new());
    }
    let number = |at: usize| {
        let bytes = data.get(at..at.checked_add(4)?)?;
        Some(bytes.iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte)))
    };
    let count = number(0)?;
    let mut at = 4 + 8 * count;
    if at > data.len() as u64 {
        return None;
    }
    let mut text = |len: u64| {
        let end = at + len;
        let text = data.get(at as usize..usize::try_from(end).ok()?)?;
        at = end + 1;
        (data.get(end as usize) == Some(&0)).then_some(text)
    };
    let mut pairs = Vec::new();
    for pair in 0..count as usize {
        let name = text(number(4 + 8 * pair)?)?;
        let value = text(number(8 + 8 * pair)?)?;
        pairs.push((name, value));
    }
    (at == data.len() as u64).then_some(pairs)
}
