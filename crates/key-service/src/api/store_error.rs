//! What a client learns about errors of the store.

use latchkey_elastic::ErrorCause;

use crate::api::error::ApiError;
use crate::api::unauthenticated::precondition_failed;
use crate::store::StoreError;
use crate::telemetry;

/// The one place where an error of the store gets a status. The cause goes to the log and is counted.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NulInText | StoreError::TextTooLong => {
                ErrorCause::illegal_argument(error.to_string()).into()
            }
            // The store has already written it to the audit log.
            StoreError::PreconditionFailed(_) => precondition_failed(),
            StoreError::TooManyChanges | StoreError::Unavailable(_) => {
                telemetry::store_failed(error.kind());
                Self::unavailable(error)
            }
            StoreError::Corrupt(_)
            | StoreError::IdTaken
            | StoreError::NewerVersion
            | StoreError::NotAStore
            | StoreError::OlderVersion => {
                telemetry::store_failed(error.kind());
                Self::internal(error)
            }
        }
    }
}
