//! How the secret of a new key is written.
//!
//! ```text
//! without a prefix    22 characters of Base64 for URLs: 128 random bits
//! with a prefix       prefix "_" random checksum
//! prefix            = word *("_" word)          ; word = 1*(a-z / 0-9), it begins with a letter
//! random            = 22 characters of 0-9A-Za-z ; 128 random bits, in base 62
//! checksum          =  6 characters of 0-9A-Za-z ; CRC-32 (IEEE 802.3) of all before it, in base 62
//! ```
//!
//! The second form is what programmes that look for leaked secrets recognise, and tell from what only looks like one
//! without asking anybody. To the proof of a key it makes no difference: a secret is compared as a whole.

use std::fmt;

use zeroize::Zeroizing;

use crate::limits::{KEY_SECRET_RANDOM_LEN, SECRET_PREFIX_LEN_MAX};

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of 128 bits in base 62, and of 32 bits.
const RANDOM_DIGITS: usize = 22;
const CHECKSUM_DIGITS: usize = 6;

/// What new secrets begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretPrefix(String);

/// What a well-formed secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretForm {
    /// Without a prefix, so that nothing but its length can be checked.
    Plain,
    /// With this prefix and the right checksum.
    Prefixed(SecretPrefix),
}

/// Why a text is no secret of this service. Nothing of it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSecret {
    /// It has a prefix, and the checksum is another one.
    #[error("its checksum is wrong: a character is missing or another one")]
    Checksum,
    /// It is in neither form.
    #[error("it has neither the form of a secret without a prefix nor that of one with a prefix")]
    Form,
}

impl SecretPrefix {
    /// The prefix that a text is; `None` when it may not be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let is_prefix = text.len() <= SECRET_PREFIX_LEN_MAX
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.split('_').all(is_word);
        is_prefix.then(|| Self(text.to_owned()))
    }

    /// A secret of these random bits.
    #[must_use]
    pub(crate) fn secret(&self, random: [u8; KEY_SECRET_RANDOM_LEN]) -> Zeroizing<String> {
        let mut secret =
            Zeroizing::new(String::with_capacity(self.0.len() + 1 + RANDOM_DIGITS + CHECKSUM_DIGITS));
        secret.push_str(&self.0);
        secret.push('_');
        push_base62(&mut secret, u128::from_be_bytes(random), RANDOM_DIGITS);
        let checksum = crc32fast::hash(secret.as_bytes());
        push_base62(&mut secret, checksum.into(), CHECKSUM_DIGITS);
        secret
    }
}

impl SecretForm {
    /// The form of a secret.
    ///
    /// # Errors
    ///
    /// [`MalformedSecret`] when this service has never written it.
    pub fn of(secret: &str) -> Result<Self, MalformedSecret> {
        let is_of_url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if secret.len() == RANDOM_DIGITS && secret.bytes().all(is_of_url) {
            return Ok(Self::Plain);
        }
        let (prefix, digits) = secret.rsplit_once('_').ok_or(MalformedSecret::Form)?;
        let prefix = SecretPrefix::parse(prefix).ok_or(MalformedSecret::Form)?;
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !are_digits || digits.len() != RANDOM_DIGITS + CHECKSUM_DIGITS {
            return Err(MalformedSecret::Form);
        }
        let (checked, checksum) = secret.split_at(secret.len() - CHECKSUM_DIGITS);
        let mut expected = String::with_capacity(CHECKSUM_DIGITS);
        push_base62(&mut expected, crc32fast::hash(checked.as_bytes()).into(), CHECKSUM_DIGITS);
        if checksum == expected { Ok(Self::Prefixed(prefix)) } else { Err(MalformedSecret::Checksum) }
    }
}

impl fmt::Display for SecretPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The greatest digit comes first, with zeros before it.
fn push_base62(text: &mut String, number: u128, digits: usize) {
    let mut rest = number;
    let mut written = Zeroizing::new([0_u8; RANDOM_DIGITS]);
    for place in written.iter_mut().take(digits).rev() {
        let digit = usize::try_from(rest % 62).unwrap_or_default();
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest /= 62;
    }
    text.extend(written.iter().take(digits).map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> SecretPrefix {
        SecretPrefix::parse(text).unwrap()
    }

    #[test]
    fn a_secret_has_its_prefix_its_random_bits_and_a_checksum() {
        // CRC-32 of the text before it, as zlib and every other implementation has it: 0xec132cdf.
        assert_eq!(*prefix("lk_live").secret([0; 16]), "lk_live_00000000000000000000004K2bhn");
        let most = prefix("lk").secret([0xff; 16]);
        assert_eq!(most.get(..25), Some("lk_7n42DGM5Tflk9n8mt7Fhc7"));
    }

    #[test]
    fn what_was_written_is_well_formed_and_a_change_of_any_character_is_seen() {
        for (name, random) in [("lk_live", [7; 16]), ("a", [0; 16]), ("team1_eu_x", [0xff; 16])] {
            let secret = prefix(name).secret(random);
            assert_eq!(SecretForm::of(&secret), Ok(SecretForm::Prefixed(prefix(name))));
            for at in 0..secret.len() {
                let mut other: Vec<u8> = secret.bytes().collect();
                other[at] = if other[at] == b'x' { b'y' } else { b'x' };
                assert!(SecretForm::of(&String::from_utf8(other).unwrap()).is_err(), "{at} of {name}");
            }
            assert!(SecretForm::of(&secret[..secret.len() - 1]).is_err());
        }
        assert_eq!(SecretForm::of("ui2lp2axTNmsyakw9tvNnw"), Ok(SecretForm::Plain));
        assert_eq!(SecretForm::of("ui2lp2axTNmsyakw9tvNn"), Err(MalformedSecret::Form));
        assert_eq!(SecretForm::of(""), Err(MalformedSecret::Form));
    }

    #[test]
    fn a_prefix_is_words_between_single_low_lines() {
        for text in ["lk", "lk_live", "a1_2", &"a".repeat(SECRET_PREFIX_LEN_MAX)] {
            assert!(SecretPrefix::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "_lk",
            "lk_",
            "lk__live",
            "LK",
            "1k",
            "lk-live",
            "lk:",
            &"a".repeat(SECRET_PREFIX_LEN_MAX + 1),
        ] {
            assert!(SecretPrefix::parse(text).is_none(), "{text}");
        }
    }
}
