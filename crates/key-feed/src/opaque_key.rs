//! Keys that are one opaque text without an id, as other gateways make them.
//!
//! ```text
//! digest     = SHA-256(text)                       ; enough to bring a key along whose text nobody knows any more
//! mac        = HMAC-SHA256(pepper, digest)         ; RFC 2104
//! id         = base64url(mac[0..15])               ; 20 characters, as many as every id has that a service makes
//! secret     = base64url(mac[15..32])              ; 23 characters: 136 bits
//! ```
//!
//! So such a key is stored and found as any other: it has an id, and of its secret only a salted digest is kept.
//! There is no second index. Whoever reads an id in a log cannot try texts against it, because he lacks the
//! pepper: 32 random bytes of each store.
//!
//! A text is opaque when it is in no other form of a credential. Both sides decide that here.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::KeySecret;
use crate::credential::DecodedCredential;
use crate::format_limits::{DIGEST_LEN, OPAQUE_KEY_LEN_MAX, OPAQUE_KEY_PEPPER_LEN};

/// How many bytes of the code become the id.
const ID_BYTES: usize = 15;

/// What SHA-256 works on at once, in bytes: a shorter key of an HMAC is one of that length with zeros behind it.
const BLOCK_LEN: usize = 64;

/// What the digest of an opaque text begins with where it is written down.
const DIGEST_PREFIX: &str = "sha256:";

/// The SHA-256 of an opaque text. With the pepper it is as good as the text, so it is never printed.
#[derive(Clone)]
pub struct OpaqueDigest(Zeroizing<[u8; DIGEST_LEN]>);

/// The key of the keyed digest by which opaque keys are found: random bytes of one store.
#[derive(Clone)]
pub struct OpaqueKeyPepper(Zeroizing<[u8; OPAQUE_KEY_PEPPER_LEN]>);

/// Why a text is no opaque key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpaque {
    /// It holds a character that is no visible one of ASCII, or a comma or a quote, which not every place of a
    /// request carries.
    Character,
    /// It is empty.
    Empty,
    /// An edge takes it for a credential of an id and a secret.
    OtherForm,
    /// It is longer than [`OPAQUE_KEY_LEN_MAX`].
    TooLong,
}

impl OpaqueDigest {
    /// The digest of that text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        Self(Zeroizing::new(Sha256::digest(text).into()))
    }

    /// Reads `sha256:` and 64 hexadecimal digits; `None` when the text is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(DIGEST_PREFIX)?;
        let mut bytes = Zeroizing::new([0; DIGEST_LEN]);
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
        if pairs.len() != DIGEST_LEN {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let digit = |digit: u8| char::from(digit).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        Some(Self(bytes))
    }
}

impl OpaqueKeyPepper {
    /// A pepper of bytes that a random source drew, or that were stored.
    #[must_use]
    pub fn from_bytes(bytes: [u8; OPAQUE_KEY_PEPPER_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A pepper as the feed and an export write it; `None` when the text is none.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        let mut room = Zeroizing::new([0; OPAQUE_KEY_PEPPER_LEN + 2]);
        let len = STANDARD.decode_slice(text, room.as_mut_slice()).ok()?;
        let bytes = room.get(..len)?.try_into().ok()?;
        Some(Self::from_bytes(bytes))
    }

    /// The pepper as the feed and an export write it.
    #[must_use]
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; OPAQUE_KEY_PEPPER_LEN] {
        &self.0
    }

    /// The id and the secret of the key whose text has that digest. The work is the same for each.
    #[must_use]
    pub fn credential(&self, digest: &OpaqueDigest) -> DecodedCredential {
        let mut key = Zeroizing::new([0; BLOCK_LEN]);
        for (place, byte) in key.iter_mut().zip(self.0.iter()) {
            *place = *byte;
        }
        let mut mac = Hmac::<Sha256>::new((&*key).into());
        mac.update(digest.0.as_slice());
        let mut code: [u8; DIGEST_LEN] = mac.finalize().into_bytes().into();
        let (id, secret) = code.split_at_checked(ID_BYTES).unwrap_or_default();
        let credential = DecodedCredential {
            id: URL_SAFE_NO_PAD.encode(id).into_bytes(),
            secret: KeySecret::presented(URL_SAFE_NO_PAD.encode(secret).into_bytes()),
        };
        code.zeroize();
        credential
    }
}

/// Whether a text can be an opaque key: one that every place carries as it is, and that no edge reads as a
/// credential in another form.
///
/// # Errors
///
/// [`NotOpaque`] when it cannot.
pub fn check_opaque(text: &str) -> Result<(), NotOpaque> {
    if text.is_empty() {
        return Err(NotOpaque::Empty);
    }
    if text.len() > OPAQUE_KEY_LEN_MAX {
        return Err(NotOpaque::TooLong);
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || matches!(byte, b',' | b'"')) {
        return Err(NotOpaque::Character);
    }
    let is_encoded = DecodedCredential::decode(text.as_bytes()).is_ok_and(|credential| credential.is_text());
    let is_other = text.contains(':') || is_encoded || DecodedCredential::of_token(text.as_bytes()).is_some();
    if is_other { Err(NotOpaque::OtherForm) } else { Ok(()) }
}

impl Serialize for OpaqueKeyPepper {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for OpaqueKeyPepper {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let expected = "the standard Base64 of 32 bytes";
        Self::from_base64(&text)
            .ok_or_else(|| D::Error::invalid_value(Unexpected::Other("another text"), &expected))
    }
}

/// In constant time.
impl PartialEq for OpaqueKeyPepper {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for OpaqueKeyPepper {}

impl fmt::Debug for OpaqueKeyPepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueKeyPepper")
    }
}

/// In constant time.
impl PartialEq for OpaqueDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for OpaqueDigest {}

impl fmt::Debug for OpaqueDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueDigest")
    }
}

impl fmt::Display for NotOpaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Character => f.write_str(
                "holds something else than visible characters of ASCII, or a comma or a quote, which not every place of a request carries",
            ),
            Self::Empty => f.write_str("is empty"),
            Self::OtherForm => f.write_str("would be read as an id and a secret"),
            Self::TooLong => write!(f, "is longer than {OPAQUE_KEY_LEN_MAX} bytes"),
        }
    }
}

impl std::error::Error for NotOpaque {}

#[cfg(test)]
mod tests {
    use super::*;

    fn pepper() -> OpaqueKeyPepper {
        OpaqueKeyPepper::from_bytes([7; OPAQUE_KEY_PEPPER_LEN])
    }

    #[test]
    fn id_and_secret_are_an_hmac_of_the_digest_of_the_text() {
        // python3 -c 'import hmac,hashlib,base64; m=hmac.new(b"\7"*32,
        //   hashlib.sha256(b"sk-4f1c9a").digest(),"sha256").digest(); u=base64.urlsafe_b64encode
        //   print(u(m[:15]), u(m[15:]).rstrip(b"="))'
        let found = pepper().credential(&OpaqueDigest::of(b"sk-4f1c9a"));
        assert_eq!(String::from_utf8(found.id).unwrap(), "AxHcC1Z5OmWvMtHvEIxy");
        assert_eq!(found.secret.expose(), b"N83JYajlhESIVnLY7SA7-rw");
    }

    #[test]
    fn the_digest_of_a_text_is_as_good_as_the_text() {
        // printf sk-4f1c9a | sha256sum
        let digest =
            OpaqueDigest::parse("sha256:de38cafb99f86bed394b7036e4a27912ec8f1e28375595f340d605ed9f7091c1");
        assert_eq!(digest, Some(OpaqueDigest::of(b"sk-4f1c9a")));
        for text in [
            "sha256:",
            "sha256:00",
            "de38cafb99f86bed394b7036e4a27912ec8f1e28375595f340d605ed9f7091c1",
            "sha512:00",
        ] {
            assert_eq!(OpaqueDigest::parse(text), None, "{text}");
        }
        assert_eq!(OpaqueDigest::parse(&format!("sha256:{}", "0g".repeat(32))), None);
        assert_eq!(OpaqueDigest::parse(&format!("sha256:{}", "00".repeat(33))), None);
    }

    #[test]
    fn another_text_or_pepper_is_another_key() {
        let id = |pepper: &OpaqueKeyPepper, text: &[u8]| pepper.credential(&OpaqueDigest::of(text)).id;
        let other = OpaqueKeyPepper::from_bytes([8; OPAQUE_KEY_PEPPER_LEN]);
        assert_ne!(id(&pepper(), b"a"), id(&pepper(), b"b"));
        assert_ne!(id(&pepper(), b"a"), id(&other, b"a"));
    }

    #[test]
    fn a_pepper_is_read_back_and_not_printed() {
        let text = pepper().to_base64();
        assert_eq!(OpaqueKeyPepper::from_base64(&text), Some(pepper()));
        for other in ["", "AAAA", "*", &format!("{}AAAA", &*text)] {
            assert_eq!(OpaqueKeyPepper::from_base64(other), None, "{other}");
        }
        assert_eq!(format!("{:?} {:?}", pepper(), OpaqueDigest::of(b"a")), "OpaqueKeyPepper OpaqueDigest");
    }

    #[test]
    fn an_opaque_text_is_in_no_other_form() {
        for text in ["sk-4f1c9a", "3f2b8e1c-1111-4222-8333-444455556666", "a.b.c", "YWJj", "a=b;c"] {
            assert_eq!(check_opaque(text), Ok(()), "{text}");
        }
        for (text, why) in [
            ("", NotOpaque::Empty),
            ("a b", NotOpaque::Character),
            ("a,b", NotOpaque::Character),
            ("\"a\"", NotOpaque::Character),
            ("gr\u{fc}n", NotOpaque::Character),
            ("id:secret", NotOpaque::OtherForm),
            ("aWQ6c2VjcmV0", NotOpaque::OtherForm),
            ("lk_live_VuaCfGcBCdbkQm-e5aOx_00000000000000000000004K2bhn", NotOpaque::OtherForm),
        ] {
            assert_eq!(check_opaque(text), Err(why), "{text}");
        }
        assert_eq!(check_opaque(&"a".repeat(OPAQUE_KEY_LEN_MAX)), Ok(()));
        assert_eq!(check_opaque(&"a".repeat(OPAQUE_KEY_LEN_MAX + 1)), Err(NotOpaque::TooLong));
    }
}
