//! Which media types a request may use, and which one its answer has.
//!
//! Bodies of requests are JSON, YAML or CBOR, also under the vendor's names with a version, which Elasticsearch's clients
//! send (`application/vnd.elasticsearch+json; compatible-with=9`). The answer is JSON under the name that was asked for, or
//! YAML. Who asks for a format that an answer cannot have gets JSON, as in Elasticsearch: a browser, or `curl` with a list.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use latchkey_elastic::{ErrorCause, ErrorType};

use super::body_format::BodyFormat;
use super::error::ApiError;

/// The major versions of Elasticsearch whose clients are understood: the current one and the one before.
pub(crate) const COMPATIBLE_VERSIONS: [u8; 2] = [9, 8];

const VENDORED_CBOR: &str = "application/vnd.elasticsearch+cbor";
const VENDORED_JSON: &str = "application/vnd.elasticsearch+json";
const VENDORED_YAML: &str = "application/vnd.elasticsearch+yaml";

/// The header by which Elasticsearch's clients know that they speak to Elasticsearch.
const PRODUCT: HeaderName = HeaderName::from_static("x-elastic-product");

/// What the layer adds to answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MediaTypeSettings {
    /// The value of `X-elastic-product` on every success; `None` leaves the header out. Elasticsearch's own
    /// clients refuse to work without it, and accept only `Elasticsearch`.
    pub product: Option<HeaderValue>,
}

/// Marks a request whose `Accept` asks for an answer in YAML.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsksForYaml;

/// The type of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerType {
    /// `application/json`.
    Json,
    /// `application/vnd.elasticsearch+json;compatible-with=N`.
    Vendored(
        /// The version.
        u8,
    ),
}

/// What one media type header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Nothing in particular, or nothing that an answer can be.
    Any,
    Cbor,
    Json,
    Yaml,
    Vendored(u8),
}

/// A media type header that asks for a format that is not supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unspoken {
    MediaType,
    Version,
}

impl Default for MediaTypeSettings {
    fn default() -> Self {
        Self { product: Some(HeaderValue::from_static("Elasticsearch")) }
    }
}

impl AnswerType {
    /// The header's value.
    #[must_use]
    pub(crate) fn header_value(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::Vendored(version) => {
                let text = format!("application/vnd.elasticsearch+json;compatible-with={version}");
                HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/json"))
            }
        }
    }
}

/// Content negotiation: decides on media types before a request is handled, and sets those of the answer.
pub(super) async fn negotiate(
    State(settings): State<Arc<MediaTypeSettings>>,
    request: Request,
    next: Next,
) -> Response {
    let has_body = has_body(&request);
    let (answer_type, mut response) = match agree(request.headers(), has_body) {
        Ok((wanted, body_format)) => {
            let asks_for_yaml = asks_for_yaml(request.headers());
            let mut request = request;
            request.extensions_mut().insert(body_format);
            if asks_for_yaml {
                request.extensions_mut().insert(AsksForYaml);
            }
            let answer_type = match wanted {
                Wanted::Vendored(version) if !asks_for_yaml => AnswerType::Vendored(version),
                _ => AnswerType::Json,
            };
            (answer_type, next.run(request).await)
        }
        Err(refusal) => (AnswerType::Json, refusal.into_response()),
    };
    let is_success = response.status().is_success();
    let headers = response.headers_mut();
    if headers.get(CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        headers.insert(CONTENT_TYPE, answer_type.header_value());
    }
    if let (true, Some(product)) = (is_success, &settings.product) {
        headers.insert(PRODUCT, product.clone());
    }
    response
}

/// The format of a body of this media type; `None` when a body may not have it.
#[must_use]
pub(super) fn body_format(media_type: &str) -> Option<BodyFormat> {
    match wanted(media_type) {
        Ok(Wanted::Json | Wanted::Yaml | Wanted::Cbor | Wanted::Vendored(_)) => format_of(media_type),
        Ok(Wanted::Any) | Err(_) => None,
    }
}

/// A list of types counts as no preference.
fn asks_for_yaml(headers: &HeaderMap) -> bool {
    let text = shown(headers, &ACCEPT).filter(|text| !text.contains(','));
    text.and_then(|text| format_of(&text)) == Some(BodyFormat::Yaml)
}

/// The format of this name, whatever its version.
fn format_of(media_type: &str) -> Option<BodyFormat> {
    match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/json" | VENDORED_JSON => Some(BodyFormat::Json),
        "application/yaml" | VENDORED_YAML => Some(BodyFormat::Yaml),
        "application/cbor" | VENDORED_CBOR => Some(BodyFormat::Cbor),
        _ => None,
    }
}

/// What the answer is to be, and what the body is. The format of a body is that of the text that was judged.
fn agree(headers: &HeaderMap, has_body: bool) -> Result<(Wanted, BodyFormat), ApiError> {
    let accept_text = shown(headers, &ACCEPT);
    let accept = match &accept_text {
        Some(text) => accepted(text)?,
        None => Wanted::Any,
    };
    let mut body_format = BodyFormat::default();
    if has_body {
        if headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
            let reason = "only one Content-Type header should be provided";
            return Err(ErrorCause::illegal_argument(reason).into());
        }
        let Some(content_text) = shown(headers, &CONTENT_TYPE) else {
            return Err(ApiError::content_type_missing());
        };
        let content = contained(&content_text)?;
        refuse_mixed_versions(accept, content, accept_text.as_deref(), &content_text)?;
        body_format = format_of(&content_text).unwrap_or_default();
    }
    Ok((accept, body_format))
}

fn accepted(text: &str) -> Result<Wanted, ApiError> {
    // A list counts as no preference: requests without a body of some clients say `application/vnd…,
    // text/plain`.
    if text.contains(',') {
        return Ok(Wanted::Any);
    }
    match wanted(text) {
        Ok(accept) => Ok(accept),
        Err(Unspoken::MediaType) if is_media_type(text) => Ok(Wanted::Any),
        Err(Unspoken::MediaType) => {
            Err(ErrorCause::new(ErrorType::MediaTypeHeader, invalid("Accept")).into())
        }
        Err(Unspoken::Version) => Err(wrong_version("Accept", text)),
    }
}

fn contained(text: &str) -> Result<Wanted, ApiError> {
    match wanted(text) {
        Ok(Wanted::Any) | Err(Unspoken::MediaType) => Err(ApiError::content_type_unsupported(text)),
        Ok(content) => Ok(content),
        Err(Unspoken::Version) => Err(wrong_version("Content-Type", text)),
    }
}

/// Reads one media type (RFC 9110 section 8.3.1). Parameters other than the version do not matter.
fn wanted(text: &str) -> Result<Wanted, Unspoken> {
    let mut parts = text.split(';').map(|part| part.trim().to_ascii_lowercase());
    let name = parts.next().unwrap_or_default();
    match name.as_str() {
        "" | "*/*" | "application/*" => return Ok(Wanted::Any),
        "application/json" => return Ok(Wanted::Json),
        "application/yaml" => return Ok(Wanted::Yaml),
        "application/cbor" => return Ok(Wanted::Cbor),
        VENDORED_JSON | VENDORED_YAML | VENDORED_CBOR => {}
        _ => return Err(Unspoken::MediaType),
    }
    let version = parts.find_map(|part| part.strip_prefix("compatible-with=").map(str::to_owned));
    match version.as_deref().map(str::parse::<u8>) {
        None => Ok(Wanted::Json),
        Some(Ok(version)) if COMPATIBLE_VERSIONS.contains(&version) => Ok(Wanted::Vendored(version)),
        Some(_) => Err(Unspoken::Version),
    }
}

/// With a body, both headers name the same version or none does.
fn refuse_mixed_versions(
    accept: Wanted,
    content: Wanted,
    accept_text: Option<&str>,
    content_text: &str,
) -> Result<(), ApiError> {
    let is_mixed = match (accept, content) {
        (Wanted::Vendored(accept), Wanted::Vendored(content)) => accept != content,
        (Wanted::Vendored(_), _) | (_, Wanted::Vendored(_)) => true,
        _ => false,
    };
    if !is_mixed {
        return Ok(());
    }
    Err(version_error(format!(
        "A compatible version is required on both Content-Type and Accept headers if either one has requested a compatible version and the compatible versions must match. Accept={}, Content-Type={content_text}",
        accept_text.unwrap_or("null")
    )))
}

fn wrong_version(header: &str, text: &str) -> ApiError {
    let [current, previous] = COMPATIBLE_VERSIONS;
    version_error(format!(
        "{header} version must be either version {current} or {previous}, but found {text}"
    ))
}

/// About versions: the reason stands below what names the headers (Elasticsearch, `MediaTypeHeaderException`).
fn version_error(reason: String) -> ApiError {
    let cause = ErrorCause::new(ErrorType::Status, reason);
    ErrorCause::new(ErrorType::MediaTypeHeader, invalid("Accept, Content-Type")).caused_by(cause).into()
}

fn invalid(headers: &str) -> String {
    format!("Invalid media-type value on headers [{headers}]")
}

/// Whether a text has the form of a media type (RFC 9110, section 8.3.1), whatever it names.
fn is_media_type(text: &str) -> bool {
    let is_token = |part: &str| {
        let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !part.is_empty() && part.bytes().all(is_tchar)
    };
    let name = text.split(';').next().unwrap_or_default().trim();
    name.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// A header as text; bytes beyond ASCII are shown as replacement characters, which match no media type.
fn shown(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Whether a request brings at least one byte of body, or may.
pub(super) fn has_body(request: &Request) -> bool {
    use axum::body::HttpBody as _;
    !request.body().is_end_stream() && request.body().size_hint().upper() != Some(0)
}
