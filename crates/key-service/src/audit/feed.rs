//! The trail of readings: who was given keys over the change feed. What the feed gives are digests, never secrets.

use latchkey_key_feed::{Cursor, KeyId};

use crate::audit::{Actor, TARGET};

/// A page of the feed that somebody was given.
#[derive(Clone, Copy, Debug)]
pub struct FeedReadEvent<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What the reader calls itself, if it said so.
    pub edge: Option<&'a str>,
    /// After which change it asked.
    pub after: Cursor,
    /// How many keys the page has.
    pub keys: usize,
}

/// Writes the line of a page that has keys. An empty one tells nobody anything, and there are as many as edges and waits.
pub fn record_read(event: &FeedReadEvent<'_>) {
    if event.keys == 0 {
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
        edge = event.edge,
        after = event.after.0,
        keys = event.keys,
    );
}
