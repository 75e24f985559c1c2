//! Keys by number: the same at every run, so that a store of a million is made once.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchkey_key_feed::{KeySecret, Salt, SecretDigest};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::load::CredentialFile;

/// When the keys of a set were made, in milliseconds since 1970: any time in the past will do.
const CREATED_AT_MS: u64 = 1_750_000_000_000;

/// How many keys have the same owner.
const KEYS_PER_OWNER: u32 = 10;

/// The keys with the numbers from 0 to `count` - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// How many there are.
    pub count: u32,
}

/// What a client shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A key of the set.
    Valid,
    /// The id of a key with the secret of none.
    WrongSecret,
    /// A key that no set holds.
    UnknownId,
    /// User and password, for a filter that takes no keys. They are as long as id and secret.
    UserAndPassword,
    /// A key that is one opaque text, brought along from elsewhere.
    Opaque,
    /// The secret that a key had before it was rotated.
    BeforeRotation,
}

impl KeySet {
    /// Writes the set as `latchkey export` would.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write_export(self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
        let epoch = "00000000000000000000000000000000";
        let header = json!({"format": "latchkey-export", "version": 1, "epoch": epoch, "at": CREATED_AT_MS});
        writeln!(file, "{header}")?;
        for number in 0..self.count {
            writeln!(file, "{}", json!({"api_key": exported(number)?}))?;
        }
        let counts = json!({
            "users": 0, "reserved_users": 0, "roles": 0, "application_privileges": 0, "api_keys": self.count,
        });
        writeln!(file, "{}", json!({"end": counts}))?;
        Ok(file.flush()?)
    }

    /// A file with a credential for each key, made when it is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn credential_file(self, kind: Credential, directory: &Path) -> Result<CredentialFile> {
        let path = directory.join(format!("{kind:?}-{}.credentials", self.count));
        let width = kind.authorization(0).len();
        if !path.is_file() {
            let beside = path.with_extension("new");
            let mut file = BufWriter::new(File::create(&beside)?);
            for number in 0..self.count {
                file.write_all(kind.authorization(number).as_bytes())?;
            }
            file.flush()?;
            fs::rename(&beside, &path)?;
        }
        Ok(CredentialFile { path, width })
    }

    /// The value of `Authorization` for the last key of the set, which a follower learns last.
    #[must_use]
    pub fn last_authorization(self, kind: Credential) -> String {
        kind.authorization(self.count.saturating_sub(1))
    }
}

impl Credential {
    /// The value of `Authorization` for the key of this number. All of one kind are equally long.
    #[must_use]
    pub fn authorization(self, number: u32) -> String {
        if self == Self::Opaque {
            return format!("Bearer {}", opaque_key(number));
        }
        let (user, password) = self.parts(number);
        let scheme = if self == Self::UserAndPassword { "Basic" } else { "ApiKey" };
        format!("{scheme} {}", STANDARD.encode(format!("{user}:{password}")))
    }

    /// The key as an import takes it.
    #[must_use]
    pub fn imported(self, number: u32) -> String {
        if self == Self::Opaque {
            return opaque_key(number);
        }
        let (id, secret) = self.parts(number);
        format!("{id}:{secret}")
    }

    /// What stands before and after the colon.
    #[must_use]
    pub fn parts(self, number: u32) -> (String, String) {
        let of = |what| drawn(what, number);
        let (id, secret) = match self {
            Self::Valid => (of("id"), of("secret")),
            Self::WrongSecret => (of("id"), of("wrong")),
            Self::UnknownId => (of("unknown"), of("secret")),
            Self::UserAndPassword => (of("user"), of("password")),
            Self::Opaque => (of("opaque id"), of("opaque secret")),
            Self::BeforeRotation => (path_part(of("rotated id")), of("rotated secret")),
        };
        (text(&id, ID_BYTES), text(&secret, SECRET_BYTES))
    }
}

/// Bytes whose text is a part of a path: it does not begin with `_`, which stands for 63.
fn path_part(mut bytes: [u8; 32]) -> [u8; 32] {
    if let Some(first) = bytes.first_mut() {
        *first &= 0x7f;
    }
    bytes
}

/// A text without a colon and of no other form, as other gateways give out: a UUID.
fn opaque_key(number: u32) -> String {
    let digits: String = drawn("opaque", number).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32].map(|group| digits.get(group).unwrap_or_default());
    groups.join("-")
}

/// Bytes of an id and of a secret before Base64: as the key service makes them.
const ID_BYTES: usize = 15;
const SECRET_BYTES: usize = 16;

/// The identity of a key, as an authoriser would tell it and as our filter does.
#[must_use]
pub fn identity(number: u32) -> [(&'static str, String); 6] {
    [
        ("x-api-key-id", Credential::Valid.parts(number).0),
        ("x-api-key-name", name(number)),
        ("x-api-key-owner", owner(number)),
        ("x-api-key-owner-realm", "native".to_owned()),
        ("x-api-key-roles", "reader".to_owned()),
        ("x-api-key-limited-by", "ops".to_owned()),
    ]
}

fn name(number: u32) -> String {
    format!("service-{number}")
}

fn owner(number: u32) -> String {
    format!("team-{}", number / KEYS_PER_OWNER)
}

fn exported(number: u32) -> Result<serde_json::Value> {
    let (id, secret) = Credential::Valid.parts(number);
    let drawn_salt: Vec<u8> = drawn("salt", number).into_iter().take(SECRET_BYTES).collect();
    let salt = Salt::try_from(STANDARD.encode(drawn_salt)).map_err(|_| anyhow!("not a salt"))?;
    let digest = SecretDigest::of(&salt, &KeySecret::presented(secret.into_bytes()));
    let role = json!({"cluster": ["monitor"]});
    Ok(json!({
        "id": id, "salt": salt, "digest": digest, "name": name(number),
        "owner": {
            "username": owner(number), "realm": "native", "realm_type": "native",
            "full_name": null, "email": null, "metadata": {},
        },
        "creation": CREATED_AT_MS, "expiration": null, "invalidation": null,
        "role_descriptors": {"reader": role}, "limited_by": {"ops": role}, "metadata": {},
    }))
}

fn drawn(what: &str, number: u32) -> [u8; 32] {
    Sha256::digest(format!("{what} {number}")).into()
}

fn text(drawn: &[u8], length: usize) -> String {
    URL_SAFE_NO_PAD.encode(drawn.get(..length).unwrap_or(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_kind_are_equally_long_and_all_different() {
        for kind in [
            Credential::Valid,
            Credential::WrongSecret,
            Credential::UnknownId,
            Credential::UserAndPassword,
            Credential::Opaque,
            Credential::BeforeRotation,
        ] {
            let [first, other] = [0, 999_999].map(|number| kind.authorization(number));
            assert_eq!(first.len(), other.len());
            assert_ne!(first, other);
        }
        let [id, wrong, unknown] =
            [Credential::Valid, Credential::WrongSecret, Credential::UnknownId].map(|kind| kind.parts(7));
        assert!(id.0 == wrong.0 && id.1 != wrong.1 && id.0 != unknown.0);
    }

    #[test]
    fn an_exported_key_is_the_one_that_is_presented() {
        let exported = exported(3).unwrap();
        let (id, secret) = Credential::Valid.parts(3);
        assert_eq!(exported["id"], json!(id));
        let salt: Salt = serde_json::from_value(exported["salt"].clone()).unwrap();
        let digest: SecretDigest = serde_json::from_value(exported["digest"].clone()).unwrap();
        assert!(digest.matches(&salt, &KeySecret::presented(secret.into_bytes())));
        let wrong = Credential::WrongSecret.parts(3).1;
        assert!(!digest.matches(&salt, &KeySecret::presented(wrong.into_bytes())));
    }

    #[test]
    fn an_opaque_key_is_presented_as_it_is_brought_along() {
        let text = Credential::Opaque.imported(7);
        assert_eq!(Credential::Opaque.authorization(7), format!("Bearer {text}"));
        assert!(latchkey_key_feed::check_opaque(&text).is_ok(), "{text}");
        let ids = (0..1000).map(|number| Credential::BeforeRotation.parts(number).0);
        assert!(ids.into_iter().all(|id| !id.starts_with('_')), "an import refuses it");
        let (id, secret) = Credential::BeforeRotation.parts(7);
        assert_eq!(Credential::BeforeRotation.imported(7), format!("{id}:{secret}"));
    }

    #[test]
    fn credentials_lie_in_a_file_side_by_side() {
        let directory = tempfile::tempdir().unwrap();
        let file = KeySet { count: 3 }.credential_file(Credential::Valid, directory.path()).unwrap();
        let text = fs::read_to_string(&file.path).unwrap();
        assert_eq!(text.len(), 3 * file.width);
        assert_eq!(&text[2 * file.width..], KeySet { count: 3 }.last_authorization(Credential::Valid));
    }
}
