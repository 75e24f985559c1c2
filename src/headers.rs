//! Headers, read in the buffer in which the host hands them over, and written as the host takes them.
//!
//! ```text
//! number u32 | (name length u32, value length u32)* | (name, 0, value, 0)*
//! ```
//!
//! This is the header map of the proxy-wasm ABI 0.2.1; numbers are little-endian. Nothing is copied on the
//! request path: names and values are slices of the buffer, as bytes. A proxy passes only names that HTTP
//! allows, but nothing here depends on it.

/// Headers or trailers: all of them, in order, whatever their names. A host lends its own, or hands them
/// over.
pub trait Headers {
    /// Each name with its value.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])>;

    /// The values of all headers of that name, in any case.
    fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| value)
    }

    /// The value of the first header of that name, in any case.
    fn first(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }
}

/// Headers in the buffer in which a proxy-wasm host hands them over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderPairs {
    /// Nothing, or whole: every length in it is that of a text that is there.
    bytes: Vec<u8>,
}

/// Names with their values, one after the other. It ends early only where the buffer is not whole.
#[derive(Clone, Debug, Default)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    texts: &'a [u8],
}

/// A number or a length.
const NUMBER_LEN: usize = 4;

/// The lengths of one name and its value.
const LENGTHS_LEN: usize = 2 * NUMBER_LEN;

impl HeaderPairs {
    /// Takes the host's buffer. No bytes are no headers; `None` when the buffer is not a header map and
    /// nothing else.
    #[must_use]
    pub fn read(bytes: Vec<u8>) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let mut pairs = Pairs::of(&bytes)?;
        pairs.by_ref().for_each(drop);
        (pairs.lengths.is_empty() && pairs.texts.is_empty()).then_some(Self { bytes })
    }

    /// Each name with its value.
    #[must_use]
    pub fn iter(&self) -> Pairs<'_> {
        Pairs::of(&self.bytes).unwrap_or_default()
    }

    /// The buffer of a map without headers.
    #[must_use]
    pub const fn empty_map() -> [u8; NUMBER_LEN] {
        [0; NUMBER_LEN]
    }

    /// The buffer, as the host takes it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Headers for HeaderPairs {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Self::iter(self)
    }
}

/// Headers in this order. One whose name or value is longer than a length can say is left out.
impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for HeaderPairs {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut written = PairsWriter::default();
        for (name, value) in pairs {
            written.push(name.as_ref(), value.as_ref());
        }
        let number = written.number.to_le_bytes();
        Self { bytes: [&number, written.lengths.as_slice(), &written.texts].concat() }
    }
}

/// Pairs that are being written.
#[derive(Default)]
struct PairsWriter {
    number: u32,
    lengths: Vec<u8>,
    texts: Vec<u8>,
}

impl PairsWriter {
    fn push(&mut self, name: &[u8], value: &[u8]) {
        let (Ok(name_len), Ok(value_len)) = (u32::try_from(name.len()), u32::try_from(value.len())) else {
            return;
        };
        self.number += 1;
        for len in [name_len, value_len] {
            self.lengths.extend_from_slice(&len.to_le_bytes());
        }
        for text in [name, value] {
            self.texts.extend_from_slice(text);
            self.texts.push(0);
        }
    }
}

impl<'a> Pairs<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (number, rest) = split_number(bytes)?;
        let (lengths, texts) = rest.split_at_checked(number.checked_mul(LENGTHS_LEN)?)?;
        Some(Self { lengths, texts })
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_len, lengths) = split_number(self.lengths)?;
        let (value_len, lengths) = split_number(lengths)?;
        let (name, texts) = split_text(self.texts, name_len)?;
        let (value, texts) = split_text(texts, value_len)?;
        *self = Self { lengths, texts };
        Some((name, value))
    }
}

fn split_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<NUMBER_LEN>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

/// The text at the beginning, and what follows its zero byte.
fn split_text(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(len)?;
    rest.strip_prefix(&[0]).map(|rest| (text, rest))
}

/// Whether some upstream could take one name for the other.
pub(crate) fn look_alike(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().map(folded).eq(other.iter().map(folded))
}

fn folded(byte: &u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests;
