//! Headers, read in the buffer in which the host hands them over, and written as the host takes them.
//!
//! ```text
//! number u32 | (name length u32, value length u32)* | (name, 0, value, 0)*
//! ```
//!
//! This is the header map of the proxy-wasm ABI 0.2.1; numbers are little-endian. Nothing is copied on the request path: names and values
//! are slices of the buffer. Both are the bytes they are. A proxy passes only names that HTTP allows, but nothing here depends on it.

/// Headers or trailers: all of them, in order, whatever their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderPairs {
    /// Nothing, or whole: every length in it is that of a text that is there.
    bytes: Vec<u8>,
}

/// A number or a length.
const NUMBER_LEN: usize = 4;

/// The lengths of one name and its value.
const LENGTHS_LEN: usize = 2 * NUMBER_LEN;

impl HeaderPairs {
    /// Takes the host's buffer. No bytes are no headers; `None` when the buffer is not a header map and nothing else.
    #[must_use]
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut texts = texts_of(&bytes)?;
        for (name_len, value_len) in lengths_of(&bytes) {
            (_, texts) = split_text(texts, name_len)?;
            (_, texts) = split_text(texts, value_len)?;
        }
        texts.is_empty().then_some(Self { bytes })
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut texts = texts_of(&self.bytes).unwrap_or_default();
        // The buffer is whole, so this ends with the last of them and not before.
        lengths_of(&self.bytes).map_while(move |(name_len, value_len)| {
            let (name, rest) = split_text(texts, name_len)?;
            let (value, rest) = split_text(rest, value_len)?;
            texts = rest;
            Some((name, value))
        })
    }

    /// The buffer, as the host takes it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Headers in this order. One whose name or value is longer than a length can say is left out.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderPairs {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let (mut number, mut lengths, mut texts) = (0_u32, Vec::new(), Vec::new());
        for (name, value) in pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            let (Ok(name_len), Ok(value_len)) = (u32::try_from(name.len()), u32::try_from(value.len()))
            else {
                continue;
            };
            number += 1;
            lengths.extend_from_slice(&name_len.to_le_bytes());
            lengths.extend_from_slice(&value_len.to_le_bytes());
            for text in [name, value] {
                texts.extend_from_slice(text);
                texts.push(0);
            }
        }
        Self { bytes: [number.to_le_bytes().as_slice(), &lengths, &texts].concat() }
    }
}

/// Where the lengths end: what follows are the texts.
fn lengths_end(bytes: &[u8]) -> Option<usize> {
    let number = usize::try_from(u32::from_le_bytes(*bytes.first_chunk()?)).ok()?;
    number.checked_mul(LENGTHS_LEN)?.checked_add(NUMBER_LEN)
}

fn texts_of(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(lengths_end(bytes)?..)
}

fn lengths_of(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let lengths = lengths_end(bytes).and_then(|end| bytes.get(NUMBER_LEN..end)).unwrap_or_default();
    let (lengths, _) = lengths.as_chunks::<LENGTHS_LEN>();
    lengths.iter().map(|[a, b, c, d, e, f, g, h]| {
        // A length that this machine cannot say is longer than the buffer.
        let len = |bytes| usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX);
        (len([*a, *b, *c, *d]), len([*e, *f, *g, *h]))
    })
}

/// The text at the beginning, and what follows its zero byte.
fn split_text(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(len)?;
    rest.strip_prefix(&[0]).map(|rest| (text, rest))
}

#[cfg(test)]
mod tests;
