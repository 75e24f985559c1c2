//! Parameters of the URL.
//!
//! A handler takes each parameter it knows by name, and then calls [`Parameters::finish`], which refuses all
//! parameters that were not taken: a misspelt filter must not select more keys unnoticed. Some names are
//! allowed everywhere.

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use latchkey_elastic::TimeValue;
use latchkey_elastic::suggestion::did_you_mean;
use latchkey_elastic::{ErrorCause, ErrorType};

use super::body_format::BodyFormat;
use super::error::ApiError;

/// Names that every route accepts. `filter_path`, `format` and `pretty` change the answer; a layer in front of all
/// routes sees to that.
const ALWAYS_ALLOWED: [&str; 5] = ["error_trace", "filter_path", "format", "human", "pretty"];

/// What a request has after the question mark.
#[derive(Clone)]
pub(crate) struct Parameters {
    path: String,
    given: BTreeMap<String, String>,
    asked: Vec<&'static str>,
}

/// How soon a change must be visible to a search. Reads here always see earlier writes, so all of them are
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// `true`, or no value at all.
    Immediate,
    /// `false`.
    None,
    /// `wait_for`.
    WaitFor,
}

impl Parameters {
    /// The parameters in `query`, of a request to `path`. If a name is repeated, its last value counts.
    #[must_use]
    pub(crate) fn new(path: &str, query: &str) -> Self {
        let given = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Self { path: path.to_owned(), given, asked: Vec::new() }
    }

    /// A text as it was given.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.asked.push(name);
        self.given.remove(name)
    }

    /// A text that is not blank: a blank one counts as absent.
    pub(crate) fn non_blank(&mut self, name: &'static str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A boolean; a name without a value is `true`.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` for anything but `true` and `false`.
    pub(crate) fn boolean(&mut self, name: &'static str, default: bool) -> Result<bool, ErrorCause> {
        Ok(self.boolean_if_any(name)?.unwrap_or(default))
    }

    /// The same, for a name that may be absent.
    ///
    /// # Errors
    ///
    /// As of [`Self::boolean`].
    pub(crate) fn boolean_if_any(&mut self, name: &'static str) -> Result<Option<bool>, ErrorCause> {
        match self.text(name).as_deref() {
            None => Ok(None),
            Some("" | "true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ErrorCause::illegal_argument(format!(
                "Failed to parse value [{other}] as only [true] or [false] are allowed."
            ))),
        }
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` for anything else.
    pub(crate) fn whole_number(&mut self, name: &'static str) -> Result<Option<u64>, ErrorCause> {
        let Some(text) = self.text(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ErrorCause::illegal_argument(format!(
                "Failed to parse int parameter [{name}] with value [{text}]"
            ))
        })
    }

    /// A duration.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` for anything else.
    pub(crate) fn time_value(&mut self, name: &'static str) -> Result<Option<TimeValue>, ErrorCause> {
        self.text(name).map(|text| TimeValue::parse(&text, name)).transpose()
    }

    /// The parameter `refresh`, if given.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` for an unknown value.
    pub(crate) fn refresh(&mut self) -> Result<Option<Refresh>, ErrorCause> {
        match self.text("refresh").as_deref() {
            None => Ok(None),
            Some("" | "true") => Ok(Some(Refresh::Immediate)),
            Some("false") => Ok(Some(Refresh::None)),
            Some("wait_for") => Ok(Some(Refresh::WaitFor)),
            Some(other) => {
                Err(ErrorCause::illegal_argument(format!("Unknown value for refresh: [{other}].")))
            }
        }
    }

    /// The body, or what the parameter `source` holds in its place. For routes that take a body and allow
    /// both.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` when `source` comes without `source_content_type`, or with one that a body
    /// cannot have.
    pub(crate) fn body_or_source(
        &mut self,
        body: Vec<u8>,
        format: BodyFormat,
    ) -> Result<(Vec<u8>, BodyFormat), ErrorCause> {
        let source = self.text("source");
        let content_type = self.text("source_content_type");
        match (source, content_type) {
            _ if !body.is_empty() => Ok((body, format)),
            (None, _) => Ok((Vec::new(), format)),
            (Some(source), Some(content_type)) => {
                let format = super::media_type::body_format(&content_type);
                format
                    .map(|format| (source.into_bytes(), format))
                    .ok_or_else(|| ErrorCause::illegal_argument("Unknown value for source_content_type"))
            }
            (Some(_), None) => {
                Err(ErrorCause::illegal_argument("source and source_content_type parameters are required"))
            }
        }
    }

    /// Refuses what was given but not taken.
    ///
    /// # Errors
    ///
    /// `illegal_argument_exception` that names every such parameter.
    pub(crate) fn finish(self) -> Result<(), ErrorCause> {
        let unknown: Vec<String> = self
            .given
            .keys()
            .filter(|name| !ALWAYS_ALLOWED.contains(&name.as_str()))
            .map(|name| match did_you_mean(name, self.asked.iter().copied()) {
                Some(suggestion) => format!("[{name}] -> {suggestion}"),
                None => format!("[{name}]"),
            })
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let plural = if unknown.len() > 1 { "s" } else { "" };
        Err(ErrorCause::illegal_argument(format!(
            "request [{}] contains unrecognized parameter{plural}: {}",
            self.path,
            unknown.join(", ")
        )))
    }
}

/// Refuses a percent sign that is not followed by two hexadecimal digits (Elasticsearch, `RestUtils#decodeComponent`).
fn check_escapes(query: &str) -> Result<(), ErrorCause> {
    let bad = |reason: String| {
        let shown = format!("java.lang.IllegalArgumentException: {reason}");
        Err(ErrorCause::new(ErrorType::BadParameter, shown).caused_by(ErrorCause::illegal_argument(reason)))
    };
    for part in query.split(['&', '=']) {
        for (index, _) in part.match_indices('%') {
            let digits: String = part.get(index + 1..).unwrap_or_default().chars().take(2).collect();
            match digits.chars().count() {
                0 => return bad(format!("unterminated escape sequence at end of string: {part}")),
                1 => return bad(format!("partial escape sequence at end of string: {part}")),
                _ if digits.chars().all(|digit| digit.is_ascii_hexdigit()) => {}
                _ => {
                    return bad(format!("invalid escape sequence `%{digits}' at index {index} of: {part}"));
                }
            }
        }
    }
    Ok(())
}

/// With the path as the client sent it, also inside of a nested router.
impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
        let query = uri.query().unwrap_or_default();
        check_escapes(query)?;
        Ok(Self::new(uri.path(), query))
    }
}

/// Shows names and no values, because `source` may hold a whole body with passwords.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        Parameters::new("/_security/api_key", query)
    }

    #[test]
    fn refuses_what_is_no_escape_sequence() {
        for good in ["", "a=%20&b=%7e%7E", "a%3D=b"] {
            assert!(check_escapes(good).is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("a=%zz", "invalid escape sequence `%zz' at index 0 of: %zz"),
            ("a=b&c=x%2", "partial escape sequence at end of string: x%2"),
            ("a%", "unterminated escape sequence at end of string: a%"),
        ] {
            let cause = check_escapes(bad).unwrap_err();
            assert_eq!(cause.cause().unwrap().reason(), reason);
        }
    }

    #[test]
    fn refuses_what_nobody_took() {
        // Elasticsearch, `BaseRestHandler#unrecognized`: query, reason.
        let rows = [
            ("", None),
            ("id=a&owner=true&pretty&human&filter_path=x&error_trace&format=json", None),
            ("zzz=1", Some("parameter: [zzz]")),
            ("ownr", Some("parameter: [ownr] -> did you mean [owner]?")),
            ("zzz&aaa", Some("parameters: [aaa], [zzz]")),
            ("source={}", Some("parameter: [source]")),
        ];
        for (query, complaint) in rows {
            let mut parameters = parameters(query);
            parameters.text("id");
            parameters.boolean("owner", false).unwrap();
            let reason = parameters.finish().err().map(|error| error.reason().to_owned());
            let expected =
                complaint.map(|text| format!("request [/_security/api_key] contains unrecognized {text}"));
            assert_eq!(reason, expected, "{query}");
        }
    }

    #[test]
    fn a_boolean_is_true_false_or_nothing() {
        // Elasticsearch, `Booleans#parseBoolean`: query, default, value.
        let rows = [
            ("", false, Some(false)),
            ("", true, Some(true)),
            ("b", false, Some(true)),
            ("b=", false, Some(true)),
            ("b=true", false, Some(true)),
            ("b=false", true, Some(false)),
            ("b=false&b=true", false, Some(true)),
            ("b=TRUE", false, None),
            ("b=1", false, None),
        ];
        for (query, default, value) in rows {
            assert_eq!(parameters(query).boolean("b", default).ok(), value, "{query}");
        }
        assert_eq!(
            parameters("b=1").boolean("b", false).unwrap_err().reason(),
            "Failed to parse value [1] as only [true] or [false] are allowed."
        );
    }

    #[test]
    fn refresh_has_three_values() {
        // Elasticsearch, `WriteRequest.RefreshPolicy#parse`.
        let rows = [
            ("", Ok(None)),
            ("refresh", Ok(Some(Refresh::Immediate))),
            ("refresh=true", Ok(Some(Refresh::Immediate))),
            ("refresh=false", Ok(Some(Refresh::None))),
            ("refresh=wait_for", Ok(Some(Refresh::WaitFor))),
            ("refresh=now", Err("Unknown value for refresh: [now].")),
        ];
        for (query, expected) in rows {
            let refresh = parameters(query).refresh();
            assert_eq!(refresh.as_ref().map_err(ErrorCause::reason).copied(), expected, "{query}");
        }
    }

    #[test]
    fn reads_encoded_texts_numbers_and_durations() {
        let mut parameters = parameters("name=a%2Cb+c%25&blank=%20&limit=10&wait=30s&bad=-1");
        assert_eq!(parameters.text("name").as_deref(), Some("a,b c%"));
        assert_eq!(parameters.non_blank("blank"), None);
        assert_eq!(parameters.whole_number("limit"), Ok(Some(10)));
        assert_eq!(parameters.whole_number("absent"), Ok(None));
        assert_eq!(parameters.time_value("wait").unwrap().map(TimeValue::whole_seconds), Some(30));
        assert_eq!(
            parameters.whole_number("bad").unwrap_err().reason(),
            "Failed to parse int parameter [bad] with value [-1]"
        );
    }

    #[test]
    fn prints_no_value() {
        assert_eq!(format!("{:?}", parameters("source=hunter2")), "{\"source\"}");
    }

    #[test]
    fn the_source_stands_in_for_an_absent_body() {
        let body = |query: &str, body: &str| {
            parameters(query).body_or_source(body.as_bytes().to_vec(), BodyFormat::Cbor)
        };
        let source = "source={}&source_content_type=application/";
        assert_eq!(body(&format!("{source}json"), ""), Ok((b"{}".to_vec(), BodyFormat::Json)));
        assert_eq!(body(&format!("{source}yaml"), ""), Ok((b"{}".to_vec(), BodyFormat::Yaml)));
        assert_eq!(body(&format!("{source}json"), "[]"), Ok((b"[]".to_vec(), BodyFormat::Cbor)));
        assert_eq!(body("", ""), Ok((Vec::new(), BodyFormat::Cbor)));
        assert!(body("source={}", "").is_err());
        assert!(body("source={}&source_content_type=text/plain", "").is_err());
    }
}
