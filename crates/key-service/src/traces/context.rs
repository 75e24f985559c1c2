//! The trace to which a caller says that a request belongs (W3C Trace Context).

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::limits::trace_limits::TRACE_STATE_LEN_MAX;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// The two headers of a request. A client chooses them, so one that is there twice, or long, is not there.
struct TraceHeaders<'a>(&'a HeaderMap);

/// The trace that the headers name, if they name one.
pub(super) fn of(headers: &HeaderMap) -> Option<Context> {
    headers.get(PARENT)?;
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &TraceHeaders(headers));
    context.span().span_context().is_valid().then_some(context)
}

impl Extractor for TraceHeaders<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name).iter();
        let value = values.next()?.to_str().ok()?;
        let is_short = name != STATE || value.len() <= TRACE_STATE_LEN_MAX;
        (is_short && values.next().is_none()).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// Trace, parent and state that these headers name.
    fn named(fields: &[(&'static str, &str)]) -> Option<(String, String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let context = of(&headers)?;
        let span = context.span();
        let span = span.span_context();
        Some((span.trace_id().to_string(), span.span_id().to_string(), span.trace_state().header()))
    }

    #[test]
    fn a_caller_names_one_trace_or_none() {
        let named_by_caller = |state: &str| {
            let [trace, parent] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"].map(str::to_owned);
            Some((trace, parent, state.to_owned()))
        };
        assert_eq!(named(&[(PARENT, TRACE)]), named_by_caller(""));
        assert_eq!(named(&[(PARENT, TRACE), (STATE, "a=b")]), named_by_caller("a=b"));
        for fields in [
            &[][..],
            &[(STATE, "a=b")],
            &[(PARENT, TRACE), (PARENT, TRACE)],
            &[(PARENT, "00-00000000000000000000000000000000-00f067aa0ba902b7-01")],
            &[(PARENT, "secret")],
        ] {
            assert_eq!(named(fields), None, "{fields:?}");
        }
    }

    #[test]
    fn a_state_is_passed_on_up_to_its_limit_and_not_one_byte_more() {
        // A value has 256 bytes at most.
        let state = format!("a={},b=", "x".repeat(256));
        for (len, is_kept) in [(TRACE_STATE_LEN_MAX, true), (TRACE_STATE_LEN_MAX + 1, false)] {
            let state = format!("{state}{}", "y".repeat(len - state.len()));
            let (_, _, kept) = named(&[(PARENT, TRACE), (STATE, &state)]).unwrap();
            assert_eq!(kept, if is_kept { state } else { String::new() });
        }
    }
}
