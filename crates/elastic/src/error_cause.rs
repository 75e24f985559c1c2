//! One `type` and `reason`, and what caused it.

use std::fmt;

use latchkey_budget::BudgetExceeded;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The `type` of an error: an exception class of Elasticsearch in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// `action_request_validation_exception`: the request as a whole makes no sense.
    ActionRequestValidation,
    /// `bad_parameter_exception`: a parameter of the URL that cannot be decoded.
    BadParameter,
    /// `circuit_breaking_exception`: others hold the memory that the request needs.
    CircuitBreaking,
    /// `es_rejected_execution_exception`: too busy.
    EsRejectedExecution,
    /// `exception`: anything unforeseen.
    Exception,
    /// `feature_not_enabled_exception`.
    FeatureNotEnabled,
    /// `illegal_argument_exception`: a bad value, or a broken rule.
    IllegalArgument,
    /// `illegal_state_exception`: a value that has no text where text is needed.
    IllegalState,
    /// `media_type_header_exception`: a bad Accept or Content-Type.
    MediaTypeHeader,
    /// `number_format_exception`: a text that is no number.
    NumberFormat,
    /// `parse_exception`: of the parsers for role descriptors and privilege checks, and for an absent body.
    Parse,
    /// `parsing_exception`: of the query language.
    Parsing,
    /// `resource_not_found_exception`.
    ResourceNotFound,
    /// `security_exception`: not authenticated, or not allowed.
    Security,
    /// `status_exception`: a status and nothing more.
    Status,
    /// `timeout_exception`: it took too long.
    Timeout,
    /// `validation_exception`: a part of the request makes no sense.
    Validation,
    /// `x_content_parse_exception`: the body has the wrong shape.
    XContentParse,
}

/// Why something failed, as the client is told.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorCause {
    error_type: ErrorType,
    reason: String,
    extras: Map<String, Value>,
    caused_by: Option<Box<Self>>,
}

impl ErrorType {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActionRequestValidation => "action_request_validation_exception",
            Self::BadParameter => "bad_parameter_exception",
            Self::CircuitBreaking => "circuit_breaking_exception",
            Self::EsRejectedExecution => "es_rejected_execution_exception",
            Self::Exception => "exception",
            Self::FeatureNotEnabled => "feature_not_enabled_exception",
            Self::IllegalArgument => "illegal_argument_exception",
            Self::IllegalState => "illegal_state_exception",
            Self::MediaTypeHeader => "media_type_header_exception",
            Self::NumberFormat => "number_format_exception",
            Self::Parse => "parse_exception",
            Self::Parsing => "parsing_exception",
            Self::ResourceNotFound => "resource_not_found_exception",
            Self::Security => "security_exception",
            Self::Status => "status_exception",
            Self::Timeout => "timeout_exception",
            Self::Validation => "validation_exception",
            Self::XContentParse => "x_content_parse_exception",
        }
    }

    /// Whether Elasticsearch counts the type among its own, so that it can be the root of an error. An
    /// ordinary illegal argument, for one, is only ever shown as `caused_by`.
    fn is_elasticsearchs_own(self) -> bool {
        match self {
            Self::CircuitBreaking
            | Self::FeatureNotEnabled
            | Self::Parse
            | Self::Parsing
            | Self::ResourceNotFound
            | Self::Security
            | Self::Status
            | Self::Timeout => true,
            Self::ActionRequestValidation
            | Self::BadParameter
            | Self::EsRejectedExecution
            | Self::Exception
            | Self::IllegalArgument
            | Self::IllegalState
            | Self::MediaTypeHeader
            | Self::NumberFormat
            | Self::Validation
            | Self::XContentParse => false,
        }
    }
}

impl ErrorCause {
    /// A cause that nothing else caused.
    #[must_use]
    pub fn new(error_type: ErrorType, reason: impl Into<String>) -> Self {
        Self { error_type, reason: reason.into(), extras: Map::new(), caused_by: None }
    }

    /// A bad value, or a broken rule.
    #[must_use]
    pub fn illegal_argument(reason: impl Into<String>) -> Self {
        Self::new(ErrorType::IllegalArgument, reason)
    }

    /// An error of a parser for role descriptors or privilege checks, or an absent body.
    #[must_use]
    pub fn parse(reason: impl Into<String>) -> Self {
        Self::new(ErrorType::Parse, reason)
    }

    /// The same, with what caused it.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.caused_by = Some(Box::new(cause));
        self
    }

    /// The same, with one more field beside `type` and `reason`.
    #[must_use]
    pub fn with_extra(mut self, field: &str, value: Value) -> Self {
        self.extras.insert(field.to_owned(), value);
        self
    }

    /// Its type.
    #[must_use]
    pub fn error_type(&self) -> ErrorType {
        self.error_type
    }

    /// Its reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What caused it.
    #[must_use]
    pub fn cause(&self) -> Option<&Self> {
        self.caused_by.as_deref()
    }

    /// The cause for `root_cause`: the innermost one that is a parse error or an exception class of
    /// Elasticsearch's own (Elasticsearch, `ElasticsearchException#guessRootCauses`).
    #[must_use]
    pub fn root(&self) -> &Self {
        let is_body_shape = self.error_type == ErrorType::XContentParse;
        match self.cause() {
            Some(cause) if cause.error_type.is_elasticsearchs_own() => {
                if is_body_shape || self.error_type.is_elasticsearchs_own() { cause.root() } else { self }
            }
            Some(cause) if is_body_shape && cause.error_type == ErrorType::XContentParse => cause.root(),
            _ => self,
        }
    }

    /// The fields of this cause, without what caused it.
    pub fn serialize_shallow<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("type", self.error_type.as_str())?;
        map.serialize_entry("reason", &self.reason)?;
        for (field, value) in &self.extras {
            map.serialize_entry(field, value)?;
        }
        Ok(())
    }
}

/// The form in `caused_by` and in `error_details`.
impl Serialize for ErrorCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_shallow(&mut map)?;
        if let Some(cause) = &self.caused_by {
            map.serialize_entry("caused_by", cause)?;
        }
        map.end()
    }
}

/// A request that is too large by itself is the client's mistake (400). A request that comes at a bad time
/// may be tried again (429, 503). Work that failed is the service's mistake (500).
impl From<BudgetExceeded> for ErrorCause {
    fn from(exceeded: BudgetExceeded) -> Self {
        let error_type = match exceeded {
            BudgetExceeded::Bytes { .. } | BudgetExceeded::Steps { .. } => ErrorType::IllegalArgument,
            BudgetExceeded::Crowded => ErrorType::EsRejectedExecution,
            BudgetExceeded::Failed => ErrorType::Exception,
            BudgetExceeded::Gone | BudgetExceeded::Late => ErrorType::Timeout,
            BudgetExceeded::Memory => ErrorType::CircuitBreaking,
        };
        Self::new(error_type, exceeded.to_string())
    }
}

impl fmt::Display for ErrorCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type.as_str(), self.reason)
    }
}

impl std::error::Error for ErrorCause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.caused_by.as_deref().map(|cause| cause as &dyn std::error::Error)
    }
}
