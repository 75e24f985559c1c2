//! Base64 as Java's basic decoder (`java.util.Base64.getDecoder()`) accepts and refuses it.
//!
//! Padding may be absent, but must be right if present; the unused bits of the last character are ignored.
//! Elasticsearch's clients see the text of a refusal, so it is Java's.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Why Java would not decode it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A byte that is not of the alphabet.
    IllegalCharacter(u8),
    /// Something follows the padding.
    IncorrectEndingByte { at: usize },
    /// A single character is left over, which holds six bits.
    NotEnoughBits,
    /// One character in all.
    TooShort,
    /// Padding where none belongs, or too little of it.
    WrongEndingUnit,
}

pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    refusal(text).map_or(Ok(()), Err)?;
    LENIENT.decode(text).map_err(|_| Refusal::WrongEndingUnit)
}

fn refusal(text: &[u8]) -> Option<Refusal> {
    if text.len() == 1 {
        return Some(Refusal::TooShort);
    }
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let letters = text.iter().take_while(|byte| is_letter(byte)).count();
    let left_over = letters % 4;
    let rest = text.get(letters..).unwrap_or_default();
    let padding_len = match (rest, left_over) {
        ([], 1) => return Some(Refusal::NotEnoughBits),
        ([], _) => 0,
        ([b'=', ..], 3) => 1,
        ([b'=', b'=', ..], 2) => 2,
        ([b'=', ..], 1) => return Some(Refusal::NotEnoughBits),
        ([b'=', ..], _) => return Some(Refusal::WrongEndingUnit),
        ([byte, ..], _) => return Some(Refusal::IllegalCharacter(*byte)),
    };
    let end = letters + padding_len;
    (end < text.len()).then_some(Refusal::IncorrectEndingByte { at: end })
}

impl fmt::Display for Refusal {
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
            ("Q", Err(Refusal::TooShort)),
            ("QUJDQ", Err(Refusal::NotEnoughBits)),
            ("QUJDQ=", Err(Refusal::NotEnoughBits)),
            ("QQ=", Err(Refusal::WrongEndingUnit)),
            ("QQ=Q", Err(Refusal::WrongEndingUnit)),
            ("QUJD=", Err(Refusal::WrongEndingUnit)),
            ("==", Err(Refusal::WrongEndingUnit)),
            ("QQ==Q", Err(Refusal::IncorrectEndingByte { at: 4 })),
            ("QUI=Q", Err(Refusal::IncorrectEndingByte { at: 4 })),
            ("a-b", Err(Refusal::IllegalCharacter(b'-'))),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), expected.as_ref().copied(), "{text}");
        }
        assert_eq!(Refusal::IllegalCharacter(0xc3).to_string(), "Illegal base64 character -3d");
    }

    proptest! {
        #[test]
        fn what_passes_the_rules_decodes(text in "[A-Za-z0-9+/=_]{0,12}") {
            if refusal(text.as_bytes()).is_none() {
                prop_assert!(LENIENT.decode(&text).is_ok());
            }
        }
    }
}
