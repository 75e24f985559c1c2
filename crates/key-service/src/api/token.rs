//! `/_security/oauth2/token`: making, refreshing and ending access tokens.

mod create;
mod grant;
mod invalidate;

pub(super) use create::create;
pub(super) use invalidate::invalidate;

use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::Node;
use tracing::Instrument as _;

use crate::api::call::Allowed;
use crate::api::error::{ApiError, Feature};

/// Whether the operator has enabled tokens.
fn require_tokens(call: &Allowed) -> Result<(), ApiError> {
    if call.settings.tokens.enabled { Ok(()) } else { Err(ApiError::not_enabled(Feature::SecurityTokens)) }
}

/// Reads a body as each of the routes does.
pub(super) fn read_by_every_route(body: &Node) -> [Result<(), ErrorCause>; 2] {
    [grant::PARSER.parse(body).map(drop), invalidate::read(body).and_then(|request| request.validate())]
}

/// Removes dead tokens at intervals. No request waits for it, and if it fails the next one removes them.
fn remove_dead_tokens(call: &Allowed) {
    let store = call.store.clone();
    let now = call.now();
    let removal = async move {
        if let Err(error) = store.tokens().remove_dead(now).await {
            tracing::warn!(%error, "dead tokens were not removed");
        }
    };
    tokio::spawn(removal.in_current_span());
}
