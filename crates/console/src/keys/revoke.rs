//! Revoking keys: asked once more, and then watched.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Console;
use crate::failure::Failure;
use crate::fields::Fields;
use crate::frame::{Frame, Section, ok};
use crate::keys::shown::ShownKey;
use crate::limits::{KEYS_REVOKED_AT_ONCE_MAX, UNSEEN_EDGES_WAIT};
use crate::rest::path_with_query;
use crate::signed_in::{SentForm, SignedIn};
use crate::words::{When, counted};

#[derive(Template)]
#[template(path = "revoke.html")]
struct RevokePage {
    frame: Frame,
    keys: Vec<ShownKey>,
}

/// What a person sees who may not see the edges: how many have turned.
#[derive(Template)]
#[template(path = "revoked.html")]
struct RevokedPage {
    frame: Frame,
    keys: String,
    edges: Option<EdgesReached>,
    may_admit_until: Option<When>,
}

/// What invalidating keys answers.
#[derive(Deserialize)]
struct Invalidated {
    invalidated_api_keys: Vec<String>,
    previously_invalidated_api_keys: Vec<String>,
    edges: Option<EdgesReached>,
}

/// The part of the answer that is about edges.
#[derive(Deserialize)]
struct EdgesReached {
    total: usize,
    applied: usize,
    complete: bool,
    may_admit_until: Option<UnixMillis>,
    /// Where in the feed the change is.
    epoch: Option<String>,
    cursor: Option<u64>,
}

#[derive(Deserialize)]
struct Found {
    api_keys: Vec<ShownKey>,
}

/// Shows which keys would be revoked.
pub(crate) async fn show(signed_in: SignedIn) -> Result<Response, Failure> {
    let ids = ids(&signed_in.query)?;
    let body = json!({"size": ids.len(), "query": {"ids": {"values": ids}}, "sort": ["name"]});
    let found: Found = signed_in.person.post("/_security/_query/api_key", &body).await?;
    if found.api_keys.is_empty() {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            "There is no such key among those that you may see.",
        ));
    }
    Ok(ok(&RevokePage { frame: signed_in.frame("Revoke keys", Section::Keys), keys: found.api_keys }))
}

/// Revokes the keys, and goes to where one sees it arrive.
pub(crate) async fn revoke(State(console): State<Console>, sent: SentForm) -> Result<Response, Failure> {
    let SentForm { signed_in, form } = &sent;
    let ids = ids(form)?;
    let sees_edges = signed_in.rights.sees_edges();
    let wait = if sees_edges { "0s" } else { UNSEEN_EDGES_WAIT };
    let path = path_with_query("/_security/api_key", [("wait_for_edges", wait)]);
    // Who may revoke the own keys only has to say that these are.
    let body = match signed_in.rights.revokes_all() {
        true => json!({"ids": ids}),
        false => json!({"ids": ids, "owner": true}),
    };
    let done: Invalidated = signed_in.person.delete(&path, &body).await?;
    let (now_ended, before) = (done.invalidated_api_keys.len(), done.previously_invalidated_api_keys.len());
    let edges = done.edges;
    if let (true, Some(EdgesReached { epoch: Some(epoch), cursor: Some(cursor), .. })) = (sees_edges, &edges)
    {
        let cursor = cursor.to_string();
        let place = [("epoch", epoch.as_str()), ("change", cursor.as_str())];
        let keys = done.invalidated_api_keys.iter().map(|id| ("id", id.as_str()));
        return Ok(
            Redirect::to(&path_with_query("/console/watch", place.into_iter().chain(keys))).into_response()
        );
    }
    let now = console.surroundings.now();
    let may_admit_until = edges.as_ref().and_then(|edges| edges.may_admit_until);
    let may_admit_until = may_admit_until.map(|until| When::of(until, now));
    let keys = match (now_ended, before) {
        (0, 0) => "No key was revoked: none of them is among those that you may revoke.".to_owned(),
        (0, _) => "Nothing was left to do: the keys had been revoked before.".to_owned(),
        (count, _) => format!("{} revoked.", counted(count as u64, "key")),
    };
    let frame = signed_in.frame("Revoked", Section::Keys);
    Ok(ok(&RevokedPage { frame, keys, edges: edges.filter(|_| now_ended > 0), may_admit_until }))
}

/// The ids that a form or an address names.
fn ids(fields: &Fields) -> Result<Vec<Value>, Failure> {
    let ids: Vec<Value> = fields.all("id").filter(|id| !id.is_empty()).map(Value::from).collect();
    match ids.len() {
        0 => Err(Failure::new(StatusCode::BAD_REQUEST, "Select at least one key.")),
        1..=KEYS_REVOKED_AT_ONCE_MAX => Ok(ids),
        _ => {
            let reason = format!("At most {KEYS_REVOKED_AT_ONCE_MAX} keys are revoked at once.");
            Err(Failure::new(StatusCode::BAD_REQUEST, reason))
        }
    }
}
