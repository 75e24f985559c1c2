//! Writing an error as an HTTP answer.

use std::error::Error;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{ApiError, ErrorBody, ErrorCause};
use crate::api::store_error::StoreIsDamaged;
use crate::store::StoreError;

/// Marks the answer that is an error, so that nothing of it is filtered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsError;

/// Logs what the client does not learn, then writes the answer.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status.code();
        if let Some(internal) = &self.internal {
            let cause: &(dyn Error + 'static) = internal.as_ref();
            tracing::error!(status = status.as_u16(), error = cause, "request failed");
        }
        // The bodies hold only texts and JSON values, which always serialize.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response.extensions_mut().insert(IsError);
        let cause = self.internal.as_ref().and_then(|internal| internal.downcast_ref());
        if matches!(cause, Some(StoreError::Damaged(_))) {
            response.extensions_mut().insert(StoreIsDamaged);
        }
        response
    }
}

/// The body.
impl Serialize for ApiError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_map(None)?;
        match &self.body {
            ErrorBody::Envelope(cause) => {
                body.serialize_entry("error", &Envelope(cause))?;
                body.serialize_entry("status", &self.status.code().as_u16())?;
            }
            ErrorBody::Flat { text, shows_status } => {
                body.serialize_entry("error", text)?;
                if *shows_status {
                    body.serialize_entry("status", &self.status.code().as_u16())?;
                }
            }
            ErrorBody::OAuth { code, description } => {
                body.serialize_entry("error", <&'static str>::from(code))?;
                body.serialize_entry("error_description", description)?;
            }
        }
        body.end()
    }
}

/// A cause, headed by its root.
struct Envelope<'a>(&'a ErrorCause);

/// A cause without what caused it.
struct Shallow<'a>(&'a ErrorCause);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("root_cause", &[Shallow(self.0.root())])?;
        self.0.serialize_shallow(&mut map)?;
        if let Some(cause) = self.0.cause() {
            map.serialize_entry("caused_by", cause)?;
        }
        map.end()
    }
}

impl Serialize for Shallow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.serialize_shallow(&mut map)?;
        map.end()
    }
}
