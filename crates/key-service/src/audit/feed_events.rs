//! The audit log of readings: who was given keys over the change feed. What the feed gives are digests, never
//! secrets.

use latchkey_key_feed::{Cursor, KeyId};

use crate::audit::{Actor, TARGET};

/// A page of the feed that was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeedReadEvent<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The name of the edge, if it gave one.
    pub edge: Option<&'a str>,
    /// After which change it asked.
    pub after: Cursor,
    /// How many keys the page has.
    pub keys: usize,
    /// Whether the reader's key has ended, and this is what leads up to its end.
    pub key_has_ended: bool,
}

/// Edges that an operator says are gone.
#[derive(Clone, Debug)]
pub(crate) struct EdgesForgottenEvent<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// The name of the edges, if they were named.
    pub edge: Option<&'a str>,
    /// The key with which they asked, if that was named.
    pub key: Option<&'a str>,
    /// How many instances were forgotten.
    pub forgotten: usize,
    /// How many were kept because they still ask.
    pub live: usize,
}

/// Writes the line of a page with keys. Empty pages have no line: they show nothing, and there are very many.
pub(crate) fn record_read(event: &FeedReadEvent<'_>) {
    if event.keys == 0 && !event.key_has_ended {
        return;
    }
    let actor = event.actor;
    tracing::info!(
        target: TARGET,
        outcome = "success",
        action = "read_key_feed",
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
        edge = event.edge,
        after = event.after.0,
        keys = event.keys,
        key_has_ended = event.key_has_ended.then_some(true),
    );
}

/// Writes the line of edges that were forgotten.
pub(crate) fn record_forgotten(event: &EdgesForgottenEvent<'_>) {
    let actor = event.actor;
    tracing::info!(
        target: TARGET,
        outcome = "success",
        action = "forget_edges",
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
        edge = event.edge,
        edge_key = event.key,
        forgotten = event.forgotten,
        live = event.live,
    );
}
