//! The variable parts of a path.

use std::collections::HashMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use latchkey_elastic::ErrorCause;

use crate::api::error::ApiError;

/// The variable parts of a path by name, percent-decoded.
pub(super) struct PathTexts(HashMap<String, String>);

impl PathTexts {
    /// A part; empty for a name that the route does not have.
    pub(super) fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    /// The names in a part, with commas between. It is split after decoding, because some clients encode the
    /// commas.
    pub(super) fn names(&mut self, name: &str) -> Vec<String> {
        self.take(name).split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

/// Refuses bytes that are not UTF-8 with 400.
impl<S: Send + Sync> FromRequestParts<S> for PathTexts {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<HashMap<String, String>>::from_request_parts(parts, state).await {
            Ok(Path(texts)) => Ok(Self(texts)),
            Err(_) => Err(ErrorCause::illegal_argument("the path holds bytes that are not UTF-8").into()),
        }
    }
}
