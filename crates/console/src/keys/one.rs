//! Everything about a key but its secret.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::audit::{AuditLine, history};
use crate::failure::Failure;
use crate::frame::{Frame, Section, ok};
use crate::keys::rights_in_words::{RoleInWords, roles_in_words};
use crate::keys::shown::{KeyStatus, ShownKey};
use crate::signed_in::SignedIn;
use crate::words::{When, grouped};

#[derive(Template)]
#[template(path = "key.html")]
struct KeyPage {
    frame: Frame,
    key: ShownKey,
    keys_of_owner: String,
    status: KeyStatus,
    created: When,
    end: Option<When>,
    rotated: Option<When>,
    previous_secret_until: Option<When>,
    last_used: Option<When>,
    uses: String,
    wrong_secrets: String,
    last_wrong_secret: Option<When>,
    roles: Vec<RoleInWords>,
    /// The roles that the owner had: the key can do no more.
    limited_by: Vec<RoleInWords>,
    metadata: Option<String>,
    can_be_revoked: bool,
    can_be_rotated: bool,
    /// What was done to the key and with it; `None` for whom the audit log is not.
    history: Option<Vec<AuditLine>>,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    let key = super::key(&signed_in, signed_in.query.get("id")).await?;
    let now = console.surroundings.now();
    let is_own = signed_in.owns(&key.username, &key.realm);
    let when = |at: Option<_>| at.map(|at| When::of(at, now));
    let metadata = (!key.metadata.is_empty()).then(|| serde_json::to_string_pretty(&key.metadata));
    let limited_by = key.limited_by.iter().flat_map(roles_in_words).collect();
    let is_in_overlap = key.previous_secret_expiration.filter(|end| *end > now);
    Ok(ok(&KeyPage {
        frame: signed_in.frame(format!("Key {}", key.name), Section::Keys),
        keys_of_owner: key.keys_of_owner(),
        status: key.status(now),
        created: When::of(key.creation, now),
        end: key.end(now),
        rotated: when(key.rotation),
        previous_secret_until: when(is_in_overlap),
        last_used: key.last_use(now),
        uses: grouped(key.uses),
        wrong_secrets: grouped(key.wrong_secrets),
        last_wrong_secret: when(key.last_wrong_secret),
        roles: roles_in_words(&key.role_descriptors),
        limited_by,
        metadata: metadata.and_then(Result::ok),
        can_be_revoked: key.can_be_revoked(now) && signed_in.rights.revokes(is_own),
        can_be_rotated: key.works(now) && signed_in.rotates(is_own),
        history: history(&signed_in, &key.id, now).await?,
        key,
    }))
}
