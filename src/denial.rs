//! Why a request was refused.
//!
//! The client reads one text for every bad key (see [`crate::reply`]); the precise reason goes to the
//! metrics, the log and the response-code details. A failure of the table is never reported as a bad key, and
//! a bad key never as a failure.

use crate::credential::MalformedCredential;
use crate::rules::Ambiguous;

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// 400: what is asked for can be read in several ways, and a rule depends on it.
    Ambiguous(Ambiguous),
    /// 403: the key is good, and does not have what a rule requires.
    Forbidden,
    /// 403: the key is good, and does not have what the route of the request requires in its metadata.
    ForbiddenByRoute,
    /// 401: the request does not prove which key it acts for.
    Unauthenticated(Unauthenticated),
    /// 503: the gate cannot tell, and so does not admit.
    Unavailable(Unavailable),
}

/// What is wrong with the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthenticated {
    /// It cannot be read.
    CredentialMalformed(MalformedCredential),
    /// There is none.
    CredentialMissing,
    /// Its key's time is over.
    KeyExpired,
    /// Its key was removed, and the service has not forgotten that.
    KeyRevoked,
    /// There is no key of that id, or no longer.
    KeyUnknown,
    /// The key exists, and this is not its secret.
    SecretWrong,
}

/// What is wrong with the table, or with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The host would not show the request's headers, or not change them.
    HostFailed,
    /// It takes too much work to tell whether the key has a right that a rule requires.
    RightsTooCostly,
    /// Nobody can tell whether the key has a right that a rule requires.
    RightsUnknown,
    /// What the route of the request asks in its metadata cannot be read.
    RouteUnreadable,
    /// The key's row is not what a record can hold, so its identity cannot be told upstream.
    RowSetAside,
    /// No table has been loaded yet.
    TableAbsent,
    /// The last successful refresh lies further back than the operator allows.
    TableTooOld,
    /// What stands in shared data is not what this filter wrote.
    TableUnreadable,
}

impl Denial {
    /// The precise reason in snake case: a metric's label and a response-code detail, never shown to the
    /// client.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Ambiguous(ambiguous) => ambiguous.reason(),
            Self::Forbidden => "right_missing",
            Self::ForbiddenByRoute => "route_right_missing",
            Self::Unauthenticated(Unauthenticated::CredentialMalformed(malformed)) => malformed.reason(),
            Self::Unauthenticated(Unauthenticated::CredentialMissing) => "credential_missing",
            Self::Unauthenticated(Unauthenticated::KeyExpired) => "key_expired",
            Self::Unauthenticated(Unauthenticated::KeyRevoked) => "key_revoked",
            Self::Unauthenticated(Unauthenticated::KeyUnknown) => "key_unknown",
            Self::Unauthenticated(Unauthenticated::SecretWrong) => "secret_wrong",
            Self::Unavailable(Unavailable::HostFailed) => "host_failed",
            Self::Unavailable(Unavailable::RightsTooCostly) => "rights_too_costly",
            Self::Unavailable(Unavailable::RightsUnknown) => "rights_unknown",
            Self::Unavailable(Unavailable::RouteUnreadable) => "route_unreadable",
            Self::Unavailable(Unavailable::RowSetAside) => "row_set_aside",
            Self::Unavailable(Unavailable::TableAbsent) => "table_absent",
            Self::Unavailable(Unavailable::TableTooOld) => "table_too_old",
            Self::Unavailable(Unavailable::TableUnreadable) => "table_unreadable",
        }
    }
}
