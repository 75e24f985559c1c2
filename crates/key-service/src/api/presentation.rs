//! The parameters `filter_path`, `pretty`, `format` and `error_trace`: only some fields of an answer, an answer with line
//! breaks and indentation, one in YAML, or an error that tells its causes once more.
//!
//! ```text
//! filter_path = pattern *("," pattern)
//! pattern     = ["-"] segment *("." segment)
//! segment     = "**" / field name, with "*" for any text
//! ```
//!
//! An error is never filtered (Elasticsearch, `AbstractRestChannel#newErrorBuilder`).
//!
//! A pattern keeps the fields that it matches, with everything in them; after `-` it drops them. `**` matches
//! any number of fields, and arrays are searched element by element. Patterns that drop have precedence.

mod error_trace;
mod yaml;

use std::sync::LazyLock;

use super::error::{ApiError, IsError};
use super::media_type::AsksForYaml;
use super::parameters::Parameters;
use super::request_context::RequestContext;
use crate::fair_permits::FairPermits;
use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use latchkey_budget::{Allowance, Budget, BudgetExceeded, Principal};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Member, Node, NodeValue};
use latchkey_elastic::wildcard::Wildcard;

/// Longest answer that is reshaped, in bytes; a longer one is sent as it is. Reshaping takes some ten times
/// the memory.
const RESHAPED_LEN_MAX: usize = 8 * 1024 * 1024;

/// Most values of an answer that is reshaped; one with more is sent as it is. Each takes some hundred bytes
/// meanwhile.
const RESHAPED_VALUES_MAX: usize = 500_000;

/// Most answers that are reshaped at once, and of one principal; others wait.
const RESHAPED_AT_ONCE_MAX: usize = 2;
const RESHAPED_AT_ONCE_PER_PRINCIPAL_MAX: usize = 1;

/// Most steps that it takes to compare the fields of an answer with patterns: a tenth of a second or two, with the worst
/// patterns. An answer that would take more is sent as it is.
const FILTER_STEPS_MAX: u64 = 16_000_000;

/// From so many bytes on an answer is reshaped on a thread of its own.
const RESHAPED_APART_LEN: u64 = 16 * 1024;

/// Permits to reshape a long answer.
static RESHAPING: LazyLock<FairPermits> =
    LazyLock::new(|| FairPermits::new(RESHAPED_AT_ONCE_MAX, RESHAPED_AT_ONCE_PER_PRINCIPAL_MAX));

/// Most segments of all patterns together. Each is compared with each field of the answer.
const SEGMENTS_MAX: usize = 100;

/// What to do with an answer.
#[derive(Debug, Default)]
struct Presentation {
    kept: Vec<Vec<Segment>>,
    dropped: Vec<Vec<Segment>>,
    is_pretty: bool,
    is_yaml: bool,
    traces_errors: bool,
}

/// A step of a pattern.
#[derive(Debug)]
enum Segment {
    /// Any number of fields.
    AnyDepth,
    /// One field.
    Field(Wildcard),
}

/// The rest of a pattern, after the fields that were matched.
type Rest<'a> = &'a [Segment];

/// Reshapes the answer to a request that asks for it.
pub(super) async fn present(mut parameters: Parameters, request: Request, next: Next) -> Response {
    let asks_for_yaml = request.extensions().get::<AsksForYaml>().is_some();
    let presentation = match Presentation::of(&mut parameters, asks_for_yaml) {
        Ok(presentation) => presentation,
        Err(cause) => return ApiError::from(cause).into_response(),
    };
    let context = request.extensions().get::<RequestContext>().cloned();
    let response = next.run(request).await;
    let is_error = response.extensions().get::<IsError>().is_some();
    let presentation = if is_error { presentation.of_error() } else { presentation.of_success() };
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let len = response.body().size_hint().exact().unwrap_or(u64::MAX);
    if presentation.is_plain() || !is_json || len == 0 || len > RESHAPED_LEN_MAX as u64 {
        return response;
    }
    let is_yaml = presentation.is_yaml;
    let (mut parts, body) = response.into_parts();
    match reshaped(presentation, body, len, context).await {
        Ok(bytes) => {
            parts.headers.remove(CONTENT_LENGTH);
            if is_yaml {
                parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
            }
            Response::from_parts(parts, Body::from(bytes))
        }
        Err(error) => error.into_response(),
    }
}

/// A body of `len` bytes in its new shape. A long one waits for a permit before it is brought together in
/// memory.
async fn reshaped(
    presentation: Presentation,
    body: Body,
    len: u64,
    context: Option<RequestContext>,
) -> Result<Bytes, ApiError> {
    if len < RESHAPED_APART_LEN {
        return Ok(presentation.apply(to_bytes(body, RESHAPED_LEN_MAX).await.map_err(ApiError::internal)?));
    }
    let nobody = || Principal::new("", "");
    let principal = context.as_ref().and_then(RequestContext::principal).cloned().unwrap_or_else(nobody);
    let permit = RESHAPING.take(&principal).await;
    let bytes = to_bytes(body, RESHAPED_LEN_MAX).await.map_err(ApiError::internal)?;
    // What was asked is done by now, so its answer is sent all the same.
    let Ok(permit) = permit else { return Ok(bytes) };
    let reshaping = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        presentation.apply(bytes)
    });
    reshaping.await.map_err(ApiError::internal)
}

impl Presentation {
    /// The parameter `format` counts before the header `Accept`.
    fn of(parameters: &mut Parameters, asks_for_yaml: bool) -> Result<Self, ErrorCause> {
        let is_yaml = parameters.non_blank("format").map_or(asks_for_yaml, |format| format == "yaml");
        let is_pretty = parameters.boolean("pretty", false)?;
        let traces_errors = parameters.boolean("error_trace", false)?;
        // What it changes is a matter of the route.
        parameters.boolean("human", false)?;
        let mut presentation = Self { is_pretty, is_yaml, traces_errors, ..Self::default() };
        let filter_path = parameters.text("filter_path").unwrap_or_default();
        for pattern in filter_path.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            match pattern.strip_prefix('-') {
                Some(pattern) => presentation.dropped.push(segments(pattern)),
                None => presentation.kept.push(segments(pattern)),
            }
        }
        let segments = presentation.kept.iter().chain(&presentation.dropped).map(Vec::len).sum::<usize>();
        if segments > SEGMENTS_MAX {
            let reason =
                format!("filter_path has {segments} segments, the maximum allowed is {SEGMENTS_MAX}");
            return Err(ErrorCause::illegal_argument(reason));
        }
        Ok(presentation)
    }

    /// The same without the filter.
    fn of_error(self) -> Self {
        Self { kept: Vec::new(), dropped: Vec::new(), ..self }
    }

    fn of_success(self) -> Self {
        Self { traces_errors: false, ..self }
    }

    fn is_plain(&self) -> bool {
        let is_whole = self.kept.is_empty() && self.dropped.is_empty();
        is_whole && !self.is_pretty && !self.is_yaml && !self.traces_errors
    }

    fn filter(&self, node: &mut Node) -> Result<(), BudgetExceeded> {
        let mut budget = Budget::alone(Allowance { steps: FILTER_STEPS_MAX, bytes: 0 });
        drop_fields(node, &rests(&self.dropped), &mut budget)?;
        if !self.kept.is_empty() && !keep_fields(node, &rests(&self.kept), &mut budget)? {
            node.value = NodeValue::Object(Vec::new());
        }
        Ok(())
    }

    /// An answer that cannot be read, because metadata nests too deep or has too many values, stays as it is.
    fn apply(&self, answer: Bytes) -> Bytes {
        let Ok(mut node) = Node::parse_within(RESHAPED_VALUES_MAX, &answer) else { return answer };
        if self.traces_errors {
            error_trace::add(&mut node);
        }
        if self.filter(&mut node).is_err() {
            return answer;
        }
        let written = if self.is_yaml {
            yaml::write(&node)
        } else if self.is_pretty {
            serde_json::to_vec_pretty(&node)
                .map(|mut text| {
                    text.push(b'\n');
                    text
                })
                .ok()
        } else {
            serde_json::to_vec(&node).ok()
        };
        written.map_or(answer, Bytes::from)
    }
}

/// Keeps the elements that pass, until the budget ends.
fn retain<T>(
    elements: &mut Vec<T>,
    mut passes: impl FnMut(&mut T) -> Result<bool, BudgetExceeded>,
) -> Result<(), BudgetExceeded> {
    let mut outcome = Ok(());
    elements.retain_mut(|element| {
        if outcome.is_err() {
            return true;
        }
        passes(element).unwrap_or_else(|exceeded| {
            outcome = Err(exceeded);
            true
        })
    });
    outcome
}

fn segments(pattern: &str) -> Vec<Segment> {
    pattern
        .split('.')
        .map(|segment| match segment {
            "**" => Segment::AnyDepth,
            name => Segment::Field(Wildcard::new(name)),
        })
        .collect()
}

fn rests(patterns: &[Vec<Segment>]) -> Vec<Rest<'_>> {
    patterns.iter().map(Vec::as_slice).collect()
}

/// Whether anything is left.
fn keep_fields(node: &mut Node, rests: &[Rest<'_>], budget: &mut Budget) -> Result<bool, BudgetExceeded> {
    match &mut node.value {
        NodeValue::Array(elements) => {
            retain(elements, |element| keep_fields(element, rests, budget))?;
            Ok(!elements.is_empty())
        }
        NodeValue::Object(members) => {
            retain(members, |Member { name, value, .. }| {
                let (is_met, rests) = step(rests, name, budget)?;
                Ok(is_met || keep_fields(value, &rests, budget)?)
            })?;
            Ok(!members.is_empty())
        }
        NodeValue::Boolean(_) | NodeValue::Null | NodeValue::Number { .. } | NodeValue::String(_) => {
            Ok(false)
        }
    }
}

fn drop_fields(node: &mut Node, rests: &[Rest<'_>], budget: &mut Budget) -> Result<(), BudgetExceeded> {
    if rests.is_empty() {
        return Ok(());
    }
    match &mut node.value {
        NodeValue::Array(elements) => {
            elements.iter_mut().try_for_each(|element| drop_fields(element, rests, budget))
        }
        NodeValue::Object(members) => retain(members, |Member { name, value, .. }| {
            let (is_met, rests) = step(rests, name, budget)?;
            drop_fields(value, &rests, budget)?;
            Ok(!is_met)
        }),
        NodeValue::Boolean(_) | NodeValue::Null | NodeValue::Number { .. } | NodeValue::String(_) => Ok(()),
    }
}

/// Whether a field ends some pattern, and what remains of the others behind it.
fn step<'a>(
    rests: &[Rest<'a>],
    name: &str,
    budget: &mut Budget,
) -> Result<(bool, Vec<Rest<'a>>), BudgetExceeded> {
    let mut is_met = false;
    let mut next: Vec<Rest<'a>> = Vec::new();
    budget.spend(1 + rests.len())?;
    for rest in rests {
        let mut rest = *rest;
        // `**` may also match no field: then the field must match what follows it.
        while let Some((Segment::AnyDepth, after)) = rest.split_first() {
            next.push(rest);
            is_met |= after.is_empty();
            rest = after;
        }
        if let Some((Segment::Field(pattern), after)) = rest.split_first()
            && pattern.matches_within(name, budget)?
        {
            is_met |= after.is_empty();
            next.push(after);
        }
    }
    // A remainder is a place in the parameters, so that equal ones lie at the same address.
    next.sort_unstable_by_key(|rest| (rest.as_ptr().addr(), rest.len()));
    next.dedup_by_key(|rest| (rest.as_ptr().addr(), rest.len()));
    Ok((is_met, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(query: &str, answer: &'static str) -> String {
        let presentation = Presentation::of(&mut Parameters::new("/", query), false).unwrap();
        String::from_utf8(presentation.apply(Bytes::from_static(answer.as_bytes())).to_vec()).unwrap()
    }

    #[test]
    fn keeps_and_drops_what_the_patterns_lead_to() {
        // Elasticsearch, "Response filtering".
        let answer = r#"{"api_keys":[{"id":"1","name":"n","metadata":{"id":7}},{"name":"m"}],"total":2}"#;
        let rows = [
            ("total", r#"{"total":2}"#),
            ("api_keys.id", r#"{"api_keys":[{"id":"1"}]}"#),
            ("api_keys.id,total", r#"{"api_keys":[{"id":"1"}],"total":2}"#),
            ("api_keys.*me*.id", r#"{"api_keys":[{"metadata":{"id":7}}]}"#),
            ("**.id", r#"{"api_keys":[{"id":"1","metadata":{"id":7}}]}"#),
            ("api_keys.**", r#"{"api_keys":[{"id":"1","name":"n","metadata":{"id":7}},{"name":"m"}]}"#),
            ("-api_keys", r#"{"total":2}"#),
            ("-**.id", r#"{"api_keys":[{"name":"n","metadata":{}},{"name":"m"}],"total":2}"#),
            ("api_keys.*,-**.metadata", r#"{"api_keys":[{"id":"1","name":"n"},{"name":"m"}]}"#),
            ("zzz", "{}"),
            ("", answer),
        ];
        for (filter_path, expected) in rows {
            assert_eq!(present(&format!("filter_path={filter_path}"), answer), expected, "{filter_path}");
        }
    }

    #[test]
    fn writes_for_the_eye() {
        assert_eq!(present("pretty", r#"{"b":[1],"a":{}}"#), "{\n  \"b\": [\n    1\n  ],\n  \"a\": {}\n}\n");
        assert_eq!(present("pretty=false", r#"{"b":1}"#), r#"{"b":1}"#);
        assert_eq!(present("format=yaml", r#"{"b":[1,"x"],"a":"true"}"#), "---\nb:\n- 1\n- x\na: \"true\"\n");
        assert_eq!(present("format=json", r#"{"b":1}"#), r#"{"b":1}"#);
    }

    #[test]
    fn numbers_keep_their_digits_in_every_format() {
        let answer = r#"{"a":[18446744073709551616,-9223372036854775809,1.5,1e100]}"#;
        assert_eq!(present("filter_path=a", answer), answer.replace("1e100", "1e+100"));
        let yaml = "---\na:\n- 18446744073709551616\n- -9223372036854775809\n- 1.5\n- 1.0e+100\n";
        assert_eq!(present("format=yaml", answer), yaml);
        let long = "9".repeat(40);
        let long_answer: &'static str = format!(r#"{{"a":{long}}}"#).leak();
        assert_eq!(present("format=yaml", long_answer), format!("---\na: \"{long}\"\n"));
    }

    // Seen: sixteen such patterns kept a thread for a minute and a half, and nobody else had an answer reshaped meanwhile.
    #[test]
    fn an_answer_that_takes_too_long_to_filter_is_sent_as_it_is() {
        let name = "a".repeat(900);
        let many =
            format!("{{{}}}", (0..400).map(|n| format!(r#""{name}{n}":{n}"#)).collect::<Vec<_>>().join(","));
        let many: &'static str = many.leak();
        let hostile = vec![format!("**.*{}b", "a".repeat(450)); 16].join(",");
        assert_eq!(present(&format!("filter_path={hostile}"), many), many);
        let kept = present("filter_path=*7,*a3*", many);
        assert_eq!(kept.matches(&name).count(), 40 + 111 - 11, "those that end with 7 or begin with 3");
    }

    #[test]
    fn refuses_more_patterns_than_it_would_look_at() {
        let query = |segments| format!("filter_path=a{}", ".a".repeat(segments - 1));
        let parse = |segments| Presentation::of(&mut Parameters::new("/", &query(segments)), false);
        assert!(parse(SEGMENTS_MAX).is_ok());
        assert_eq!(
            parse(SEGMENTS_MAX + 1).unwrap_err().reason(),
            "filter_path has 101 segments, the maximum allowed is 100"
        );
    }
}
