//! Waiting, once everything is as it is declared, until the edges go by it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use latchkey_key_feed::UnixMillis;
use serde_json::json;

use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::report::Report;
use crate::cli::service_client::ServiceClient;
use crate::limits::KEY_ID_RANDOM_LEN;
use crate::randomness::{SystemRandomness, draw};

/// Waits for the edges, if that is asked for, and tells how far they are: a line, or a second object of JSON. What was done
/// stands before it, so whoever ends the wait has the credentials that are shown once.
///
/// Requests that change roles and privileges do not wait, and there may be nothing to change. So this ends a key that there
/// is not: the service then waits for the latest of all changes.
///
/// # Errors
///
/// When the service does not say, or it is not certain that every edge goes by what is declared.
pub(super) fn wait_for_edges(
    service: &ServiceClient,
    edges: &EdgeWaitArguments,
    now: UnixMillis,
    as_json: bool,
) -> Result<(), CommandFailed> {
    if !edges.is_asked() {
        return Ok(());
    }
    let drawn = draw::<KEY_ID_RANDOM_LEN>(&SystemRandomness);
    let drawn = drawn.map_err(|error| CommandFailed::new(format!("no random numbers: {error}")))?;
    let body = json!({"ids": [URL_SAFE_NO_PAD.encode(drawn)]});
    let answer = service.ask(Method::DELETE, &edges.ask_in(KEYS), Some(&body))?.json;
    let Some(reached) = EdgesReached::of(&answer) else { return Ok(()) };
    let json = json!({"edges": answer.get("edges")}).to_string();
    Report { text: reached.told(Before::IsUndeclared, now), json }.print(as_json)?;
    reached.require_all()
}
