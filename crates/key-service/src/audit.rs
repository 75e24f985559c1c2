//! The audit log: who changed what, who read keys, who was refused, and whose request failed.
//!
//! A change is a row of the store, written in the same transaction, and a line of the log once that is
//! durable. A refusal, a failure and a reading are lines only. Lines go to the tracing target `audit`, which
//! the binary writes as JSON; inside a request each has the request's id. Neither rows nor lines ever carry a
//! secret, a password or an `Authorization` header.

pub(crate) mod actions;
pub(crate) mod directory_events;
pub(crate) mod feed_events;
pub(crate) mod operations;
pub(crate) mod token_events;

use latchkey_budget::{BudgetExceeded, Principal};
use latchkey_key_feed::{KeyId, UnixMillis, whole_millis};

use crate::lane::Cost;
use crate::model::asked_via::AskedVia;
use crate::model::precondition::Precondition;
use crate::model::source::Source;

/// The tracing target of every line of the audit log.
pub const TARGET: &str = "audit";

/// Most key ids in one line; a change of more keys is written as several lines.
const KEY_IDS_PER_LINE_MAX: usize = 100;

/// Most characters of a name that a stranger chose, in a line.
const CLAIMED_NAME_CHARS_MAX: usize = 128;

/// Who does something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The username; for an API key its owner's.
    pub username: String,
    /// The realm that vouched for the username; for an API key `_es_api_key`.
    pub realm: String,
    /// The API key that was presented, if it was one.
    pub api_key: Option<KeyId>,
    /// The user on whose behalf the request was made, when that is somebody else (run-as).
    pub run_as: Option<String>,
    /// The address that the request came from, if known.
    pub source: Option<Source>,
    /// Through which part of this process the request came, if it was one that asks on behalf of people.
    pub via: Option<AskedVia>,
    /// What must still be valid when a change for this actor is written.
    pub preconditions: Vec<Precondition>,
}

/// Something done to keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub action: ChangeAction,
    /// By whom.
    pub actor: Actor,
    /// To which keys.
    pub key_ids: Vec<KeyId>,
}

/// What can be done to keys. Its name, in snake case, is in the store and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum ChangeAction {
    /// The feed was given another name, so that all edges load again.
    BeginEpoch,
    /// A key was made with the powers of another.
    CloneApiKey,
    /// A key was made.
    CreateApiKey,
    /// Keys were made for somebody else.
    GrantApiKeys,
    /// Keys were imported from another store.
    ImportApiKeys,
    /// Keys were ended for ever.
    InvalidateApiKeys,
    /// Keys that had been dead for long were removed.
    RemoveApiKeys,
    /// Keys work again, because their owner was enabled.
    ResumeApiKeys,
    /// A key was given another secret.
    RotateApiKey,
    /// Keys stopped until their owner is enabled again.
    SuspendApiKeys,
    /// Keys were changed.
    UpdateApiKeys,
}

/// A request that was turned away.
#[derive(Clone, Debug)]
pub struct RefusalEvent<'a> {
    /// The path of the request, without its query.
    pub path: &'a str,
    /// Where it came from, when that is known.
    pub source: Option<Source>,
    /// Through which part of this process it came, if it was one that asks on behalf of people.
    pub via: Option<AskedVia>,
    /// Why.
    pub refusal: Refusal<'a>,
}

/// A change that was refused when it was to be written: its user, key or token ended after the request had
/// come.
#[derive(Clone, Debug)]
pub struct PreconditionFailedEvent<'a> {
    /// The action, under its name in the audit log.
    pub action: &'static str,
    /// Who asked.
    pub actor: &'a Actor,
    /// Why it was refused, from a bounded set.
    pub reason: &'static str,
    /// The user or the key that is no longer valid, if it has a name.
    pub claimed: Option<&'a str>,
}

/// A request that was allowed and failed.
#[derive(Clone, Debug)]
pub struct FailureEvent<'a> {
    /// The path of the request, without its query.
    pub path: &'a str,
    /// The Elasticsearch action.
    pub action: &'a str,
    /// Who asked.
    pub actor: &'a Actor,
    /// The status that was answered.
    pub status: u16,
}

/// Work that a request cost.
#[derive(Clone, Debug)]
pub struct CostEvent<'a> {
    /// Who asked.
    pub actor: &'a Actor,
    /// The path of the request, without its query.
    pub path: &'a str,
    /// What kind of work it was.
    pub lane: &'static str,
    /// What it cost.
    pub cost: &'a Cost,
}

/// Why a request was turned away.
#[derive(Clone, Debug)]
pub enum Refusal<'a> {
    /// A login whose password was not checked, because too many from the same source were wrong (429).
    Throttled {
        /// The username that was claimed.
        claimed: &'a str,
    },
    /// A credential that could not be checked, because something that the service needs is out of reach or
    /// overloaded (503). The credential may be good.
    Unavailable {
        /// What was missing, out of a bounded set.
        reason: &'static str,
    },
    /// Not authenticated (401).
    Unauthenticated {
        /// The cause, out of a bounded set.
        reason: &'static str,
        /// The username or key id that was claimed, if one was.
        claimed: Option<&'a str>,
    },
    /// Authenticated, but not allowed (403).
    Forbidden {
        /// The Elasticsearch action.
        action: &'a str,
        /// Who asked.
        actor: &'a Actor,
    },
}

impl Actor {
    /// The principal in the queue of changes.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal::new(&self.username, &self.realm)
    }

    /// The service itself, for what it does without a request.
    #[must_use]
    pub fn service() -> Self {
        Self {
            username: "_latchkey".to_owned(),
            realm: "_service".to_owned(),
            api_key: None,
            run_as: None,
            source: None,
            via: None,
            preconditions: Vec::new(),
        }
    }

    /// Through what the request came, for the log.
    fn via(&self) -> Option<&'static str> {
        self.via.map(<&'static str>::from)
    }

    /// The same, where the change depends on this as well.
    #[must_use]
    pub fn depending_on(mut self, precondition: impl IntoIterator<Item = Precondition>) -> Self {
        self.preconditions.extend(precondition);
        self
    }

    /// An operator who works on the store itself, with access to its files or to its database.
    #[must_use]
    pub fn operator() -> Self {
        let here = "_operator".to_owned();
        Self {
            username: here.clone(),
            realm: here,
            api_key: None,
            run_as: None,
            source: None,
            via: None,
            preconditions: Vec::new(),
        }
    }
}

/// Writes the lines of a change that is durable.
pub fn record_change(event: &ChangeEvent) {
    let actor = &event.actor;
    for ids in event.key_ids.chunks(KEY_IDS_PER_LINE_MAX) {
        let ids: Vec<&str> = ids.iter().map(KeyId::as_str).collect();
        tracing::info!(
            target: TARGET,
            at_ms = event.at.0,
            action = <&'static str>::from(event.action),
            outcome = "success",
            username = actor.username,
            realm = actor.realm,
            api_key = actor.api_key.as_ref().map(KeyId::as_str),
            run_as = actor.run_as,
            source = actor.source.map(tracing::field::display),
            via = actor.via(),
            key_ids = ids.join(","),
        );
    }
}

/// Writes the line of a refusal.
pub fn record_refusal(event: &RefusalEvent<'_>) {
    let source = event.source.map(tracing::field::display);
    let via = event.via.map(<&'static str>::from);
    match &event.refusal {
        Refusal::Unauthenticated { reason, claimed } => tracing::info!(
            target: TARGET,
            outcome = "unauthenticated",
            reason,
            claimed = claimed.map(shortened),
            path = event.path,
            source,
            via,
        ),
        Refusal::Throttled { claimed } => tracing::info!(
            target: TARGET,
            outcome = "throttled",
            reason = "login_throttled",
            claimed = shortened(claimed),
            path = event.path,
            source,
            via,
        ),
        Refusal::Unavailable { reason } => tracing::info!(
            target: TARGET,
            outcome = "unavailable",
            reason,
            path = event.path,
            source,
            via,
        ),
        Refusal::Forbidden { action, actor } => tracing::info!(
            target: TARGET,
            outcome = "forbidden",
            action,
            username = actor.username,
            realm = actor.realm,
            api_key = actor.api_key.as_ref().map(KeyId::as_str),
            run_as = actor.run_as.as_deref().map(shortened),
            path = event.path,
            source,
            via,
        ),
    }
}

/// Writes the line of a change that came too late.
pub fn record_failed_precondition(event: &PreconditionFailedEvent<'_>) {
    let actor = event.actor;
    tracing::info!(
        target: TARGET,
        outcome = "unauthenticated",
        reason = event.reason,
        claimed = event.claimed.map(shortened),
        action = event.action,
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as.as_deref().map(shortened),
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
    );
}

/// Writes the line of a failure. A change that failed has left nothing behind.
pub fn record_failure(event: &FailureEvent<'_>) {
    let actor = event.actor;
    tracing::info!(
        target: TARGET,
        outcome = "failure",
        action = event.action,
        status = event.status,
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as.as_deref().map(shortened),
        path = event.path,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
    );
}

/// Writes the line of a request that ran into a limit of its work.
pub fn record_work_limit(event: &CostEvent<'_>) {
    let CostEvent { actor, path, lane, cost } = event;
    tracing::info!(
        target: TARGET,
        outcome = "refused",
        reason = "work_limit",
        limit = cost.exceeded.map(BudgetExceeded::as_str),
        lane,
        steps = cost.steps,
        bytes = cost.bytes,
        took_ms = whole_millis(cost.took),
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        run_as = actor.run_as.as_deref().map(shortened),
        path,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
    );
}

/// Logs, outside of the audit log, a request that was done and cost much.
pub fn log_cost(event: &CostEvent<'_>) {
    let CostEvent { actor, path, lane, cost } = event;
    tracing::info!(
        lane,
        steps = cost.steps,
        bytes = cost.bytes,
        took_ms = whole_millis(cost.took),
        username = actor.username,
        realm = actor.realm,
        api_key = actor.api_key.as_ref().map(KeyId::as_str),
        path,
        source = actor.source.map(tracing::field::display),
        via = actor.via(),
        "request_cost"
    );
}

fn shortened(claimed: &str) -> String {
    claimed.chars().take(CLAIMED_NAME_CHARS_MAX).collect()
}
