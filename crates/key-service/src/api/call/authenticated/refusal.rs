//! What a failed authentication leads to: the answer, a line in the audit log, and metrics.

use super::Origin;
use crate::api::error::ApiError;
use crate::api::unauthenticated::{Asked, unauthenticated};
use crate::audit::{self, Refusal, RefusalEvent};
use crate::security::authentication::AuthenticationFailure;
use crate::telemetry;

pub(super) fn refused(failure: AuthenticationFailure, origin: &Origin) -> ApiError {
    record(&failure, origin);
    let uri = origin.uri.path_and_query().map_or("/", |path| path.as_str());
    unauthenticated(failure, Asked::Request(uri), origin.schemes)
}

pub(super) fn record(failure: &AuthenticationFailure, origin: &Origin) {
    let reason = failure.kind();
    let refusal = match failure {
        trouble if trouble.is_trouble() => Refusal::Unavailable { reason },
        AuthenticationFailure::Throttled { username, .. } => Refusal::Throttled { claimed: username },
        AuthenticationFailure::RejectedKey(rejection) => {
            Refusal::Unauthenticated { reason, claimed: Some(rejection.claimed_id()) }
        }
        AuthenticationFailure::RejectedUser { username, .. } => {
            Refusal::Unauthenticated { reason, claimed: Some(username) }
        }
        _ => Refusal::Unauthenticated { reason, claimed: None },
    };
    match refusal {
        Refusal::Unavailable { reason } => telemetry::authentication_unavailable(reason),
        Refusal::Throttled { .. } => telemetry::login_throttled(),
        Refusal::Unauthenticated { .. } | Refusal::Forbidden { .. } => {
            telemetry::authentication_failed(reason)
        }
    }
    let (path, source, via) = (origin.uri.path(), origin.source, origin.via());
    audit::record_refusal(&RefusalEvent { path, source, via, refusal });
}
