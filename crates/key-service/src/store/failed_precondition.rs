//! What a change depends on: the user, key or token that asked for it must still be valid when it is written.
//!
//! A credential is checked when the headers of a request have come. The body may arrive later, and the change
//! may wait in a queue. Meanwhile the user may be disabled, or the key may be invalidated. So the transaction
//! that writes the change checks once more at its beginning. It holds the lock that disabling a user and
//! invalidating a key need too. So either the change comes first, and what it created ends with the user, or
//! it comes too late and nothing is written.

use crate::audit::{self, Actor, PreconditionFailedEvent};
use crate::store::StoreError;
use crate::telemetry;

/// Records and counts a change that was refused because its precondition no longer holds. The store does
/// this, so that a client cannot prevent the record by hanging up.
pub(super) fn tell<T>(outcome: &Result<T, StoreError>, action: &'static str, actor: &Actor) {
    if let Err(error @ StoreError::PreconditionFailed(precondition)) = outcome {
        telemetry::authentication_failed(error.kind());
        audit::record_failed_precondition(&PreconditionFailedEvent {
            action,
            actor,
            reason: error.kind(),
            claimed: precondition.name(),
        });
    }
}
