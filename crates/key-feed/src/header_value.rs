//! Any text as the value of a header.
//!
//! Names of owners, roles and keys are free text. A line break would end the header, and a proxy that met one
//! would refuse the request; bytes beyond ASCII mean something else to every reader (RFC 9110, section 5.5).
//! So only visible ASCII is kept and the rest is percent-encoded (RFC 3986, section 2.1), byte by byte of its
//! UTF-8. The comma is encoded too, so that it separates the items of a list and nothing else; a reader
//! splits at commas first and decodes second.

/// The text with everything but visible ASCII, and `%` and `,`, percent-encoded.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    push_encoded(&mut value, text);
    value
}

/// Whether encoding changes the text.
#[must_use]
pub fn needs_encoding(text: &str) -> bool {
    !text.bytes().all(stays)
}

/// How many bytes [`encode`] makes of the text. The key service bounds a key by what its texts come to in
/// headers.
#[must_use]
pub fn encoded_len(text: &str) -> usize {
    text.bytes().map(|byte| if stays(byte) { 1 } else { 3 }).sum()
}

/// The items, each encoded, joined by commas.
#[must_use]
pub fn encode_list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut value = String::new();
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            value.push(',');
        }
        push_encoded(&mut value, item);
    }
    value
}

fn push_encoded(value: &mut String, text: &str) {
    for byte in text.bytes() {
        if stays(byte) {
            value.push(char::from(byte));
        } else {
            push_percent_encoded(value, byte);
        }
    }
}

/// Appends a byte as RFC 3986, section 2.1, writes it.
pub(crate) fn push_percent_encoded(text: &mut String, byte: u8) {
    text.push('%');
    text.push(upper_hex(byte >> 4));
    text.push(upper_hex(byte & 0xF));
}

fn stays(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && !matches!(byte, b'%' | b',')
}

fn upper_hex(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'A' + (nibble - 10) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a reader does with a value, or with one item of a list.
    fn decode(value: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = value.as_bytes();
        while let [first, others @ ..] = rest {
            if *first == b'%' {
                let hex = std::str::from_utf8(&others[..2]).unwrap();
                assert!(!hex.contains(|digit: char| digit.is_ascii_lowercase()), "{value}");
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = &others[2..];
            } else {
                bytes.push(*first);
                rest = others;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn keeps_visible_ascii_and_encodes_the_rest() {
        assert_eq!(encode("alice@example.org"), "alice@example.org");
        assert_eq!(encode("~!\"#$&'()*+-./:;<=>?@[\\]^_`{|}"), "~!\"#$&'()*+-./:;<=>?@[\\]^_`{|}");
        assert_eq!(encode("a b\tc"), "a%20b%09c");
        assert_eq!(encode("100%, really"), "100%25%2C%20really");
        assert_eq!(encode("line\r\nx-admin: yes\0"), "line%0D%0Ax-admin:%20yes%00");
        assert_eq!(encode("Zoë\u{7f}"), "Zo%C3%AB%7F");
        assert_eq!(encode(""), "");
    }

    #[test]
    fn a_comma_inside_an_item_does_not_make_two_items() {
        assert_eq!(encode_list(["a,b", "c"]), "a%2Cb,c");
        assert_eq!(encode_list([]), "");
        assert_eq!(encode_list(["", ""]), ",");
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(text in any::<String>()) {
            prop_assert_eq!(encode(&text).len(), encoded_len(&text));
            prop_assert_eq!(decode(&encode(&text)), text);
        }

        #[test]
        fn only_visible_ascii_comes_out(text in any::<String>()) {
            prop_assert!(encode(&text).bytes().all(|byte| matches!(byte, b'!'..=b'~')));
        }

        #[test]
        fn a_list_can_be_taken_apart_again(items in prop::collection::vec(any::<String>(), 1..8)) {
            let value = encode_list(items.iter().map(String::as_str));
            prop_assert_eq!(value.split(',').map(decode).collect::<Vec<_>>(), items);
        }
    }
}
