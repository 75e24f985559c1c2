//! What a client learns of the store's trouble.

use crate::api::error::{ApiError, ErrorCause};
use crate::store::StoreError;
use crate::telemetry;

/// The one place where an error of the store gets a status. The cause goes to the log and is counted.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        const FEWER: &str = "ask for fewer, for example by [name] or [username]";
        match &error {
            StoreError::TooManyKeys { keys_max } => {
                let reason = format!("more than {keys_max} API keys match; {FEWER}");
                ErrorCause::illegal_argument(reason).into()
            }
            StoreError::KeysTooLong { len_max } => {
                let reason = format!("the API keys that match are longer than {len_max} bytes; {FEWER}");
                ErrorCause::illegal_argument(reason).into()
            }
            StoreError::NulInText | StoreError::TextTooLong => {
                ErrorCause::illegal_argument(error.to_string()).into()
            }
            StoreError::TooManyChanges | StoreError::Unavailable(_) => {
                telemetry::store_failed(&error);
                Self::unavailable(error)
            }
            StoreError::Corrupt(_)
            | StoreError::IdTaken
            | StoreError::NewerVersion
            | StoreError::NotAStore
            | StoreError::OlderVersion => {
                telemetry::store_failed(&error);
                Self::internal(error)
            }
        }
    }
}
