//! How the secret of a new key is written, and the one token that holds a key's id and such a secret.
//!
//! ```text
//! without a prefix    22 characters of Base64 for URLs: 128 random bits
//! with a prefix       prefix "_" random checksum
//! prefix            = word *("_" word)          ; word = 1*(a-z / 0-9), it begins with a letter
//! random            = 22 characters of 0-9A-Za-z ; 128 random bits, in base 62
//! checksum          =  6 characters of 0-9A-Za-z ; CRC-32 (IEEE 802.3) of all before it, in base 62
//! token             = prefix "_" id "_" random checksum
//! id                = 20 characters of 0-9A-Za-z, "-" and "_": the id of a key that was made by a key service
//! ```
//!
//! The second form is what programmes that look for leaked secrets recognise, and tell from what only looks like one
//! without asking anybody. To the proof of a key it makes no difference: a secret is compared as a whole.

use std::fmt;

use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use zeroize::{Zeroize as _, Zeroizing};

use crate::format_limits::SECRET_PREFIX_LEN_MAX;

/// Without a table, which would be larger than everything else here.
const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Digits of 128 bits in base 62, and of 32 bits.
const RANDOM_DIGITS: usize = 22;
const CHECKSUM_DIGITS: usize = 6;

/// Characters of an id that a key service has made.
const ID_LEN: usize = 20;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MalformedSecret {
    /// It has a prefix, and the checksum is another one.
    Checksum,
    /// It is in neither form.
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
    pub fn secret(&self, random: [u8; 16]) -> Zeroizing<String> {
        let mut secret =
            Zeroizing::new(String::with_capacity(self.0.len() + 1 + RANDOM_DIGITS + CHECKSUM_DIGITS));
        secret.push_str(&self.0);
        secret.push('_');
        let mut rest = u128::from_be_bytes(random);
        let random = Zeroizing::new(digits::<RANDOM_DIGITS>(|| {
            let digit = rest % 62;
            rest /= 62;
            usize::try_from(digit).unwrap_or_default()
        }));
        rest.zeroize();
        secret.extend(random.iter().map(|digit| char::from(*digit)));
        let checksum = checksum_of(&secret);
        secret.extend(checksum.map(char::from));
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
        if checksum.as_bytes() == checksum_of(checked) {
            Ok(Self::Prefixed(prefix))
        } else {
            Err(MalformedSecret::Checksum)
        }
    }
}

/// The token of a key; `None` when the id or the secret has not the form that a token needs.
#[must_use]
pub fn token_of(id: &str, secret: &str) -> Option<Zeroizing<String>> {
    let SecretForm::Prefixed(prefix) = SecretForm::of(secret).ok()? else { return None };
    let digits = secret.get(prefix.0.len() + 1..)?;
    is_id(id.as_bytes()).then(|| Zeroizing::new(format!("{prefix}_{id}_{digits}")))
}

/// The id and the secret of a token; `None` when the text is none.
#[must_use]
pub fn of_token(text: &[u8]) -> Option<(&str, Zeroizing<String>)> {
    token_parts(text).filter(|(_, secret)| matches!(SecretForm::of(secret), Ok(SecretForm::Prefixed(_))))
}

/// The same, whatever the checksum is. Most of what is no token is seen by two of its characters.
#[must_use]
pub fn token_parts(text: &[u8]) -> Option<(&str, Zeroizing<String>)> {
    let (before, digits) = text.split_at_checked(text.len().checked_sub(RANDOM_DIGITS + CHECKSUM_DIGITS)?)?;
    let [before @ .., b'_'] = before else { return None };
    let (before, id) = before.split_at_checked(before.len().checked_sub(ID_LEN)?)?;
    let [prefix @ .., b'_'] = before else { return None };
    if prefix.len() > SECRET_PREFIX_LEN_MAX {
        return None;
    }
    let (prefix, digits) = (std::str::from_utf8(prefix).ok()?, std::str::from_utf8(digits).ok()?);
    let secret = Zeroizing::new([prefix, "_", digits].concat());
    Some((std::str::from_utf8(id).ok().filter(|id| is_id(id.as_bytes()))?, secret))
}

fn is_id(id: &[u8]) -> bool {
    id.len() == ID_LEN && id.iter().all(|byte| is_of_url(*byte))
}

/// Whether Base64 for URLs has this (RFC 4648, section 5).
fn is_of_url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

impl fmt::Display for MalformedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checksum => "its checksum is wrong: a character is missing or another one",
            Self::Form => {
                "it has neither the form of a secret without a prefix nor that of one with a prefix"
            }
        })
    }
}

impl std::error::Error for MalformedSecret {}

impl fmt::Display for SecretPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The checksum of a text. It is made with numbers of 32 bits, because the proxy links it.
fn checksum_of(text: &str) -> [u8; CHECKSUM_DIGITS] {
    let mut rest = CHECKSUM.checksum(text.as_bytes());
    digits(|| {
        let digit = rest % 62;
        rest /= 62;
        digit as usize
    })
}

/// Digits in base 62 of which `next` gives the value of the least first. The greatest comes first here.
fn digits<const LEN: usize>(mut next: impl FnMut() -> usize) -> [u8; LEN] {
    let mut written = [b'0'; LEN];
    for place in written.iter_mut().rev() {
        *place = DIGITS.get(next()).copied().unwrap_or(b'0');
    }
    written
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
    fn a_token_holds_the_id_and_the_secret() {
        for (name, id) in [
            ("lk_live", "VuaCfGcBCdbkQm-e5aOx"),
            ("a", "____________________"),
            ("k", "--------------------"),
        ] {
            let secret = prefix(name).secret([9; 16]);
            let token = token_of(id, &secret).unwrap();
            assert_eq!(token.len(), secret.len() + 1 + 20);
            assert_eq!(of_token(token.as_bytes()), Some((id, secret)));
            for at in 0..token.len() {
                let cut = [&token.as_bytes()[..at], &token.as_bytes()[at + 1..]].concat();
                assert_eq!(of_token(&cut), None, "{at}");
            }
        }
        let secret = prefix("lk").secret([9; 16]);
        assert_eq!(token_of("short", &secret), None);
        assert_eq!(token_of("VuaCfGcBCdbkQm-e5aOx", "ui2lp2axTNmsyakw9tvNnw"), None, "it has no prefix");
        for text in ["", "_", "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==", secret.as_str()]
        {
            assert_eq!(of_token(text.as_bytes()), None);
        }
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
