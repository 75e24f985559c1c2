//! What a client learns about errors of the store.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use latchkey_elastic::ErrorCause;

use crate::api::call::SharedService;
use crate::api::error::ApiError;
use crate::api::unauthenticated::precondition_failed;
use crate::store::StoreError;
use crate::telemetry;

/// Marks an answer to a request that met damage in the store.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreIsDamaged;

/// The one place where an error of the store gets a status. The cause goes to the log and is counted.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NulInText | StoreError::TextTooLong => {
                ErrorCause::illegal_argument(error.to_string()).into()
            }
            // The store has already written it to the audit log.
            StoreError::PreconditionFailed(_) => precondition_failed(),
            StoreError::Corrupt(_)
            | StoreError::Damaged(_)
            | StoreError::TooManyChanges
            | StoreError::Unavailable(_) => {
                telemetry::store_failed(error.kind());
                Self::unavailable(error)
            }
            StoreError::IdTaken
            | StoreError::NewerVersion
            | StoreError::NotAStore
            | StoreError::OlderVersion
            | StoreError::OtherPepper => {
                telemetry::store_failed(error.kind());
                Self::internal(error)
            }
        }
    }
}

/// Tells the store of an answer to a request that met damage in it.
pub(super) async fn note_damage(
    State(service): State<SharedService>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    if response.extensions().get::<StoreIsDamaged>().is_some() {
        service.open().store.note_damage();
    }
    response
}
