//! The list of keys.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::Value;

use crate::Console;
use crate::failure::Failure;
use crate::frame::{Frame, Section, ok};
use crate::keys::search::{KeySearch, ORDERS, STATUSES};
use crate::keys::shown::{KeyStatus, ShownKey};
use crate::limits::KEYS_SHOWN_AT_ONCE;
use crate::signed_in::SignedIn;
use crate::words::{When, counted};

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage {
    frame: Frame,
    search: KeySearch,
    statuses: Vec<Choice>,
    orders: Vec<Choice>,
    total: String,
    rows: Vec<KeyRow>,
    /// The page after this one.
    next: Option<String>,
    /// The first page, from a later one.
    first: Option<String>,
    /// The same page with all of its keys selected, or none.
    select_all: String,
    select_none: String,
    is_all_selected: bool,
    makes_keys: bool,
    revokes: bool,
    is_of_own_keys: bool,
}

/// An option of a menu.
struct Choice {
    value: &'static str,
    word: &'static str,
    is_chosen: bool,
}

struct KeyRow {
    id: String,
    name: String,
    path: String,
    owner: String,
    keys_of_owner: String,
    status: KeyStatus,
    roles: String,
    created: When,
    end: Option<When>,
    last_used: Option<When>,
    /// Whether this key can be selected to be revoked.
    can_be_revoked: bool,
}

#[derive(Deserialize)]
struct Found {
    total: u64,
    api_keys: Vec<ShownKey>,
}

pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    if !signed_in.rights.sees_keys() {
        return Err(Failure::forbidden());
    }
    let search = KeySearch::read(&signed_in.query);
    let found: Found = signed_in.person.post("/_security/_query/api_key", &search.body()).await?;
    let now = console.surroundings.now();
    let rows: Vec<_> = found.api_keys.iter().map(|key| row(key, &signed_in, now)).collect();
    let last: Option<&[Value]> = found.api_keys.last().map(|key| key.sort.as_slice());
    let has_more = found.api_keys.len() == KEYS_SHOWN_AT_ONCE && found.total > KEYS_SHOWN_AT_ONCE as u64;
    let choose = |value, word, chosen| Choice { value, word, is_chosen: value == chosen };
    Ok(ok(&KeysPage {
        frame: signed_in.frame("Keys", Section::Keys),
        statuses: STATUSES.map(|(value, word)| choose(value, word, search.status)).into(),
        orders: ORDERS.map(|(value, word, ..)| choose(value, word, search.order)).into(),
        total: counted(found.total, "key"),
        revokes: rows.iter().any(|row| row.can_be_revoked),
        rows,
        next: last.filter(|_| has_more).map(|last| search.path_after(Some(last))),
        select_all: search.path_here(true),
        select_none: search.path_here(false),
        is_all_selected: signed_in.query.get("select") == "all",
        first: search.is_continued().then(|| search.path_after(None)),
        makes_keys: signed_in.rights.makes_keys(),
        is_of_own_keys: !signed_in.rights.sees_all_keys(),
        search,
    }))
}

fn row(key: &ShownKey, signed_in: &SignedIn, now: UnixMillis) -> KeyRow {
    let may_revoke = signed_in.rights.revokes(signed_in.owns(&key.username, &key.realm));
    let roles: Vec<_> = key.role_descriptors.keys().map(String::as_str).collect();
    KeyRow {
        id: key.id.clone(),
        name: key.name.clone(),
        path: key.path(),
        owner: key.username.clone(),
        keys_of_owner: key.keys_of_owner(),
        status: key.status(now),
        roles: if roles.is_empty() { "all of the owner".to_owned() } else { roles.join(", ") },
        created: When::of(key.creation, now),
        end: key.end(now),
        last_used: key.last_use(now),
        can_be_revoked: may_revoke && key.can_be_revoked(now),
    }
}
