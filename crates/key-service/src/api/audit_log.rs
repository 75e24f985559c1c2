//! `GET /_latchkey/audit`: the changes that are kept for the audit log.
//!
//! One request looks at a bounded number of them, whatever it looks for. Where there is more the answer says
//! where to go on.

mod request;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_budget::Budget;
use latchkey_privileges::cluster_request::{ClusterRequest, GET_AUDIT_LOG, KeySelection};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::answer::text::{AnswerText, WrittenAnswer};
use crate::api::audit_log::request::AuditRequest;
use crate::api::call::{Allowed, Incoming, Parsed};
use crate::api::error::ApiError;
use crate::limits::audit_limits::{AUDIT_ANSWER_LEN_MAX, AUDIT_EVENTS_LOOKED_AT_MAX};
use crate::security::authentication::Subject;
use crate::store::audit_trail::{self, KeptEvent, WantedEvents};
use crate::store::scan::Scan;

/// What the caller may see of the events that pass the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    /// Everything.
    All,
    /// What was done to the one key that is asked for.
    OneKey,
}

/// An event as it is shown.
#[derive(Serialize)]
struct ShownEvent {
    number: i64,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

pub(super) async fn list(call: Incoming) -> Result<Response, ApiError> {
    let (request, call) = call.parsed_by(AuditRequest::read)?;
    let (call, sight) = allowed(call, request.key()).await?;
    let filter = request.filter(call.now());
    let kept = audit_trail::kept_numbers(&call.store).await?;
    let numbers = kept.from(request.place, AUDIT_EVENTS_LOOKED_AT_MAX);
    let wanted = WantedEvents { filter, numbers, count_max: request.size };
    let (store, latest) = (call.store.clone(), kept.latest);
    let write = move |budget: &mut Budget| {
        let events = audit_trail::scan(&store, &wanted, budget.cancellation());
        write_page(events, &wanted, sight, latest, budget)
    };
    Ok(call.search(write).await?.with_status(StatusCode::OK))
}

/// Whoever may not read the audit log may still ask what was done to a key that he may read.
async fn allowed(call: Parsed, key: Option<&str>) -> Result<(Allowed, Sight), ApiError> {
    let everything = ClusterRequest::Other(GET_AUDIT_LOG);
    let (false, Some(key)) = (call.authenticated.may(&everything), key) else {
        return Ok((call.authorize(&everything)?, Sight::All));
    };
    let ids = [key.to_owned()];
    let get = |owner| ClusterRequest::GetKeys {
        selection: KeySelection { ids: &ids, owner, ..KeySelection::default() },
        with_limited_by: false,
    };
    if call.authenticated.may(&get(false)) {
        return Ok((call.authorize(&get(false))?, Sight::OneKey));
    }
    if !call.authenticated.may(&get(true)) {
        return Ok((call.authorize(&everything)?, Sight::All));
    }
    let call = call.authorize(&get(true))?;
    if !is_own_key(&call, key).await? {
        // This refuses, with the reason.
        call.authorize_too(&everything)?;
    }
    Ok((call, Sight::OneKey))
}

/// Whether the key is one of the user who asks. A key that is gone is nobody's.
async fn is_own_key(call: &Allowed, key: &str) -> Result<bool, ApiError> {
    let Subject::User(user) = call.authenticated.authentication.subject() else { return Ok(false) };
    let entry = call.store.find_entry(key).await?;
    Ok(entry.is_some_and(|entry| (&entry.username, &entry.realm) == (&user.username, &user.realm.name)))
}

fn write_page(
    mut events: Scan<KeptEvent>,
    wanted: &WantedEvents,
    sight: Sight,
    latest: i64,
    budget: &mut Budget,
) -> Result<WrittenAnswer, ApiError> {
    let mut page = Page::begin(latest, AUDIT_ANSWER_LEN_MAX, budget)?;
    let (mut read, mut next) = (0, wanted.numbers.rest);
    while let Some(event) = events.blocking_next() {
        let event = event?;
        read += 1;
        let number = event.number;
        if read == wanted.count_max {
            next = wanted.numbers.rest_after(number);
        }
        let Some(event) = sight.of(event, wanted) else { continue };
        if !page.push(event)? {
            // The event before it was the last that is shown.
            next = Some(if wanted.numbers.is_newest_first { number + 1 } else { number - 1 });
            break;
        }
    }
    page.finish(next)
}

impl Sight {
    /// What is shown of an event that the store found, if anything.
    fn of(self, event: KeptEvent, wanted: &WantedEvents) -> Option<KeptEvent> {
        match (self, &wanted.filter.key) {
            (Self::OneKey, Some(key)) => event.is_done_to(key).then(|| event.narrowed_to(key)),
            (Self::OneKey, None) => None,
            (Self::All, _) => wanted.filter.is_about_key(&event).then_some(event),
        }
    }
}

/// An answer that is being written, of a bounded length.
struct Page<'e> {
    text: AnswerText<'e>,
    len: usize,
    len_max: usize,
}

impl<'e> Page<'e> {
    fn begin(latest: i64, len_max: usize, budget: &'e mut Budget) -> Result<Self, ApiError> {
        let mut text = AnswerText::new(budget);
        text.push(&format!(r#"{{"latest":{latest},"events":["#))?;
        Ok(Self { text, len: 0, len_max })
    }

    /// Adds an event, unless there is no room for it. The first always has room.
    fn push(&mut self, event: KeptEvent) -> Result<bool, ApiError> {
        let shown = ShownEvent { number: event.number, fields: event.fields() };
        let shown = serde_json::to_string(&shown).map_err(ApiError::internal)?;
        let is_first = self.len == 0;
        let len = self.len.saturating_add(shown.len());
        if len > self.len_max && !is_first {
            return Ok(false);
        }
        self.len = len;
        if !is_first {
            self.text.push(",")?;
        }
        self.text.push(&shown)?;
        Ok(true)
    }

    fn finish(mut self, next: Option<i64>) -> Result<WrittenAnswer, ApiError> {
        let end = next.map_or_else(|| "]}".to_owned(), |next| format!(r#"],"next":{next}}}"#));
        self.text.push(&end)?;
        Ok(self.text.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::work_limits::SEARCH_ALLOWANCE;
    use crate::store::audit_trail::event;

    #[test]
    fn an_answer_ends_before_the_event_with_which_it_would_be_too_long() {
        let len = {
            let mut budget = Budget::alone(SEARCH_ALLOWANCE);
            let mut page = Page::begin(9, usize::MAX, &mut budget).unwrap();
            assert!(page.push(event()).unwrap());
            page.len
        };
        for (len_max, expected) in [(2 * len, [true, true]), (2 * len - 1, [true, false]), (0, [true, false])]
        {
            let mut budget = Budget::alone(SEARCH_ALLOWANCE);
            let mut page = Page::begin(9, len_max, &mut budget).unwrap();
            let fits = [1, 2].map(|number| page.push(KeptEvent { number, ..event() }).unwrap());
            assert_eq!(fits, expected, "{len_max}");
        }
    }
}
