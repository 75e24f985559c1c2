//! Waiting, once everything is as it is declared, until the edges go by it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use latchkey_key_feed::UnixMillis;
use serde_json::{Value, json};

use crate::cli::CommandFailed;
use crate::cli::key::KEYS;
use crate::cli::key::edge_wait::{Before, EdgeWaitArguments, EdgesReached};
use crate::cli::report::Report;
use crate::cli::service_client::ServiceClient;
use crate::limits::KEY_ID_RANDOM_LEN;
use crate::randomness::{SystemRandomness, draw};

/// How far all changes have come, as the service says it; `None` where nobody asked.
#[derive(Default)]
pub(super) struct Waited(Option<(EdgesReached, Value)>);

impl Waited {
    /// Waits for the edges, if that is asked for. Requests that change roles and privileges do not wait, and there may be
    /// nothing to change. So this ends a key that there is not: the service then waits for the latest of all changes.
    pub(super) fn for_edges(
        service: &ServiceClient,
        edges: &EdgeWaitArguments,
    ) -> Result<Self, CommandFailed> {
        if !edges.is_asked() {
            return Ok(Self(None));
        }
        let drawn = draw::<KEY_ID_RANDOM_LEN>(&SystemRandomness);
        let drawn = drawn.map_err(|error| CommandFailed::new(format!("no random numbers: {error}")))?;
        let body = json!({"ids": [URL_SAFE_NO_PAD.encode(drawn)]});
        let answer = service.ask(Method::DELETE, &edges.ask_in(KEYS), Some(&body))?.json;
        let said = answer.get("edges").cloned().unwrap_or_default();
        Ok(Self(EdgesReached::of(&answer).map(|reached| (reached, said))))
    }

    /// Adds it to a report.
    pub(super) fn told_in(&self, report: Report, now: UnixMillis) -> Report {
        let Some((reached, said)) = &self.0 else { return report };
        let Report { mut text, json } = report;
        text.push_str(&reached.told(Before::IsOld, now));
        let mut json: Value = serde_json::from_str(&json).unwrap_or_default();
        if let Some(object) = json.as_object_mut() {
            object.insert("edges".to_owned(), said.clone());
        }
        Report { text, json: json.to_string() }
    }

    /// Nothing, if it is certain that every edge goes by what is declared, or nobody asked.
    ///
    /// # Errors
    ///
    /// As of [`EdgesReached::require_all`].
    pub(super) fn require_all(&self) -> Result<(), CommandFailed> {
        self.0.as_ref().map_or(Ok(()), |(reached, _)| reached.require_all())
    }
}
