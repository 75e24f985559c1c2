//! Texts of refusals.

use crate::caller::Caller;
use crate::cluster_request::{AUTHENTICATE, ClusterRequest};
use crate::privilege::ClusterPrivilege;

/// Why a caller may not do something, and which privileges would allow it (Elasticsearch,
/// `AuthorizationDenialMessages`): `action [a] is unauthorized for user [u] with effective roles [r], this
/// action is granted by the cluster privileges [p,q]`.
#[must_use]
pub fn denial(request: &ClusterRequest<'_>, caller: &Caller) -> String {
    let action = request.action();
    let names = ClusterPrivilege::names_that_allow(request, caller);
    if names.is_empty() {
        return format!("action [{action}] is unauthorized for {caller}");
    }
    format!(
        "action [{action}] is unauthorized for {caller}, this action is granted by the cluster privileges [{}]",
        names.join(",")
    )
}

/// Why a caller may not run as a user.
#[must_use]
pub fn run_as_denial(caller: &Caller, target: &str) -> String {
    run_as_refusal(AUTHENTICATE, caller, target)
}

/// Why a caller may not do something as another user.
#[must_use]
pub fn run_as_refusal(action: &str, caller: &Caller, target: &str) -> String {
    let username = &caller.username;
    format!(
        "action [{action}] is unauthorized for {caller}, because user [{username}] is unauthorized to run as [{target}]"
    )
}
