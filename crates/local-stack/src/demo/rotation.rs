//! The steps about a key that gets another secret.

use anyhow::{Result, ensure};

use super::{get, identity_headers};
use crate::key_service::CreatedKey;
use crate::stack::{LocalStack, with_status};

/// The same key with another secret, beside which the one before works.
pub(super) fn both_secrets(stack: &LocalStack, key: &CreatedKey) -> Result<(String, CreatedKey)> {
    let rotated = stack.key_service.client().rotate(&key.id, "1h")?;
    ensure!(rotated.id == key.id && rotated.secret != key.secret, "the key has no other secret");
    with_status(200, get(stack, "/demo/new-secret", &rotated.encoded)?)?;
    let answer = with_status(200, get(stack, "/demo/old-secret", &key.encoded)?)?;
    let told = ("x-api-key-secret-used".to_owned(), "previous".to_owned());
    let seen = identity_headers(&answer)?;
    ensure!(seen.contains(&told), "the upstream is not told which secret it was: {seen:?}");
    Ok(("200 with both, and x-api-key-secret-used: previous".to_owned(), rotated))
}

/// The secret before ends at once, at every edge.
pub(super) fn one_secret(stack: &LocalStack, before: &CreatedKey) -> Result<String> {
    let latest = stack.key_service.client().rotate(&before.id, "0")?;
    with_status(401, get(stack, "/demo/ended-secret", &before.encoded)?)?;
    with_status(200, get(stack, "/demo/latest-secret", &latest.encoded)?)?;
    Ok("200 with the latest secret, 401 with the one before".to_owned())
}
