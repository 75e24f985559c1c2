//! Revoking keys: asked once more, and then watched.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use latchkey_key_feed::UnixMillis;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Console;
use crate::asked_edges::{AskedEdge, AskedFleet, EdgeState};
use crate::failure::Failure;
use crate::fields::Fields;
use crate::frame::{Frame, Section, ok, page};
use crate::keys::shown::ShownKey;
use crate::limits::{EDGES_NAMED_MAX, KEYS_REVOKED_AT_ONCE_MAX, UNSEEN_EDGES_WAIT};
use crate::rest::path_with_query;
use crate::signed_in::{SentForm, SignedIn};
use crate::words::{When, counted};

#[derive(Template)]
#[template(path = "revoke.html")]
struct RevokePage {
    frame: Frame,
    keys: Vec<ShownKey>,
    /// Names of keys that have ended before.
    ended: Vec<String>,
    /// Names of edges that read the feed with one of the keys.
    edges: Vec<String>,
    problem: Option<&'static str>,
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
pub(crate) async fn show(State(console): State<Console>, signed_in: SignedIn) -> Result<Response, Failure> {
    let ids = ids(&signed_in.query)?;
    question(&console, &signed_in, &ids, None).await
}

/// Asks once more. Keys that have ended are told, and not asked about.
async fn question(
    console: &Console,
    signed_in: &SignedIn,
    ids: &[Value],
    problem: Option<&'static str>,
) -> Result<Response, Failure> {
    let now = console.surroundings.now();
    let found = found(signed_in, ids).await?;
    let (keys, ended): (Vec<_>, Vec<_>) = found.into_iter().partition(|key| key.can_be_revoked(now));
    if keys.is_empty() {
        let reason = match ended.is_empty() {
            true => "There is no such key among those that you may see.",
            false => "Nothing is to be done: the keys have ended before.",
        };
        return Err(Failure::new(StatusCode::NOT_FOUND, reason));
    }
    let edges = edges_with(signed_in, ids).await?;
    let ended = ended.into_iter().map(|key| key.name).collect();
    let frame = signed_in.frame("Revoke keys", Section::Keys);
    let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Ok(page(status, &RevokePage { frame, keys, ended, edges, problem }))
}

async fn found(signed_in: &SignedIn, ids: &[Value]) -> Result<Vec<ShownKey>, Failure> {
    let body = json!({"size": ids.len(), "query": {"ids": {"values": ids}}, "sort": ["name"]});
    let found: Found = signed_in.person.post("/_security/_query/api_key", &body).await?;
    Ok(found.api_keys)
}

/// The names of edges that would be cut off, as far as the user may see them.
async fn edges_with(signed_in: &SignedIn, ids: &[Value]) -> Result<Vec<String>, Failure> {
    if !signed_in.rights.sees_edges() {
        return Ok(Vec::new());
    }
    let fleet = AskedFleet::now(&signed_in.person).await?;
    let of_key = |edge: &AskedEdge| edge.api_key.as_ref().is_some_and(|key| ids.contains(&json!(key)));
    let edges = fleet.edges.into_iter().filter(|edge| edge.state != EdgeState::Gone && of_key(edge));
    let names: BTreeSet<String> = edges.map(|edge| edge.name).collect();
    Ok(names.into_iter().take(EDGES_NAMED_MAX).collect())
}

/// Revokes the keys, and goes to where one sees it arrive.
pub(crate) async fn revoke(State(console): State<Console>, sent: SentForm) -> Result<Response, Failure> {
    let SentForm { signed_in, form } = &sent;
    let ids = ids(form)?;
    if !form.has("edges_too") && !edges_with(signed_in, &ids).await?.is_empty() {
        let problem = "Confirm that these edges are to be cut off.";
        return question(&console, signed_in, &ids, Some(problem)).await;
    }
    let sees_edges = signed_in.rights.sees_edges();
    let wait = if sees_edges { "0s" } else { UNSEEN_EDGES_WAIT };
    let path = path_with_query("/_security/api_key", [("wait_for_edges", wait)]);
    // Who may revoke the own keys only has to say that these are.
    let body = match signed_in.rights.revokes_all() {
        true => json!({"ids": ids}),
        false => json!({"ids": ids, "owner": true}),
    };
    let done: Invalidated = signed_in.person.delete(&path, &body).await?;
    let now_ended = done.invalidated_api_keys.len();
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
    let keys = match now_ended {
        0 => {
            let found = found(signed_in, &ids).await?;
            let are_over = !found.is_empty() && found.iter().all(|key| key.invalidation.is_some());
            let told = if are_over {
                "The keys had been revoked before."
            } else {
                "No key was revoked: these are not among those that you may revoke."
            };
            told.to_owned()
        }
        count => format!("{} revoked.", counted(count as u64, "key")),
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
