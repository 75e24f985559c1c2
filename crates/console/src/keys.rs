//! Pages of keys.

pub(crate) mod find;
pub(crate) mod list;
mod made;
pub(crate) mod new;
mod new_form;
pub(crate) mod one;
pub(crate) mod revoke;
mod rights_in_words;
pub(crate) mod rotate;
mod search;
mod shown;
mod unknown_privileges;

use serde::Deserialize;

use crate::failure::Failure;
use crate::keys::shown::ShownKey;
use crate::rest::path_with_query;
use crate::signed_in::SignedIn;

/// What `GET /_security/api_key` answers.
#[derive(Deserialize)]
struct Listed {
    api_keys: Vec<ShownKey>,
}

/// The key of this id, if the user may see it.
///
/// # Errors
///
/// [`Failure`] when there is none, or the user may not.
async fn key(signed_in: &SignedIn, id: &str) -> Result<ShownKey, Failure> {
    let owner = if signed_in.rights.sees_all_keys() { "false" } else { "true" };
    let query = [("id", id), ("owner", owner), ("with_limited_by", "true")];
    let listed: Listed = signed_in.person.get(&path_with_query("/_security/api_key", query)).await?;
    let key = listed.api_keys.into_iter().next();
    key.ok_or_else(|| {
        Failure::new(axum::http::StatusCode::NOT_FOUND, "There is no such key among those that you may see.")
    })
}
