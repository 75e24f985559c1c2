//! A hash for users who are tested.

use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};

use crate::service::PASSWORD;

/// A hash that costs next to nothing, so that tests can log in often.
pub(crate) fn cheap_hash() -> String {
    hash_with_salt("salt of the tests")
}

pub(crate) fn hash_with_salt(salt: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hasher.hash_password_with_salt(PASSWORD.as_bytes(), salt.as_bytes()).unwrap().to_string()
}
