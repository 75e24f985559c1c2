//! The audit log of what an operator does to a store as a whole. It names no key: a store may have a million.

use crate::audit::{ChangeEvent, TARGET};
use crate::model::entry_counts::EntryCounts;

/// Writes the line of an import that is durable.
pub(crate) fn record_import(event: &ChangeEvent, counts: &EntryCounts) {
    tracing::info!(
        target: TARGET,
        at_ms = event.at.0,
        action = <&'static str>::from(event.action),
        outcome = "success",
        username = event.actor.username,
        realm = event.actor.realm,
        api_keys = counts.api_keys,
        users = counts.users,
        reserved_users = counts.reserved_users,
        roles = counts.roles,
        application_privileges = counts.application_privileges,
    );
}

/// Writes the line of an epoch that has begun.
pub(crate) fn record_epoch(event: &ChangeEvent) {
    tracing::info!(
        target: TARGET,
        at_ms = event.at.0,
        action = <&'static str>::from(event.action),
        outcome = "success",
        username = event.actor.username,
        realm = event.actor.realm,
    );
}
