//! The audit log of tokens: who made tokens for whom, and who ended whose. It holds no token, and nothing by
//! which one could be found.

use latchkey_key_feed::{KeyId, UnixMillis};
use serde::Serialize;

use crate::audit::{Actor, TARGET};

/// Something done to tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenEvent {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub action: TokenAction,
    /// By whom.
    pub actor: Actor,
    /// To which tokens.
    pub tokens: AuditedTokens,
}

/// What can be done to tokens. Its name, in snake case, is in the store and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum TokenAction {
    /// Tokens were made.
    CreateToken,
    /// Tokens were ended for ever, because a refresh token that they descend from came back after it was
    /// exchanged.
    EndTokenFamily,
    /// Tokens were ended for ever.
    InvalidateTokens,
    /// Tokens were made for a refresh token.
    RefreshToken,
}

/// Tokens, as far as the audit log tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct AuditedTokens {
    /// On whose behalf they act, or acted; absent when they were not chosen by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The realm of that username; absent when they were not chosen by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    /// How many; an access token and its refresh token are two.
    pub count: u64,
}

/// Writes the line of a change that is durable.
pub(crate) fn record_token_change(event: &TokenEvent) {
    let TokenEvent { at, action, actor, tokens } = event;
    tracing::info!(
        target: TARGET,
        at_ms = at.0,
        action = <&'static str>::from(action),
        outcome = "success",
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
        token_username = tokens.username,
        token_realm = tokens.realm,
        tokens = tokens.count,
    );
}
