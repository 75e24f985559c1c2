//! What a client learns of the store's trouble.

use crate::api::error::{ApiError, ErrorCause};
use crate::store::StoreError;
use crate::telemetry;

/// The one place where an error of the store gets a status. The cause goes to the log and is counted.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        if let StoreError::TooManyKeys { keys_max } = error {
            return ErrorCause::illegal_argument(format!(
                "more than {keys_max} API keys match; ask for fewer, for example by [name] or [username]"
            ))
            .into();
        }
        if matches!(error, StoreError::NulInText) {
            return ErrorCause::illegal_argument(error.to_string()).into();
        }
        telemetry::store_failed(&error);
        match error {
            StoreError::Unavailable(_) => Self::unavailable(error),
            StoreError::Corrupt(_)
            | StoreError::IdTaken
            | StoreError::NewerVersion
            | StoreError::NotAStore
            | StoreError::NulInText
            | StoreError::OlderVersion
            | StoreError::TooManyKeys { .. } => Self::internal(error),
        }
    }
}
