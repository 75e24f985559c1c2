//! Base64 as Java's basic decoder (`java.util.Base64.getDecoder()`) accepts and refuses it.
//!
//! Padding may be absent, but must be right if present; the unused bits of the last character are ignored.
//! Elasticsearch's clients see the text of a refusal, so it is Java's.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

static UNPADDED: GeneralPurpose = decoder(DecodePaddingMode::RequireNone);
static PADDED: GeneralPurpose = decoder(DecodePaddingMode::RequireCanonical);

/// Why Java would not decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base64Refusal {
    /// A byte that is not of the alphabet.
    IllegalCharacter(u8),
    /// Something follows the padding.
    IncorrectEndingByte {
        /// How many bytes precede it.
        at: usize,
    },
    /// A single character is left over, which holds six bits.
    NotEnoughBits,
    /// One character in all.
    TooShort,
    /// Padding where none belongs, or too little of it.
    WrongEndingUnit,
}

/// Decodes a text; `None` when Java would not, and then [`Base64Refusal::of`] says why.
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let decoder = if text.ends_with(b"=") { &PADDED } else { &UNPADDED };
    decoder.decode(text).ok()
}

const fn decoder(padding: DecodePaddingMode) -> GeneralPurpose {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(padding).with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

impl Base64Refusal {
    /// Why Java refuses a text that cannot be decoded. Only whoever tells a client of it has to look again.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        if text.len() == 1 {
            return Self::TooShort;
        }
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let letters = text.iter().take_while(|byte| is_letter(byte)).count();
        let left_over = letters % 4;
        let rest = text.get(letters..).unwrap_or_default();
        let padding_len = match (rest, left_over) {
            ([] | [b'=', ..], 1) => return Self::NotEnoughBits,
            ([b'=', ..], 3) => 1,
            ([b'=', b'=', ..], 2) => 2,
            ([] | [b'=', ..], _) => return Self::WrongEndingUnit,
            ([byte, ..], _) => return Self::IllegalCharacter(*byte),
        };
        Self::IncorrectEndingByte { at: letters + padding_len }
    }
}

impl fmt::Display for Base64Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            // Java prints the byte as a signed number.
            Self::IllegalCharacter(byte) if byte < 0x80 => write!(f, "Illegal base64 character {byte:x}"),
            Self::IllegalCharacter(byte) => {
                write!(f, "Illegal base64 character -{:x}", 0x100 - u16::from(byte))
            }
            Self::IncorrectEndingByte { at } => {
                write!(f, "Input byte array has incorrect ending byte at {at}")
            }
            Self::NotEnoughBits => f.write_str("Last unit does not have enough valid bits"),
            Self::TooShort => f.write_str("Input byte[] should at least have 2 bytes for base64 bytes"),
            Self::WrongEndingUnit => f.write_str("Input byte array has wrong 4-byte ending unit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The rows follow Java's decode0: padding after one letter is met with six bits in hand, after none with
    // a full unit.
    #[test]
    fn decodes_and_refuses_as_java_does() {
        for (text, expected) in [
            ("", Ok(b"".as_slice())),
            ("QUJD", Ok(b"ABC")),
            ("QUI=", Ok(b"AB")),
            ("QUI", Ok(b"AB")),
            ("QQ==", Ok(b"A")),
            ("QQ", Ok(b"A")),
            ("QR==", Ok(b"A")),
            ("Q", Err(Base64Refusal::TooShort)),
            ("QUJDQ", Err(Base64Refusal::NotEnoughBits)),
            ("QUJDQ=", Err(Base64Refusal::NotEnoughBits)),
            ("QQ=", Err(Base64Refusal::WrongEndingUnit)),
            ("QQ=Q", Err(Base64Refusal::WrongEndingUnit)),
            ("QUJD=", Err(Base64Refusal::WrongEndingUnit)),
            ("==", Err(Base64Refusal::WrongEndingUnit)),
            ("QQ==Q", Err(Base64Refusal::IncorrectEndingByte { at: 4 })),
            ("QUI=Q", Err(Base64Refusal::IncorrectEndingByte { at: 4 })),
            ("a-b", Err(Base64Refusal::IllegalCharacter(b'-'))),
        ] {
            let decoded = decode(text.as_bytes()).ok_or_else(|| Base64Refusal::of(text.as_bytes()));
            assert_eq!(decoded.as_deref(), expected.as_ref().copied(), "{text}");
        }
        assert_eq!(Base64Refusal::IllegalCharacter(0xc3).to_string(), "Illegal base64 character -3d");
    }

    /// The rules of Java: letters of the alphabet, then no padding or exactly what fills the last four.
    fn is_decodable(text: &str) -> bool {
        let letters = text.trim_end_matches('=');
        let padding = text.len() - letters.len();
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '/');
        letters.chars().all(is_letter)
            && letters.len() % 4 != 1
            && (padding == 0 || (padding <= 2 && text.len().is_multiple_of(4)))
    }

    proptest! {
        #[test]
        fn what_keeps_the_rules_is_decoded_and_nothing_else(text in "[A-Za-z0-9+/=_]{0,12}") {
            prop_assert_eq!(decode(text.as_bytes()).is_some(), is_decodable(&text));
        }
    }
}
