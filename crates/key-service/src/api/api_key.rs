//! `/_security/api_key`: making, finding, changing and ending API keys.

mod clone;
mod create;
pub(super) mod cross_cluster;
mod grant;
mod import;
mod import_request;
mod invalidate;
mod issuing;
mod key_request;
mod lifetime;
mod list;
mod listing;
mod query;
mod rotate;
mod update;

pub(super) use clone::clone;
pub(super) use create::create;
pub(super) use grant::{bulk_grant, grant};
pub(super) use import::import;
pub(super) use invalidate::invalidate;
pub(super) use list::list;
pub(super) use query::query;
pub(super) use rotate::rotate;
pub(super) use update::{bulk_update, update};

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;

use crate::api::call::authenticated::Authenticated;
use crate::api::error::{ApiError, Feature};
use crate::security::authentication::Subject;
use crate::settings::ServiceSettings;
use crate::store::{KeyFilter, NamePattern};

/// Whether the operator has enabled API keys.
pub(super) fn require_api_keys(settings: &ServiceSettings) -> Result<(), ApiError> {
    if settings.api_keys { Ok(()) } else { Err(ApiError::not_enabled(Feature::ApiKeys)) }
}

/// Reads a body as each of the routes does.
pub(super) fn read_by_every_route(body: &Node) -> Vec<Result<(), ErrorCause>> {
    let granted = |(grant, problems)| grant::validate(grant, problems).map(drop);
    vec![
        clone::read(body).and_then(|(validity, _)| validity),
        create::read(body).map(drop),
        grant::read(body).and_then(|(grant, problems, _)| granted((grant, problems))),
        grant::read_bulk(body).and_then(|(grant, problems, _)| granted((grant, problems))),
        import_request::read(body).map(drop),
        invalidate::read(body).and_then(|request| request.validate()),
        rotate::read(Some(body)).and_then(|(validity, _)| validity),
        update::read(String::new(), Some(body)).and_then(|(validity, _)| validity),
        update::read_bulk(body).and_then(|(validity, _)| validity),
    ]
}

/// A name, or with a star at its end the beginning of one; a star elsewhere is a letter.
fn name_pattern(name: &str) -> NamePattern {
    match name.strip_suffix('*') {
        Some(prefix) => NamePattern::Prefix(prefix.to_owned()),
        None => NamePattern::Exact(name.to_owned()),
    }
}

/// The same, for keys of the caller alone. For a caller that is an API key, the realm of its owner decides.
fn owned_by(authenticated: &Authenticated, filter: KeyFilter) -> KeyFilter {
    let (username, realm) = match authenticated.authentication.subject() {
        Subject::ApiKey(key) => (&key.key().username, &key.key().realm),
        Subject::User(user) => (&user.username, &user.realm.name),
    };
    KeyFilter { username: Some(username.clone()), realm: Some(realm.clone()), ..filter }
}
