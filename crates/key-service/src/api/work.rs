//! Work that a request costs: in a lane, on the account of whoever asks, and told to the operator when it is much.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use latchkey_effort::{Effort, Overspent, SharedMemory};
use latchkey_elastic::ErrorCause;
use latchkey_elastic::content::{Node, missing_body};
use serde::Serialize;

use crate::api::Service;
use crate::api::answer::text::AnswerText;
use crate::api::authenticated::Authenticated;
use crate::api::error::ApiError;
use crate::audit::{self, Actor, CostEvent};
use crate::lane::{Cost, Lane, LaneBounds};
use crate::limits::work::{
    BODY_MEMORY, COSTLY_SHARE, LONG_BODY_LEN, QUESTION_ALLOWANCE, QUESTIONS_MAX, QUESTIONS_PER_PAYER_MAX,
    SEARCH_ALLOWANCE, SEARCHES_MAX, SEARCHES_PER_PAYER_MAX,
};
use crate::security::api_key::VerifiedKey;
use crate::security::realm::User;
use crate::security::standing::{NoStanding, Standing, WholeKey};
use crate::telemetry;

/// Where work of requests is done, and the memory that its answers share.
pub(super) struct Workshop {
    /// Searches and listings: they hold a connection to the store.
    pub(super) searches: Lane,
    /// Questions about privileges, and long bodies.
    pub(super) questions: Lane,
    pub(super) memory: SharedMemory,
    /// What long bodies of requests share.
    pub(super) bodies: SharedMemory,
}

impl Workshop {
    /// One whose answers share so many bytes.
    pub(super) fn new(answer_memory: usize) -> Self {
        let searches = LaneBounds {
            turns_max: SEARCHES_MAX,
            payer_turns_max: SEARCHES_PER_PAYER_MAX,
            allowance: SEARCH_ALLOWANCE,
        };
        let questions = LaneBounds {
            turns_max: QUESTIONS_MAX,
            payer_turns_max: QUESTIONS_PER_PAYER_MAX,
            allowance: QUESTION_ALLOWANCE,
        };
        Self {
            searches: Lane::new("search", searches),
            questions: Lane::new("question", questions),
            // Whoever reads nothing of what he asks for leaves a quarter to others.
            memory: SharedMemory::new(answer_memory, answer_memory / 4 * 3),
            bodies: SharedMemory::new(BODY_MEMORY, BODY_MEMORY / 4 * 3),
        }
    }
}

impl Service {
    pub(super) fn lanes(&self) -> [&Lane; 3] {
        [&self.workshop.searches, &self.workshop.questions, self.standings.lane()]
    }

    /// Does a piece of work for somebody, off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// Those of the work, and [`Overspent`] when it is not done.
    pub(super) async fn work<T, F>(
        &self,
        lane: &Lane,
        authenticated: &Authenticated,
        work: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Effort) -> Result<T, ApiError> + Send + 'static,
    {
        let tell = teller(lane, authenticated.actor(), authenticated.path());
        lane.run(&authenticated.payer(), &self.workshop.memory, work, tell).await
    }

    /// What a user may do, on the account of that user.
    ///
    /// # Errors
    ///
    /// When that is not known.
    pub(super) async fn standing_of_user(
        &self,
        user: &Arc<User>,
        authenticated: &Authenticated,
    ) -> Result<Standing, ApiError> {
        let teller = || teller(self.standings.lane(), authenticated.actor(), authenticated.path());
        Ok(self.standings.of_user(user, teller).await?)
    }

    /// All of a key, on the account of its owner.
    ///
    /// # Errors
    ///
    /// When it is not known.
    pub(super) async fn whole_key(
        &self,
        key: &VerifiedKey,
        authenticated: &Authenticated,
    ) -> Result<WholeKey, ApiError> {
        let teller = || teller(self.standings.lane(), authenticated.actor(), authenticated.path());
        Ok(self.standings.whole_key(key.key(), teller).await?)
    }

    /// Writes an answer of any length, off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// [`Overspent`] when it is not written.
    pub(super) async fn write_answer<T>(
        &self,
        authenticated: &Authenticated,
        status: StatusCode,
        answer: T,
    ) -> Result<Response, ApiError>
    where
        T: Serialize + Send + 'static,
    {
        let write = move |effort: &mut Effort| {
            let mut text = AnswerText::new(effort);
            text.push_json(&answer)?;
            Ok(text.finish())
        };
        Ok(self.work(&self.workshop.questions, authenticated, write).await?.with_status(status))
    }

    /// Reads the body of somebody's request: a long one off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// As of [`Node::parse`].
    pub(super) async fn read_body<T, F>(
        &self,
        authenticated: &Authenticated,
        body: Vec<u8>,
        read: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(Option<&Node>) -> Result<T, ApiError> + Send + 'static,
    {
        if body.len() < LONG_BODY_LEN {
            return read(Node::parse(&body)?.as_ref());
        }
        let reading = move |effort: &mut Effort| {
            effort.read(body.len())?;
            read(Node::parse(&body)?.as_ref())
        };
        self.work(&self.workshop.questions, authenticated, reading).await
    }

    /// The same for a route that cannot do without a body. `read` also looks for what is wrong with what it has read: that takes as
    /// long as the body is.
    ///
    /// # Errors
    ///
    /// As of [`Node::parse_required`].
    pub(super) async fn read_required_body<T, F>(
        &self,
        authenticated: &Authenticated,
        body: Vec<u8>,
        read: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Node) -> Result<T, ErrorCause> + Send + 'static,
    {
        let read = move |body: Option<&Node>| Ok(read(body.ok_or_else(missing_body)?)?);
        self.read_body(authenticated, body, read).await
    }
}

/// Tells the operator of what work in a lane has cost somebody, when it is much.
pub(super) fn teller(lane: &Lane, actor: Actor, path: &str) -> impl FnOnce(&Cost) + Send + 'static + use<> {
    let (name, allowance, path) = (lane.name(), lane.allowance(), path.to_owned());
    move |cost: &Cost| {
        telemetry::work::work_ended(name, cost);
        let event = CostEvent { actor: &actor, path: &path, lane: name, cost };
        if cost.overspent.is_some_and(|overspent| overspent != Overspent::Gone) {
            audit::record_work_limit(&event);
        } else if cost.steps >= allowance.steps / COSTLY_SHARE
            || cost.bytes as u64 >= allowance.bytes as u64 / COSTLY_SHARE
        {
            audit::log_cost(&event);
        }
    }
}

impl From<NoStanding> for ApiError {
    fn from(error: NoStanding) -> Self {
        match error {
            NoStanding::Store(error) => error.into(),
            NoStanding::Overspent(overspent) => overspent.into(),
        }
    }
}

impl From<Overspent> for ApiError {
    fn from(overspent: Overspent) -> Self {
        ErrorCause::from(overspent).into()
    }
}
